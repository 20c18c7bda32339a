#include "store/exchange.hpp"

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace holdfast {

namespace {

constexpr std::string_view format_name = "holdfast-store";
constexpr std::int64_t format_version = 1;

// Each kind of record names its members once, for both directions: `Writer` and `Reader` are the visitors.

template <typename Visitor>
void visit_address(Visitor& v, Address& address) {
    v("stack", address.stack);
    v("group", address.id.group);
    v("kind", address.id.kind);
    v("namespace", address.id.name_space);
    v("name", address.id.name);
    v("part", address.id.part);
}

template <typename Visitor>
void visit(Visitor& v, LedgerEntry& e) {
    visit_address(v, e.address);
    v("provider", e.provider);
    v("api_version", e.api_version);
    v("target", e.object.target);
    v("scope", e.object.scope);
    v("object_kind", e.object.kind);
    v("identity", e.object.identity);
    v("state", e.state);
    v("declared_hash", e.declared_hash);
    v("settled", e.settled);
    v("declared", e.declared);
    v("observed", e.observed);
    v("version", e.version);
    v("private_data", e.private_data);
    v("refreshed", e.refreshed);
    v("protect", e.protect);
    v("deletion", e.deletion);
    v.optional("after", e.after);
    v.optional("wave", e.wave);
    v("plugin_version", e.plugin_version);
    v("commit", e.commit);
    v("author", e.author);
    v("file", e.file);
    v("line", e.line);
    v("pass", e.pass);
    v("applied_at_ms", e.applied_at_ms);
}

template <typename Visitor>
void visit(Visitor& v, PassRecord& p) {
    v("id", p.id);
    v("stack", p.stack);
    v("command", p.command);
    v("actor", p.actor);
    v("commit", p.commit);
    v("commit_subject", p.commit_subject);
    v("commit_author", p.commit_author);
    v("plan_hash", p.plan_hash);
    v("state", p.state);
    v("started_ms", p.started_ms);
    v("ended_ms", p.ended_ms);
    v("summary", p.summary);
}

struct StepWithIntent {
    JournalStep step;
    std::int64_t intent = 0;
};

template <typename Visitor>
void visit(Visitor& v, StepWithIntent& s) {
    v("sequence", s.step.sequence);
    v("pass", s.step.pass);
    visit_address(v, s.step.address);
    v("action", s.step.action);
    v("state", s.step.state);
    v("intent", s.intent);
    v("commit", s.step.commit);
    v("changes", s.step.changes);
    v("message", s.step.message);
    v("at_ms", s.step.at_ms);
}

template <typename Visitor>
void visit(Visitor& v, Approval& a) {
    v("stack", a.stack);
    v("plan", a.plan);
    v("actor", a.actor);
    v("at_ms", a.at_ms);
}

template <typename Visitor>
void visit(Visitor& v, Store::StackMemory& s) {
    v("name", s.name);
    v("deletion", s.deletion);
    v("last_commit", s.last_commit);
    v("providers", s.providers);
    v("applied_at_ms", s.applied_at_ms);
}

template <typename Visitor>
void visit(Visitor& v, Store::StackHold& h) {
    v("stack", h.stack);
    v("is_suspended", h.is_suspended);
    v("suspended_by", h.suspended_by);
    v("suspend_reason", h.suspend_reason);
    v("suspended_at_ms", h.suspended_at_ms);
    v("pin", h.pin);
    v("pinned_by", h.pinned_by);
    v("pin_reason", h.pin_reason);
    v("pinned_at_ms", h.pinned_at_ms);
}

template <typename Visitor>
void visit(Visitor& v, Store::Quarantined& q) {
    visit_address(v, q.address);
    v("declared", q.declared);
    v("pass", q.pass);
    v("why", q.why);
    v("at_ms", q.at_ms);
}

template <typename Visitor>
void visit(Visitor& v, AuditRecord& r) {
    v("sequence", r.sequence);
    v("at_ms", r.at_ms);
    v("actor", r.actor);
    v("action", r.action);
    v("subject", r.subject);
    v("detail", r.detail);
    v("chain", r.chain);
}

std::optional<EntryState> word_to(std::string_view word, EntryState) { return entry_state_from(word); }
std::optional<Deletion> word_to(std::string_view word, Deletion) { return deletion_from(word); }
std::optional<PassState> word_to(std::string_view word, PassState) { return pass_state_from(word); }
std::optional<StepState> word_to(std::string_view word, StepState) { return step_state_from(word); }
std::optional<Action> word_to(std::string_view word, Action) { return action_from(word); }

class Writer {
public:
    explicit Writer(std::string_view type) { record_.set("type", type); }

    void operator()(std::string_view key, const std::string& text) {
        // What a plugin keeps need not be text.
        if (is_utf8(text))
            record_.set(key, text);
        else
            record_.set(key, Value::map({{"base64", to_base64(text)}}));
    }
    void operator()(std::string_view key, Symbol symbol) { (*this)(key, symbol.str()); }
    void operator()(std::string_view key, std::int64_t number) { record_.set(key, number); }
    void operator()(std::string_view key, std::uint32_t number) { record_.set(key, std::int64_t{number}); }
    void operator()(std::string_view key, bool flag) { record_.set(key, flag); }
    void operator()(std::string_view key, const Hash& hash) { record_.set(key, to_hex(hash)); }
    template <typename Enum>
    requires std::is_enum_v<Enum>
    void operator()(std::string_view key, Enum word) { record_.set(key, to_string(word)); }
    // What most records have not, and those of older exports never.
    void optional(std::string_view key, const std::vector<Address>& addresses) {
        if (!addresses.empty()) (*this)(key, write_addresses(addresses));
    }
    void optional(std::string_view key, std::int32_t number) {
        if (number != 0) (*this)(key, std::int64_t{number});
    }
    std::string line() && { return to_json(std::move(record_)); }

private:
    Map record_;
};

// Keeps the first problem; what follows is read for nothing then.
class Reader {
public:
    explicit Reader(const Value& record) : record_(record) {}

    void operator()(std::string_view key, std::string& text) {
        const Value* value = record_.find(key);
        if (value && value->if_string()) {
            text = *value->if_string();
            return;
        }
        const Value* encoded = value ? value->find("base64") : nullptr;
        const auto bytes =
            encoded && encoded->if_string() ? from_base64(*encoded->if_string()) : std::nullopt;
        if (bytes)
            text = *bytes;
        else
            blame(key, "text");
    }
    void operator()(std::string_view key, Symbol& symbol) {
        std::string text;
        (*this)(key, text);
        symbol = text;
    }
    void operator()(std::string_view key, std::int64_t& number) {
        const Value* value = record_.find(key);
        if (value && value->if_integer())
            number = *value->if_integer();
        else
            blame(key, "an integer");
    }
    void operator()(std::string_view key, std::uint32_t& number) {
        std::int64_t wide = -1;
        (*this)(key, wide);
        if (wide < 0 || wide > std::int64_t{UINT32_MAX})
            blame(key, "a count");
        else
            number = static_cast<std::uint32_t>(wide);
    }
    void operator()(std::string_view key, bool& flag) {
        const Value* value = record_.find(key);
        if (value && value->if_bool())
            flag = *value->if_bool();
        else
            blame(key, "true or false");
    }
    void operator()(std::string_view key, Hash& hash) {
        const auto found = hash_from_hex(record_.text_at(key));
        if (found)
            hash = *found;
        else
            blame(key, "a hash of 64 digits");
    }
    template <typename Enum>
    requires std::is_enum_v<Enum>
    void operator()(std::string_view key, Enum& word) {
        const auto found = word_to(record_.text_at(key), Enum{});
        if (found)
            word = *found;
        else
            blame(key, "one of the words for it");
    }
    void optional(std::string_view key, std::vector<Address>& addresses) {
        if (!record_.find(key)) return;
        std::string text;
        (*this)(key, text);
        if (!read_addresses(text, addresses)) blame(key, "a list of addresses");
    }
    void optional(std::string_view key, std::int32_t& number) {
        if (!record_.find(key)) return;
        std::int64_t wide = 0;
        (*this)(key, wide);
        if (wide < INT32_MIN || wide > INT32_MAX)
            blame(key, "a wave");
        else
            number = static_cast<std::int32_t>(wide);
    }
    const std::string& problem() const { return problem_; }

private:
    void blame(std::string_view key, std::string_view expected) {
        if (problem_.empty()) problem_ = fmt::format("\"{}\" is missing or is not {}", key, expected);
    }

    const Value& record_;
    std::string problem_;
};

template <typename Record>
std::string line_of(std::string_view type, const Record& record) {
    Writer writer(type);
    Record copy = record; // a visitor for both directions takes what it could change
    visit(writer, copy);
    return std::move(writer).line();
}

bool is_empty(Database& database) {
    return database.number("SELECT (SELECT count(*) FROM ledger) + (SELECT count(*) FROM pass) + "
                           "(SELECT count(*) FROM audit) + (SELECT count(*) FROM stack) + "
                           "(SELECT count(*) FROM approval) + (SELECT count(*) FROM stack_hold) + "
                           "(SELECT count(*) FROM quarantine)") == 0;
}

// One import: takes line after line and says what is wrong with it, or nothing.
class Import {
public:
    explicit Import(StoreParts parts) : parts_(parts) {}

    std::string take(const std::string& line) {
        if (is_ended_) return "there is more after the last line of the export";
        const Result<Value> record = parse_json(line);
        if (!record) return record.error().message;
        if (!record->is_map()) return "the line is not a JSON object";
        return has_header_ ? take_record(*record) : take_header(*record);
    }
    bool is_ended() const { return is_ended_; }

private:
    std::string take_header(const Value& header) {
        if (header.text_at("format") != format_name) return "this is not an export of a Holdfast store";
        const Value* version = header.find("version");
        if (!version || *version != Value(format_version))
            return fmt::format("the export has another version than {}: use the Holdfast that wrote it",
                               format_version);
        const auto key = from_base64(header.text_at("masking_key"));
        if (!key || key->size() != 32) return "the masking key is not 32 bytes in base64";
        parts_.database.query("UPDATE installation SET masking_key = ?1").run(ConstBlob{*key});
        has_header_ = true;
        return {};
    }

    std::string take_record(const Value& record) {
        const std::string_view type = record.text_at("type");
        if (type == "end") return take_end(record);
        ++records_;
        if (type == "entry")
            return read<LedgerEntry>(record, [&](const LedgerEntry& e) { parts_.ledger.upsert(e); });
        if (type == "pass")
            return read<PassRecord>(record, [&](const PassRecord& p) { parts_.journal.begin(p); });
        if (type == "step")
            return read<StepWithIntent>(
                record, [&](const StepWithIntent& s) { parts_.journal.restore(s.step, s.intent); });
        if (type == "approval")
            return read<Approval>(record, [&](const Approval& a) { parts_.stacks.approve(a); });
        if (type == "stack")
            return read<Store::StackMemory>(record,
                                            [&](const Store::StackMemory& s) { parts_.stacks.remember(s); });
        if (type == "hold")
            return read<Store::StackHold>(record,
                                          [&](const Store::StackHold& h) { parts_.stacks.set_hold(h); });
        if (type == "quarantine")
            return read<Store::Quarantined>(
                record, [&](const Store::Quarantined& q) { parts_.stacks.quarantine(q); });
        if (type == "audit")
            return read<AuditRecord>(record, [&](const AuditRecord& r) { parts_.audit.restore(r); });
        return fmt::format("\"{}\" is no kind of record", type);
    }

    template <typename Record, typename Take>
    std::string read(const Value& value, Take take) {
        Record record;
        Reader reader(value);
        visit(reader, record);
        if (reader.problem().empty()) take(record);
        return reader.problem();
    }

    std::string take_end(const Value& end) {
        const Value* count = end.find("records");
        if (!count || *count != Value(records_))
            return fmt::format("{} records came, not what it says", records_);
        is_ended_ = true;
        return {};
    }

    StoreParts parts_;
    std::int64_t records_ = 0;
    bool has_header_ = false;
    bool is_ended_ = false;
};

Diagnostic broken_line(std::size_t number, const std::string& what) {
    return failure("store.import", fmt::format("line {} of the export: {}", number, what),
                   "nothing was imported; export again, or repair the line");
}

} // namespace

std::string export_entry(const LedgerEntry& entry) { return line_of("entry", entry); }

Result<LedgerEntry> import_entry(std::string_view json) {
    const Result<Value> record = parse_json(json);
    if (!record) return record.error();
    LedgerEntry entry;
    Reader reader(*record);
    visit(reader, entry);
    if (!reader.problem().empty()) return failure("store.import", reader.problem());
    return entry;
}

void export_store(StoreParts parts, const std::function<void(std::string_view line)>& write) {
    const ReadTransaction one_state(parts.database);
    std::int64_t records = 0;
    auto put = [&](const std::string& line) {
        write(line);
        ++records;
    };
    std::string key;
    if (Query row = parts.database.query("SELECT masking_key FROM installation"); row.find()) row.read(key);
    write(to_json(
        Value::map({{"format", format_name}, {"version", format_version}, {"masking_key", to_base64(key)}})));
    parts.ledger.for_each([&](const LedgerEntry& e) { put(line_of("entry", e)); });
    parts.journal.for_each_pass([&](const PassRecord& p) { put(line_of("pass", p)); });
    parts.journal.for_each_step([&](const JournalStep& s, std::int64_t intent) {
        put(line_of("step", StepWithIntent{s, intent}));
    });
    for (const Approval& approval : parts.stacks.approvals()) put(line_of("approval", approval));
    for (const Store::StackMemory& stack : parts.stacks.all()) put(line_of("stack", stack));
    for (const Store::StackHold& hold : parts.stacks.holds()) put(line_of("hold", hold));
    for (const Store::Quarantined& one : parts.stacks.quarantined("")) put(line_of("quarantine", one));
    parts.audit.for_each([&](const AuditRecord& r) { put(line_of("audit", r)); });
    write(to_json(Value::map({{"type", "end"}, {"records", records}})));
}

Status import_store(StoreParts parts, const std::function<bool(std::string& line)>& read) {
    Transaction transaction(parts.database);
    if (!is_empty(parts.database))
        return failure(
            "store.not-empty",
            fmt::format("{} holds records already: an import would mix two stores", parts.database.path()),
            "import into a new store, and put the old file aside");
    Import import(parts);
    std::size_t number = 0;
    for (std::string line; read(line);) {
        ++number;
        try {
            if (const std::string problem = import.take(line); !problem.empty())
                return broken_line(number, problem);
        } catch (const Error& error) {
            if (error.diagnostic().code != "store.refused") throw;
            return broken_line(number, error.diagnostic().message);
        }
    }
    if (!import.is_ended()) return broken_line(number + 1, "it ends before its last line: it was cut off");
    Diagnostics problems;
    parts.audit.check(problems);
    if (!problems.empty()) return problems.list().front();
    transaction.commit();
    return Ok{};
}

} // namespace holdfast
