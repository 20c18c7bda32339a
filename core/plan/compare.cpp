#include "plan/compare.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "plan/mask.hpp"
#include "plan/paths.hpp"
#include "plan/plan.hpp"

namespace holdfast {

// The three-way subset comparison (docs/adr/0004-three-way-subset-comparison.md).
//
// Three trees are walked side by side, and at every path three answers are possible:
//   declared                 -> observed must be equal there, else it is to be set
//   recorded, not declared   -> we set it once and no longer want it: unset it, if it is still there and
//                               is not what the schema's default makes of it anyway
//   neither                  -> none of our business, whatever stands there
// Maps are walked by key. What a list means, the plugin says: `atomic` lists are one value; `ordered` ones
// are walked by index; `keyed` ones and `set`s are walked as maps from an element's key (or the element
// itself) to the element, which is all it takes to make their order meaningless and to leave foreign
// elements alone. Null means "not set", as in KRM. A secret is compared by its mask, so that it does not
// matter which side is masked, and is never handed out in plain. What cannot be read back (`writeOnly`)
// is compared with what was recorded instead of with what was observed.

namespace {

// What stands at one path; null where nothing does.
struct Sides {
    const Value* declared = nullptr;
    const Value* recorded = nullptr;
    const Value* observed = nullptr;
};

const Value* unless_null(const Value* value) { return value && !value->is_null() ? value : nullptr; }

const Value* member(const Value* of, std::string_view key) {
    return of ? unless_null(of->find(key)) : nullptr;
}

const List* list_in(const Value* value) { return value ? value->if_list() : nullptr; }
const Map* map_in(const Value* value) { return value ? value->if_map() : nullptr; }

std::set<std::string_view> keys_of(std::initializer_list<const Value*> values) {
    std::set<std::string_view> keys;
    for (const Value* value : values)
        if (const Map* map = map_in(value))
            for (const MapEntry& entry : *map) keys.insert(entry.key);
    return keys;
}

class Comparison {
public:
    explicit Comparison(const CompareRules& rules) : rules_(rules), kind_(rules.kind) {
        for (const auto* pointers : {&rules.sensitive, &kind_.sensitive})
            for (const std::string& pointer : *pointers) secrets_.push_back(any_index(pointer));
        excluded_ = rules.ignore;
        excluded_.insert(excluded_.end(), kind_.observed.begin(), kind_.observed.end());
    }

    // Every member of the documents, for kinds that do not say which.
    void document(const Sides& sides) { members("", sides); }
    void field(const std::string& at, const Sides& sides);
    std::vector<FieldChange> take() { return std::move(changes_); }

private:
    void declared_field(const std::string& at, const Sides& sides);
    void undeclared_field(const std::string& at, const Sides& sides);
    void secret(const std::string& at, const Sides& sides);
    void write_only(const std::string& at, const Sides& sides);
    void members(const std::string& at, const Sides& sides);
    void list(const std::string& at, const Sides& sides);
    void ordered(const std::string& at, const Sides& sides);
    void elements(const std::string& at, const Sides& sides, const ListRule& rule);

    bool is_excluded(std::string_view at) const { return any_covers(excluded_, at); }
    bool is_secret(std::string_view at, const Sides& sides) const;
    bool hides_its_keys(std::string_view at, const ListRule& rule) const;
    bool holds_foreign(const std::string& at, const Value& recorded, const Value& observed) const;
    bool same(const std::string& at, const Value* a, const Value* b) const;
    bool same_secret(const Value& a, const Value& b) const;
    bool forces_replace(std::string_view at, const Value* before, const Value* after) const;
    Value printable(const std::string& at, const Value& value, bool& hid_something) const;
    using Elements = std::map<std::string, Sides>;
    Elements pair_elements(const std::string& at, const Sides& sides, const ListRule& rule) const;
    void report(const std::string& at, const Sides& sides);
    void report_members(const std::string& at, const Sides& sides);
    bool holds_secret(const std::string& at, const Value* value) const;

