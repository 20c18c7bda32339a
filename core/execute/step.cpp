#include "execute/step.hpp"

#include <unordered_set>

#include "base/json.hpp"

namespace holdfast {

bool is_bookkeeping(StepKind kind) {
    return kind == StepKind::adopt || kind == StepKind::move || kind == StepKind::forget;
}

bool is_removal(StepKind kind) { return kind == StepKind::remove || kind == StepKind::remove_deposed; }

Action action_of(StepKind kind) {
    switch (kind) {
        case StepKind::create: return Action::create;
        case StepKind::update: return Action::update;
        case StepKind::refresh: return Action::refresh;
        case StepKind::remove:
        case StepKind::remove_deposed: return Action::remove;
        case StepKind::adopt: return Action::adopt;
        case StepKind::move: return Action::move;
        case StepKind::forget: return Action::forget;
    }
    return Action::none;
}

std::vector<StepKind> steps_of(const Change& change, const LedgerEntry* recorded) {
    switch (change.action) {
        case Action::create: return {StepKind::create};
        case Action::update: return {StepKind::update};
        case Action::refresh: return {StepKind::refresh};
        case Action::remove: return {StepKind::remove};
        case Action::adopt: return {StepKind::adopt};
        case Action::move: return {StepKind::move};
        case Action::forget: return {StepKind::forget};
        case Action::replace:
            if (change.create_first && recorded && recorded->object.key() != change.object.key())
                return {StepKind::create, StepKind::remove_deposed};
            return {StepKind::remove, StepKind::create};
        case Action::none:
        case Action::wait: break;
    }
    return {};
}

const Leaf* leaf_of(const Change& change, const PlanInput& input) {
    return change.leaf ? &input.leaves[*change.leaf] : nullptr;
}

const KindInfo* kind_of(const Change& change, const PlanInput& input) {
    auto provider = input.providers.find(change.provider);
    if (provider == input.providers.end() || !provider->second.description) return nullptr;
    return provider->second.description->find(change.api_version, std::string(change.object.kind_name()));
}

std::vector<std::string> secrets_of(const Change& change, const PlanInput& input) {
    std::vector<std::string> secrets;
    if (const KindInfo* kind = kind_of(change, input)) secrets = kind->sensitive;
    if (const Leaf* leaf = leaf_of(change, input))
        secrets.insert(secrets.end(), leaf->sensitive.begin(), leaf->sensitive.end());
    return secrets;
}

namespace {

Value parsed_or_null(std::string_view json) {
    if (json.empty()) return {};
    Result<Value> tree = parse_json(json);
    return tree ? *std::move(tree) : Value();
}

// Everything that stands at `tokens[from..]`, each under its own path; "*" stands for any key or index.
void collect(const Value& value, const std::vector<std::string>& tokens, std::size_t from,
             const std::string& path, Map& found) {
    if (from == tokens.size()) {
        found.set(path, value);
        return;
    }
    const std::string& token = tokens[from];
    if (const Map* map = value.if_map()) {
        for (const MapEntry& entry : *map)
            if (token == "*" || token == entry.key)
                collect(entry.value, tokens, from + 1, append_pointer(path, entry.key), found);
    } else if (const List* list = value.if_list()) {
        for (std::size_t i = 0; i < list->size(); ++i)
            if (token == "*" || token == std::to_string(i))
                collect((*list)[i], tokens, from + 1, append_pointer(path, i), found);
    }
}

} // namespace

namespace {

void take_ignored(Value& declared, const Value* observed, const std::string& at,
                  const std::vector<std::string>& ignore, const std::vector<std::string>& write_only) {
    Map* fields = declared.if_map();
    if (!fields) return;
    std::vector<std::string> gone;
    for (MapEntry& field : *fields) {
        const std::string pointer = append_pointer(at, field.key);
        const Value* now = observed ? observed->find(field.key) : nullptr;
        if (!any_covers(ignore, pointer))
            take_ignored(field.value, now, pointer, ignore, write_only);
        else if (now)
            field.value = *now;
        else if (!any_covers(write_only, pointer))
            gone.push_back(field.key);
    }
    for (const std::string& key : gone) fields->erase(key);
}

} // namespace

std::string with_ignored_as_observed(std::string_view declared_json, std::string_view observed_json,
                                     const std::vector<std::string>& ignore,
                                     const std::vector<std::string>& write_only) {
    Value declared = parsed_or_null(declared_json);
    const Value observed = parsed_or_null(observed_json);
    take_ignored(declared, &observed, "", ignore, write_only);
    return to_json(declared);
}

bool outputs_differ(const KindInfo& kind, std::string_view before_json, const Value& after) {
    if (kind.observed.empty()) return false;
    const Value before = parsed_or_null(before_json);
    Map outputs_before, outputs_after;
    for (const std::string& pointer : kind.observed) {
        const std::vector<std::string> tokens = split_pointer(pointer);
        collect(before, tokens, 0, "", outputs_before);
        collect(after, tokens, 0, "", outputs_after);
    }
    return !(Value(std::move(outputs_before)) == Value(std::move(outputs_after)));
}

namespace {

// Lists in which elements have a life of their own (sets, keyed ones) hold those of both; of all others it
// only matters that something stands there.
bool add_missing(Value& into, const Value& from) {
    bool is_changed = false;
    if (Map* map = into.if_map(); map && from.if_map()) {
        for (const MapEntry& entry : *from.if_map()) {
            if (Value* there = map->find(entry.key)) {
                is_changed |= add_missing(*there, entry.value);
                continue;
            }
            map->set(entry.key, entry.value);
            is_changed = true;
        }
    } else if (List* list = into.if_list(); list && from.if_list()) {
        std::unordered_set<std::string> there; // sets may have a hundred thousand elements
        for (const Value& item : *list) there.insert(to_json(item));
        for (const Value& item : *from.if_list()) {
            if (!there.insert(to_json(item)).second) continue;
            list->push_back(item);
            is_changed = true;
        }
    }
    return is_changed;
}

} // namespace

std::optional<std::string> with_fields_of(std::string_view recorded_json, std::string_view intended_json) {
    Result<Value> recorded = parse_json(recorded_json);
    const Result<Value> intended = parse_json(intended_json);
    if (!recorded || !intended || !add_missing(*recorded, *intended)) return std::nullopt;
    return to_json(*recorded);
}

} // namespace holdfast
