#include "transaction.hpp"

#include <algorithm>

#include "order.hpp"

namespace holdfast::firewall {

namespace {

const std::vector<std::string>& no_texts() {
    static const std::vector<std::string> none;
    return none;
}

bool is_in_set_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
}

} // namespace

bool names_set(const std::string& rule, const std::string& set) {
    const std::string reference = "@" + set;
    for (std::size_t at = rule.find(reference); at != rule.npos; at = rule.find(reference, at + 1)) {
        const std::size_t end = at + reference.size();
        if (end == rule.size() || !is_in_set_name(rule[end])) return true;
    }
    return false;
}

bool is_same_definition(const Json& spec, const Json& live) {
    for (const char* const member : {"type", "typeof", "data", "flags", "autoMerge", "size", "timeout",
                                     "gcInterval", "policy", "comment", "statements"})
        if (spec.contains(member) && spec[member] != live.value(member, Json())) return false;
    return true;
}

Transaction::Transaction(const TableName& table, const LiveTable& live, const std::vector<Change>& changes)
    : table_(table), live_(live), changes_(changes), at_(table.text() + " ") {
    plan_objects();
    plan_sets();
    make_room_in_maps();
    plan_chains();
    write();
}

void Transaction::plan_sets() {
    for (const Change& change : changes_) {
        if (change.key.kind != Kind::set) continue;
        const auto live = live_.sets.find(change.key.name);
        SetPlan& plan = sets_[change.key.name];
        plan.change = &change;
        plan.live = live == live_.sets.end() ? nullptr : &live->second;
        if (change.is_removed) {
            plan.is_removed = plan.live != nullptr;
            continue;
        }
        const Json now = plan.live ? set_spec(table_, change.key.name, *plan.live) : Json();
        plan.is_made = !plan.live || !is_same_definition(change.spec, now);
        plan.is_removed = plan.is_made && plan.live;
        plan_elements(plan);
    }
}

// Elements that nobody declares stay, also where the set is made anew with keys of the same type.
void Transaction::plan_elements(SetPlan& plan) {
    const Json& spec = plan.change->spec;
    const auto& live = plan.live && plan.live->elements ? *plan.live->elements : no_texts();
    const auto declared = spec.find("elements");
    if (declared == spec.end()) {
        if (plan.is_made && plan.live)
            for (std::size_t i = 0; i < live.size(); ++i) plan.added.emplace_back(live[i], i);
        return;
    }
    std::set<std::string_view> wanted;
    for (const Json& element : *declared) wanted.insert(element.get_ref<const std::string&>());
    const bool starts_empty = plan.is_made || !plan.live;
    if (!starts_empty)
        for (std::size_t i = 0; i < live.size(); ++i)
            if (!wanted.count(live[i])) plan.removed.emplace_back(live[i], i);
    for (std::size_t i = 0; i < declared->size(); ++i) {
        const std::string_view text = (*declared)[i].get_ref<const std::string&>();
        if (starts_empty || !std::binary_search(live.begin(), live.end(), text))
            plan.added.emplace_back(text, i);
    }
    // Neighbours that were merged are known to nft only as what they became: all of it goes and comes again.
    if (!spec.value("autoMerge", false) || starts_empty || (plan.removed.empty() && plan.added.empty()))
        return;
    plan.removed.clear(), plan.added.clear();
    for (std::size_t i = 0; i < live.size(); ++i) plan.removed.emplace_back(live[i], i);
    for (std::size_t i = 0; i < declared->size(); ++i)
        plan.added.emplace_back((*declared)[i].get_ref<const std::string&>(), i);
}

void Transaction::plan_chains() {
    for (const Change& change : changes_) {
        if (change.key.kind == Kind::chain) chains_[change.key.name].change = &change;
        if (change.key.kind != Kind::rule) continue;
        chains_[change.key.chain];
        guests_[change.key.chain].push_back(&change);
    }
    for (const auto& [name, chain] : live_.chains)
        if (std::any_of(chain.rules.begin(), chain.rules.end(),
                        [&](const LiveRule& r) { return must_go(r.text); }))
            chains_[name];
    for (auto& [name, plan] : chains_) {
        const auto live = live_.chains.find(name);
        plan.live = live == live_.chains.end() ? nullptr : &live->second;
        if (plan.change && plan.change->is_removed) {
            plan.is_removed = plan.live != nullptr;
            continue;
        }
        if (plan.change)
            plan.is_made =
                !plan.live || chain_base(plan.change->spec).differs_but_for_policy(plan.live->base);
        plan.is_removed = plan.is_made && plan.live;
        plan_rules(name, plan);
    }
}

