#pragma once
// The two targets of a walk, those of the test providers `memory` and `memory-atomic`, seen past the engine:
// what stands there, what somebody else does with it, and what became of what was declared.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "declared.hpp"

namespace holdfast::walks {

// What may stand on a target although a fresh apply would not have put it there, because somebody else did.
class Allowed {
public:
    void object(const TargetName& name) { objects_.insert(name); }
    void field(const TargetName& name, const std::string& field, const Value& value);
    void any_field(const TargetName& name) { any_field_.insert(name); }
    void everything(const std::map<TargetName, Value>& standing);

    bool has(const TargetName& name) const { return objects_.contains(name); }
    bool has(const TargetName& name, const std::string& field, const Value& value) const;

private:
    std::set<TargetName> objects_, any_field_;
    std::set<std::pair<TargetName, std::string>> fields_; // "tags=[1,2]"
};

class Target {
public:
    explicit Target(std::string folder) : folder_(std::move(folder)) {}

    // Files for the providers' configuration.
    std::string objects_file(bool is_atomic) const;
    std::string calls_file(bool is_atomic) const;
    std::string faults_file() const { return folder_ + "/faults"; }

    std::map<TargetName, Value> objects() const; // the whole documents
    // Somebody else writes. `set` does nothing where there is no object.
    void set(const TargetName& name, const std::string& field, const Value& value, Allowed& allowed);
    void make(const TargetName& name, const Value& spec, Allowed& allowed);
    void remove(const TargetName& name);
    void pretend_change(const TargetName& name);

    void add_fault(const Value& fault) const;
    bool has_deadly_fault() const;
    void clear_faults() const;

    // The calls since the last time, as in the call log.
    struct Call {
        std::string verb; // observe, list, create, update, delete, refresh
        TargetName object;
    };
    std::vector<Call> new_calls();
    // What a read told as it had been before, according to the call log.
    std::set<TargetName> ever_read_stale() const;

    // Takes what stands there away, for a fresh start.
    void set_aside() const;

private:
    void put(const TargetName& name, const Value& document);

    std::string folder_;
    std::map<std::string, std::size_t> calls_seen_;
};

// What `walked` has otherwise than `fresh`, a line each; what is allowed is left out.
std::vector<std::string> differences(const std::map<TargetName, Value>& walked,
                                     const std::map<TargetName, Value>& fresh, const Allowed& allowed);

} // namespace holdfast::walks
