#include <algorithm>
#include <string>

#include "plan/plan.hpp"

namespace holdfast {

// One SHA-256 over the key and parts of fixed length, put together in one buffer, because this runs for
// every leaf of every pass. HMAC would need two and OpenSSL's set-up costs more than either. Plain prefix
// keying is enough here: its weakness, extending the message, gains nothing where nobody forges a memo
// and all that must stay hidden is what the hashes were made of.
Hash settle_hash(const Leaf& leaf, const Hash& rules, const Hash& observed_raw,
                 std::string_view masking_key) {
    std::string text;
    text.reserve(masking_key.size() + 6 * sizeof(Hash) + 2);
    text += masking_key;
    for (const Hash* part :
         {&leaf.declared.hash, &leaf.recordable().hash, &rules, &observed_raw, &leaf.refresh})
        text += as_bytes(*part);
    // Of the policy, the ignored paths change what is equal; protection and deletion live in the ledger.
    text += leaf.policy.protect ? 'p' : '-';
    text += leaf.policy.deletion == Deletion::orphan ? 'o' : '-';
    for (const std::string& pointer : leaf.policy.ignore) text.append(pointer).push_back('\0');
    return sha256(text);
}

bool has_memo_of(const LedgerEntry& entry, const Leaf& leaf) {
    return !entry.settled.is_none() && entry.state == EntryState::applied &&
           entry.declared_hash == leaf.recordable().hash && entry.provider == leaf.provider &&
           entry.api_version == leaf.api_version && entry.address == leaf.address;
}

} // namespace holdfast
