#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/style.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

// The suggestion comes from names that a target chose; it must not lead out of the repository (law 14).
bool stays_inside(const std::string& path) {
    if (path.empty() || path.front() == '/') return false;
    for (std::string_view part : split(path, '/'))
        if (part == ".." || part == ".git" || part.empty()) return false;
    return true;
}

Status write_document(const Imported& imported, const std::string& root) {
    if (!stays_inside(imported.file))
        return failure("import.unsafe-path",
                       fmt::format("\"{}\" is no path inside the repository", printable(imported.file)),
                       "print the documents without --write and place them yourself");
    const std::string path = root + "/" + imported.file;
    if (exists(path))
        return failure("import.file-exists",
                       fmt::format("{} exists already and was not overwritten", printable(imported.file)),
                       "move it away, or print the documents without --write");
    if (const Status made = make_directories(parent_path(path)); !made) return made.error();
    return write_file_atomically(path, imported.yaml);
}

int write_all(const std::vector<Imported>& documents, Context& context) {
    Diagnostics problems;
    std::size_t written = 0;
    for (const Imported& imported : documents) {
        const Status status = write_document(imported, context.engine().work_directory());
        if (!status)
            problems.add(status.error());
        else
            ++written;
        if (status) context.print(fmt::format("{}  {}\n", printable(imported.file), printable(imported.id)));
    }
    context.print(fmt::format("{} written. Commit them; the next apply adopts the objects.\n",
                              count_of(written, "document")));
    context.report(problems);
    return problems.has_errors() ? exit_error : exit_done;
}

Value to_json(const std::vector<Imported>& documents) {
    List list;
    for (const Imported& imported : documents)
        list.push_back(Value::map({{"id", imported.id}, {"file", imported.file}, {"yaml", imported.yaml}}));
    return Value::map({{"format", "holdfast.import/1"}, {"documents", std::move(list)}});
}

} // namespace

int run_import(const ImportCommandOptions& options, Context& context) {
    if (!context.open({})) return exit_error;
    const std::vector<std::string> stacks = declared_stacks(context);
    if (!options.stack.empty())
        if (auto problem = check_stacks({options.stack}, stacks)) return context.fail(*problem);
    const Result<std::vector<Imported>> documents = context.engine().import_objects(
        {.provider = options.provider,
         .kind = options.kind,
         .scope = options.scope,
         .identities = options.identities,
         .stack = options.stack.empty() && stacks.size() == 1 ? stacks.front() : options.stack});
    if (!documents) return context.fail(documents.error());
    if (context.json()) {
        context.print_json(to_json(*documents));
        return exit_done;
    }
    if (documents->empty()) context.print("Nothing to import: every object is declared already.\n");
    if (options.write && !documents->empty()) return write_all(*documents, context);
    for (const Imported& imported : *documents)
        context.print(fmt::format("---\n# {}\n{}", printable(imported.file), imported.yaml));
    return exit_done;
}

} // namespace holdfast
