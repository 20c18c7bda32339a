#include "model/kind.hpp"

#include <algorithm>
#include <map>
#include <span>

#include <fmt/core.h>

#include "base/ids.hpp"
#include "base/text.hpp"

namespace holdfast {

const KindInfo* Description::find(std::string_view api_version, std::string_view kind) const {
    auto it = std::find_if(kinds.begin(), kinds.end(),
                           [&](const KindInfo& k) { return k.kind == kind && k.api_version == api_version; });
    if (it != kinds.end()) return &*it;
    if (!open_kinds) return nullptr;
    // Another version of a kind that is described is still of that kind.
    const std::string group = split_api_version(api_version).group;
    it = std::find_if(kinds.begin(), kinds.end(), [&](const KindInfo& k) {
        return k.kind == kind && split_api_version(k.api_version).group == group;
    });
    return open_kinds->find(it == kinds.end() ? nullptr : &*it, api_version, kind);
}

const KindInfo* OpenKinds::find(const KindInfo* like, std::string_view api_version,
                                std::string_view kind) const {
    return made_.with([&](Made& made) {
        std::unique_ptr<const KindInfo>& slot = made[{std::string(api_version), std::string(kind)}];
        if (!slot) {
            KindInfo info = like ? *like : rest_;
            info.api_version = api_version;
            info.kind = kind;
            slot = std::make_unique<const KindInfo>(std::move(info));
        }
        return slot.get();
    });
}

bool Description::has(std::string_view extension) const {
    return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

std::string_view to_string(Ownership ownership) {
    switch (ownership) {
        case Ownership::owned: return "owned";
        case Ownership::additive: return "additive";
        case Ownership::exclusive: return "exclusive";
        case Ownership::observe: return "observe";
    }
    return "owned";
}

std::string_view to_string(CompareAndSwap cas) {
    switch (cas) {
        case CompareAndSwap::none: return "none";
        case CompareAndSwap::recheck: return "recheck";
        case CompareAndSwap::atomic: return "atomic";
    }
    return "none";
}

namespace {

// Reads one member of the description and remembers the first that has the wrong shape.
class DescriptionReader {
public:
    explicit DescriptionReader(const Value& root) : root_(root) {}

    std::string text(const Value& at, std::string_view key, bool required = false) {
        const Value* value = at.find(key);
        if (!value && !required) return {};
        if (!value || !value->is_string()) return complain(key, "a string"), std::string{};
        return *value->if_string();
    }

    bool boolean(const Value& at, std::string_view key, bool otherwise) {
        const Value* value = at.find(key);
        if (!value) return otherwise;
        if (!value->is_bool()) return complain(key, "true or false"), otherwise;
        return *value->if_bool();
    }

    std::int64_t integer(const Value& at, std::string_view key, std::int64_t otherwise) {
        const Value* value = at.find(key);
        if (!value) return otherwise;
        if (!value->is_integer()) return complain(key, "an integer"), otherwise;
        return *value->if_integer();
    }

    std::vector<std::string> texts(const Value& at, std::string_view key) {
        std::vector<std::string> out;
        const Value* value = at.find(key);
        if (!value) return out;
        const List* list = value->if_list();
        if (!list) return complain(key, "a list of strings"), out;
        for (const Value& item : *list) {
            if (!item.is_string()) return complain(key, "a list of strings"), out;
            out.push_back(*item.if_string());
        }
        return out;
    }

    // JSON pointers of one place each: a "*" would be looked for as a key, and never found.
    std::vector<std::string> places(const Value& at, std::string_view key) {
        std::vector<std::string> out = texts(at, key);
        const bool are_places = std::all_of(out.begin(), out.end(), [](const std::string& pointer) {
            return (pointer.empty() || pointer.starts_with('/')) &&
                   (pointer + "/").find("/*/") == std::string::npos;
        });
        if (!are_places) complain(key, "a list of JSON pointers, each of one place (no \"*\")");
        return out;
    }

    template <typename Enum>
    Enum word(const Value& at, std::string_view key, const std::map<std::string_view, Enum>& words,
              Enum otherwise) {
        const std::string text_value = text(at, key);
        if (text_value.empty()) return otherwise;
        auto it = words.find(text_value);
        if (it == words.end()) return complain(key, "one of its words"), otherwise;
        return it->second;
    }

    void complain(std::string_view key, std::string_view wanted) {
        if (!problem_.empty()) return;
        problem_ = fmt::format("the plugin's description is wrong: \"{}\" in {} must be {}", key,
                               where_.empty() ? "it" : where_, wanted);
    }

    void enter(std::string where) { where_ = std::move(where); }
    const std::string& problem() const { return problem_; }

private:
    const Value& root_;
    std::string where_, problem_;
};

const std::map<std::string_view, Ownership> ownership_words{{"owned", Ownership::owned},
                                                            {"additive", Ownership::additive},
                                                            {"exclusive", Ownership::exclusive},
                                                            {"observe", Ownership::observe}};
const std::map<std::string_view, CompareAndSwap> cas_words{
    {"none", CompareAndSwap::none}, {"recheck", CompareAndSwap::recheck}, {"atomic", CompareAndSwap::atomic}};
const std::map<std::string_view, ListType> list_words{{"atomic", ListType::atomic},
                                                      {"ordered", ListType::ordered},
                                                      {"keyed", ListType::keyed},
                                                      {"set", ListType::set}};

std::vector<ConfirmRule> read_confirm(DescriptionReader& read, const Value& value) {
    std::vector<ConfirmRule> rules;
    const Value* list = value.find("confirm");
    if (!list) return rules;
    const auto complain = [&] { read.complain("confirm", "a list of maps from JSON pointers to values"); };
    if (!list->is_list()) return complain(), rules;
    for (const Value& entry : *list->if_list()) {
        if (!entry.is_map()) return complain(), rules;
        ConfirmRule& rule = rules.emplace_back();
        for (const MapEntry& condition : *entry.if_map()) {
            if (!condition.key.starts_with('/')) return complain(), rules;
            rule.emplace_back(condition.key, condition.value);
        }
    }
    return rules;
}

KindInfo read_kind(DescriptionReader& read, const Value& value) {
    KindInfo kind;
    kind.api_version = read.text(value, "apiVersion", true);
    kind.kind = read.text(value, "kind", true);
    read.enter(kind.kind);
    kind.is_document = read.boolean(value, "document", true);
    kind.compiles = read.boolean(value, "compiles", false);
    if (const Value* schema = value.find("schema")) kind.schema = *schema;
    kind.identity = read.places(value, "identity");
    kind.scope = read.places(value, "scope");
    kind.compare = read.places(value, "compare");
    if (kind.compare.empty()) kind.compare = {"/spec"};
    kind.immutable = read.texts(value, "immutable");
    kind.observed = read.texts(value, "observed");
    if (!value.find("observed")) kind.observed = {"/status"};
    kind.write_only = read.texts(value, "writeOnly");
    kind.sensitive = read.texts(value, "sensitive");
    kind.files = read.texts(value, "files");
    kind.confirm = read_confirm(read, value);
    kind.stateful = read.boolean(value, "stateful", false);
    kind.create_first = read.boolean(value, "createFirst", false);
    kind.has_health = read.boolean(value, "health", true);
    kind.rank = static_cast<int>(read.integer(value, "rank", 0));
    const Value* lists = value.find("lists");
    if (lists && !lists->is_list()) read.complain("lists", "a list");
    if (lists && lists->is_list())
        for (const Value& rule : *lists->if_list())
            kind.lists.push_back({read.text(rule, "pointer", true),
                                  read.word(rule, "type", list_words, ListType::atomic),
                                  read.texts(rule, "by"), read.boolean(rule, "exclusive", false)});
    if (kind.identity.empty() && !kind.compiles) read.complain("identity", "a list of JSON pointers");
    return kind;
}

} // namespace

Result<Description> parse_description(const Value& document) {
    DescriptionReader read(document);
    Description description;
    description.plugin = read.text(document, "name", true);
    description.version = read.text(document, "version", true);
    description.groups = read.texts(document, "groups");
    if (const Value* config = document.find("config")) description.config_schema = *config;
    description.sensitive_config = read.texts(document, "sensitiveConfig");
    description.extensions = read.texts(document, "extensions");
    description.atomic = read.boolean(document, "atomic", false);
    description.ordered = read.boolean(document, "ordered", false);
    description.cas = read.word(document, "cas", cas_words, CompareAndSwap::none);
    description.max_items =
        static_cast<std::size_t>(std::max<std::int64_t>(1, read.integer(document, "maxItems", 1000)));
    description.max_bytes =
        static_cast<std::size_t>(std::max<std::int64_t>(1024, read.integer(document, "maxBytes", 8 << 20)));
    for (const std::string& word : read.texts(document, "ownership")) {
        auto it = ownership_words.find(word);
        if (it == ownership_words.end())
            read.complain("ownership", "of owned, additive, exclusive, observe");
        else
            description.ownership.push_back(it->second);
    }
    if (description.ownership.empty()) description.ownership = {Ownership::owned, Ownership::observe};
    const Value* kinds = document.find("kinds");
    if (!kinds || !kinds->is_list())
        read.complain("kinds", "a list");
    else
        for (const Value& value : *kinds->if_list()) {
            KindInfo kind = read_kind(read, value);
            if (kind.kind == "*" && kind.api_version == "*")
                description.open_kinds = std::make_shared<const OpenKinds>(std::move(kind));
            else
                description.kinds.push_back(std::move(kind));
        }
    if (!read.problem().empty()) return failure("plugin.describe", read.problem());
    for (const KindInfo& kind : description.kinds)
        if (!kind.confirm.empty() && !description.has("holdfast.checkpoint/1"))
            return failure(
                "plugin.describe",
                fmt::format("the plugin's description is wrong: {} has \"confirm\", and the plugin "
                            "no holdfast.checkpoint/1 by which its changes could be taken back",
                            kind.kind));
    return description;
}

bool covers(std::string_view pattern, std::string_view pointer) {
    while (!pattern.empty()) {
        if (pointer.empty()) return false;
        pattern.remove_prefix(1);
        pointer.remove_prefix(1);
        const std::size_t pattern_end = std::min(pattern.find('/'), pattern.size());
        const std::size_t pointer_end = std::min(pointer.find('/'), pointer.size());
        const std::string_view token = pattern.substr(0, pattern_end);
        if (token != "*" && token != pointer.substr(0, pointer_end)) return false;
        pattern.remove_prefix(pattern_end);
        pointer.remove_prefix(pointer_end);
    }
    return true;
}

bool any_covers(const std::vector<std::string>& patterns, std::string_view pointer) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& p) { return covers(p, pointer); });
}

