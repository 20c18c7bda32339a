// What a plugin knows of how its objects hang together: a namespace before what lies in it, a definition
// before what it defines. Documents need not say so, and most repositories do not.

#include "reconcile/declare.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace holdfast {

std::vector<Declaration::Remark> Declaration::order(std::stop_token stop) {
    std::vector<Remark> remarks;
    std::map<std::string, std::vector<std::size_t>> leaves_of;
    for (std::size_t i = 0; i < leaves_.size(); ++i) {
        const Leaf& leaf = leaves_[i];
        const Description* description = this->description(leaf.provider);
        if (description && description->has("holdfast.order/1") && leaf.waits.empty() && !is_dropped(i))
            leaves_of[leaf.provider].push_back(i);
    }
    for (const auto& [name, leaves] : leaves_of)
        if (Result<Provider*> provider = session_.provider(name)) // else its leaves could not be observed
            order_provider(**provider, leaves, remarks, stop);
    return remarks;
}

void Declaration::order_provider(Provider& provider, const std::vector<std::size_t>& leaves,
                                 std::vector<Remark>& remarks, std::stop_token stop) {
    std::vector<std::string> kinds(leaves.size());
    std::vector<Item> items(leaves.size());
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        const Leaf& leaf = leaves_[leaves[i]];
        kinds[i] = leaf.kind_id();
        items[i] = {.kind = kinds[i], .identity = leaf.identity, .declared = leaf.declared.json};
    }
    const CallEnd end = provider.call(
        {.method = Method::order, .items = items, .stop = std::move(stop)}, [&](const ItemResult& result) {
            const Result<Value> detail =
                result.detail.empty() ? Result<Value>(Value{}) : parse_json(result.detail);
            if (result.item >= leaves.size() || !detail || !detail->is_map()) return;
            Leaf& leaf = leaves_[leaves[result.item]];
            const Value *after = detail->find("after"), *wave = detail->find("wave");
            for (const Value& value : after && after->is_list() ? *after->if_list() : List{}) {
                const std::int64_t* index = value.if_integer();
                if (!index || *index < 0 || *index >= static_cast<std::int64_t>(leaves.size())) continue;
                const Address& before = leaves_[leaves[static_cast<std::size_t>(*index)]].address;
                if (before != leaf.address) leaf.depends_on.push_back(before);
            }
            if (after && after->is_list()) { // always in the same order, since the ledger keeps it
                std::vector<Address>& on = leaf.depends_on;
                std::sort(on.begin(), on.end());
                on.erase(std::unique(on.begin(), on.end()), on.end());
            }
            // What the document itself says in Holdfast's own words counts more.
            if (wave && wave->is_integer() && leaf.policy.wave == 0)
                leaf.policy.wave = static_cast<std::int32_t>(*wave->if_integer());
            if (const Value* on = detail->find("refresh"); on && on->is_list())
                refresh_on(leaves[result.item], leaves, *on->if_list());
            if (detail->text_at("deletion") == "orphan") leaf.policy.deletion = Deletion::orphan;
            const Value* leave = detail->find("leave");
            const bool is_left = leave && leave->if_bool() && *leave->if_bool();
            if (is_left || !result.diagnostics.empty())
                remarks.push_back({leaves[result.item], result.diagnostics, is_left});
        });
    problems_.append(end.why);
}

// As holdfast.dev/refresh-on, which counts more, but without coming after what is named. In whatever order
// the leaves come, the hash is the same.
void Declaration::refresh_on(std::size_t index, const std::vector<std::size_t>& leaves, const List& named) {
    std::vector<Hash> hashes;
    for (const Value& value : named) {
        const std::int64_t* at = value.if_integer();
        if (at && *at >= 0 && *at < static_cast<std::int64_t>(leaves.size()))
            hashes.push_back(leaves_[leaves[static_cast<std::size_t>(*at)]].recordable().hash);
    }
    std::sort(hashes.begin(), hashes.end());
    Hasher refresh;
    for (const Hash& hash : hashes) refresh.add(as_bytes(hash));
    leaves_[index].refresh = refresh.finish();
    is_refreshed_by_others_ = true;
}

} // namespace holdfast
