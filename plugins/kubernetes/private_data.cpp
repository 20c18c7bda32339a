#include "private_data.hpp"

#include <functional>

#include "applyset.hpp"

namespace holdfast::kubernetes {

namespace {

std::size_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

Json read(std::string_view private_data) {
    Json kept = Json::parse(private_data.begin(), private_data.end(), nullptr, false);
    return kept.is_object() ? kept : Json::object();
}

} // namespace

Hashes hashes_of(const sdk::Item& item) {
    return {hash_of(item.declared()),
            item.observed().empty() ? 0 : content_hash(sdk::parse_json(item.observed()))};
}

Hashes hashes_in(std::string_view private_data) {
    const Json kept = read(private_data);
    return {kept.value("declared", std::size_t{0}), kept.value("content", std::size_t{0})};
}

std::string uid_in(std::string_view private_data) { return sdk::text_at(read(private_data), "/uid"); }

std::string set_in(std::string_view private_data) { return sdk::text_at(read(private_data), "/set"); }

std::string refreshed_in(std::string_view private_data) {
    return sdk::text_at(read(private_data), "/refreshed");
}

bool was_written_otherwise(const sdk::Item& item) {
    const std::size_t written = hashes_in(item.private_data()).first;
    return written != 0 && written != hash_of(item.declared());
}

bool has_succeeded_in(std::string_view private_data) {
    return sdk::text_at(read(private_data), "/ended") == "succeeded";
}

std::string as_succeeded(std::string_view private_data) {
    Json kept = read(private_data);
    kept["ended"] = "succeeded";
    return kept.dump();
}

std::string private_data_of(const sdk::Item& item, const Json& live) {
    Json out{{"uid", version_of(live).uid}};
    if (const std::string set = set_of(live); !set.empty()) out["set"] = set;
    if (!item.refresh().empty()) out["refreshed"] = std::string(item.refresh());
    if (has_succeeded_in(item.private_data()) && uid_in(item.private_data()) == version_of(live).uid)
        out["ended"] = "succeeded";
    if (!is_secret(item.kind())) {
        out["declared"] = hash_of(item.declared());
        out["content"] = content_hash(live);
    }
    return out.dump();
}

} // namespace holdfast::kubernetes
