#include <fmt/core.h>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "git/repository.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr std::string_view project_text =
    R"(# What Holdfast reconciles in this repository. See: holdfast help, docs/manifests.md.

# A provider is a plugin with its configuration. Documents are routed to it by their API group.
apiVersion: holdfast.dev/v1alpha1
kind: Provider
metadata: {{name: files}}
spec:
  plugin: host
  # Everything is written below this folder. A relative path starts at this file; for the machine itself
  # write "/".
  config: {{root: ./sandbox}}
---
# A stack is a folder of documents that are planned and applied together.
apiVersion: holdfast.dev/v1alpha1
kind: Stack
metadata: {{name: {name}}}
spec:
  path: ./{name}
  providers: {{host.holdfast.dev: files}}
  # Values for ${{{{ vars.NAME }}}} in documents:
  # vars: {{greeting: held fast}}
)";

constexpr std::string_view example_text =
    R"(# A file on the host, and the folder that it is in. Change it, commit, and run: holdfast apply
apiVersion: host.holdfast.dev/v1alpha1
kind: Directory
metadata: {name: etc}
spec: {path: etc, mode: "0755"}
---
apiVersion: host.holdfast.dev/v1alpha1
kind: File
metadata: {name: motd}
spec: {path: etc/motd, mode: "0644", content: "held fast\n"}
)";

struct NewFile {
    std::string path, text;
};

} // namespace

int run_init(const InitOptions& options, Context& context) {
    if (!is_name(options.name))
        return context.fail(failure("cli.bad-value",
                                    fmt::format("\"{}\" is no name for a stack", options.name),
                                    "small letters, digits, dots and hyphens, for instance web"));
    const auto repository = Repository::open(context.global.directory);
    if (!repository) return context.fail(repository.error());
    const std::string root = (*repository)->work_directory();
    if (root.empty())
        return context.fail(
            failure("init.bare-repository", "a bare repository has no files to write", "use a clone of it"));
    // The provider's folder has to exist, and what is written into it is no source.
    const NewFile files[] = {{"holdfast.yaml", fmt::format(project_text, fmt::arg("name", options.name))},
                             {options.name + "/motd.yaml", std::string(example_text)},
                             {"sandbox/.gitignore", "*\n"}};
    // All or nothing: a half-made start is harder to explain than none.
    for (const NewFile& file : files) {
        if (!exists(root + "/" + file.path)) continue;
        Diagnostic problem =
            failure("init.file-exists", fmt::format("{} exists already; nothing was written", file.path),
                    "this repository has been set up before; see: holdfast plan");
        problem.span.file = file.path;
        return context.fail(problem);
    }
    for (const NewFile& file : files) {
        const std::string path = root + "/" + file.path;
        if (const Status made = make_directories(parent_path(path)); !made) return context.fail(made.error());
        if (const Status written = write_file_atomically(path, file.text); !written)
            return context.fail(written.error());
        if (!context.json()) context.print(fmt::format("wrote {}\n", file.path));
    }
    if (context.json())
        context.print_json(
            Value::map({{"format", "holdfast.init/1"},
                        {"files", Value::list({files[0].path, files[1].path, files[2].path})}}));
    else
        context.print("\nNext: git add holdfast.yaml " + options.name +
                      " && git commit, then: holdfast plan\nBefore a commit: holdfast plan --working-tree\n");
    return exit_done;
}

} // namespace holdfast
