#include "control/records.hpp"

#include "base/json.hpp"
#include "control/message.hpp"
#include "store/journal.hpp"
#include "store/ledger.hpp"

namespace holdfast {

Value commit_to_json(const CommitInfo& commit) {
    return Value::map({{"id", commit.id},
                       {"author", commit.author},
                       {"email", commit.email},
                       {"subject", commit.subject},
                       {"time_s", commit.time_s}});
}

Value pass_to_json(const PassRecord& pass) {
    Map out;
    out.set("id", pass.id);
    out.set("stack", pass.stack);
    out.set("command", pass.command);
    out.set("actor", pass.actor);
    out.set("commit", pass.commit);
    out.set("commit_subject", pass.commit_subject);
    out.set("commit_author", pass.commit_author);
    out.set("plan_hash", pass.plan_hash);
    out.set("state", to_string(pass.state));
    out.set("started_ms", pass.started_ms);
    out.set("ended_ms", pass.ended_ms);
    if (Result<Value> summary = parse_json(pass.summary); !pass.summary.empty() && summary)
        out.set("summary", *summary);
    return out;
}

Value step_to_json(const JournalStep& step) {
    Map out;
    out.set("sequence", step.sequence);
    out.set("pass", step.pass);
    out.set("address", to_string(step.address));
    out.set("action", to_string(step.action));
    out.set("state", to_string(step.state));
    out.set("commit", step.commit);
    out.set("at_ms", step.at_ms);
    if (!step.message.empty()) out.set("message", step.message);
    if (Result<Value> changes = parse_json(step.changes); !step.changes.empty() && changes)
        out.set("changes", *changes);
    return out;
}

Value entry_to_json(const LedgerEntry& entry) {
    Map out;
    out.set("address", to_string(entry.address));
    out.set("provider", entry.provider);
    out.set("api_version", entry.api_version);
    out.set("state", to_string(entry.state));
    out.set("object", Value::map({{"target", entry.object.target},
                                  {"scope", entry.object.scope},
                                  {"kind", entry.object.kind},
                                  {"identity", entry.object.identity}}));
    out.set("protect", entry.protect);
    out.set("deletion", to_string(entry.deletion));
    out.set("commit", entry.commit);
    out.set("author", entry.author);
    out.set("file", entry.file);
    out.set("line", std::int64_t{entry.line});
    out.set("pass", entry.pass);
    out.set("applied_at_ms", entry.applied_at_ms);
    return out;
}

namespace {

template <typename Record>
Value list_of(const std::vector<Record>& records, Value (*to_json_of)(const Record&)) {
    List list;
    for (const Record& record : records) list.push_back(to_json_of(record));
    return Value(std::move(list));
}

} // namespace

Value why_to_message(const Why& why) {
    Map out;
    out.set("format", "holdfast.why/1");
    out.set("entry", entry_to_json(why.entry));
    if (!why.declared_by.id.empty()) out.set("declared_by", commit_to_json(why.declared_by));
    if (!why.line_by.id.empty()) out.set("line_by", commit_to_json(why.line_by));
    out.set("steps", list_of(why.steps, step_to_json));
    out.set("passes", list_of(why.passes, pass_to_json));
    out.set("problems", diagnostics_to_message(why.problems));
    return out;
}

Value history_to_message(const std::vector<PassRecord>& passes) {
    return Value::map({{"format", "holdfast.history/1"}, {"passes", list_of(passes, pass_to_json)}});
}

Value leaf_history_to_message(const LeafHistory& history) {
    return Value::map({{"format", "holdfast.history/1"},
                       {"address", to_string(history.address)},
                       {"steps", list_of(history.steps, step_to_json)},
                       {"passes", list_of(history.passes, pass_to_json)}});
}

// ---- and back

namespace {

Diagnostic not_understood(std::string_view what) {
    return failure("control.version",
                   "the daemon answered something that is no " + std::string(what) +
                       " as this program knows it",
                   "install holdfast and holdfastd of one release and restart the daemon");
}

std::int64_t number_at(const Value& value, std::string_view key) {
    const Value* found = value.find(key);
    return found && found->if_integer() ? *found->if_integer() : 0;
}

// Text that the store keeps as JSON and that was sent as what it stands for.
std::string json_at(const Value& value, std::string_view key) {
    const Value* found = value.find(key);
    return found ? to_json(*found) : std::string();
}

CommitInfo commit_from(const Value* value) {
    CommitInfo commit;
    if (!value) return commit;
    commit.id = value->text_at("id");
    commit.author = value->text_at("author");
    commit.email = value->text_at("email");
    commit.subject = value->text_at("subject");
    commit.time_s = number_at(*value, "time_s");
    return commit;
}

std::optional<PassRecord> pass_from(const Value& value) {
    const std::optional<PassState> state = pass_state_from(value.text_at("state"));
    if (!state) return std::nullopt;
    PassRecord pass;
    pass.id = value.text_at("id");
    pass.stack = value.text_at("stack");
    pass.command = value.text_at("command");
    pass.actor = value.text_at("actor");
    pass.commit = value.text_at("commit");
    pass.commit_subject = value.text_at("commit_subject");
    pass.commit_author = value.text_at("commit_author");
    pass.plan_hash = value.text_at("plan_hash");
    pass.state = *state;
    pass.started_ms = number_at(value, "started_ms");
    pass.ended_ms = number_at(value, "ended_ms");
    pass.summary = json_at(value, "summary");
    return pass;
}

std::optional<JournalStep> step_from(const Value& value) {
    const Result<Address> address = parse_address(value.text_at("address"));
    const std::optional<Action> action = action_from(value.text_at("action"));
    const std::optional<StepState> state = step_state_from(value.text_at("state"));
    if (!address || !action || !state) return std::nullopt;
    JournalStep step;
    step.sequence = number_at(value, "sequence");
    step.pass = value.text_at("pass");
    step.address = *address;
    step.action = *action;
    step.state = *state;
    step.commit = value.text_at("commit");
    step.changes = json_at(value, "changes");
    step.message = value.text_at("message");
    step.at_ms = number_at(value, "at_ms");
    return step;
}

std::optional<LedgerEntry> entry_from(const Value* value) {
    const Value* object = value ? value->find("object") : nullptr;
    if (!object) return std::nullopt;
    const Result<Address> address = parse_address(value->text_at("address"));
    const std::optional<EntryState> state = entry_state_from(value->text_at("state"));
    const std::optional<Deletion> deletion = deletion_from(value->text_at("deletion"));
    if (!address || !state || !deletion) return std::nullopt;
    LedgerEntry entry;
    entry.address = *address;
    entry.provider = value->text_at("provider");
    entry.api_version = value->text_at("api_version");
    entry.object = {std::string(object->text_at("target")), std::string(object->text_at("scope")),
                    std::string(object->text_at("kind")), std::string(object->text_at("identity"))};
    entry.state = *state;
    const Value* protect = value->find("protect");
    entry.protect = protect && protect->if_bool() && *protect->if_bool();
    entry.deletion = *deletion;
    entry.commit = value->text_at("commit");
    entry.author = value->text_at("author");
    entry.file = value->text_at("file");
    entry.line = static_cast<std::uint32_t>(number_at(*value, "line"));
    entry.pass = value->text_at("pass");
    entry.applied_at_ms = number_at(*value, "applied_at_ms");
    return entry;
}

// False where the list is missing or one of it is no such record.
template <typename Record>
bool read_list(const Value* list, std::optional<Record> (*from)(const Value&), std::vector<Record>& records) {
    if (!list || !list->if_list()) return false;
    for (const Value& value : *list->if_list()) {
        std::optional<Record> record = from(value);
        if (!record) return false;
        records.push_back(*std::move(record));
    }
    return true;
}

} // namespace

Result<Why> why_from_message(const Value& message) {
    std::optional<LedgerEntry> entry = entry_from(message.find("entry"));
    if (!entry) return not_understood("answer to `why`");
    Why why{.entry = *std::move(entry)};
    why.declared_by = commit_from(message.find("declared_by"));
    why.line_by = commit_from(message.find("line_by"));
    if (!read_list(message.find("steps"), step_from, why.steps) ||
        !read_list(message.find("passes"), pass_from, why.passes))
        return not_understood("answer to `why`");
    why.problems = diagnostics_from_message(message.find("problems"));
    return why;
}

Result<std::vector<PassRecord>> history_from_message(const Value& message) {
    std::vector<PassRecord> passes;
    if (!read_list(message.find("passes"), pass_from, passes)) return not_understood("history");
    return passes;
}

Result<LeafHistory> leaf_history_from_message(const Value& message) {
    const Result<Address> address = parse_address(message.text_at("address"));
    LeafHistory history;
    if (!address || !read_list(message.find("steps"), step_from, history.steps) ||
        !read_list(message.find("passes"), pass_from, history.passes))
        return not_understood("history of a leaf");
    history.address = *address;
    return history;
}

} // namespace holdfast
