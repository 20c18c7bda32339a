#include "render/render.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/text.hpp"
#include "manifest/paths.hpp"
#include "manifest/taken_in.hpp"
#include "render/export_tree.hpp"
#include "render/sandbox.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

namespace fs = std::filesystem;

// Removed with all that is in it.
class Workplace {
public:
    Workplace() : path_(fs::temp_directory_path().string() + "/holdfast-render-XXXXXX") {
        if (!mkdtemp(path_.data())) {
            error_ = errno;
            path_.clear();
            return;
        }
        // Nobody but us gets into it. Within, the tool, who may be nobody, reads the tree and has a home.
        std::error_code failed;
        fs::create_directories(tree(), failed);
        fs::create_directory(home(), failed);
        fs::create_directory(empty_folder(), failed);
        fs::permissions(home(), fs::perms(0777), failed);
    }
    ~Workplace() {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    Workplace(const Workplace&) = delete;
    Workplace& operator=(const Workplace&) = delete;

    int error() const { return error_; }
    std::string inside() const { return path_ + "/inside"; }
    std::string tree() const { return inside() + "/tree"; }
    std::string empty_folder() const { return path_ + "/empty"; }

private:
    std::string home() const { return inside() + "/home"; }

    std::string path_;
    int error_ = 0;
};

const std::string tree_inside = std::string(SandboxOptions::inside) + "/tree";

bool is_program(const std::string& path) {
    return access(path.c_str(), X_OK) == 0 && !fs::is_directory(path);
}

// What `renderers` names, or the first of these in the folders that the system installs programs to.
Result<std::string> program_of(RenderSpec::Tool tool, const Renderer& renderer) {
    const std::string name(to_string(tool));
    std::string found = renderer.program;
    if (found.empty())
        for (const char* const candidate : {"kustomize", "kubectl", "helm"})
            for (const char* const folder : {"/usr/local/bin", "/usr/bin", "/bin"}) {
                const bool is_it =
                    candidate == name || (name == "kustomize" && candidate == std::string("kubectl"));
                const std::string path = fmt::format("{}/{}", folder, candidate);
                if (found.empty() && is_it && is_program(path)) found = path;
            }
    if (found.empty() || !is_program(found))
        return failure(
            "render.no-tool",
            found.empty() ? fmt::format("{} is not installed", name)
                          : fmt::format("{} is no program that can be run", found),
            fmt::format("install {}{}, or name it under `renderers` in the operator's configuration", name,
                        name == "kustomize" ? " or kubectl" : ""));
    return found;
}

std::vector<std::string> command_of(const std::string& program, const StackDocument& stack) {
    const RenderSpec& spec = *stack.render;
    if (spec.tool == RenderSpec::Tool::kustomize) {
        const bool is_kubectl = name_of_file(program).starts_with("kubectl");
        return {program, is_kubectl ? "kustomize" : "build", "."};
    }
    // Hooks are programs that helm would run between its steps, tests among them: they declare nothing.
    std::vector<std::string> words{program, "template",   spec.release.empty() ? stack.name : spec.release,
                                   ".",     "--no-hooks", "--include-crds"};
    if (!spec.namespace_name.empty()) words.insert(words.end(), {"--namespace", spec.namespace_name});
    for (const std::string& values : spec.values)
        words.insert(words.end(), {"--values", fmt::format("{}/{}", tree_inside, values)});
    return words;
}

std::string without(std::string text, const std::string& what) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos;) text.erase(at, what.size());
    return text;
}

// A chart is a folder; a kustomization may name any file of the repository.
Status export_for(const Tree& tree, const StackDocument& stack, const std::string& directory) {
    if (stack.render->tool == RenderSpec::Tool::kustomize) return export_tree(tree, "", directory);
    if (Status done = export_tree(tree, stack.path, directory); !done) return done;
    for (const std::string& values : stack.render->values) {
        if (is_in_folder(values, stack.path)) continue;
        const std::optional<TreeFile> file = tree.find(values);
        if (!file)
            return failure("render.no-values", fmt::format("there is no file {} in the commit", values),
                           "correct spec.render.helm.values; paths are relative to the stack's folder");
        if (Status done = export_file(tree, *file, directory); !done) return done;
    }
    return Ok{};
}

} // namespace

Result<std::string> render(const Tree& tree, const StackDocument& stack, const OperatorConfig& config,
                           const std::stop_token& stop) {
    const RenderSpec& spec = *stack.render;
    const Renderer& renderer = spec.tool == RenderSpec::Tool::helm ? config.helm : config.kustomize;
    Result<std::string> program = program_of(spec.tool, renderer);
    if (!program) return program.error();
    const Workplace place;
    if (place.error() != 0)
        return failure("render.cannot-export",
                       fmt::format("cannot make a folder to render in: {}", error_text(place.error())),
                       "make room, or give Holdfast another TMPDIR");
    if (Status done = export_for(tree, stack, place.tree()); !done) return done.error();
    Result<std::string> text =
        run_in_sandbox({.command = command_of(*program, stack),
                        .workplace = place.inside(),
                        .empty_folder = place.empty_folder(),
                        .directory = stack.path.empty() ? tree_inside : tree_inside + "/" + stack.path,
                        .timeout = renderer.timeout,
                        .memory_max_bytes = renderer.memory_max_bytes,
                        .output_max_bytes = renderer.output_max_bytes},
                       stop);
    if (text) return text;
    // Its words are about files below a folder that nobody has ever seen.
    Diagnostic problem = text.error();
    problem.message = without(std::move(problem.message), tree_inside + "/");
    return problem;
}

} // namespace holdfast
