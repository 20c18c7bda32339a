#include "confirm/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "confirm/files.hpp"

namespace holdfast {

namespace {

constexpr std::string_view format_name = "holdfast.checkpoint/1";
constexpr std::size_t largest_plugin = 1U << 30, largest_snapshot = 1U << 30, largest_text = 256U << 20;
// Kept free for reverted.json: a disk that fills up meanwhile must not hide what was done.
constexpr std::size_t reverted_room = 64U << 10;

std::string in(const std::string& directory, std::string_view name) {
    return fmt::format("{}/{}", directory, name);
}

Diagnostic cannot_write(const Diagnostic& why) {
    return failure("confirm.cannot-write",
                   fmt::format("what it takes to take the change back cannot be stored: {}", why.message),
                   "make room or mend the store's folder, then apply again");
}

Value to_value(const GuardedScope& scope) {
    return Value::map({{"provider", scope.provider},
                       {"plugin", scope.plugin},
                       {"plugin_hash", to_hex(scope.plugin_hash)},
                       {"config", scope.config},
                       {"target", scope.target},
                       {"scope", scope.scope},
                       {"snapshot", scope.snapshot}});
}

Value to_value(const Checkpoint& checkpoint) {
    List scopes, changes, entries;
    for (const GuardedScope& scope : checkpoint.scopes) scopes.push_back(to_value(scope));
    for (const GuardedChange& change : checkpoint.changes)
        changes.push_back(Value::map({{"address", to_string(change.address)},
                                      {"action", change.action},
                                      {"declared", to_hex(change.declared)}}));
    for (const std::string& entry : checkpoint.entries) entries.emplace_back(entry);
    return Value::map({{"format", format_name},
                       {"pass", checkpoint.pass},
                       {"stack", checkpoint.stack},
                       {"plan", checkpoint.plan},
                       {"commit", checkpoint.commit},
                       {"actor", checkpoint.actor},
                       {"boot_id", checkpoint.boot_id},
                       {"at_ms", checkpoint.at_ms},
                       {"timeout_ms", checkpoint.timeout_ms},
                       {"apply_limit_ms", checkpoint.apply_limit_ms},
                       {"restore_limit_ms", checkpoint.restore_limit_ms},
                       {"manual", checkpoint.is_manual},
                       {"blob_directory", checkpoint.blob_directory},
                       {"scopes", std::move(scopes)},
                       {"changes", std::move(changes)},
                       {"entries", std::move(entries)}});
}

std::string text_at(const Value& value, std::string_view key) { return std::string(value.text_at(key)); }

std::int64_t number_at(const Value& value, std::string_view key, std::int64_t otherwise = 0) {
    const Value* number = value.find(key);
    return number && number->if_integer() ? *number->if_integer() : otherwise;
}

bool flag_at(const Value& value, std::string_view key) {
    const Value* flag = value.find(key);
    return flag && flag->if_bool() && *flag->if_bool();
}

const List& list_at(const Value& value, std::string_view key) {
    static const List none;
    const Value* list = value.find(key);
    return list && list->if_list() ? *list->if_list() : none;
}

std::optional<Checkpoint> from_value(const Value& value) {
    if (value.text_at("format") != format_name) return std::nullopt;
    Checkpoint checkpoint{.pass = text_at(value, "pass"),
                          .stack = text_at(value, "stack"),
                          .plan = text_at(value, "plan"),
                          .commit = text_at(value, "commit"),
                          .actor = text_at(value, "actor"),
                          .boot_id = text_at(value, "boot_id"),
                          .at_ms = number_at(value, "at_ms"),
                          .timeout_ms = number_at(value, "timeout_ms"),
                          .apply_limit_ms = number_at(value, "apply_limit_ms"),
                          .restore_limit_ms = number_at(value, "restore_limit_ms"),
                          .is_manual = flag_at(value, "manual"),
                          .blob_directory = text_at(value, "blob_directory")};
    for (const Value& scope : list_at(value, "scopes")) {
        const auto hash = hash_from_hex(scope.text_at("plugin_hash"));
        const std::string file = text_at(scope, "snapshot");
        if (!hash || file.empty() || file.find('/') != file.npos) return std::nullopt;
        checkpoint.scopes.push_back({text_at(scope, "provider"), text_at(scope, "plugin"), *hash,
                                     text_at(scope, "config"), text_at(scope, "target"),
                                     text_at(scope, "scope"), file});
    }
    for (const Value& change : list_at(value, "changes")) {
        const Result<Address> address = parse_address(change.text_at("address"));
        const auto hash = hash_from_hex(change.text_at("declared"));
        if (!address || !hash) return std::nullopt;
        checkpoint.changes.push_back({*address, text_at(change, "action"), *hash});
    }
    checkpoint.entries = texts_of(value.find("entries"));
    if (checkpoint.pass.empty() || checkpoint.stack.empty() || checkpoint.scopes.empty()) return std::nullopt;
    return checkpoint;
}

// Verdicts are links to these: to make a link takes no room for content.
constexpr std::array<Verdict, 3> verdicts{Verdict::confirmed, Verdict::revert, Verdict::expired};

std::string token(Verdict verdict) { return fmt::format("token-{}", to_string(verdict)); }

std::string content_of(const GivenVerdict& given) {
    return to_json(Value::map({{"verdict", to_string(given.verdict)},
                               {"by", given.by},
                               {"why", given.why},
                               {"calm", given.is_calm},
                               {"at_ms", given.at_ms}}));
}

Status copy_plugin(const Checkpoint& checkpoint, const std::string& plugin, const std::string& from,
                   const std::string& to) {
    const Result<std::string> bytes = read_file(from, largest_plugin);
    if (!bytes) return bytes.error();
    for (const GuardedScope& scope : checkpoint.scopes)
        if (scope.plugin == plugin && scope.plugin_hash != sha256(*bytes))
            return failure(
                "confirm.plugin-changed",
                fmt::format("plugin {} is another file than the one that took the snapshot", plugin),
                "an upgrade is under way: apply again when it is done");
    return write_durably(in(to, fmt::format("libholdfast-{}.so", plugin)), *bytes);
}

Status reserve(const std::string& path) {
    const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const int error = file ? posix_fallocate(file.get(), 0, static_cast<off_t>(reverted_room)) : errno;
    if (error == 0 && fsync(file.get()) == 0) return Ok{};
    return failure("file.unwritable", fmt::format("cannot write {}: {}", path, error_text(error)));
}

Status write_all(const Checkpoint& checkpoint, const std::string& folder,
                 const std::vector<std::string>& snapshots,
                 const std::vector<std::pair<std::string, std::string>>& plugin_files) {
    for (std::size_t i = 0; i < snapshots.size(); ++i)
        if (Status written = write_durably(in(folder, checkpoint.scopes[i].snapshot), snapshots[i]); !written)
            return written;
    for (const auto& [plugin, file] : plugin_files)
        if (Status written = copy_plugin(checkpoint, plugin, file, folder); !written) return written;
    for (const Verdict verdict : verdicts)
        if (Status written = write_durably(in(folder, token(verdict)), content_of({.verdict = verdict}));
            !written)
            return written;
    for (const char* name : {"token-applied", "lock"})
        if (Status written = write_durably(in(folder, name), ""); !written) return written;
    if (Status reserved = reserve(in(folder, "reverted-room")); !reserved) return reserved;
    if (Status written = write_durably(in(folder, "checkpoint.json"), to_json(to_value(checkpoint)));
        !written)
        return written;
    return sync_directory(folder);
}

} // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::none: return "none";
        case Verdict::confirmed: return "confirmed";
        case Verdict::revert: return "revert";
        case Verdict::expired: return "expired";
    }
    return "none";
}

