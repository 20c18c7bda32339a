#include "reconcile/secret_gate.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "manifest/identity.hpp"

namespace holdfast {

namespace {

bool repeats_text_of(const Value& node, std::string_view data) {
    const auto is_repeated = [&](const auto& member) { return repeats_text_of(member, data); };
    if (const List* list = node.if_list()) return std::any_of(list->begin(), list->end(), is_repeated);
    if (const Map* map = node.if_map())
        return std::any_of(map->begin(), map->end(),
                           [&](const MapEntry& entry) { return is_repeated(entry.value); });
    const std::string* text = node.if_string();
    return text && text->size() >= shortest_secret && data.find(*text) != std::string_view::npos;
}

// Whether `data` repeats what stands in one of the fields that the kind calls sensitive.
bool repeats_sensitive(const KindInfo& kind, std::string_view json, std::string_view data) {
    if (json.empty()) return false;
    const Result<Value> document = parse_json(json);
    if (!document) return false;
    for (const std::string& pattern : kind.sensitive)
        for (const std::string& pointer : expand_pointer(*document, pattern))
            if (const Value* value = find_at(*document, pointer); value && repeats_text_of(*value, data))
                return true;
    return false;
}

const KindInfo* kind_of(const Description& description, std::string_view id) {
    const std::size_t slash = id.rfind('/');
    return slash == std::string_view::npos ? nullptr
                                           : description.find(id.substr(0, slash), id.substr(slash + 1));
}

} // namespace

bool SecretGate::holds_secret(const Item& item, const ItemResult& result) const {
    if (masker_.holds_secret(result.private_data)) return true;
    // One that is written down in a document is known by its place alone.
    const KindInfo* kind = kind_of(description(), item.kind);
    return kind && !kind->sensitive.empty() &&
           (repeats_sensitive(*kind, item.declared, result.private_data) ||
            repeats_sensitive(*kind, result.document, result.private_data));
}

CallEnd SecretGate::call(const Call& call, const OnResult& on_result) {
    return provider_->call(call, [&](const ItemResult& result) {
        const bool is_about_item = result.item < call.items.size();
        if (result.private_data.empty() || !is_about_item || !holds_secret(call.items[result.item], result))
            return on_result(result);
        const Item& item = call.items[result.item];
        ItemResult without = result;
        without.private_data = {};
        Diagnostic warning = failure(
            "provider.secret-in-private-data",
            fmt::format("plugin {} puts a secret into the private data of {}, so that data was not stored",
                        description().plugin, item.kind),
            "what was written stays written; the plugin works without its data, and its author has to keep "
            "secrets out of it");
        warning.severity = Severity::warning;
        without.diagnostics.add(std::move(warning));
        on_result(without);
    });
}

} // namespace holdfast