    const CompareRules& rules_;
    const KindInfo& kind_;
    std::vector<std::string> secrets_, excluded_;
    std::vector<FieldChange> changes_;
};

void Comparison::field(const std::string& at, const Sides& sides) {
    if (!sides.declared && !sides.recorded) return;
    if (is_excluded(at)) return;
    if (any_covers(kind_.write_only, at))
        write_only(at, sides);
    else if (is_secret(at, sides))
        secret(at, sides);
    else if (sides.declared)
        declared_field(at, sides);
    else
        undeclared_field(at, sides);
}

void Comparison::declared_field(const std::string& at, const Sides& sides) {
    const Value& declared = *sides.declared;
    // A map that is there only for what cannot be read back is not missing.
    const bool is_unreadable = !sides.observed && any_lies_below(kind_.write_only, at);
    if (declared.is_map() && (map_in(sides.observed) || is_unreadable)) return members(at, sides);
    if (declared.is_list()) return list(at, sides);
    if (!sides.observed || !same(at, &declared, sides.observed)) report(at, sides);
}

void Comparison::undeclared_field(const std::string& at, const Sides& sides) {
    const bool is_unreadable = map_in(sides.recorded) && any_lies_below(kind_.write_only, at);
    if (!sides.observed && !is_unreadable) return;
    const Value* by_default = schema_default(kind_.schema, at);
    if (by_default && sides.observed && same(at, by_default, sides.observed)) return;
    const bool is_shared =
        is_unreadable || any_lies_below(excluded_, at) || holds_foreign(at, *sides.recorded, *sides.observed);
    if (is_shared && map_in(sides.recorded) && (!sides.observed || map_in(sides.observed)))
        return members(at, sides);
    if (is_shared && list_in(sides.recorded) && list_in(sides.observed)) return list(at, sides);
    report(at, sides);
}

void Comparison::members(const std::string& at, const Sides& sides) {
    for (std::string_view key : keys_of({sides.declared, sides.recorded}))
        field(append_pointer(at, key),
              {member(sides.declared, key), member(sides.recorded, key), member(sides.observed, key)});
}

void Comparison::list(const std::string& at, const Sides& sides) {
    const ListRule& rule = list_rule(kind_, at);
    const bool has_elements = rule.type == ListType::keyed || rule.type == ListType::set;
    const bool declares_nothing = !sides.declared || sides.declared->if_list()->empty();
    if (has_elements && !sides.observed && declares_nothing) return;
    const bool both_are_lists = list_in(sides.observed) != nullptr;
    if (both_are_lists && has_elements && hides_its_keys(at, rule)) return secret(at, sides);
    if (both_are_lists && has_elements) return elements(at, sides, rule);
    if (both_are_lists && sides.declared && rule.type == ListType::ordered) return ordered(at, sides);
    if (!sides.observed || !sides.declared || !same(at, sides.declared, sides.observed)) report(at, sides);
}

void Comparison::ordered(const std::string& at, const Sides& sides) {
    const List &declared = *sides.declared->if_list(), &observed = *sides.observed->if_list();
    const List* recorded = list_in(sides.recorded);
    // Where an element came or went, what stands behind it only moved, and is no difference.
    std::size_t moved = 0;
    const std::size_t least =
        declared.size() == observed.size() ? 0 : std::min(declared.size(), observed.size());
    while (moved < least &&
           same(append_pointer(at, declared.size() - 1 - moved), &declared[declared.size() - 1 - moved],
                &observed[observed.size() - 1 - moved]))
        ++moved;
    for (std::size_t i = 0; i < std::max(declared.size(), observed.size()) - moved; ++i) {
        const std::string here = append_pointer(at, i);
        const Sides element{i < declared.size() - moved ? &declared[i] : nullptr,
                            recorded && i < recorded->size() ? &(*recorded)[i] : nullptr,
                            i < observed.size() - moved ? &observed[i] : nullptr};
        if (element.declared)
            field(here, element);
        else if (!is_excluded(here))
            report(here, element); // the whole list is ours: no foreign tail
    }
}

void Comparison::elements(const std::string& at, const Sides& sides, const ListRule& rule) {
    for (const auto& [token, element] : pair_elements(at, sides, rule)) {
        const std::string here = append_pointer(at, token);
        const bool is_foreign = rule.exclusive && sides.declared && !element.recorded;
        const bool is_dropped = !element.declared && element.observed && (element.recorded || is_foreign);
        if (element.declared)
            field(here, element);
        else if (is_dropped && !is_excluded(here))
            report(here, element);
    }
}

Comparison::Elements Comparison::pair_elements(const std::string& at, const Sides& sides,
                                               const ListRule& rule) const {
    const auto& by = rule.type == ListType::keyed ? rule.by : std::vector<std::string>{};
    std::vector<const Value*> defaults;
    for (const std::string& name : by) defaults.push_back(schema_default(kind_.schema, at + "/*/" + name));
    Elements elements;
    auto enter = [&](const Value* side, const Value* Sides::*which) {
        const List* items = list_in(side);
        for (std::size_t i = 0; items && i < items->size(); ++i) {
            std::string token = element_token((*items)[i], by, defaults);
            // A set holds nothing twice; elements of a keyed list that share a key are told apart by
            // counting, so that none of them is lost.
            for (int twin = 2; rule.type == ListType::keyed && elements[token].*which; ++twin)
                token = element_token((*items)[i], by, defaults) + "#" + std::to_string(twin);
            elements[token].*which = &(*items)[i];
        }
    };
    enter(sides.declared, &Sides::declared);
    enter(sides.recorded, &Sides::recorded);
    enter(sides.observed, &Sides::observed);
    return elements;
}

void Comparison::secret(const std::string& at, const Sides& sides) {
    if (!sides.declared && !sides.observed) return;
    if (sides.declared && sides.observed && same_secret(*sides.declared, *sides.observed)) return;
    report(at, sides);
}

void Comparison::write_only(const std::string& at, const Sides& sides) {
    if (same(at, sides.declared, sides.recorded)) return;
    report(at, {sides.declared, sides.recorded, sides.recorded});
}

bool Comparison::is_secret(std::string_view at, const Sides& sides) const {
    auto is_masked = [](const Value* value) { return value && is_mask(*value); };
    return any_covers(secrets_, at) || is_masked(sides.declared) || is_masked(sides.recorded) ||
           is_masked(sides.observed);
}

// The keys of elements become part of pointers, which everybody may see.
bool Comparison::hides_its_keys(std::string_view at, const ListRule& rule) const {
    const std::string element = std::string(at) + "/*";
    if (rule.type == ListType::set) return any_covers(secrets_, element);
    return std::any_of(rule.by.begin(), rule.by.end(), [&](const std::string& name) {
        return any_covers(secrets_, append_pointer(element, name));
    });
}

bool Comparison::same_secret(const Value& a, const Value& b) const {
    if (is_mask(a) == is_mask(b)) return a == b;
    return !rules_.masking_key.empty() && mask_of(a, rules_.masking_key) == mask_of(b, rules_.masking_key);
}

// Whole equality, as atomic values need it: nulls are not set, excluded paths do not count, secrets are
// compared by their masks.
bool Comparison::same(const std::string& at, const Value* a, const Value* b) const {
    if (is_excluded(at)) return true;
    if (!a || !b) return a == b;
    if (is_secret(at, {a, nullptr, b})) return same_secret(*a, *b);
    if (a->is_map() && b->is_map()) {
        const auto keys = keys_of({a, b});
        return std::all_of(keys.begin(), keys.end(), [&](std::string_view key) {
            return same(append_pointer(at, key), member(a, key), member(b, key));
        });
    }
    const List *left = a->if_list(), *right = b->if_list();
    if (!left || !right) return *a == *b;
    for (std::size_t i = 0; left->size() == right->size() && i < left->size(); ++i)
        if (!same(append_pointer(at, i), &(*left)[i], &(*right)[i])) return false;
    return left->size() == right->size();
}

// Whether `observed` holds something that we never set, which unsetting the whole would destroy.
bool Comparison::holds_foreign(const std::string& at, const Value& recorded, const Value& observed) const {
    if (recorded.is_map() && observed.is_map()) {
        const auto keys = keys_of({&observed});
        return std::any_of(keys.begin(), keys.end(), [&](std::string_view key) {
            const Value *ours = member(&recorded, key), *theirs = member(&observed, key);
            if (!theirs) return false;
            return !ours || holds_foreign(append_pointer(at, key), *ours, *theirs);
        });
    }
    const ListRule& rule = list_rule(kind_, at);
    const bool has_elements = rule.type == ListType::keyed || rule.type == ListType::set;
    if (!has_elements || !recorded.is_list() || !observed.is_list()) return false;
    const Elements elements = pair_elements(at, {nullptr, &recorded, &observed}, rule);
    return std::any_of(elements.begin(), elements.end(), [](const auto& e) { return !e.second.recorded; });
}

// True where what stands at the rest of a pattern differs between the two.
bool differs_at(const Value* before, const Value* after, const std::vector<std::string>& path,
                std::size_t depth) {
    if (!before && !after) return false;
    if (depth == path.size()) return !before || !after || !(*before == *after);
    if (path[depth] != "*")
        return differs_at(member(before, path[depth]), member(after, path[depth]), path, depth + 1);
    const auto keys = keys_of({before, after});
    const bool in_maps = std::any_of(keys.begin(), keys.end(), [&](std::string_view key) {
        return differs_at(member(before, key), member(after, key), path, depth + 1);
    });
    const List *left = list_in(before), *right = list_in(after);
    if (in_maps || (!left && !right)) return in_maps;
    for (std::size_t i = 0; i < std::max(left ? left->size() : 0, right ? right->size() : 0); ++i)
        if (differs_at(left && i < left->size() ? &(*left)[i] : nullptr,
                       right && i < right->size() ? &(*right)[i] : nullptr, path, depth + 1))
            return true;
    return false;
}

bool Comparison::forces_replace(std::string_view at, const Value* before, const Value* after) const {
    return std::any_of(kind_.immutable.begin(), kind_.immutable.end(), [&](const std::string& pattern) {
        if (covers(pattern, at)) return true;
        return lies_below(pattern, at) && differs_at(before, after, rest_below(pattern, at), 0);
    });
}

Value Comparison::printable(const std::string& at, const Value& value, bool& hid_something) const {
    // A scalar where a secret was expected further down may be that secret, in another shape.
    const bool is_suspect = value.is_scalar() && !value.is_null() && any_lies_below(secrets_, at);
    if (any_covers(secrets_, at) || is_mask(value) || is_suspect) {
        hid_something = true;
        return mask_of(value, rules_.masking_key);
    }
    Value out = value;
    if (Map* map = out.if_map())
        for (MapEntry& entry : *map)
            entry.value = printable(append_pointer(at, entry.key), entry.value, hid_something);
    if (List* items = out.if_list())
        for (std::size_t i = 0; i < items->size(); ++i)
            (*items)[i] = printable(append_pointer(at, i), (*items)[i], hid_something);
    return out;
}

bool Comparison::holds_secret(const std::string& at, const Value* value) const {
    bool hides_something = false;
    if (map_in(value)) printable(at, *value, hides_something);
    return hides_something;
}

// A new map with a secret in it: told field by field, so that the secret does not hide the rest.
void Comparison::report_members(const std::string& at, const Sides& sides) {
    for (const MapEntry& entry : *sides.declared->if_map())
        report(append_pointer(at, entry.key), {&entry.value, member(sides.recorded, entry.key), nullptr});
}

void Comparison::report(const std::string& at, const Sides& sides) {
    FieldChange change{.pointer = at};
    const auto& [declared, recorded, observed] = sides;
    // One side may be masked by where it came from while nothing names the path: then all of it is secret.
    const bool all_is_secret = is_secret(at, sides);
    if (!all_is_secret && !observed && holds_secret(at, declared)) return report_members(at, sides);
    auto shown = [&](const Value& value) {
        change.sensitive = change.sensitive || all_is_secret;
        return all_is_secret ? mask_of(value, rules_.masking_key) : printable(at, value, change.sensitive);
    };
    if (observed) change.before = shown(*observed);
    if (declared) change.after = shown(*declared);
    change.forces_replace = forces_replace(at, observed, declared);
    change.by_drift = declared && recorded && recorded != observed && same(at, declared, recorded);
    changes_.push_back(std::move(change));
}

} // namespace

std::vector<FieldChange> compare(const Value& declared, const Value& recorded, const Value& observed,
                                 const CompareRules& rules) {
    Comparison comparison(rules);
    for (const std::string& root : rules.kind.compare)
        if (root.empty())
            comparison.document({&declared, &recorded, &observed});
        else
            comparison.field(root,
                             {unless_null(find_at(declared, root)), unless_null(find_at(recorded, root)),
                              unless_null(find_at(observed, root))});
    return comparison.take();
}

std::vector<FieldChange> compare_documents(const Value& declared, const Value& recorded,
                                           const Value& observed, const KindInfo& kind,
                                           const std::vector<std::string>& policy_ignore,
                                           const std::vector<std::string>& sensitive) {
    return compare(declared, recorded, observed,
                   {.kind = kind, .ignore = policy_ignore, .sensitive = sensitive, .masking_key = {}});
}

} // namespace holdfast