// A rule holds on to what it names, so it makes room while that is made anew.
bool Transaction::must_go(const std::string& rule) const {
    const bool names_any = std::any_of(remade_objects_.begin(), remade_objects_.end(), [&](const Key& key) {
        return names_object(rule, key.kind, key.name);
    });
    return names_any || std::any_of(sets_.begin(), sets_.end(), [&](const auto& entry) {
               return entry.second.is_removed && names_set(rule, entry.first);
           });
}

void Transaction::plan_rules(const std::string& name, ChainPlan& plan) {
    plan.target = target_of(name, plan);
    std::vector<std::string> wanted, live;
    for (const Target& target : plan.target) wanted.push_back(target.text);
    const bool starts_empty = plan.is_made || !plan.live;
    std::vector<std::size_t> place_of; // of the rules that may stay
    for (std::size_t i = 0; !starts_empty && i < plan.live->rules.size(); ++i) {
        if (must_go(plan.live->rules[i].text)) continue;
        live.push_back(plan.live->rules[i].text);
        place_of.push_back(i);
    }
    plan.kept = kept_places(wanted, live);
    plan.stays.assign(plan.live ? plan.live->rules.size() : 0, false);
    for (std::size_t& place : plan.kept)
        if (place != no_place) plan.stays[place = place_of[place]] = true;
}

std::vector<Transaction::Target> Transaction::target_of(const std::string& name,
                                                        const ChainPlan& plan) const {
    std::map<std::string, Script::Place> places; // of texts that are new
    std::vector<std::string> own;
    std::vector<std::pair<Tag, std::string>> guests;
    const Json* const spec = plan.change ? &plan.change->spec : nullptr;
    const bool has_rules = spec && spec->contains("rules");
    const bool drops_guests = has_rules && spec->contains("guests");
    std::set<std::string> told;
    if (const auto changed = guests_.find(name); changed != guests_.end())
        for (const Change* change : changed->second) {
            told.insert(change->key.name);
            if (change->is_removed) continue;
            const Tag tag = tag_of(change->spec);
            guests.emplace_back(tag, tagged(change->spec["rule"].get_ref<const std::string&>(), tag));
            places[guests.back().second] = {change->item, "/spec/rule"};
        }
    for (std::size_t i = 0; plan.live && i < plan.live->rules.size(); ++i) {
        const std::string& text = plan.live->rules[i].text;
        if (const auto guest = read_tagged(text)) {
            if (!drops_guests && !told.count(guest->tag.name)) guests.emplace_back(guest->tag, text);
        } else if (!has_rules) {
            own.push_back(text);
        }
    }
    if (has_rules) own = (*spec)["rules"].get<std::vector<std::string>>();
    for (std::size_t i = 0; has_rules && i < own.size(); ++i)
        places.try_emplace(own[i], Script::Place{plan.change->item, "/spec/rules/" + std::to_string(i)});
    std::vector<Target> out;
    for (std::string& text : in_order(std::move(own), std::move(guests))) {
        const auto place = places.find(text);
        out.push_back({std::move(text), place == places.end() ? Script::Place{} : place->second});
    }
    return out;
}

void Transaction::add(const std::string& line, Script::Place place) {
    script_.add(line, std::move(place));
    has_structure_ = true;
}

void Transaction::write() {
    const auto table = std::find_if(changes_.begin(), changes_.end(),
                                    [](const Change& c) { return c.key.kind == Kind::table; });
    const bool goes = table != changes_.end() && table->is_removed;
    if (goes && live_.exists) return add("delete table " + table_.text(), {table->item, ""});
    const bool needs_table =
        std::any_of(changes_.begin(), changes_.end(), [](const Change& c) { return !c.is_removed; });
    if (!live_.exists && needs_table) // to add it again would wake up one that is dormant
        add("add table " + table_.text(),
            {table == changes_.end() ? Script::nobody : table->item, "/spec/table"});
    write_removals();
    write_creations();
    for (const auto& [name, plan] : chains_)
        if (!plan.is_removed || plan.is_made) write_rules(name, plan);
    if (table != changes_.end() && !table->is_removed) write_table(*table);
}

