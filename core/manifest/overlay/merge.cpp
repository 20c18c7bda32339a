#include "manifest/overlay/merge.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <fmt/core.h>

#include "base/json.hpp"

namespace holdfast {

namespace {

constexpr std::string_view directive_key = "$patch", retain_key = "$retainKeys",
                           order_prefix = "$setElementOrder/", delete_prefix = "$deleteFromPrimitiveList/";

enum class Directive { merge, replace, remove };

std::string scalar_text(const Value& value) {
    const std::string* text = value.if_string();
    return text ? *text : to_json(value);
}

MapEntry* entry_at(Map& map, std::string_view key) {
    for (MapEntry& entry : map)
        if (entry.key == key) return &entry;
    return nullptr;
}

void put_entry(Map& map, const MapEntry& from, Value value) {
    map.set(from.key, std::move(value));
    if (MapEntry* entry = entry_at(map, from.key); !entry->key_position.is_known())
        entry->key_position = from.key_position;
}

// One patch onto one document. The pointer follows the walk, with "*" for an element of a list, so that the
// rules of lists can be asked.
//
// Maps are merged key by key, null removes a key, and scalars replace. A keyed list is merged element by
// element. Where its elements go is kustomize's choice: with one key, those of the patch come first, in the
// patch's order, and the others follow in theirs; with several keys only those that are new come first.
class StrategicMerge {
public:
    StrategicMerge(const MergeRules& rules, Diagnostics& problems) : rules_(rules), problems_(problems) {}

    bool document(Value& document, const Value& patch) {
        drop_empty(document, "");
        if (directive_of(patch) == Directive::replace) {
            without_effect(*patch.find(directive_key),
                           "kustomize passes over \"$patch: replace\" for a whole document",
                           "replace \"spec\" or \"data\" in it, or list another file under \"resources\"");
            return true;
        }
        return merge_maps(document, patch, "");
    }

private:
    Directive directive_of(const Value& patch) {
        const Value* directive = patch.find(directive_key);
        if (!directive) return Directive::merge;
        const std::string text = scalar_text(*directive);
        if (text == "replace") return Directive::replace;
        if (text == "delete") return Directive::remove;
        if (text != "merge")
            wrong(*directive, fmt::format("$patch is \"{}\"", text), "it is delete, replace or merge");
        return Directive::merge;
    }

    static bool is_instruction(std::string_view key) {
        return key == directive_key || key == retain_key || key.starts_with(order_prefix) ||
               key.starts_with(delete_prefix);
    }

    // False: what stood there is to be removed.
    bool merge_maps(Value& target, const Value& patch, const std::string& pointer) {
        const Directive directive = directive_of(patch);
        if (directive == Directive::remove) return false;
        if (directive == Directive::replace) {
            target = cleaned(patch, pointer).value_or(Value(Map{}));
            return true;
        }
        Map& map = target.as_map();
        retain_only(map, patch);
        for (const MapEntry& entry : *patch.if_map())
            if (!is_instruction(entry.key)) merge_member(map, entry, append_pointer(pointer, entry.key));
        for (const MapEntry& entry : *patch.if_map()) instruct(map, entry, pointer);
        return true;
    }

    void merge_member(Map& map, const MapEntry& entry, const std::string& pointer) {
        const Value& patch = entry.value;
        Value* there = map.find(entry.key);
        if (patch.is_null()) {
            map.erase(entry.key);
        } else if (!there || there->is_null()) {
            if (std::optional<Value> fresh = cleaned(patch, pointer))
                put_entry(map, entry, *std::move(fresh));
        } else if (there->is_map() != patch.is_map() || there->is_list() != patch.is_list()) {
            wrong(patch, fmt::format("{} is a {} and cannot be merged with a {}", pointer, there->type_name(),
                                     patch.type_name()));
        } else if (patch.is_map() ? !merge_maps(*there, patch, pointer)
                                  : patch.is_list() && !merge_lists(*there, patch, pointer)) {
            map.erase(entry.key);
        } else if (patch.is_scalar()) {
            *there = patch;
        }
    }

    // What is new: null members and instructions have nothing to act on.
    std::optional<Value> cleaned(const Value& patch, const std::string& pointer) {
        if (const Map* map = patch.if_map()) {
            if (directive_of(patch) == Directive::remove) return std::nullopt;
            std::vector<MapEntry> entries;
            for (const MapEntry& entry : *map) {
                if (is_instruction(entry.key) || entry.value.is_null()) continue;
                if (std::optional<Value> value = cleaned(entry.value, append_pointer(pointer, entry.key)))
                    entries.push_back({entry.key, *std::move(value), entry.key_position});
            }
            return placed(Value(Map::from_unsorted(std::move(entries))), patch);
        }
        const List* list = patch.if_list();
        if (!list) return patch;
        const bool is_atomic = !merges(rules_.at(pointer));
        List items;
        for (const Value& item : *list) {
            if (is_list_directive(item)) {
                if (directive_of(item) == Directive::remove) return std::nullopt;
                continue;
            }
            if (is_atomic)
                items.push_back(item);
            else if (std::optional<Value> value = cleaned(item, pointer + "/*"))
                items.push_back(*std::move(value));
        }
        return placed(Value(std::move(items)), patch);
    }

