#pragma once
// The audit log: append-only, each record chained to the one before by its hash.

#include <functional>
#include <string>
#include <vector>

#include "store/database.hpp"
#include "store/store.hpp"

namespace holdfast {

class Audit {
public:
    explicit Audit(Database& database) : database_(database) {}

    // To be called inside a transaction.
    void append(AuditRecord record);
    // With the chain value that it carries, for an import; `check` tells whether that was right.
    void restore(const AuditRecord& record);

    std::vector<AuditRecord> newest(std::size_t limit);
    void for_each(const std::function<void(const AuditRecord&)>& visit); // oldest first
    // Names the first record that is not what was written.
    void check(Diagnostics& problems);

private:
    Database& database_;
};

} // namespace holdfast