// Rules first, since they hold on to all else; then elements, sets, objects, chains.
void Transaction::write_removals() {
    for (const auto& [name, plan] : chains_) {
        if (!plan.live || plan.live->rules.empty()) continue;
        const std::size_t item = plan.change ? plan.change->item : Script::nobody;
        const bool any_stays = std::find(plan.stays.begin(), plan.stays.end(), true) != plan.stays.end();
        if (!any_stays) {
            add("flush chain " + at_ + name, {item, ""});
            continue;
        }
        for (std::size_t i = 0; i < plan.live->rules.size(); ++i)
            if (!plan.stays[i])
                add("delete rule " + at_ + name + " handle " + std::to_string(plan.live->rules[i].handle),
                    {item, "", true});
    }
    write_element_removals();
    for (const auto& [name, plan] : sets_)
        if (plan.is_removed)
            add(std::string(plan.live->is_map ? "delete map " : "delete set ") + at_ + name,
                {plan.change->item, ""});
    write_object_removals();
    for (const auto& [name, plan] : chains_)
        if (plan.is_removed)
            add("delete chain " + at_ + name, {plan.change ? plan.change->item : Script::nobody, ""});
}

void Transaction::write_element_removals() {
    for (const auto& [name, plan] : sets_) {
        if (plan.is_removed || plan.removed.empty()) continue;
        const std::size_t item = plan.change ? plan.change->item : Script::nobody;
        Script::Entries keys = plan.removed;
        for (auto& [text, index] : keys) {
            elements_[name].removed.emplace_back(text);
            text = key_of_element(text);
        }
        if (plan.live && keys.size() == plan.live->elements->size())
            script_.add("flush " + std::string(plan.live->is_map ? "map " : "set ") + at_ + name, {item, ""});
        else
            script_.add_elements("delete element " + at_ + name, keys, {item, "/spec/elements", true});
    }
}

void Transaction::write_creations() {
    write_objects();
    for (const auto& [name, plan] : sets_)
        if (plan.is_made)
            add((is_map(plan.change->spec) ? "add map " : "add set ") + at_ + name + " " +
                    set_definition(plan.change->spec),
                {plan.change->item, "/spec/type"});
    for (const auto& [name, plan] : chains_) {
        if (!plan.change || plan.change->is_removed) continue;
        const ChainBase base = chain_base(plan.change->spec);
        if (plan.is_made)
            add("add chain " + at_ + name + " " + chain_definition(plan.change->spec),
                {plan.change->item, "/spec/hook"});
        else if (base.is_base() && base.policy != plan.live->base.policy)
            add("add chain " + at_ + name + " { policy " + base.policy + "; }",
                {plan.change->item, "/spec/policy"});
    }
    write_additions();
}

void Transaction::write_additions() {
    for (const auto& [name, plan] : sets_) {
        const bool is_interval = plan.change && has_flag(plan.change->spec, "interval");
        has_intervals_ = has_intervals_ || (is_interval && !(plan.removed.empty() && plan.added.empty()));
        for (const auto& [text, index] : plan.added) elements_[name].added.emplace_back(text);
        script_.add_elements("add element " + at_ + name, plan.added,
                             {plan.change ? plan.change->item : Script::nobody, "/spec/elements"});
    }
}

// What is new goes before the next rule that stays, or to the end: so the order comes out right, and no rule
// has to be named by a place that the same transaction moves.
void Transaction::write_rules(const std::string& name, const ChainPlan& plan) {
    std::vector<std::size_t> next(plan.target.size(), no_place); // the live place of the next that stays
    std::size_t following = no_place;
    for (std::size_t i = plan.target.size(); i-- > 0;) {
        next[i] = following;
        if (plan.kept[i] != no_place) following = plan.kept[i];
    }
    for (std::size_t i = 0; i < plan.target.size(); ++i) {
        if (plan.kept[i] != no_place) continue;
        const Target& target = plan.target[i];
        if (next[i] == no_place) {
            add("add rule " + at_ + name + " " + target.text, target.place);
            continue;
        }
        Script::Place place = target.place;
        place.by_handle = true;
        add("insert rule " + at_ + name + " position " + std::to_string(plan.live->rules[next[i]].handle) +
                " " + target.text,
            std::move(place));
    }
}

void Transaction::write_table(const Change& change) {
    const bool is_wanted = change.spec.value("dormant", false);
    const bool is_dormant = std::find(live_.flags.begin(), live_.flags.end(), "dormant") != live_.flags.end();
    if (is_wanted != is_dormant)
        add("add table " + table_.text() + (is_wanted ? " { flags dormant; }" : ""),
            {change.item, "/spec/dormant"});
}

} // namespace holdfast::firewall
