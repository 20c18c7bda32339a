#include <fstream>
#include <iostream>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/diagnostics_text.hpp"
#include "cli/render/plan_json.hpp"
#include "cli/render/style.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

int check_store(Context& context) {
    const Diagnostics problems = context.engine().store().check();
    if (context.json())
        context.print_json(
            Value::map({{"format", "holdfast.store-check/1"}, {"problems", diagnostics_to_json(problems)}}));
    context.report(problems);
    if (problems.empty() && !context.json())
        context.print(
            fmt::format("The store in {} is sound.\n", printable(context.engine().store_directory())));
    return problems.has_errors() ? exit_error : exit_done;
}

// A backup that stops halfway must not look like one: a file gets its name when it is complete.
int export_store(const std::string& file, Context& context) {
    std::string text;
    context.engine().store().export_to([&](std::string_view line) {
        text += line;
        text += '\n';
    });
    if (file.empty() || file == "-") {
        context.print(text);
        return exit_done;
    }
    const Status written = write_file_atomically(file, text, 0600);
    return written ? exit_done : context.fail(written.error());
}

int import_store(const std::string& file, Context& context) {
    std::ifstream stream;
    const bool from_input = file.empty() || file == "-";
    if (!from_input) {
        stream.open(file);
        if (!stream)
            return context.fail(
                failure("file.unreadable", fmt::format("cannot read {}", printable(file)), "check the path"));
    }
    std::istream& in = from_input ? std::cin : stream;
    const Status taken = context.engine().store().import_from(
        [&](std::string& line) { return static_cast<bool>(std::getline(in, line)); });
    if (!taken) return context.fail(taken.error());
    context.print("Imported. Check it with: holdfast store check\n");
    return exit_done;
}

// Without its memo a leaf is compared again, field by field.
void forget_comparisons(Store& store) {
    const std::vector<LedgerEntry> entries = store.all_entries(Detail::brief);
    std::vector<Store::Settled> memos;
    for (const LedgerEntry& entry : entries) memos.push_back({&entry, Hash{}, entry.version});
    store.remember_settled(memos);
}

int trim_store(bool all, Context& context) {
    Store& store = context.engine().store();
    store.trim_cache(context.clock().now_ms(), all ? 0 : cache_kept_ms);
    if (all) forget_comparisons(store);
    if (!context.json())
        context.print(all ? "Trimmed. The next pass reads and compares everything anew.\n" : "Trimmed.\n");
    return exit_done;
}

} // namespace

int run_store(const StoreCommandOptions& options, Context& context) {
    const bool is_import = options.action == "import", is_trim = options.action == "trim";
    if (!context.open({.read_only = !is_import && !is_trim})) return exit_error;
    if (options.action == "check") return check_store(context);
    if (is_trim) return trim_store(options.all, context);
    return is_import ? import_store(options.file, context) : export_store(options.file, context);
}

} // namespace holdfast
