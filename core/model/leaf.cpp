#include "model/leaf.hpp"

#include <algorithm>

#include "model/recorded.hpp"

namespace holdfast {

std::string to_string(const Origin& origin) {
    if (origin.file.empty() || origin.line == 0) return origin.file;
    return origin.file + ":" + std::to_string(origin.line);
}

TargetObject target_object(const Leaf& leaf, std::string_view target_id) {
    const std::string& group = leaf.address.id.group;
    return {std::string(target_id), leaf.scope, group + "/" + leaf.kind_name(), leaf.identity};
}

std::vector<Address> Leaf::comes_after() const {
    std::vector<Address> before = depends_on;
    for (const Address& producer : producers)
        if (producer.stack != address.stack &&
            std::find(before.begin(), before.end(), producer) == before.end())
            before.push_back(producer);
    return before;
}

Address deposed_address(const Address& address, std::size_t number) {
    Address deposed = address;
    if (!deposed.id.part.empty()) deposed.id.part += "~";
    deposed.id.part += "deposed-" + std::to_string(number);
    return deposed;
}

std::string_view to_string(Adopt adopt) {
    switch (adopt) {
        case Adopt::equal: return "equal";
        case Adopt::always: return "always";
        case Adopt::never: return "never";
    }
    return "equal";
}

std::string_view to_string(Deletion deletion) { return deletion == Deletion::remove ? "delete" : "orphan"; }

std::string_view to_string(DriftPolicy drift) {
    switch (drift) {
        case DriftPolicy::correct: return "correct";
        case DriftPolicy::report: return "report";
        case DriftPolicy::ignore: return "ignore";
    }
    return "correct";
}

std::string_view to_string(EntryState state) {
    switch (state) {
        case EntryState::creating: return "creating";
        case EntryState::applied: return "applied";
        case EntryState::deleting: return "deleting";
        case EntryState::deposed: return "deposed";
    }
    return "applied";
}

} // namespace holdfast
