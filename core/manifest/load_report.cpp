#include "manifest/load_report.hpp"

#include <fmt/core.h>

#include "manifest/paths.hpp"

namespace holdfast {

void LoadReport::only_whole(std::string why) {
    if (out_.only_whole.empty()) out_.only_whole = std::move(why);
}

void LoadReport::take_in(const std::string& path, const std::string& id) {
    if (!is_in_folder(path, stack_.path)) out_.taken_in.insert_or_assign(path, id);
}

Diagnostic& LoadReport::error(std::string_view code, const std::string& path, std::string message,
                              std::string hint) {
    Diagnostic& problem = out_.problems.error(code, std::move(message));
    problem.span.file = path;
    problem.hint = std::move(hint);
    return problem;
}

void LoadReport::block_prunes(const std::string& path) {
    if (out_.prunes_blocked.empty()) out_.prunes_blocked = fmt::format("{} could not be read in full", path);
}

void LoadReport::no_tree(Diagnostic problem) {
    problem.span = {stack_.origin.file, {stack_.origin.line, 1}, 0};
    problem.context.push_back(fmt::format("loading stack {} from \"{}\"", stack_.name, stack_.path));
    out_.prunes_blocked = problem.message;
    out_.problems.add(std::move(problem));
}

void LoadReport::unreadable(const std::string& path, Diagnostic problem) {
    if (problem.code == "git.too-large") {
        problem.code = "manifest.too-large";
        problem.hint = "split it, or name it in .holdfastignore if it is no manifest";
    }
    problem.span.file = path;
    out_.problems.add(std::move(problem));
    block_prunes(path);
}

void LoadReport::submodule(const std::string& path) {
    error("manifest.submodule", path, fmt::format("{} is a Git submodule, which is not read", path),
          "make it a stack of its own, or name it in .holdfastignore");
    block_prunes(path);
}

} // namespace holdfast
