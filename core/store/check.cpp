#include "store/check.hpp"

#include <map>
#include <set>
#include <unordered_map>

#include <fmt/core.h>

#include "base/text.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

Diagnostic finding(const Database& database, Severity severity, std::string_view code, std::string what,
                   std::string hint) {
    Diagnostic found = failure(code, fmt::format("{}: {}", database.path(), what), std::move(hint));
    found.severity = severity;
    found.subject = database.path();
    return found;
}

void check_file(Database& database, Diagnostics& problems) {
    const std::optional<FileTrust> trust = trust_of(database.path());
    if (!trust || (!trust->readable_by_others && !trust->writable_by_others)) return;
    problems.add(
        finding(database, Severity::warning, "store.exposed",
                fmt::format("the file's mode is {:04o}: others than its owner have access", trust->mode),
                "chmod 600 " + database.path()));
}

// SQLite reports at most 100 damaged places, one a row, or the one row "ok".
void check_pages(Database& database, Diagnostics& problems) {
    database.run("PRAGMA ignore_check_constraints = OFF"); // they are looked at here, see set_pragmas()
    Query rows = database.query("PRAGMA integrity_check");
    while (rows.next()) {
        std::string what;
        rows.read(what);
        if (what == "ok") return;
        problems.add(finding(database, Severity::error, "store.corrupt", "the file is damaged: " + what,
                             "put the file aside and import the last export (`holdfast store import`)"));
    }
}

void check_foreign_keys(Database& database, Diagnostics& problems) {
    Query rows = database.query("PRAGMA foreign_key_check");
    while (rows.next()) {
        std::string table, parent;
        std::int64_t row = 0;
        rows.read(table, row, parent);
        problems.add(
            finding(database, Severity::error, "store.dangling",
                    fmt::format("row {} of {} belongs to a {} that is not there", row, table, parent),
                    "put the file aside and import the last export (`holdfast store import`)"));
    }
}

// One pass over the ledger: keys are what their objects say, no object has two owners, and whatever is
// half done has a step in the journal that says why.
void check_ledger(Database& database, Ledger& ledger, JournalTable& journal, Diagnostics& problems) {
    std::set<Address> open;
    for (const JournalStep& step : journal.open_steps({})) open.insert(step.address);
    std::unordered_map<Hash, Address> owners;
    Query keys = database.query(
        "SELECT object_key, comes_after FROM ledger ORDER BY stack, group_name, kind, name_space, "
        "name, part");
    for (const LedgerEntry& entry : ledger.all_entries(Detail::brief)) {
        const std::string address = to_string(entry.address);
        const Hash key = entry.object.key();
        Hash stored;
        std::string after;
        if (keys.next()) keys.read(stored, after);
        if (std::vector<Address> read; !read_addresses(after, read))
            problems.add(finding(database, Severity::error, "store.entry-damaged",
                                 fmt::format("what {} came after cannot be read", address),
                                 "run `holdfast apply`: it writes down what the document says now"));
        if (stored != key)
            problems.add(
                finding(database, Severity::error, "store.entry-damaged",
                        fmt::format("the key of {} does not fit the object that it records", address),
                        "forget the entry (`holdfast forget`); the next apply adopts the object"));
        const bool is_half_done = entry.state == EntryState::creating || entry.state == EntryState::deleting;
        if (is_half_done && !open.contains(entry.address))
            problems.add(finding(database, Severity::warning, "store.half-done",
                                 fmt::format("{} is recorded as {}, and no step in the journal says why",
                                             address, to_string(entry.state)),
                                 "run `holdfast apply`: the pass looks at the target and settles it"));
        if (entry.state == EntryState::deposed) continue; // its successor may well be the same object
        const auto [owner, is_new] = owners.emplace(key, entry.address);
        if (!is_new)
            problems.add(finding(
                database, Severity::error, "store.two-owners",
                fmt::format("{} and {} record the same target object", to_string(owner->second), address),
                "forget the wrong one of the two (`holdfast forget`)"));
    }
}

void check_open_steps(Database& database, JournalTable& journal, Diagnostics& problems) {
    std::map<std::string, std::size_t> open_by_pass;
    for (const JournalStep& step : journal.open_steps({})) ++open_by_pass[step.pass];
    for (const auto& [pass, count] : open_by_pass)
        problems.add(
            finding(database, Severity::warning, "store.open-steps",
                    fmt::format("pass {} left {} without an outcome", pass, count_of(count, "step")),
                    "if that pass is not running now it was interrupted: run `holdfast apply`, which "
                    "finds out what became of them"));
}

} // namespace

Diagnostics check_store(Database& database, Ledger& ledger, JournalTable& journal, Audit& audit) {
    Diagnostics problems;
    try {
        check_file(database, problems);
        check_pages(database, problems);
        if (problems.has_errors()) return problems; // rows of a damaged file say nothing
        const ReadTransaction one_state(database);
        check_foreign_keys(database, problems);
        audit.check(problems);
        check_ledger(database, ledger, journal, problems);
        check_open_steps(database, journal, problems);
    } catch (const Error& error) {
        problems.add(error.diagnostic());
    }
    return problems;
}

} // namespace holdfast
