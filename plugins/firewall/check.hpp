#pragma once
// What is wrong with a document by itself, without asking the kernel.

#include <string>
#include <vector>

#include "document.hpp"

namespace holdfast::firewall {

// Everything that is wrong with a document of a kind that has leaves, each with its pointer.
sdk::Diagnostics check_document(Kind kind, const Json& document);

// The tables that a provider may touch: "inet edge", "inet hf_*", "ip *". None: all.
class TableFilter {
public:
    explicit TableFilter(const Json& config);
    bool allows(const TableName& table) const;
    std::string text() const;

private:
    std::vector<std::string> patterns_;
};

} // namespace holdfast::firewall
