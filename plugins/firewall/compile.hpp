#pragma once
// Zones, services and policies as sets, chains and rules; lists of objects as these.
//
// Each document is compiled by itself, and they meet in the kernel: a zone becomes a set of interface names
// (zone_lan), a service a set of protocols and ports (service_web), a policy a chain (policy_NAME) and one
// rule in a shared chain that sends there what goes from one zone to the other. So a zone that gets an
// interface changes one set, and no rule is written anew.

#include <string>
#include <string_view>
#include <vector>

#include "document.hpp"

namespace holdfast::firewall {

struct Compiled {
    Key key;
    std::string part, pointer;
    Json spec;
};

// Nothing where there are problems, or where the document is of a kind that is a leaf itself.
std::vector<Compiled> compile_document(std::string_view document, sdk::Diagnostics& problems);

// Of an Objects document. Borrows `table` while it runs.
std::vector<Compiled> compile_objects(const Json& spec, const std::string& table, sdk::Diagnostics& problems);

} // namespace holdfast::firewall
