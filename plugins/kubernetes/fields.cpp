#include "fields.hpp"

#include <algorithm>
#include <optional>

namespace holdfast::kubernetes {

namespace {

// Takes away what a rollout restart and an autoscaler's like leave on purpose.
constexpr const char* restart_manager = "kubectl-rollout";
constexpr const char* client_side_apply = "kubectl-client-side-apply";

const Json* member(const Json* of, const std::string& key) {
    if (!of || !of->is_object()) return nullptr;
    const auto found = of->find(key);
    return found == of->end() ? nullptr : &*found;
}

bool matches(const Json& element, const Json& keys) {
    if (!element.is_object() || !keys.is_object()) return false;
    for (const auto& [key, value] : keys.items()) {
        const Json* there = member(&element, key);
        // The one key that documents leave out, because it has a default.
        if (!there && key == "protocol" && value == "TCP") continue;
        if (!there || *there != value) return false;
    }
    return true;
}

// What one path element of FieldsV1 stands for in `of`; its token in a JSON pointer goes to `token`.
const Json* child(const Json* of, const std::string& element, std::string* token = nullptr) {
    if (!of || element.size() < 2) return nullptr;
    const std::string rest = element.substr(2);
    if (element[0] == 'f') {
        if (token) *token = rest;
        return member(of, rest);
    }
    if (!of->is_array() || (element[0] != 'k' && element[0] != 'v')) return nullptr;
    const Json wanted = Json::parse(rest, nullptr, false);
    for (std::size_t i = 0; i < of->size(); ++i) {
        const bool is_it = element[0] == 'k' ? matches((*of)[i], wanted) : (*of)[i] == wanted;
        if (!is_it) continue;
        if (token) *token = std::to_string(i);
        return &(*of)[i];
    }
    return nullptr;
}

bool is_leaf(const Json& fields) {
    return fields.empty() || (fields.size() == 1 && fields.begin().key() == ".");
}

std::vector<const Json*> below(const std::vector<const Json*>& all, const std::string& element) {
    std::vector<const Json*> out;
    for (const Json* fields : all)
        if (const Json* next = member(fields, element)) out.push_back(next);
    return out;
}

struct Search {
    std::vector<std::string>& out;

    // `typed`: what a client-side apply remembers to have been written; of other managers null, and all
    // counts.
    void run(const Json& fields, const Json& live, const Json* applied, const Json* typed, bool must_be_typed,
             const std::vector<const Json*>& others, const std::string& pointer) {
        for (const auto& [element, inner] : fields.items()) {
            if (element == ".") continue;
            std::string token;
            const Json* there = child(&live, element, &token);
            if (!there) continue;
            const std::string at = joined(pointer, token);
            if (is_kept(at)) continue;
            const Json* in_typed = child(typed, element);
            if (must_be_typed && !in_typed && !is_own_note(at)) continue;
            const Json* in_applied = child(applied, element);
            const std::vector<const Json*> theirs = below(others, element);
            if (!is_leaf(inner) && (in_applied || !theirs.empty() || is_container(at)))
                run(inner, *there, in_applied, in_typed, must_be_typed && !is_own_note(at), theirs, at);
            else if (!in_applied && theirs.empty())
                out.push_back(at);
        }
    }