std::string confirm_directory(const std::string& store_directory) { return store_directory + "/confirm"; }

// Under a name with a dot until it is whole: whoever looks for checkpoints sees all of one or nothing.
Status write_checkpoint(const Checkpoint& checkpoint, const std::vector<std::string>& snapshots,
                        const std::vector<std::pair<std::string, std::string>>& plugin_files) {
    const std::string parent = parent_path(checkpoint.directory);
    const std::string folder = parent + "/." + checkpoint.directory.substr(parent.size() + 1);
    if (Status made = make_directories(parent, 0700); !made) return cannot_write(made.error());
    remove_directory(folder);
    if (Status made = make_directories(folder, 0700); !made) return cannot_write(made.error());
    Status written = write_all(checkpoint, folder, snapshots, plugin_files);
    if (written && rename(folder.c_str(), checkpoint.directory.c_str()) != 0)
        written = failure("file.unwritable", fmt::format("cannot rename {}: {}", folder, error_text(errno)));
    if (written) written = sync_directory(parent);
    if (written) return written;
    remove_directory(folder);
    remove_directory(checkpoint.directory);
    return written.error().code == "confirm.plugin-changed" ? written : cannot_write(written.error());
}

Result<Checkpoint> read_checkpoint(const std::string& directory) {
    const std::string path = in(directory, "checkpoint.json");
    const Result<std::string> text = read_file(path, largest_text);
    const Result<Value> value = text ? parse_json(*text) : Result<Value>(text.error());
    std::optional<Checkpoint> checkpoint = value ? from_value(*value) : std::nullopt;
    if (!checkpoint) {
        Diagnostic problem = failure(
            "confirm.unreadable",
            value ? fmt::format("{} is not a checkpoint", path)
                  : fmt::format("{}: {}", path, value.error().message),
            "what it was to take back cannot be taken back: look at the target, then remove the folder");
        problem.subject = path;
        return problem;
    }
    checkpoint->directory = directory;
    return *std::move(checkpoint);
}

