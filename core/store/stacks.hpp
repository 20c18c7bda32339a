#pragma once
// What is remembered of whole stacks: their last pass's facts, and approvals of parked plans.

#include <optional>
#include <span>
#include <vector>

#include "store/database.hpp"
#include "store/store.hpp"

namespace holdfast {

struct Approval {
    std::string stack;
    Hash plan;
    std::string actor;
    std::int64_t at_ms = 0;
};

class Stacks {
public:
    explicit Stacks(Database& database) : database_(database) {}

    std::vector<Store::StackMemory> all();
    void remember(const Store::StackMemory& stack);
    void forget(std::string_view name);

    std::optional<Store::Rest> rest(std::string_view stack);
    void remember_rest(const Store::Rest& rest);
    // It stays as what was known once, and no longer holds.
    void end_rest(std::string_view stack);

    void approve(const Approval& approval);
    bool is_approved(std::string_view stack, const Hash& plan);
    void drop_approvals(std::string_view stack);
    std::vector<Approval> approvals();

    std::vector<Store::StackHold> holds();
    void set_hold(const Store::StackHold& hold);

    std::vector<Store::Quarantined> quarantined(std::string_view stack); // of all where it is empty
    void quarantine(const Store::Quarantined& change);
    std::size_t end_quarantine(std::string_view stack, std::span<const Address> leaves);

private:
    Database& database_;
};

} // namespace holdfast