    static bool is_own_note(const std::string& at) {
        return at == joined("/metadata/annotations", last_applied) || at == "/metadata" ||
               at == "/metadata/annotations";
    }
    static bool is_container(const std::string& at) {
        return at == "/metadata" || at == "/metadata/labels" || at == "/metadata/annotations" ||
               at == "/spec";
    }
    static bool is_kept(const std::string& at) {
        if (at == "/status") return true;
        if (at.rfind("/metadata/", 0) != 0) return false;
        return at.rfind("/metadata/labels", 0) != 0 && at.rfind("/metadata/annotations", 0) != 0;
    }
};

const Json& managed_fields(const Json& live) {
    static const Json none = Json::array();
    const Json* list = sdk::find(live, "/metadata/managedFields");
    return list && list->is_array() ? *list : none;
}

bool is_hand(const Json& entry, const Hands& hands) {
    const std::string manager = sdk::text_at(entry, "/manager");
    const bool is_whole = sdk::text_at(entry, "/subresource").empty();
    return is_whole && sdk::text_at(entry, "/operation") == "Update" &&
           (hands.has(manager) || manager == field_manager);
}

std::size_t last_token(const std::string& pointer) { return pointer.rfind('/') + 1; }

// True where the path in `fields` leads to what stands at the pointer's tokens in `live`, or above it.
bool owns(const Json& fields, const Json& live, const std::vector<std::string>& tokens, std::size_t depth) {
    if (depth == tokens.size()) return true;
    for (const auto& [element, inner] : fields.items()) {
        std::string token;
        const Json* there = element == "." ? nullptr : child(&live, element, &token);
        if (!there || token != tokens[depth]) continue;
        return is_leaf(inner) || owns(inner, *there, tokens, depth + 1);
    }
    return false;
}

void differences(const Json& live, const Json& wanted, std::vector<std::string>& tokens,
                 std::vector<std::vector<std::string>>& out) {
    if (live == wanted || out.size() > 50) return;
    const bool are_maps = live.is_object() && wanted.is_object();
    const bool are_lists = live.is_array() && wanted.is_array() && live.size() == wanted.size();
    if (!are_maps && !are_lists) {
        out.push_back(tokens);
        return;
    }
    if (are_maps)
        for (const auto& [key, value] : live.items()) {
            tokens.push_back(key);
            if (const Json* other = member(&wanted, key))
                differences(value, *other, tokens, out);
            else
                out.push_back(tokens);
            tokens.pop_back();
        }
    for (std::size_t i = 0; are_lists && i < live.size(); ++i) {
        tokens.push_back(std::to_string(i));
        differences(live[i], wanted[i], tokens, out);
        tokens.pop_back();
    }
}

} // namespace

bool Hands::has(const std::string& manager) const {
    if (manager == restart_manager) return false;
    return std::any_of(prefixes_.begin(), prefixes_.end(),
                       [&](const std::string& prefix) { return manager.rfind(prefix, 0) == 0; });
}

std::vector<FieldConflict> conflicts_of(const Json& status) {
    std::vector<FieldConflict> out;
    const Json* causes = sdk::find(status, "/details/causes");
    if (!causes || !causes->is_array()) return out;
    for (const Json& cause : *causes) {
        if (sdk::text_at(cause, "/reason") != "FieldManagerConflict") continue;
        // conflict with "kubectl-edit" using apps/v1 at 2026-11-23T05:00:00Z
        const std::string message = sdk::text_at(cause, "/message");
        const std::size_t begin = message.find('"'), end = message.find('"', begin + 1);
        const bool is_named = begin != message.npos && end != message.npos;
        out.push_back({sdk::text_at(cause, "/field"),
                       is_named ? message.substr(begin + 1, end - begin - 1) : std::string("somebody else")});
    }
    return out;
}

std::vector<std::string> leftovers(const Json& live, const Json& applied, const Hands& hands) {
    std::vector<std::string> out;
    const Json& entries = managed_fields(live);
    std::vector<const Json*> others;
    for (const Json& entry : entries)
        if (const Json* fields = member(&entry, "fieldsV1"); fields && !is_hand(entry, hands))
            others.push_back(fields);
    Json typed = Json::object();
    if (const Json* annotations = sdk::find(live, "/metadata/annotations"))
        if (const Json* text = member(annotations, last_applied); text && text->is_string())
            typed = Json::parse(text->get<std::string>(), nullptr, false);
    for (const Json& entry : entries) {
        const Json* fields = member(&entry, "fieldsV1");
        if (!fields || !is_hand(entry, hands)) continue;
        const bool must_be_typed = sdk::text_at(entry, "/manager") == client_side_apply;
        Search{out}.run(*fields, live, &applied, must_be_typed ? &typed : nullptr, must_be_typed, others, "");
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

std::vector<std::string> blame(const Json& live, const Json& wanted, std::size_t most) {
    std::vector<std::string> tokens, out;
    std::vector<std::vector<std::string>> places;
    differences(live, wanted, tokens, places);
    for (const std::vector<std::string>& place : places) {
        if (place.empty() || place[0] == "status" || out.size() >= most) continue;
        if (place.size() == 2 && place[0] == "metadata") continue;
        const Json* latest = nullptr;
        for (const Json& entry : managed_fields(live)) {
            const Json* fields = member(&entry, "fieldsV1");
            const bool is_ours = sdk::text_at(entry, "/manager") == field_manager &&
                                 sdk::text_at(entry, "/operation") == "Apply";
            if (!fields || is_ours || !owns(*fields, live, place, 0)) continue;
            if (!latest || sdk::text_at(*latest, "/time") < sdk::text_at(entry, "/time")) latest = &entry;
        }
        if (!latest) continue;
        std::string name;
        for (const std::string& token : place) name += (name.empty() ? "" : ".") + token;
        out.push_back(name + " was last written by " + sdk::text_at(*latest, "/manager") + " at " +
                      sdk::text_at(*latest, "/time"));
    }
    return out;
}

Json removal_patch(std::vector<std::string> pointers, const std::string& resource_version) {
    // From the end of each list to its beginning, so that no index moves.
    std::sort(pointers.begin(), pointers.end(), [](const std::string& a, const std::string& b) {
        const std::string parent_a = a.substr(0, last_token(a)), parent_b = b.substr(0, last_token(b));
        if (parent_a != parent_b) return parent_a > parent_b;
        const std::string left = a.substr(last_token(a)), right = b.substr(last_token(b));
        return left.size() != right.size() ? left.size() > right.size() : left > right;
    });
    Json patch = Json::array();
    if (!resource_version.empty())
        patch.push_back({{"op", "test"}, {"path", "/metadata/resourceVersion"}, {"value", resource_version}});
    for (const std::string& pointer : pointers) patch.push_back({{"op", "remove"}, {"path", pointer}});
    return patch;
}

} // namespace holdfast::kubernetes
