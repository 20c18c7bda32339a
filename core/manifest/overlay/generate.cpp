// ConfigMaps and Secrets made from files, literals and environment files, and their content hashes.

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/core.h>

#include "base/hash.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/overlay/steps.hpp"
#include "manifest/paths.hpp"

namespace holdfast {

namespace {

// Base64 as kustomize writes it: what is longer than a line is broken at 70 characters.
std::string wrapped_base64(std::string_view bytes) {
    constexpr std::size_t width = 70;
    const std::string digits = to_base64(bytes);
    if (digits.size() < width) return digits;
    std::string lines;
    for (std::size_t i = 0; i < digits.size(); i += width) lines += digits.substr(i, width) + "\n";
    return lines;
}

bool is_map_key(std::string_view key) {
    return !key.empty() && key.size() <= 253 && key != "." && key != ".." &&
           std::all_of(key.begin(), key.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

class Generator {
public:
    Generator(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context)
        : resources_(resources), kustomization_(kustomization), context_(context) {}

    void run(std::string_view key, std::string_view kind) {
        std::size_t index = 0;
        for (const Value& entry : kustomization_.list(key)) {
            kind_ = kind;
            entry_ = &entry;
            pairs_.clear();
            collect();
            OverlayResource made;
            made.tree = make();
            made.needs_hash = !option_flag("disableNameSuffixHash");
            made.origin.file = kustomization_.file;
            const SourceMap::Place place = context_.files.sources().find(entry.position);
            made.origin.line = place.position.line;
            if (const auto text = context_.files.read(kustomization_.file)) made.origin.blob = (*text)->blob;
            made.origin.pointer = fmt::format("/{}/{}", key, index++);
            absorb(std::move(made));
        }
    }

private:
    // ---- what goes in ----

    void collect() {
        for (const Value& path : sources("envs")) read_env_file(path);
        if (const Value* path = entry_->find("env")) read_env_file(*path);
        for (const Value& literal : sources("literals")) read_literal(literal);
        for (const Value& source : sources("files")) read_file(source);
    }

    const List& sources(std::string_view key) const {
        static const List none;
        const Value* value = entry_->find(key);
        return value && value->is_list() ? *value->if_list() : none;
    }

    void read_literal(const Value& literal) {
        const std::string text = Kustomization::text_of(literal);
        const std::size_t equals = text.find('=');
        if (equals == 0 || equals == text.npos) {
            context_.error("overlay.bad-generator", fmt::format("the literal \"{}\" is no key=value", text),
                           literal);
            return;
        }
        std::string value = text.substr(equals + 1);
        const bool is_quoted = value.size() > 1 && value.front() == value.back() &&
                               (value.front() == '"' || value.front() == '\'');
        if (is_quoted) value = value.substr(1, value.size() - 2);
        add(text.substr(0, equals), std::move(value), literal);
    }

    void read_file(const Value& source) {
        const std::string text = Kustomization::text_of(source);
        const std::size_t equals = text.find('=');
        const bool is_wrong =
            equals == 0 || equals + 1 == text.size() || text.find('=', equals + 1) != text.npos;
        if (equals != text.npos && is_wrong) {
            context_.error("overlay.bad-generator", fmt::format("the source \"{}\" is no [key=]path", text),
                           source);
            return;
        }
        Value path(equals == text.npos ? text : text.substr(equals + 1));
        path.position = source.position;
        const std::string key =
            equals == text.npos ? std::string(name_of_file(text)) : text.substr(0, equals);
        if (const OverlayFiles::Text* file = file_at(path)) add(key, *file->bytes, source);
    }

    void read_env_file(const Value& path) {
        const OverlayFiles::Text* file = file_at(path);
        if (!file) return;
        std::string_view rest = *file->bytes;
        if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
        Value at;
        at.position = {file->first_line, 1};
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            std::string_view line = rest.substr(0, end);
            rest.remove_prefix(std::min(end + 1, rest.size()));
            ++at.position.line;
            if (line.ends_with('\r')) line.remove_suffix(1);
            line.remove_prefix(std::min(line.find_first_not_of(" \t\r\v\f"), line.size()));
            if (line.empty() || line.front() == '#') continue;
            const std::size_t equals = std::min(line.find('='), line.size());
            const std::string_view key = line.substr(0, equals);
            if (!key.empty() && key.front() >= '0' && key.front() <= '9')
                context_.error("overlay.bad-generator",
                               fmt::format("\"{}\" cannot be the name of a variable", key), at);
            add(std::string(key), std::string(line.substr(std::min(equals + 1, line.size()))), at);
        }
    }

    const OverlayFiles::Text* file_at(const Value& path) {
        const auto resolved = context_.path_of(path, kustomization_);
        if (!resolved) return nullptr;
        const Result<const OverlayFiles::Text*> text = context_.files.read(*resolved);
        if (!text) context_.error(text.error(), path);
        return text ? *text : nullptr;
    }

    void add(std::string key, std::string value, const Value& at) {
        if (!is_map_key(key)) {
            context_.error(
                "overlay.bad-generator", fmt::format("\"{}\" cannot be a key", key), at,
                "keys are letters, digits, '-', '_' and '.'; write KEY=PATH to name a file otherwise");
            return;
        }
        Value text(std::move(value));
        text.position = at.position;
        if (!pairs_.emplace(key, std::move(text)).second)
            context_.error("overlay.bad-generator", fmt::format("the key \"{}\" is given twice", key), at);
    }

    // ---- what comes out ----

    Value make() {
        Value tree = Value::map({{"apiVersion", "v1"}, {"kind", Value(kind_)}});
        tree.position = entry_->position;
        Map& map = *tree.if_map();
        Value metadata = Value::map({{"name", text("name")}});
        metadata.position = entry_->position;
        if (entry_->find("namespace")) metadata.as_map().set("namespace", text("namespace"));
        for (const char* key : {"labels", "annotations"})
            if (Map texts = option_texts(key); !texts.empty())
                metadata.as_map().set(key, Value(std::move(texts)));
        map.set("metadata", std::move(metadata));
        const bool is_secret = kind_ == "Secret";
        if (is_secret) {
            map.set("type", entry_->find("type") ? text("type") : Value("Opaque"));
            map["data"].as_map();
        }
        for (auto& [key, value] : pairs_) {
            const bool is_text = is_utf8(*value.if_string());
            Value content = is_secret || !is_text ? Value(wrapped_base64(*value.if_string())) : Value(value);
            content.position = value.position;
            map[is_secret || is_text ? "data" : "binaryData"].as_map().set(key, std::move(content));
        }
        if (option_flag("immutable")) map.set("immutable", Value(true));
        return tree;
    }

    Value text(std::string_view key) const {
        const Value* value = entry_->find(key);
        Value made(value ? Kustomization::text_of(*value) : std::string{});
        if (value) made.position = value->position;
        return made;
    }

    // The entry's own options, over those of the kustomization.
    bool option_flag(std::string_view key) const {
        const Value *own = entry_->find("options"), *all = kustomization_.tree.find("generatorOptions");
        return (own && Kustomization::flag_in(*own, key)) || (all && Kustomization::flag_in(*all, key));
    }
    Map option_texts(std::string_view key) const {
        Map texts;
        for (const Value* options : {kustomization_.tree.find("generatorOptions"), entry_->find("options")}) {
            const Value* map = options ? options->find(key) : nullptr;
            if (!map) continue;
            for (const MapEntry& entry : *map->if_map()) {
                Value value(Kustomization::text_of(entry.value));
                value.position = entry.value.position;
                texts.set(entry.key, std::move(value));
            }
        }
        return texts;
    }

    // ---- create, replace, merge ----

    void absorb(OverlayResource made) {
        const std::string behavior = Kustomization::text_in(*entry_, "behavior");
        const bool replaces = behavior == "replace", merges = behavior == "merge";
        const std::vector<OverlayResource*> there = resources_.find_any(made.id());
        if (there.empty() && !replaces && !merges) {
            resources_.add(std::move(made));
        } else if (there.size() == 1 && (replaces || merges)) {
            take_over(*there.front(), made, merges);
            *there.front() = std::move(made); // by the same names
        } else {
            const Value* at = entry_->find(replaces || merges ? "behavior" : "name");
            const std::string id = to_string(made.id());
            if (there.size() > 1)
                context_.error("overlay.bad-generator",
                               fmt::format("{} resources are called {}", there.size(), id), *at,
                               "name the namespace as well");
            else if (there.empty())
                context_.error("overlay.no-target", fmt::format("there is no {} to {}", id, behavior), *at,
                               "leave out \"behavior\" to create it");
            else
                context_.error("overlay.clash", fmt::format("{} exists already", id), *at,
                               fmt::format("add \"behavior: merge\" or \"replace\"; the first comes from {}",
                                           to_string(there.front()->origin)));
        }
    }

    // What is merged or replaced keeps its names, its labels and annotations, and its place in the order.
    static void take_over(const OverlayResource& old, OverlayResource& made, bool merges) {
        const auto merge_texts = [&](const std::string& pointer) {
            const Value* before = find_at(old.tree, pointer);
            if (!before || !before->is_map()) return;
            Map merged = *before->if_map();
            if (const Value* now = find_at(made.tree, pointer); now && now->is_map())
                for (const MapEntry& entry : *now->if_map()) merged.set(entry.key, entry.value);
            if (!merged.empty()) set_at(made.tree, pointer, Value(std::move(merged)));
        };
        merge_texts("/metadata/labels");
        merge_texts("/metadata/annotations");
        if (merges) {
            merge_texts("/data");
            merge_texts("/binaryData");
        }
        made.set_name(std::string(old.name()), position_at(old.tree, "/metadata/name"));
        made.set_namespace(old.name_space(), position_at(old.tree, "/metadata/namespace"));
        made.needs_hash = made.needs_hash && old.needs_hash;
        made.former = old.former;
        made.prefixes = old.prefixes;
        made.suffixes = old.suffixes;
        made.origin = old.origin;
    }

    OverlayResources& resources_;
    const Kustomization& kustomization_;
    OverlayContext& context_;
    std::string_view kind_;
    const Value* entry_ = nullptr;
    std::map<std::string, Value> pairs_;
};

// Go's encoding/json writes these as escapes, and kustomize hashes what it writes.
std::string go_json(const Value& value) {
    const std::string json = to_json(value);
    std::string out;
    out.reserve(json.size());
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (c == '<' || c == '>' || c == '&')
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else if (json.compare(i, 2, "\xE2\x80") == 0 && i + 2 < json.size() &&
                 (json[i + 2] == '\xA8' || json[i + 2] == '\xA9')) {
            out += json[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
            i += 2;
        } else
            out += c;
    }
    return out;
}

} // namespace

// kustomize's api/hasher: SHA-256 of the canonical JSON of kind, data and type, the first ten hexadecimal
// digits, with letters for those that could make words. The name is hashed too, but always as empty text: it
// is looked up under a key that no document has.
std::string content_hash(const Value& map) {
    const bool is_secret = map.text_at("kind") == "Secret";
    Value content = Value::map({{"kind", is_secret ? "Secret" : "ConfigMap"}, {"name", ""}});
    const auto take = [&](std::string_view key) {
        const Value* value = map.find(key);
        content.as_map().set(key, value && !value->is_null() ? *value : Value(""));
    };
    take("data");
    if (is_secret) take("type");
    const std::string_view rest = is_secret ? "stringData" : "binaryData";
    if (const Value* more = map.find(rest); more && more->is_map()) take(rest);
    std::string digits = to_hex(sha256(go_json(content))).substr(0, 10);
    constexpr std::string_view from = "013ae", to = "ghkmt";
    for (char& c : digits)
        if (const std::size_t at = from.find(c); at != from.npos) c = to[at];
    return digits;
}

void generate_maps(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context) {
    Generator generator(resources, kustomization, context);
    generator.run("configMapGenerator", "ConfigMap");
    generator.run("secretGenerator", "Secret");
}

void add_hashes(OverlayResources& resources) {
    for (OverlayResource& resource : resources) {
        if (!resource.needs_hash) continue;
        const std::string hash = content_hash(resource.tree);
        resource.remember_name();
        resource.set_name(fmt::format("{}-{}", resource.name(), hash), {});
    }
    resources.names_have_changed();
}

} // namespace holdfast
