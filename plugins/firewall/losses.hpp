#pragma once
// What a plan has to say of a change that the documents do not show: what is counted, and lost by it.

#include <string>
#include <vector>

#include "document.hpp"

namespace holdfast::firewall {

// Sentences for people. `spec` is what shall be, as the kernel would list it; nothing where nothing is lost.
std::vector<std::string> losses(const TableName& table, const LiveTable& live, const Key& key,
                                const Json& spec);

} // namespace holdfast::firewall
