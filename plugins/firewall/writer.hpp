#pragma once
// One apply: look, compare with what was observed, write one transaction, look again.

#include <vector>

#include "canonical.hpp"
#include "live.hpp"
#include "transaction.hpp"

namespace holdfast::firewall {

class Writer {
public:
    Writer(Live& live, Scratch& scratch, TableName table)
        : live_(live), scratch_(scratch), table_(std::move(table)) {}

    void apply(const sdk::Scope& scope, sdk::Items items, sdk::Results& results);

private:
    // One item of the call.
    struct Wanted {
        Change change;
        Json declared; // spec
        Json before;   // as seen just before; null where it was not there
        std::string private_data;
        sdk::Diagnostics problems;
    };
    enum class End { done, failed };

    void read_items(sdk::Items items);
    const LiveTable& look();
    void compare_versions(sdk::Items items);
    void canonicalize(const LiveTable& now);
    void check_together(const LiveTable& now);
    void check_table_removal(const Wanted& table, const LiveTable& now);
    bool has_problems() const;
    End write(const Transaction& transaction);
    std::optional<End> write_elements(const Transaction& transaction);
    void blame(const Transaction& transaction, const Nft::Answer& answer);
    void conflict(Wanted& wanted, const std::string& what);

    void answer_problems(sdk::Items items, sdk::Results& results);
    void answer(sdk::Items items, sdk::Results& results, bool has_written);

    Live& live_;
    Scratch& scratch_;
    const TableName table_;
    std::vector<Wanted> wanted_;
};

// Everything of one kind that the table holds, as documents that can be declared.
void list_table(const TableName& table, const LiveTable& live, Kind kind, sdk::Results& results);

} // namespace holdfast::firewall
