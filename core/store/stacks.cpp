#include "store/stacks.hpp"

#include "store/ledger.hpp"

namespace holdfast {

std::vector<Store::StackMemory> Stacks::all() {
    Query rows = database_.query(
        "SELECT name, deletion, last_commit, providers, applied_at_ms FROM stack ORDER BY name");
    std::vector<Store::StackMemory> stacks;
    while (rows.next()) {
        Store::StackMemory& stack = stacks.emplace_back();
        std::string_view deletion;
        rows.read(stack.name, deletion, stack.last_commit, stack.providers, stack.applied_at_ms);
        stack.deletion = deletion_from(deletion).value_or(Deletion::orphan);
    }
    return stacks;
}

void Stacks::remember(const Store::StackMemory& stack) {
    const std::string deletion(to_string(stack.deletion));
    database_
        .query("INSERT OR REPLACE INTO stack (name, deletion, last_commit, providers, applied_at_ms) "
               "VALUES (?1, ?2, ?3, ?4, ?5)")
        .run(stack.name, deletion, stack.last_commit, stack.providers, stack.applied_at_ms);
}

void Stacks::forget(std::string_view name) {
    database_.query("DELETE FROM stack WHERE name = ?1").run(std::string(name));
    database_.query("DELETE FROM rest WHERE stack = ?1").run(std::string(name));
    end_quarantine(name, {});
    drop_approvals(name);
}

std::optional<Store::Rest> Stacks::rest(std::string_view stack) {
    Query row = database_.query("SELECT stack, commit_id, tree, facts, lasts FROM rest WHERE stack = ?1");
    const std::string name(stack);
    if (!row.find(name)) return std::nullopt;
    Store::Rest rest;
    row.read(rest.stack, rest.commit, rest.tree, rest.facts, rest.lasts);
    return rest;
}

void Stacks::remember_rest(const Store::Rest& rest) {
    database_
        .query("INSERT OR REPLACE INTO rest (stack, commit_id, tree, facts, lasts) "
               "VALUES (?1, ?2, ?3, ?4, ?5)")
        .run(rest.stack, rest.commit, rest.tree, rest.facts, rest.lasts);
}

void Stacks::end_rest(std::string_view stack) {
    database_.query("UPDATE rest SET lasts = 0 WHERE stack = ?1 AND lasts").run(std::string(stack));
}

void Stacks::approve(const Approval& approval) {
    // The first approval stands: it is the one that people were told of.
    database_.query("INSERT OR IGNORE INTO approval (stack, plan, actor, at_ms) VALUES (?1, ?2, ?3, ?4)")
        .run(approval.stack, approval.plan, approval.actor, approval.at_ms);
}

bool Stacks::is_approved(std::string_view stack, const Hash& plan) {
    const std::string name(stack);
    return database_.query("SELECT 1 FROM approval WHERE stack = ?1 AND plan = ?2").find(name, plan);
}

void Stacks::drop_approvals(std::string_view stack) {
    database_.query("DELETE FROM approval WHERE stack = ?1").run(std::string(stack));
}

std::vector<Approval> Stacks::approvals() {
    Query rows = database_.query("SELECT stack, plan, actor, at_ms FROM approval ORDER BY stack, plan");
    std::vector<Approval> approvals;
    while (rows.next()) {
        Approval& approval = approvals.emplace_back();
        rows.read(approval.stack, approval.plan, approval.actor, approval.at_ms);
    }
    return approvals;
}

std::vector<Store::StackHold> Stacks::holds() {
    Query rows = database_.query("SELECT stack, is_suspended, suspended_by, suspend_reason, suspended_at_ms, "
                                 "pin, pinned_by, pin_reason, pinned_at_ms FROM stack_hold ORDER BY stack");
    std::vector<Store::StackHold> holds;
    while (rows.next()) {
        Store::StackHold& hold = holds.emplace_back();
        rows.read(hold.stack, hold.is_suspended, hold.suspended_by, hold.suspend_reason, hold.suspended_at_ms,
                  hold.pin, hold.pinned_by, hold.pin_reason, hold.pinned_at_ms);
    }
    return holds;
}

void Stacks::set_hold(const Store::StackHold& hold) {
    if (hold.is_empty()) {
        database_.query("DELETE FROM stack_hold WHERE stack = ?1").run(hold.stack);
        return;
    }
    database_
        .query("INSERT OR REPLACE INTO stack_hold (stack, is_suspended, suspended_by, suspend_reason, "
               "suspended_at_ms, pin, pinned_by, pin_reason, pinned_at_ms) "
               "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
        .run(hold.stack, hold.is_suspended, hold.suspended_by, hold.suspend_reason, hold.suspended_at_ms,
             hold.pin, hold.pinned_by, hold.pin_reason, hold.pinned_at_ms);
}

std::vector<Store::Quarantined> Stacks::quarantined(std::string_view stack) {
    Query rows = database_.query(
        "SELECT stack, group_name, kind, name_space, name, part, declared_hash, pass, why, at_ms "
        "FROM quarantine WHERE stack = ?1 OR ?1 = '' ORDER BY stack, group_name, kind, name_space, name, "
        "part");
    const std::string name(stack);
    rows.start(name);
    std::vector<Store::Quarantined> all;
    while (rows.next()) {
        Store::Quarantined& one = all.emplace_back();
        ResourceId& id = one.address.id;
        rows.read(one.address.stack, id.group, id.kind, id.name_space, id.name, id.part, one.declared,
                  one.pass, one.why, one.at_ms);
    }
    return all;
}

void Stacks::quarantine(const Store::Quarantined& change) {
    const ResourceId& id = change.address.id;
    database_
        .query("INSERT OR REPLACE INTO quarantine (stack, group_name, kind, name_space, name, part, "
               "declared_hash, pass, why, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
        .run(change.address.stack, id.group, id.kind, id.name_space, id.name, id.part, change.declared,
             change.pass, change.why, change.at_ms);
}

std::size_t Stacks::end_quarantine(std::string_view stack, std::span<const Address> leaves) {
    const std::size_t before = quarantined(stack).size();
    if (leaves.empty()) database_.query("DELETE FROM quarantine WHERE stack = ?1").run(std::string(stack));
    for (const Address& leaf : leaves)
        database_
            .query("DELETE FROM quarantine WHERE stack = ?1 AND group_name = ?2 AND kind = ?3 AND "
                   "name_space = ?4 AND name = ?5 AND part = ?6")
            .run(leaf.stack, leaf.id.group, leaf.id.kind, leaf.id.name_space, leaf.id.name, leaf.id.part);
    return before - quarantined(stack).size();
}

} // namespace holdfast
