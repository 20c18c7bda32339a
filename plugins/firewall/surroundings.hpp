#pragma once
// What rules can name besides what is being looked at: the table's other chains, sets and objects, empty.

#include <set>
#include <string>
#include <vector>

#include "document.hpp"

namespace holdfast::firewall {

// How rules and chains speak of interfaces that have to exist.
constexpr const char* interface_words[] = {"iif ", "oif ", "sdif ", "device", "fib "};

class Surroundings {
public:
    Surroundings(const TableName& table, const LiveTable& live) : table_(table), live_(live) {}

    // What is declared itself, and so not to be made again. A rule leaves its chain there.
    void leave_out(const Key& key) { out_.insert(key); }
    // The same, for the signature.
    void add(const Key& key, const Json& spec);

    // Commands that make them.
    std::vector<std::string> lines() const;
    // What the spelling of a rule may depend on: names, and definitions of sets.
    std::string signature() const;

private:
    const TableName& table_;
    const LiveTable& live_;
    std::set<Key> out_;
    std::vector<std::string> declared_;
};

} // namespace holdfast::firewall
