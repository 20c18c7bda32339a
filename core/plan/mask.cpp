#include "plan/mask.hpp"

#include <span>

#include "base/hash.hpp"
#include "base/json.hpp"
#include "plan/plan.hpp"

namespace holdfast {

namespace {

constexpr std::string_view secret_key = "$secret";

void mask_below(Value& node, std::span<const std::string> path, std::string_view masking_key) {
    if (path.empty()) {
        node = mask_of(node, masking_key);
        return;
    }
    const bool is_any = path.front() == "*";
    const auto rest = path.subspan(1);
    if (Map* map = node.if_map(); map && !is_mask(node)) {
        for (MapEntry& entry : *map)
            if (is_any || entry.key == path.front()) mask_below(entry.value, rest, masking_key);
    } else if (List* list = node.if_list()) {
        for (std::size_t i = 0; i < list->size(); ++i)
            if (is_any || std::to_string(i) == path.front()) mask_below((*list)[i], rest, masking_key);
    }
}

} // namespace

bool is_mask(const Value& value) {
    const Map* map = value.if_map();
    return map && map->size() == 1 && map->begin()->key == secret_key && map->begin()->value.is_string();
}

Value mask_of(const Value& value, std::string_view masking_key) {
    if (value.is_null() || is_mask(value)) return value;
    if (masking_key.empty()) return Value::map({{secret_key, ""}});
    return Value::map({{secret_key, to_hex(hmac_sha256(masking_key, to_json(value)))}});
}

Value mask_document(const Value& value, const std::vector<std::string>& sensitive,
                    std::string_view masking_key) {
    Value masked = value;
    for (const std::string& pointer : sensitive) mask_below(masked, split_pointer(pointer), masking_key);
    return masked;
}

} // namespace holdfast
