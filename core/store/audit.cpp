#include "store/audit.hpp"

#include <algorithm>
#include <limits>

#include <fmt/core.h>

namespace holdfast {

namespace {

#define HOLDFAST_AUDIT_COLUMNS "sequence, at_ms, actor, action, subject, detail, chain"

// The database holds the 32 bytes, people see hex.
std::string chain_value(std::string_view before, const AuditRecord& record) {
    return to_hex(sha256_of({before, std::to_string(record.sequence), std::to_string(record.at_ms),
                             record.actor, record.action, record.subject, record.detail}));
}

AuditRecord read_record(Query& row) {
    AuditRecord record;
    Hash chain;
    row.read(record.sequence, record.at_ms, record.actor, record.action, record.subject, record.detail,
             chain);
    record.chain = to_hex(chain);
    return record;
}

struct Head {
    std::int64_t sequence = 0;
    std::string chain; // hex; empty before the first record
};

Head read_head(Database& database) {
    Head head;
    Query row = database.query("SELECT audit_sequence, audit_chain FROM installation");
    if (!row.find()) return head;
    std::string_view chain;
    row.read(head.sequence, chain);
    if (!chain.empty()) head.chain = to_hex(hash_from_bytes(chain));
    return head;
}

Diagnostic broken(const Database& database, std::int64_t sequence, std::string_view what) {
    Diagnostic why =
        failure("store.audit-broken", fmt::format("{}: audit record {} {}", database.path(), sequence, what),
                "somebody changed the file by other means than Holdfast, or the disk did: compare "
                "with the last export before you trust what the log says from there on");
    why.subject = database.path();
    return why;
}

} // namespace

void Audit::append(AuditRecord record) {
    const Head head = read_head(database_);
    record.sequence = head.sequence + 1;
    record.chain = chain_value(head.chain, record);
    restore(record);
}

void Audit::restore(const AuditRecord& record) {
    const Hash chain = hash_from_hex(record.chain).value_or(Hash{});
    database_.query("INSERT INTO audit (" HOLDFAST_AUDIT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        .run(record.sequence, record.at_ms, record.actor, record.action, record.subject, record.detail,
             chain);
    database_.query("UPDATE installation SET audit_sequence = ?1, audit_chain = ?2")
        .run(record.sequence, chain);
}

std::vector<AuditRecord> Audit::newest(std::size_t limit) {
    const auto most =
        static_cast<std::int64_t>(std::min<std::size_t>(limit, std::numeric_limits<int>::max()));
    Query rows =
        database_.query("SELECT " HOLDFAST_AUDIT_COLUMNS " FROM audit ORDER BY sequence DESC LIMIT ?1");
    rows.start(most);
    std::vector<AuditRecord> records;
    while (rows.next()) records.push_back(read_record(rows));
    return records;
}

void Audit::for_each(const std::function<void(const AuditRecord&)>& visit) {
    Query rows = database_.query("SELECT " HOLDFAST_AUDIT_COLUMNS " FROM audit ORDER BY sequence");
    while (rows.next()) visit(read_record(rows));
}

void Audit::check(Diagnostics& problems) {
    const Head head = read_head(database_);
    Head last;
    bool is_whole = true;
    for_each([&](const AuditRecord& record) {
        if (!is_whole) return;
        if (record.sequence != last.sequence + 1) {
            problems.add(broken(database_, last.sequence + 1, "is missing"));
            is_whole = false;
        } else if (record.chain != chain_value(last.chain, record)) {
            problems.add(broken(database_, record.sequence, "is not what was written"));
            is_whole = false;
        }
        last = {record.sequence, record.chain};
    });
    if (!is_whole) return;
    if (last.sequence < head.sequence)
        problems.add(broken(database_, last.sequence + 1, "is missing"));
    else if (last.sequence != head.sequence || last.chain != head.chain)
        problems.add(broken(database_, last.sequence, "is not what was written"));
}

} // namespace holdfast
