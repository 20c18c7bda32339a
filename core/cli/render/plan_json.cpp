#include "cli/render/plan_json.hpp"

#include "cli/render/outcome_text.hpp"
#include "cli/render/value_text.hpp"
#include "control/records.hpp"

namespace holdfast {

namespace {

Value count(std::size_t number) { return static_cast<std::int64_t>(number); }

// Optional members are left out rather than null, so that their presence says something.
void set_text(Map& map, std::string_view key, const std::string& text) {
    if (!text.empty()) map.set(key, text);
}

Value texts(const std::vector<std::string>& list) {
    List out;
    for (const std::string& text : list) out.emplace_back(text);
    return out;
}

// Even the keyed hash of a secret stays inside: whoever has the store's key could try guesses against it.
Value without_secrets(const Value& value) {
    if (is_masked_secret(value)) return Value::map({{"$secret", true}});
    if (const List* list = value.if_list()) {
        List out;
        for (const Value& item : *list) out.push_back(without_secrets(item));
        return out;
    }
    if (const Map* map = value.if_map()) {
        Map out;
        for (const MapEntry& entry : *map) out.set(entry.key, without_secrets(entry.value));
        return out;
    }
    return value;
}

Value field_to_json(const FieldChange& field) {
    Map out;
    out.set("pointer", field.pointer);
    out.set("sensitive", field.sensitive);
    out.set("forces_replace", field.forces_replace);
    out.set("drift", field.by_drift);
    out.set("change", field.before ? (field.after ? "changed" : "removed") : "added");
    if (field.sensitive) return out;
    if (field.before) out.set("before", without_secrets(*field.before));
    if (field.after) out.set("after", without_secrets(*field.after));
    return out;
}

Value object_to_json(const TargetObject& object) {
    return Value::map({{"target", object.target},
                       {"scope", object.scope},
                       {"kind", object.kind},
                       {"identity", object.identity}});
}

Value undeclared_to_json(const Undeclared& undeclared) {
    return Value::map({{"commit", commit_to_json(undeclared.by)}, {"file_is_gone", undeclared.file_is_gone}});
}

// Compared or not, they have no change of their own yet.
Value planned_again_to_json(const Change& change) {
    List after;
    for (const Wait& wait : change.waits) after.emplace_back(to_string(wait.producer));
    return Value::map({{"address", to_string(change.address)},
                       {"parent", to_string(change.parent)},
                       {"origin", origin_to_json(change.origin)},
                       {"after", std::move(after)}});
}

Value waits_to_json(const std::vector<Wait>& waits) {
    List out;
    for (const Wait& wait : waits)
        out.push_back(Value::map({{"producer", to_string(wait.producer)}, {"path", wait.path}}));
    return out;
}

Value change_to_json(const Change& change, const Plan& plan) {
    Map out;
    out.set("action", to_string(change.action));
    out.set("readiness", to_string(change.readiness));
    out.set("address", to_string(change.address));
    out.set("parent", to_string(change.parent));
    out.set("provider", change.provider);
    out.set("api_version", change.api_version);
    out.set("object", object_to_json(change.object));
    out.set("drift", change.is_drift);
    if (!change.moved_from.id.empty()) out.set("moved_from", to_string(change.moved_from));
    if (change.action == Action::replace)
        out.set("order", change.create_first ? "create-first" : "delete-first");
    List fields;
    for (const FieldChange& field : change.fields) fields.push_back(field_to_json(field));
    out.set("fields", std::move(fields));
    out.set("reasons", texts(change.reasons));
    out.set("waits", waits_to_json(change.waits));
    out.set("origin", origin_to_json(change.origin));
    if (const auto known = plan.undeclared.find(change.address); known != plan.undeclared.end())
        out.set("undeclared", undeclared_to_json(known->second));
    List after;
    for (std::size_t index : change.after) after.emplace_back(to_string(plan.changes[index].address));
    out.set("after", std::move(after));
    out.set("hash", to_hex(change.hash));
    out.set("diagnostics", diagnostics_to_json(change.diagnostics));
    return out;
}

std::string_view retry_word(Retry retry) {
    switch (retry) {
        case Retry::never: return "never";
        case Retry::after: return "after";
        case Retry::conflict: return "conflict";
    }
    return "never";
}

} // namespace

Value origin_to_json(const Origin& origin) {
    Map out;
    set_text(out, "file", origin.file);
    if (origin.line > 0) out.set("line", std::int64_t{origin.line});
    set_text(out, "blob", origin.blob);
    if (!origin.file.empty()) out.set("index", std::int64_t{origin.index});
    set_text(out, "pointer", origin.pointer);
    return out;
}

Value diagnostic_to_json(const Diagnostic& d) {
    Map out;
    out.set("severity", to_string(d.severity));
    out.set("code", d.code);
    out.set("message", d.message);
    set_text(out, "hint", d.hint);
    set_text(out, "file", d.span.file);
    if (d.span.position.is_known()) {
        out.set("line", std::int64_t{d.span.position.line});
        out.set("column", std::int64_t{d.span.position.column});
    }
    set_text(out, "subject", d.subject);
    set_text(out, "pointer", d.pointer);
    if (d.retry != Retry::never) out.set("retry", retry_word(d.retry));
    if (!d.context.empty()) out.set("context", texts(d.context));
    return out;
}

Value diagnostics_to_json(const Diagnostics& diagnostics) {
    List out;
    for (const Diagnostic& diagnostic : diagnostics) out.push_back(diagnostic_to_json(diagnostic));
    return out;
}

Value counts_to_json(const PlanCounts& counts) {
    return Value::map({{"create", count(counts.create)},
                       {"update", count(counts.update)},
                       {"replace", count(counts.replace)},
                       {"delete", count(counts.remove)},
                       {"refresh", count(counts.refresh)},
                       {"adopt", count(counts.adopt)},
                       {"move", count(counts.move)},
                       {"forget", count(counts.forget)},
                       {"wait", count(counts.wait)},
                       {"parked", count(counts.parked)},
                       {"blocked", count(counts.blocked)},
                       {"drifted", count(counts.drifted)},
                       {"unchanged", count(counts.unchanged)}});
}

Value plan_to_json(const Plan& plan) {
    Map out;
    out.set("format", "holdfast.plan/1");
    out.set("stack", plan.stack);
    out.set("hash", to_hex(plan.hash));
    out.set("empty", plan.is_empty());
    out.set("parked", plan.is_parked());
    out.set("counts", counts_to_json(plan.counts));
    List changes;
    for (const Change& change : plan.changes) changes.push_back(change_to_json(change, plan));
    out.set("changes", std::move(changes));
    List again;
    for (const Change& change : plan.planned_again) again.push_back(planned_again_to_json(change));
    out.set("planned_again", std::move(again));
    out.set("diagnostics", diagnostics_to_json(plan.diagnostics));
    return out;
}

} // namespace holdfast
