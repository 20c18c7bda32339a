#include "plan/entry_finder.hpp"

namespace holdfast {

std::size_t ObjectViewHash::operator()(const ObjectView& object) const noexcept {
    const std::hash<std::string_view> hash;
    // The identity tells objects apart; kind and scope only where two kinds share one.
    std::size_t sum = hash(object.identity);
    for (std::string_view piece : {object.kind, object.scope})
        sum = sum * 0x9e3779b97f4a7c15ULL + hash(piece);
    return sum;
}

ObjectView view_of(const TargetObject& object) {
    const std::string_view kind = object.kind;
    const std::size_t slash = kind.rfind('/');
    const bool has_group = slash != std::string_view::npos;
    return {object.target, object.scope, has_group ? kind.substr(0, slash) : std::string_view{},
            has_group ? kind.substr(slash + 1) : kind, object.identity};
}

ObjectView view_of(const Leaf& leaf, std::string_view target) {
    return {target, leaf.scope, leaf.address.id.group, leaf.kind_name(), leaf.identity};
}

bool EntryFinder::holds(std::size_t entry, const ObjectView& object) const {
    if (deposed_ == Deposed::left_out && entries_[entry].state == EntryState::deposed) return false;
    return entries_[entry].object.identity == object.identity && view_of(entries_[entry].object) == object;
}

std::optional<std::size_t> EntryFinder::find(const ObjectView& object) {
    if (entries_.empty()) return std::nullopt;
    if (next_ >= entries_.size()) next_ = 0;
    if (holds(next_, object)) return next_++;
    if (index_.empty()) make_index();
    const auto found = index_.find(ObjectViewHash{}(object), [&](std::size_t i) { return holds(i, object); });
    if (found) next_ = *found + 1;
    return found;
}

void EntryFinder::make_index() {
    index_.reserve(entries_.size());
    for (std::size_t i = 0; i < entries_.size(); ++i)
        if (deposed_ == Deposed::found || entries_[i].state != EntryState::deposed)
            index_.add(ObjectViewHash{}(view_of(entries_[i].object)), i);
}

} // namespace holdfast
