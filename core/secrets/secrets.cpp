#include "secrets/secrets.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/yaml.hpp"
#include "sys/environment.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr std::size_t max_secret_bytes = 1U << 20;

Diagnostic secret_failure(std::string_view code, const std::string& name, std::string message,
                          std::string hint) {
    Diagnostic why = failure(code, std::move(message), std::move(hint));
    why.subject = "secrets." + name;
    return why;
}

// ---- who may have it

bool is_allowed(const SecretSource& source, std::string_view user) {
    const std::size_t colon = std::min(user.find(':'), user.size());
    const std::string_view kind = user.substr(0, colon);
    const std::string_view name = user.substr(std::min(colon + 1, user.size()));
    if (kind == "credential") return true;
    const std::vector<std::string>& globs = kind == "provider" ? source.providers : source.stacks;
    return globs.empty() || std::any_of(globs.begin(), globs.end(),
                                        [&](const auto& glob) { return matches_glob(glob, name); });
}

std::string where_declared(const OperatorConfig& config) {
    return fmt::format("the operator declares secrets in {}, under `secrets`",
                       config.path.empty() ? config_directory() + "/config.yaml" : config.path);
}

Diagnostic unknown(const OperatorConfig& config, const std::string& name, std::string_view user) {
    // A name that this user may not have is none of his business.
    std::vector<std::string> names;
    for (const SecretSource& source : config.secrets)
        if (is_allowed(source, user)) names.push_back(source.name);
    const auto meant = closest(name, names);
    return secret_failure("secret.unknown", name, fmt::format("there is no secret \"{}\"", name),
                          (meant ? fmt::format("did you mean \"{}\"? ", *meant) : "") +
                              where_declared(config));
}

Diagnostic not_allowed(const OperatorConfig& config, const std::string& name, std::string_view user) {
    return secret_failure("secret.not-allowed", name,
                          fmt::format("{} may not have the secret \"{}\"", user, name),
                          "add it to the secret's `stacks` or `providers`: " + where_declared(config));
}

Diagnostic no_key(const SecretSource& source, const std::vector<std::string>& path,
                  const std::vector<std::string>& keys) {
    const std::string wanted = join(path, ".");
    if (path.empty())
        return secret_failure("secret.no-key", source.name,
                              fmt::format("the reference to the secret \"{}\" names no key", source.name),
                              fmt::format("write secrets.{}.KEY", source.name));
    const auto meant = closest(path.back(), keys);
    return secret_failure("secret.no-key", source.name,
                          fmt::format("the secret \"{}\" has no key \"{}\"", source.name, wanted),
                          meant ? fmt::format("did you mean \"{}\"?", *meant)
                                : fmt::format("its keys are: {}", keys.empty() ? "none" : join(keys, ", ")));
}

// ---- reading

// Everything in a file of secrets is one, also what nobody asked for yet.
void register_all(Masker& masker, const Value& value) {
    if (const std::string* text = value.if_string())
        masker.add(*text);
    else if (value.is_number())
        masker.add(to_json(value));
    else if (const List* list = value.if_list()) {
        for (const Value& item : *list) register_all(masker, item);
    } else if (const Map* map = value.if_map()) {
        for (const MapEntry& entry : *map) register_all(masker, entry.value);
    }
}

Result<std::string> read_secret_file(const std::string& name, const std::string& path) {
    const std::optional<FileTrust> trust = trust_of(path);
    if (trust && !trust->owner_is_trusted)
        return secret_failure(
            "secret.unsafe-file", name,
            fmt::format("{} belongs to another user, who can put what he likes there", path),
            fmt::format("chown it to the user that runs Holdfast, then chmod 600 {}", path));
    if (trust && (trust->readable_by_others || trust->writable_by_others))
        return secret_failure("secret.unsafe-file", name,
                              fmt::format("{} can be {} by others than its owner (mode {:04o})", path,
                                          trust->readable_by_others ? "read" : "written", trust->mode),
                              "chmod 600 " + path);
    Result<std::string> content = read_file(path, max_secret_bytes);
    if (!content)
        return secret_failure("secret.unreadable", name, content.error().message,
                              "check the path in the operator's configuration");
    if (const auto at = find_invalid_utf8(*content))
        return secret_failure("secret.unreadable", name,
                              fmt::format("{} is not UTF-8 text from byte {} on", path, *at),
                              "keep binary secrets in base64");
    return content;
}

