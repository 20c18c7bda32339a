#pragma once
// Which ledger entry holds a target object. Ledger and leaves are both ordered by address, so the entry
// behind the one that was found last nearly always is the one that is looked for: then memory is read from
// one end to the other, and no index is made. The first object that stands elsewhere pays for one.

#include <optional>
#include <string_view>
#include <vector>

#include "base/hash_index.hpp"
#include "model/leaf.hpp"
#include "model/recorded.hpp"

namespace holdfast {

// A TargetObject, in pieces that nobody had to put together.
struct ObjectView {
    std::string_view target, scope, group, kind, identity;
    bool operator==(const ObjectView&) const = default;
};

struct ObjectViewHash {
    std::size_t operator()(const ObjectView& object) const noexcept;
};

ObjectView view_of(const TargetObject& object);
ObjectView view_of(const Leaf& leaf, std::string_view target);

class EntryFinder {
public:
    enum class Deposed { found, left_out };
    // The entries must outlive the finder. They may be replaced by fuller ones of the same object.
    EntryFinder(const std::vector<LedgerEntry>& entries, Deposed deposed)
        : entries_(entries), deposed_(deposed) {}

    // Of several entries with one object any may be found.
    std::optional<std::size_t> find(const ObjectView& object);

private:
    bool holds(std::size_t entry, const ObjectView& object) const;
    void make_index();

    const std::vector<LedgerEntry>& entries_;
    Deposed deposed_;
    std::size_t next_ = 0; // behind the one that was found last; goes round
    HashIndex index_;
};

} // namespace holdfast
