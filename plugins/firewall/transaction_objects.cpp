// Of a transaction, what makes, changes and removes named objects.

#include <algorithm>

#include "transaction.hpp"

namespace holdfast::firewall {

namespace {

// "add flowtable inet edge fast { hook ingress priority filter; devices = { "eth1" }; }", of some of its
// devices.
std::string flowtable_with(Json spec, const std::vector<std::string>& devices) {
    spec["devices"] = devices;
    return object_definition(Kind::flowtable, spec);
}

// A comment is no document's, so one that is there comes back with the object.
std::string with_comment_of(const LiveObject* live, std::string definition) {
    for (const std::string& line : live ? live->lines : std::vector<std::string>())
        if (line.starts_with("comment ") && definition.starts_with("{ ")) definition.insert(2, line + "; ");
    return definition;
}

std::vector<std::string> not_among(const std::vector<std::string>& all,
                                   const std::vector<std::string>& some) {
    std::vector<std::string> out;
    std::set_difference(all.begin(), all.end(), some.begin(), some.end(), std::back_inserter(out));
    return out;
}

} // namespace

void Transaction::plan_objects() {
    for (const Change& change : changes_) {
        const Key& key = change.key;
        if (!is_object(key.kind)) continue;
        const auto live = live_.objects.find(object_head(key.kind, key.name));
        ObjectPlan& plan = objects_[key];
        plan.change = &change;
        plan.live = live == live_.objects.end() ? nullptr : &live->second;
        plan.is_removed = change.is_removed && plan.live;
        if (change.is_removed) continue;
        const Json now = plan.live ? object_spec(key.kind, table_, key.name, *plan.live) : Json();
        if (plan.live && now == change.spec) continue;
        plan.is_changed = plan.live && changes_in_place(key.kind, now, change.spec);
        plan.is_made = !plan.is_changed;
        plan.is_removed = plan.is_made && plan.live;
        if (plan.is_removed) remade_objects_.push_back(key);
    }
}

// Elements of maps hold on to the objects that they give, like rules.
void Transaction::make_room_in_maps() {
    for (const Key& key : remade_objects_)
        for (const auto& [name, set] : live_.sets)
            if (set.elements && object_word_of_map(set) == object_word(key.kind))
                make_room_in_map(name, set, key.name);
}

void Transaction::make_room_in_map(const std::string& name, const LiveSet& live, const std::string& object) {
    for (std::size_t i = 0; i < live.elements->size(); ++i) {
        const std::string& element = (*live.elements)[i];
        if (!gives_object(element, object)) continue;
        SetPlan& plan = sets_[name];
        const auto goes = std::find_if(plan.removed.begin(), plan.removed.end(),
                                       [&](const auto& entry) { return entry.first == element; });
        if (plan.is_removed || goes != plan.removed.end()) continue;
        plan.live = &live;
        plan.removed.emplace_back(element, i);
        plan.added.emplace_back(element, i);
    }
}

void Transaction::write_object_removals() {
    for (const auto& [key, plan] : objects_) {
        const std::string delete_it = "delete " + std::string(object_word(key.kind)) + " " + at_ + key.name;
        if (plan.is_removed) add(delete_it, {plan.change->item, ""});
        if (!plan.is_changed || key.kind != Kind::flowtable) continue;
        const Json now = object_spec(key.kind, table_, key.name, *plan.live);
        const auto devices = not_among(texts_in(now, "devices"), texts_in(plan.change->spec, "devices"));
        if (!devices.empty())
            add(delete_it + " " + flowtable_with(now, devices), {plan.change->item, "/spec/devices"});
    }
}

void Transaction::write_objects() {
    for (const auto& [key, plan] : objects_) {
        if (!plan.is_made && !plan.is_changed) continue;
        const Json& spec = plan.change->spec;
        std::string definition =
            plan.is_made && !plan.change->made_as.empty()
                ? plan.change->made_as
                : with_comment_of(plan.is_removed ? plan.live : nullptr, object_definition(key.kind, spec));
        if (plan.is_changed && key.kind == Kind::flowtable) {
            const Json now = object_spec(key.kind, table_, key.name, *plan.live);
            const auto devices = not_among(texts_in(spec, "devices"), texts_in(now, "devices"));
            if (devices.empty()) continue;
            definition = flowtable_with(spec, devices);
        }
        add("add " + std::string(object_word(key.kind)) + " " + at_ + key.name + " " + definition,
            object_place(plan.change->item, key.kind));
    }
}

} // namespace holdfast::firewall
