#pragma once
// What a stack took in when its last pass converged, and what differs from that now: how a pass finds out
// that there is nothing, or only a part, to look at (law 13).

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "git/tree_changes.hpp"
#include "reconcile/run.hpp"

namespace holdfast {

// Kept in Store::Rest::facts.
struct RestFacts {
    // Why, once anything differs, all of the stack has to be looked at; and why always, since not everything
    // that it takes in can be told apart here. Sentences; empty: it has not.
    std::string only_whole, always_whole;
    std::string whole_by_files; // the same, once a file differs
    TakenIn taken_in; // what it takes in from outside of its folder
    std::size_t files = 0, documents = 0, leaves = 0;
    // From then on it declares something else, with the same inputs. Milliseconds since 1970; 0: never.
    std::int64_t until_ms = 0;
    std::map<std::string, std::string> targets; // of the providers that it uses, by name
    std::set<Address> taken;                    // from other stacks: outputs, depends-on, refresh-on
    std::set<std::vector<std::string>> secrets; // name and path
    std::set<std::string> stacks_before;
    // Of everything besides the tree that decides what is declared: what it is -> its hash. Filled in by
    // `hashes_of_inputs`, before any of it is used: what changes meanwhile then differs from the rest.
    std::map<std::string, std::string> hashes;
};
std::string to_json(const RestFacts& facts);
std::optional<RestFacts> parse_rest_facts(std::string_view json);

// By the words that a sentence like "... has changed" begins with. Opens no provider.
std::map<std::string, std::string> hashes_of_inputs(Session& session, const StackDocument& stack,
                                                    const RestFacts& facts);

struct Difference {
    enum class Kind { everything, part, nothing } kind = Kind::everything;
    std::string why; // everything: a sentence
    Store::Rest rest;
    RestFacts facts;
    std::vector<TreeChange> files;
    std::set<Address> touched; // recorded leaves of the stack
};
Difference difference_from_rest(Session& session, const StackDocument& stack, const RunOptions& options,
                                bool is_removed);

// Whether the ledger of the stack is what it declares at the session's commit.
bool is_at_rest(Session& session, const StackDocument& stack);

} // namespace holdfast