    static Value placed(Value value, const Value& like) {
        value.position = like.position;
        return value;
    }

    // ---- lists ----

    static bool merges(const ListRule& rule) {
        return rule.type == ListType::keyed || rule.type == ListType::set;
    }

    // An element that says only what is to be done with the list.
    static bool is_list_directive(const Value& item) {
        const Map* map = item.if_map();
        return map && map->size() == 1 && map->contains(directive_key);
    }

    bool merge_lists(Value& target, const Value& patch, const std::string& pointer) {
        const List& changes = *patch.if_list();
        const auto directive = std::find_if(changes.begin(), changes.end(), is_list_directive);
        const Directive what = directive == changes.end() ? Directive::merge : directive_of(*directive);
        if (what == Directive::remove) return false;
        const ListRule& rule = rules_.at(pointer);
        if (what == Directive::replace || !merges(rule))
            target = cleaned(patch, pointer).value_or(Value(List{}));
        else if (rule.type == ListType::set)
            merge_set(target.as_list(), changes);
        else
            merge_keyed(target.as_list(), changes, rule, pointer + "/*");
        return true;
    }

    static void merge_set(List& target, const List& changes) {
        std::unordered_set<std::string> seen;
        List merged;
        for (const List* list : {&changes, static_cast<const List*>(&target)})
            for (const Value& item : *list)
                if (!is_list_directive(item) && seen.insert(to_json(item)).second) merged.push_back(item);
        target = std::move(merged);
    }

    using Keys = std::vector<std::string>; // an element's values of the rule's keys; empty where it has none

    static Keys keys_of(const Value& item, const ListRule& rule) {
        Keys keys;
        for (const std::string& by : rule.by) {
            const Value* value = item.find(by);
            keys.push_back(value && !value->is_null() ? scalar_text(*value) : std::string{});
        }
        return keys;
    }
    static std::string joined(const Keys& keys) {
        std::string all;
        for (const std::string& key : keys) all += key + '\n';
        return all;
    }
    static bool has_gap(const Keys& keys) { return std::find(keys.begin(), keys.end(), "") != keys.end(); }

    // Of a port perhaps only the number is given.
    static bool agree(const Keys& a, const Keys& b) {
        bool any = false;
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (a[i] == b[i])
                any |= !a[i].empty();
            else if (!a[i].empty() && !b[i].empty())
                return false;
        }
        return any;
    }

    // kustomize takes two elements for one of which one lacks a key and the others are equal, and then leaves
    // the patch's element out. The outcome is the same here, but somebody says so.
    bool is_lost(const Value& change, const Keys& keys, const std::vector<Keys>& there) {
        if (keys.size() < 2 || !rules_.is_builtin()) return false;
        const bool is_partial = std::any_of(there.begin(), there.end(), [&](const Keys& other) {
            return (has_gap(keys) || has_gap(other)) && agree(keys, other);
        });
        if (is_partial)
            without_effect(change,
                           "this element of a patch has no effect: it and its counterpart do not have the "
                           "same keys",
                           "write all of them in both, as in {containerPort: 80, protocol: TCP}");
        return is_partial;
    }

    // kustomize puts the old element back over one that replaces it.
    bool is_kept_whole(const Value& change) {
        if (!rules_.is_builtin() || directive_of(change) != Directive::replace) return false;
        without_effect(*change.find(directive_key),
                       "kustomize passes over \"$patch: replace\" for an element of a list",
                       "replace the whole list with an element {$patch: replace}, or set each key");
        return true;
    }

    // Of the rule's keys those that anybody uses: with one key less, kustomize orders elements differently.
    ListRule used_keys(const ListRule& rule, const List& target, const List& changes) const {
        ListRule used = rule;
        if (rule.by.size() < 2 || !rules_.is_builtin()) return used;
        std::erase_if(used.by, [&](const std::string& key) {
            const auto has = [&](const Value& item) { return item.find(key) != nullptr; };
            return std::none_of(target.begin(), target.end(), has) &&
                   std::none_of(changes.begin(), changes.end(), has);
        });
        return used.by.empty() ? rule : used;
    }

