#pragma once
// From what a table holds and what is to change, the commands that do it, as one transaction.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "document.hpp"
#include "netlink.hpp"
#include "script.hpp"

namespace holdfast::firewall {

struct Change {
    std::size_t item = 0;
    Key key;
    bool is_removed = false;
    Json spec;           // as the kernel would list it; null for a removal
    std::string made_as; // of an object: its definition with what it had counted; empty: as the spec says
};

// Borrows what it is given. Least change: rules that stay keep their handles and counters, sets keep elements
// that nobody declares, objects keep what they counted, and what no change names is not touched.
class Transaction {
public:
    Transaction(const TableName& table, const LiveTable& live, const std::vector<Change>& changes);

    const Script& script() const { return script_; }
    bool empty() const { return script_.empty(); }
    // Where nothing but elements of existing hash sets changes: which, by set.
    struct ElementTexts {
        std::vector<std::string> removed, added;
    };
    const std::map<std::string, ElementTexts>* only_elements() const {
        return has_structure_ || has_intervals_ || elements_.empty() ? nullptr : &elements_;
    }

private:
    struct ObjectPlan {
        const Change* change = nullptr;
        const LiveObject* live = nullptr;
        bool is_removed = false, is_made = false; // both: made anew
        bool is_changed = false;                  // in place
    };
    struct SetPlan {
        const Change* change = nullptr; // null where it only makes room for an object that is made anew
        const LiveSet* live = nullptr;
        bool is_removed = false, is_made = false; // both: made anew
        Script::Entries removed, added;
    };
    struct Target {
        std::string text;
        Script::Place place;
    };
    struct ChainPlan {
        const Change* change = nullptr; // of the chain itself; null where only its rules are touched
        const LiveChain* live = nullptr;
        bool is_removed = false, is_made = false;
        std::vector<Target> target;
        std::vector<std::size_t> kept; // by target, the live place
        std::vector<bool> stays;       // by live place
    };

    void plan_objects();
    void plan_sets();
    void plan_elements(SetPlan& plan);
    void make_room_in_maps();
    void make_room_in_map(const std::string& name, const LiveSet& live, const std::string& object);
    void plan_chains();
    void plan_rules(const std::string& name, ChainPlan& plan);
    std::vector<Target> target_of(const std::string& name, const ChainPlan& plan) const;
    bool must_go(const std::string& rule) const;

    void write();
    void write_removals();
    void write_element_removals();
    void write_object_removals();
    void write_objects();
    void write_creations();
    void write_additions();
    void write_rules(const std::string& name, const ChainPlan& plan);
    void write_table(const Change& change);
    void add(const std::string& line, Script::Place place = {});

    const TableName& table_;
    const LiveTable& live_;
    const std::vector<Change>& changes_;
    const std::string at_;
    std::map<Key, ObjectPlan> objects_;
    std::vector<Key> remade_objects_; // which what names them has to make room for
    std::map<std::string, SetPlan> sets_;
    std::map<std::string, ChainPlan> chains_;
    std::map<std::string, std::vector<const Change*>> guests_; // by chain
    std::map<std::string, ElementTexts> elements_;
    bool has_structure_ = false, has_intervals_ = false;
    Script script_;
};

// Whether a rule, as listed, names the set.
bool names_set(const std::string& rule, const std::string& set);
// Whether the live set is what the spec says, elements aside.
bool is_same_definition(const Json& spec, const Json& live);

} // namespace holdfast::firewall