std::vector<std::string> checkpoints_in(const std::string& store_directory) {
    const std::string parent = confirm_directory(store_directory);
    std::vector<std::string> found;
    for (const std::string& name : names_in(parent))
        if (!name.starts_with('.') && exists(in(parent, name) + "/checkpoint.json"))
            found.push_back(in(parent, name));
    return found;
}

void remove_checkpoint(const std::string& directory) {
    unlink(in(directory, "checkpoint.json").c_str());
    remove_directory(directory);
}

// link(2) fails where the name is taken, so of several verdicts at the same time the file system chooses one.
// The content is written before; where there is no room for it, a token without a reason has to do.
bool give_verdict(const std::string& directory, const GivenVerdict& given) {
    const std::string target = in(directory, "verdict");
    const std::string own = in(directory, fmt::format("given-{}-{}", to_string(given.verdict), getpid()));
    const bool is_written = write_durably(own, content_of(given)).ok();
    const std::string source = is_written ? own : in(directory, token(given.verdict));
    const bool has_won = link(source.c_str(), target.c_str()) == 0;
    unlink(own.c_str());
    if (has_won) (void)sync_directory(directory);
    return has_won;
}

GivenVerdict read_verdict(const std::string& directory) {
    if (!exists(in(directory, "checkpoint.json"))) return {.verdict = Verdict::confirmed};
    const Result<std::string> text = read_file(in(directory, "verdict"), 1U << 20);
    if (!text) return exists(directory) ? GivenVerdict{} : GivenVerdict{.verdict = Verdict::confirmed};
    GivenVerdict given{.verdict = Verdict::revert}; // of a verdict that cannot be read: the safe side
    const Result<Value> value = parse_json(*text);
    if (!value) return given;
    for (const Verdict verdict : verdicts)
        if (value->text_at("verdict") == to_string(verdict)) given.verdict = verdict;
    given.by = text_at(*value, "by");
    given.why = text_at(*value, "why");
    given.is_calm = flag_at(*value, "calm");
    given.at_ms = number_at(*value, "at_ms");
    return given;
}

// The time of the link is that of the inode's last change: nothing has to be written for it.
void mark_applied(const std::string& directory) {
    (void)link(in(directory, "token-applied").c_str(), in(directory, "applied").c_str());
}