// The problems of the parser quote the text that they are about, and here that is the secret: only code
// and place are passed on.
Result<Value> read_keys(const std::string& name, const std::string& path) {
    const Result<std::string> text = read_secret_file(name, path);
    if (!text) return text.error();
    Diagnostics problems;
    std::vector<YamlDocument> documents = parse_yaml(*text, path, ScalarRules::strict, problems);
    if (problems.has_errors()) {
        const auto first = std::find_if(problems.begin(), problems.end(),
                                        [](const Diagnostic& d) { return d.severity == Severity::error; });
        Diagnostic why = secret_failure("secret.unreadable", name,
                                        fmt::format("{} cannot be read as YAML: {}", path, first->code),
                                        "the file must be a map of keys; put values in quotes");
        why.span = {path, first->span.position, 0};
        return why;
    }
    if (documents.size() != 1 || !documents.front().tree.is_map())
        return secret_failure(
            "secret.unreadable", name, fmt::format("{} is not a map of keys", path),
            "write one line per key, `key: \"value\"`; for a file that is the value itself use "
            "`files`");
    return std::move(documents.front().tree);
}

// Editors end a file with a newline that is no part of the secret.
Result<Value> read_single_value(const std::string& name, const std::string& path) {
    Result<std::string> text = read_secret_file(name, path);
    if (!text) return text.error();
    if (text->ends_with("\r\n"))
        text->resize(text->size() - 2);
    else if (text->ends_with('\n'))
        text->pop_back();
    return Value(*std::move(text));
}

Result<Value> read_variable(const std::string& name, const std::string& variable) {
    const std::optional<std::string> content = environment(variable);
    if (content && is_utf8(*content)) return Value(*content);
    return secret_failure("secret.no-variable", name,
                          fmt::format("the environment variable {} {}", variable,
                                      content ? "is not UTF-8 text" : "is not set or empty"),
                          "set it for the process that runs Holdfast");
}

std::vector<std::string> keys_of(const Value& value) {
    std::vector<std::string> keys;
    if (const Map* map = value.if_map())
        for (const MapEntry& entry : *map) keys.push_back(entry.key);
    return keys;
}

std::vector<std::string> all_keys(const SecretSource& source, const Value& in_file) {
    std::vector<std::string> keys = keys_of(in_file);
    for (const auto& [key, file] : source.files) keys.push_back(key);
    for (const auto& [key, variable] : source.env) keys.push_back(key);
    return keys;
}

} // namespace

Secrets::Secrets(const OperatorConfig& config, Masker& masker) : config_(config), masker_(masker) {}

Result<Value> Secrets::value(const std::string& name, const std::vector<std::string>& path,
                             std::string_view user) {
    const SecretSource* source = config_.secret(name);
    if (!source) return unknown(config_, name, user);
    if (!is_allowed(*source, user)) return not_allowed(config_, name, user);
    if (path.empty()) return no_key(*source, path, {});
    Result<Value> loaded = load(*source, path.front());
    if (!loaded) return loaded;
    const Value* found = &*loaded;
    for (const std::string& key : path) {
        const Value* below = found->find(key);
        if (!below)
            return no_key(*source, path, found == &*loaded ? all_keys(*source, *found) : keys_of(*found));
        found = below;
    }
    return Value(*found);
}

Result<std::string> Secrets::file(const std::string& user, const std::string& path) {
    const Result<Value> content = load_once("file:" + path, [&] { return read_single_value(user, path); });
    if (!content) return content.error();
    return *content->if_string();
}

Result<Value> Secrets::load(const SecretSource& source, const std::string& key) {
    if (const auto file = source.files.find(key); file != source.files.end()) {
        Result<Value> content =
            load_once("file:" + file->second, [&] { return read_single_value(source.name, file->second); });
        return content ? Value::map({{key, *std::move(content)}}) : content;
    }
    if (const auto variable = source.env.find(key); variable != source.env.end()) {
        Result<Value> content = load_once("env:" + variable->second,
                                          [&] { return read_variable(source.name, variable->second); });
        return content ? Value::map({{key, *std::move(content)}}) : content;
    }
    if (source.file.empty()) return Value(Map());
    return load_once("keys:" + source.file, [&] { return read_keys(source.name, source.file); });
}

Result<Value> Secrets::load_once(const std::string& place, const std::function<Result<Value>()>& read) {
    if (const auto known = loaded_.find(place); known != loaded_.end()) return known->second;
    Result<Value> value = read();
    if (!value) return value;
    register_all(masker_, *value);
    loaded_.emplace(place, *value);
    return value;
}

} // namespace holdfast
