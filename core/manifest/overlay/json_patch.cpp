#include "manifest/overlay/json_patch.hpp"

#include <charconv>
#include <optional>

#include <fmt/core.h>

namespace holdfast {

namespace {

class JsonPatch {
public:
    JsonPatch(Value& document, const std::string& subject, Diagnostics& problems)
        : document_(document), subject_(subject), problems_(problems) {}

    bool run(const Value& operations) {
        for (const Value& operation : *operations.if_list()) {
            operation_ = &operation;
            if (!operation.is_map())
                return wrong("an operation is no map", "write {op: replace, path: /spec/..., value: ...}");
            if (!carry_out(operation.text_at("op"))) return false;
        }
        return true;
    }

private:
    bool carry_out(std::string_view op) {
        std::string path;
        if (!text("path", path)) return false;
        const Value* value = operation_->find("value");
        const bool needs_value = op == "add" || op == "replace" || op == "test";
        if (needs_value && !value) return wrong(fmt::format("\"{}\" needs a value", op));
        if (op == "add") return add(path, *value);
        if (op == "remove") return remove(path);
        if (op == "replace") return replace(path, *value);
        if (op == "test") return test(path, *value);
        if (op == "move" || op == "copy") return transfer(path, op == "move");
        return wrong(fmt::format("\"{}\" is no operation", op),
                     "add, remove, replace, move, copy and test are");
    }

    bool add(const std::string& path, Value value) {
        if (path.empty()) return document_ = std::move(value), true;
        std::string key;
        Value* parent = parent_of(path, key);
        if (!parent) return false;
        if (List* list = parent->if_list()) {
            const auto index = key == "-" ? list->size() : index_of(key, list->size() + 1);
            if (!index) return wrong(fmt::format("{} has no place \"{}\"", where(path), key));
            list->insert(list->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
            return true;
        }
        put(*parent->if_map(), key, std::move(value));
        return true;
    }

    bool remove(const std::string& path) {
        std::string key;
        Value* parent = parent_of(path, key);
        if (!parent) return false;
        if (List* list = parent->if_list()) {
            const auto index = index_of(key, list->size());
            if (!index) return missing(path);
            list->erase(list->begin() + static_cast<std::ptrdiff_t>(*index));
            return true;
        }
        return parent->if_map()->erase(key) || missing(path);
    }

    bool replace(const std::string& path, Value value) {
        if (path.empty()) return document_ = std::move(value), true;
        Value* there = find(path);
        if (!there) return missing(path);
        *there = std::move(value);
        return true;
    }

    bool test(const std::string& path, const Value& value) {
        const Value* there = path.empty() ? &document_ : find(path);
        // What is not there equals null, as kustomize's library has it.
        if (there ? *there == value : value.is_null()) return true;
        return wrong(fmt::format("the test of {} fails", where(path)));
    }

    bool transfer(const std::string& path, bool is_move) {
        std::string from;
        if (!text("from", from)) return false;
        const Value* there = find(from);
        if (!there) return missing(from);
        Value value = *there;
        return (!is_move || remove(from)) && add(path, std::move(value));
    }

    // ---- places ----

    static std::optional<std::size_t> index_of(const std::string& key, std::size_t size) {
        std::int64_t index = 0;
        auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
        if (error != std::errc{} || end != key.data() + key.size()) return std::nullopt;
        if (index < 0)
            index += static_cast<std::int64_t>(size); // from the end, as kustomize's library has it
        if (index < 0 || index >= static_cast<std::int64_t>(size)) return std::nullopt;
        return static_cast<std::size_t>(index);
    }

    static Value* child(Value& parent, const std::string& key) {
        if (Map* map = parent.if_map()) return map->find(key);
        List* list = parent.if_list();
        const auto index = list ? index_of(key, list->size()) : std::nullopt;
        return index ? &(*list)[*index] : nullptr;
    }

    Value* find(const std::string& path) {
        Value* at = &document_;
        for (const std::string& token : split_pointer(path))
            if (!at || !(at = child(*at, token))) return nullptr;
        return at;
    }

    Value* parent_of(const std::string& path, std::string& key) {
        const std::size_t slash = path.rfind('/');
        if (slash == path.npos) {
            wrong(fmt::format("the path \"{}\" does not begin with a slash", path));
            return nullptr;
        }
        key = split_pointer(path.substr(slash)).front();
        Value* parent = slash == 0 ? &document_ : find(path.substr(0, slash));
        if (parent && !parent->is_scalar()) return parent;
        wrong(
            fmt::format("{} has no {} {}", subject_, parent ? "map or list" : "field", path.substr(0, slash)),
            "add the parent first");
        return nullptr;
    }

    void put(Map& map, const std::string& key, Value value) const {
        map.set(key, std::move(value));
        for (MapEntry& entry : map)
            if (entry.key == key && !entry.key_position.is_known()) entry.key_position = operation_->position;
    }

    // ---- problems ----

    bool text(std::string_view key, std::string& out) {
        const Value* value = operation_->find(key);
        const std::string* found = value ? value->if_string() : nullptr;
        if (!found) return wrong(fmt::format("an operation of a JSON patch needs a \"{}\"", key));
        out = *found;
        if (!out.empty() && out.front() != '/')
            return wrong(fmt::format("the {} \"{}\" does not begin with a slash", key, out));
        return true;
    }
    std::string where(const std::string& path) const { return fmt::format("{} of {}", path, subject_); }
    bool missing(const std::string& path) {
        return wrong(fmt::format("{} has nothing at {}", subject_, path));
    }
    bool wrong(std::string message, std::string hint = {}) {
        Diagnostic& problem = problems_.error("overlay.bad-patch", std::move(message));
        problem.span.position = position_at(*operation_, "/path");
        problem.hint = std::move(hint);
        return false;
    }

    Value& document_;
    const std::string& subject_;
    Diagnostics& problems_;
    const Value* operation_ = nullptr;
};

} // namespace

bool json_patch(Value& document, const Value& operations, const std::string& subject, Diagnostics& problems) {
    return JsonPatch(document, subject, problems).run(operations);
}

} // namespace holdfast
