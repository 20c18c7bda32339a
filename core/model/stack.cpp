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
const SourceDocument* Project::source(std::string_view name) const { return find_by_name(sources, name); }

std::string_view to_string(RenderSpec::Tool tool) {
    return tool == RenderSpec::Tool::helm ? "helm" : "kustomize";
}

std::string to_string(const SourceRef& ref) {
    switch (ref.kind) {
        case SourceRef::Kind::head: return "HEAD";
        case SourceRef::Kind::branch: return "branch " + ref.value;
        case SourceRef::Kind::tag: return "tag " + ref.value;
        case SourceRef::Kind::semver: return "semver " + ref.value;
        case SourceRef::Kind::name: return ref.value;
        case SourceRef::Kind::commit: return "commit " + ref.value;
    }
    return {};
}

} // namespace holdfast