namespace {

// Whether `wanted` stands in `value` at the pointer that `tokens` are what is left of.
bool holds(const Value& value, std::span<const std::string> tokens, const Value& wanted) {
    if (tokens.empty()) return value == wanted;
    const auto rest = tokens.subspan(1);
    if (tokens.front() != "*") {
        const Value* next = find_at(value, append_pointer("", tokens.front()));
        return next && holds(*next, rest, wanted);
    }
    if (const List* list = value.if_list())
        return std::any_of(list->begin(), list->end(),
                           [&](const Value& item) { return holds(item, rest, wanted); });
    const Map* map = value.if_map();
    return map && std::any_of(map->begin(), map->end(),
                              [&](const MapEntry& entry) { return holds(entry.value, rest, wanted); });
}

} // namespace

bool needs_confirmation(const KindInfo& kind, const Value& document) {
    return std::any_of(kind.confirm.begin(), kind.confirm.end(), [&](const ConfirmRule& rule) {
        return std::all_of(rule.begin(), rule.end(), [&](const auto& condition) {
            return holds(document, split_pointer(condition.first), condition.second);
        });
    });
}

const ListRule& list_rule(const KindInfo& kind, std::string_view pointer) {
    static const ListRule atomic{};
    const std::size_t depth = static_cast<std::size_t>(std::count(pointer.begin(), pointer.end(), '/'));
    for (const ListRule& rule : kind.lists) {
        const auto rule_depth =
            static_cast<std::size_t>(std::count(rule.pointer.begin(), rule.pointer.end(), '/'));
        if (rule_depth == depth && covers(rule.pointer, pointer)) return rule;
    }
    return atomic;
}

} // namespace holdfast