std::optional<std::int64_t> applied_at_ms(const std::string& directory) {
    struct stat status {};
    if (stat(in(directory, "applied").c_str(), &status) != 0) return std::nullopt;
    return std::int64_t{status.st_ctim.tv_sec} * 1000 + status.st_ctim.tv_nsec / 1'000'000;
}

bool is_supervised(const std::string& directory) { return is_locked(in(directory, "lock")); }

std::optional<Reverted> read_reverted(const std::string& directory) {
    const Result<std::string> text = read_file(in(directory, "reverted.json"), 1U << 20);
    const Result<Value> value = text ? parse_json(*text) : Result<Value>(text.error());
    if (!value || !value->is_map()) return std::nullopt;
    Reverted reverted{.at_ms = number_at(*value, "at_ms"),
                      .is_complete = flag_at(*value, "complete"),
                      .verdict = read_verdict(directory)};
    reverted.done = texts_of(value->find("done"));
    reverted.problems = texts_of(value->find("problems"));
    return reverted;
}

// Into the room that was kept for it. A text that is too long for it loses its end: that it was reverted is
// what counts.
Status write_reverted(const std::string& directory, const Reverted& reverted) {
    const auto text_of = [&](std::size_t most_problems) {
        List done, problems;
        for (const std::string& one : reverted.done) done.emplace_back(one);
        for (std::size_t i = 0; i < std::min(most_problems, reverted.problems.size()); ++i)
            problems.emplace_back(reverted.problems[i].substr(0, 2000));
        return to_json(Value::map({{"at_ms", reverted.at_ms},
                                   {"complete", reverted.is_complete},
                                   {"done", std::move(done)},
                                   {"problems", std::move(problems)}}));
    };
    std::string text = text_of(20);
    if (text.size() > reverted_room) text = text_of(0);
    const std::string room = in(directory, "reverted-room"), path = in(directory, "reverted.json");
    const Fd file(open(room.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const bool is_written =
        file && pwrite(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
        ftruncate(file.get(), static_cast<off_t>(text.size())) == 0 && fsync(file.get()) == 0 &&
        rename(room.c_str(), path.c_str()) == 0;
    if (!is_written)
        return failure("file.unwritable", fmt::format("cannot write {}: {}", path, error_text(errno)));
    return sync_directory(directory);
}

// ---- for people

std::vector<PendingConfirmation> pending_confirmations(const std::string& store_directory) {
    std::vector<PendingConfirmation> pending;
    for (const std::string& directory : checkpoints_in(store_directory)) {
        const Result<Checkpoint> checkpoint = read_checkpoint(directory);
        if (!checkpoint || read_verdict(directory).verdict != Verdict::none) continue;
        PendingConfirmation& one = pending.emplace_back();
        one.directory = directory;
        one.stack = checkpoint->stack;
        one.pass = checkpoint->pass;
        one.actor = checkpoint->actor;
        one.commit = checkpoint->commit;
        one.is_manual = checkpoint->is_manual;
        one.is_supervised = is_supervised(directory);
        if (const auto applied = applied_at_ms(directory)) one.until_ms = *applied + checkpoint->timeout_ms;
        for (const GuardedChange& change : checkpoint->changes)
            one.changes.push_back(fmt::format("{} {}", change.action, to_string(change.address)));
    }
    return pending;
}

Result<PendingConfirmation> confirm_change(const std::string& store_directory, const std::string& stack,
                                           const std::string& actor, std::int64_t now_ms) {
    for (PendingConfirmation& pending : pending_confirmations(store_directory)) {
        if (pending.stack != stack) continue;
        const GivenVerdict confirmed{.verdict = Verdict::confirmed, .by = actor, .at_ms = now_ms};
        if (give_verdict(pending.directory, confirmed)) return std::move(pending);
        return failure("confirm.nothing",
                       fmt::format("too late: the change of stack {} is being taken back", stack),
                       "`holdfast status` says why; `holdfast resume` lets it be tried again");
    }
    return failure("confirm.nothing", fmt::format("nothing of stack {} waits for a confirmation", stack),
                   "`holdfast status` says what waits");
}

} // namespace holdfast
