#include "base/ids.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include <fmt/core.h>

namespace holdfast {

ApiVersion split_api_version(std::string_view text) {
    const std::size_t slash = text.rfind('/');
    if (slash == std::string_view::npos) return {{}, std::string(text)};
    return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

std::string to_string(const ApiVersion& api_version) {
    return api_version.group.empty() ? api_version.version : api_version.group + "/" + api_version.version;
}

// A record at the top of a zone is named "@": a provider's name cannot be empty, so "@/A" names none.
std::string_view ResourceId::provider_part() const {
    const std::string_view text = part;
    if (!text.starts_with('@')) return {};
    const std::string_view named = text.substr(0, text.find_first_of("/~"));
    return is_name(named.substr(1)) ? named : std::string_view{};
}

ResourceId ResourceId::for_provider(std::string_view provider) const {
    ResourceId id = parent();
    id.part.append("@").append(provider);
    return id;
}

ResourceId ResourceId::leaf(std::string_view name_inside) const {
    ResourceId id = *this;
    if (!id.part.empty() && !name_inside.empty()) id.part += '/';
    id.part += name_inside;
    return id;
}

std::string short_name(const ResourceId& id) {
    std::string text = id.kind.str();
    if (!id.name_space.empty()) text += "/" + id.name_space;
    text += "/" + id.name;
    if (!id.part.empty()) text += "#" + id.part;
    return text;
}

std::string to_string(const ResourceId& id) {
    return id.group.empty() ? short_name(id) : id.group + "/" + short_name(id);
}

std::string to_string(const Address& address) {
    return address.stack.empty() ? to_string(address.id) : address.stack + ":" + to_string(address.id);
}

namespace {

Diagnostic invalid_id(std::string_view text) {
    return failure("id.invalid", fmt::format("\"{}\" is not an id", text),
                   "write [group/]Kind/[namespace/]name, for instance host.holdfast.dev/File/motd");
}

} // namespace

Result<ResourceId> parse_id(std::string_view text) {
    ResourceId id;
    std::string_view path = text;
    if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
        id.part = text.substr(hash + 1);
        path = text.substr(0, hash);
    }
    std::vector<std::string_view> segments;
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t to = std::min(path.find('/', from), path.size());
        segments.push_back(path.substr(from, to - from));
        from = to + 1;
    }
    const bool has_empty = std::any_of(segments.begin(), segments.end(), [](auto s) { return s.empty(); });
    const auto kind = std::find_if(segments.begin(), segments.end(), [](std::string_view s) {
        return !s.empty() && s.front() >= 'A' && s.front() <= 'Z';
    });
    const auto before = kind - segments.begin(), after = segments.end() - kind - 1;
    if (has_empty || kind == segments.end() || before > 1 || after < 1 || after > 2) return invalid_id(text);
    if (before == 1) id.group = segments.front();
    id.kind = *kind;
    if (after == 2) id.name_space = kind[1];
    id.name = segments.back();
    return id;
}

Result<Address> parse_address(std::string_view text) {
    Address address;
    // A colon after the first slash belongs to a Kubernetes name such as "system:node".
    const std::size_t colon = text.find(':');
    std::string_view id = text;
    if (colon == 0) return invalid_id(text);
    if (colon != std::string_view::npos && colon < text.find('/')) {
        address.stack = text.substr(0, colon);
        id = text.substr(colon + 1);
    }
    Result<ResourceId> parsed = parse_id(id);
    if (!parsed) return parsed.error();
    address.id = std::move(*parsed);
    return address;
}

bool is_name(std::string_view text) {
    auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !text.empty() && text.size() <= 253 && is_alphanumeric(text.front()) &&
           is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [&](char c) {
               return is_alphanumeric(c) || c == '-' || c == '.';
           });
}

} // namespace holdfast

namespace {

void combine(std::size_t& seed, std::size_t hash) {
    seed ^= hash + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2);
}

} // namespace

std::size_t std::hash<holdfast::ResourceId>::operator()(const holdfast::ResourceId& id) const noexcept {
    const std::hash<std::string> of_text;
    std::size_t seed = 0;
    for (const std::size_t piece :
         {of_text(id.name), id.kind.hash(), of_text(id.part), id.name_space.hash(), id.group.hash()})
        combine(seed, piece);
    return seed;
}

std::size_t std::hash<holdfast::Address>::operator()(const holdfast::Address& address) const noexcept {
    std::size_t seed = std::hash<holdfast::ResourceId>{}(address.id);
    combine(seed, address.stack.hash());
    return seed;
}
