#pragma once
// A small world to plan in: documents that Git declares, objects that the target holds and entries that
// the ledger recorded, each added by one call. `plan()` puts them together as a pass would.

#include <set>
#include <string>

#include "plan/plan.hpp"

namespace holdfast::test {

Value json(std::string_view text);

class World {
public:
    World();

    KindInfo& kind(const std::string& name = "File");
    ProviderFacts& provider() { return input.providers["files"]; }

    // Declares a document whose object is named by spec.path; the returned leaf may be changed until plan().
    Leaf& declare(const std::string& name, const std::string& spec, const std::string& kind = "File");
    // The target holds this object.
    Observed& hold(const std::string& path, const std::string& spec, const std::string& kind = "File");
    void fail_to_read(const std::string& path, const std::string& kind = "File");
    // The ledger says that this was applied.
    LedgerEntry& record(const std::string& name, const std::string& spec, const std::string& kind = "File");
    // All three at once: nothing to do.
    Leaf& settle(const std::string& name, const std::string& spec, const std::string& kind = "File");

    Plan plan();

    PlanInput input;
    StackDocument stack;
    Description description;

private:
    std::map<std::pair<std::string, std::string>, Observed> target_; // kind, identity
};

ResourceId file_id(const std::string& name, const std::string& kind = "File");
Address address(const std::string& name, const std::string& kind = "File");
// The change for the document of that name; fails the test where there is none.
const Change& change_of(const Plan& plan, const std::string& name);
bool has_change(const Plan& plan, const std::string& name);
std::string numbered(const char* prefix, std::size_t number); // "n", 7 -> "n7"
std::string all_text(const Plan& plan);                       // codes, messages and reasons
std::size_t place_in(const Plan& plan, const std::string& name);
// Everything in the plan as text: equal plans give equal bytes.
std::string bytes_of(const Plan& plan);

} // namespace holdfast::test