    void merge_keyed(List& target, const List& changes, const ListRule& full_rule,
                     const std::string& pointer) {
        const ListRule rule = used_keys(full_rule, target, changes);
        std::vector<Keys> there;
        std::unordered_map<std::string, std::size_t> index;
        for (std::size_t i = 0; i < target.size(); ++i) {
            there.push_back(keys_of(target[i], rule));
            index.emplace(joined(there.back()), i);
        }
        std::vector<bool> is_taken(target.size(), false);
        List first;
        std::unordered_map<std::string, std::size_t> added; // in `first`
        for (const Value& change : changes) {
            if (is_list_directive(change)) continue;
            const Keys keys = keys_of(change, rule);
            if (!change.is_map() || joined(keys).size() == keys.size()) {
                report_no_key(change, rule);
                continue;
            }
            const auto found = index.find(joined(keys));
            if (found == index.end()) {
                if (is_lost(change, keys, there)) continue;
                std::optional<Value> fresh = cleaned(change, pointer);
                if (!fresh || !added.emplace(joined(keys), first.size()).second) continue;
                first.push_back(*std::move(fresh));
                continue;
            }
            Value& element = target[found->second];
            if (is_taken[found->second]) continue; // named twice
            const bool stays =
                is_kept_whole(change) || (merge_maps(element, change, pointer) && !element.if_map()->empty());
            if (stays && rule.by.size() > 1) continue;
            is_taken[found->second] = true;
            if (stays) first.push_back(std::move(element));
        }
        for (std::size_t i = 0; i < target.size(); ++i)
            if (!is_taken[i]) first.push_back(std::move(target[i]));
        target = std::move(first);
    }

    void report_no_key(const Value& element, const ListRule& rule) {
        std::string keys;
        for (const std::string& by : rule.by) keys += (keys.empty() ? "\"" : " and \"") + by + "\"";
        wrong(element, fmt::format("the elements of {} are told apart by {}, which this one lacks",
                                   rule.pointer, keys));
    }

    // ---- instructions ----

    static void retain_only(Map& map, const Value& patch) {
        const Value* retained = patch.find(retain_key);
        if (!retained || !retained->is_list()) return;
        const std::vector<std::string> keys = texts_of(retained);
        std::vector<std::string> gone;
        for (const MapEntry& entry : map)
            if (std::find(keys.begin(), keys.end(), entry.key) == keys.end()) gone.push_back(entry.key);
        for (const std::string& key : gone) map.erase(key);
    }

    void instruct(Map& map, const MapEntry& entry, const std::string& pointer) {
        const std::string_view key = entry.key;
        const bool orders = key.starts_with(order_prefix), deletes = key.starts_with(delete_prefix);
        if (!orders && !deletes) return;
        const std::string field(key.substr(orders ? order_prefix.size() : delete_prefix.size()));
        Value* list = map.find(field);
        if (!list || !list->is_list() || !entry.value.is_list()) return;
        const List& named = *entry.value.if_list();
        if (deletes) {
            std::erase_if(*list->if_list(), [&](const Value& item) {
                return std::find(named.begin(), named.end(), item) != named.end();
            });
            return;
        }
        const ListRule& rule = rules_.at(append_pointer(pointer, field));
        const auto place = [&](const Value& item) {
            const auto it = std::find_if(named.begin(), named.end(), [&](const Value& one) {
                return rule.type == ListType::keyed ? keys_of(one, rule) == keys_of(item, rule) : one == item;
            });
            return it - named.begin();
        };
        std::stable_sort(list->if_list()->begin(), list->if_list()->end(),
                         [&](const Value& a, const Value& b) { return place(a) < place(b); });
    }

    // kustomize drops keys without a value ("volumes:") from what it patches, but keeps a written null.
    void drop_empty(Value& node, const std::string& pointer) {
        if (Map* map = node.if_map()) {
            std::vector<std::string> gone;
            for (MapEntry& entry : *map) {
                if (entry.value.is_null() && entry.value.position == entry.key_position)
                    gone.push_back(entry.key);
                else if (!entry.value.is_scalar())
                    drop_empty(entry.value, append_pointer(pointer, entry.key));
            }
            for (const std::string& key : gone) map->erase(key);
        } else if (List* list = node.if_list(); list && merges(rules_.at(pointer))) {
            for (Value& item : *list) drop_empty(item, pointer + "/*");
        }
    }

    void without_effect(const Value& at, std::string message, std::string hint) {
        Diagnostic& problem = problems_.warning("overlay.patch-without-effect", std::move(message));
        problem.span.position = at.position;
        problem.hint = std::move(hint);
    }

    void wrong(const Value& at, std::string message, std::string hint = {}) {
        Diagnostic& problem = problems_.error("overlay.bad-patch", std::move(message));
        problem.span.position = at.position;
        problem.hint = std::move(hint);
    }

    const MergeRules& rules_;
    Diagnostics& problems_;
};

} // namespace

bool strategic_merge(Value& document, const Value& patch, const MergeRules& rules, Diagnostics& problems) {
    return StrategicMerge(rules, problems).document(document, patch);
}

} // namespace holdfast
