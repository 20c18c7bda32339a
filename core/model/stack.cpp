#include "model/stack.hpp"

#include <algorithm>

namespace holdfast {

namespace {

template <typename Documents>
auto find_by_name(const Documents& documents, std::string_view name) {
    auto it = std::find_if(documents.begin(), documents.end(), [&](const auto& d) { return d.name == name; });
    return it == documents.end() ? nullptr : &*it;
}

} // namespace

const ProviderDocument* Project::provider(std::string_view name) const {
    return find_by_name(providers, name);
}
const StackDocument* Project::stack(std::string_view name) const { return find_by_name(stacks, name); }

} // namespace holdfast
