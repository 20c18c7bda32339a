#include "manifest/operator_config.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "git/remote_url.hpp"
#include "manifest/load.hpp"
#include "manifest/places.hpp"
#include "manifest/yaml.hpp"
#include "sys/environment.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr std::string_view config_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "plugins": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "paths": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "pins": {"type": "object", "additionalProperties": {
          "type": "string", "pattern": "^[0-9a-fA-F]{64}$",
          "description": "a SHA-256 in hex, as sha256sum prints it"}},
        "demandPins": {"type": "boolean"}
      }
    },
    "secrets": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
          "name": {"type": "string", "pattern": "^[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?$",
                   "description": "names of secrets are letters, digits, '-' and '_'"},
          "file": {"type": "string", "minLength": 1},
          "files": {"type": "object", "minProperties": 1,
                    "additionalProperties": {"type": "string", "minLength": 1}},
          "env": {"type": "object", "minProperties": 1,
                  "additionalProperties": {"type": "string", "minLength": 1}},
          "stacks": {"type": "array", "items": {"type": "string", "minLength": 1}},
          "providers": {"type": "array", "items": {"type": "string", "minLength": 1}}
        }
      }
    },
    "gitCredentials": {"type": "array"},
    "commands": {
      "type": "object",
      "additionalProperties": {
        "type": "object",
        "required": ["run"],
        "additionalProperties": false,
        "properties": {
          "run": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1},
                  "description": "the program and its arguments, as a list: no shell reads it"},
          "timeout": {"type": "string"},
          "stacks": {"type": "array", "items": {"type": "string", "minLength": 1}},
          "providers": {"type": "array", "items": {"type": "string", "minLength": 1}}
        }
      }
    },
    "renderers": {"type": "object", "additionalProperties": false, "properties": {}},
    "fetchMaxBytes": {"type": "integer", "minimum": 1},
    "store": {"type": "string", "minLength": 1}
  },
  "definitions": {
    "place": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "file": {"type": "string", "minLength": 1},
        "secret": {"type": "string", "pattern": "^[^.]+([.][^.]+)+$",
                   "description": "NAME.KEY: a key of one of `secrets`"}
      }
    }
  }
})json";

// One of `gitCredentials`; docs/sources.md explains them.
constexpr std::string_view git_credential_schema = R"json({
  "type": "object",
  "required": ["name", "urls"],
  "additionalProperties": false,
  "properties": {
    "name": {"type": "string", "minLength": 1},
    "urls": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
    "sources": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "stacks": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "basic": {
      "type": "object",
      "required": ["user", "password"],
      "additionalProperties": false,
      "properties": {"user": {"type": "string", "minLength": 1},
                     "password": {"$ref": "#/definitions/place"}}
    },
    "token": {"$ref": "#/definitions/place"},
    "caFile": {"type": "string", "minLength": 1},
    "proxy": {"type": "string", "minLength": 1},
    "ssh": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "keyFile": {"type": "string", "minLength": 1},
        "passphrase": {"$ref": "#/definitions/place"},
        "agent": {"type": "boolean"},
        "knownHostsFile": {"type": "string", "minLength": 1},
        "configFile": {"type": "string", "minLength": 1}
      }
    }
  }
})json";

// One of `renderers`; docs/rendering.md explains them.
constexpr std::string_view renderer_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "program": {"type": "string", "pattern": "^/", "description": "write an absolute path"},
    "timeout": {"type": "string"},
    "memoryMaxBytes": {"type": "integer", "minimum": 1048576},
    "outputMaxBytes": {"type": "integer", "minimum": 1}
  }
})json";

constexpr std::string_view daemon_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "repository": {
      "type": "object",
      "required": ["path"],
      "additionalProperties": false,
      "properties": {
        "path": {"type": "string", "minLength": 1},
        "revision": {"type": "string", "minLength": 1},
        "interval": {"type": "string"}
      }
    },
    "interval": {"type": "string"},
    "resync": {"type": "string"},
    "retryInterval": {"type": "string"},
    "maxRetryInterval": {"type": "string"},
    "timeout": {"type": "string"},
    "jitter": {"type": "number", "minimum": 0, "maximum": 0.5},
    "concurrency": {"type": "integer", "minimum": 1, "maximum": 64},
    "socket": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "path": {"type": "string", "minLength": 1},
        "mode": {"enum": ["0600", "0660"]},
        "group": {"type": "string", "minLength": 1}
      }
    },
    "log": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "format": {"enum": ["text", "json"]},
        "level": {"enum": ["debug", "info", "warning", "error"]}
      }
    }
  }
})json";

Value whole_schema() {
    Value schema = *parse_json(config_schema);
    set_at(schema, "/properties/daemon", *parse_json(daemon_schema));
    set_at(schema, "/properties/gitCredentials/items", *parse_json(git_credential_schema));
    for (const char* tool : {"kustomize", "helm"})
        set_at(schema, fmt::format("/properties/renderers/properties/{}", tool),
               *parse_json(renderer_schema));
    return schema;
}

std::string own_code(std::string_view code) {
    if (code == "manifest.unknown-key") return "config.unknown-key";
    if (code == "manifest.missing-key") return "config.missing-key";
    if (code == "manifest.wrong-type") return "config.wrong-type";
    return "config.bad-value";
}

// The schema's findings, under this file's own codes.
void check(const Value& tree, const SourceText& source, Diagnostics& problems) {
    static const Value schema = whole_schema();
    const Result<std::shared_ptr<const SchemaChecker>> checker = SchemaChecker::compile(schema);
    assert(checker.ok());
    Diagnostics found;
    (*checker)->check(tree, found);
    for (Diagnostic problem : found) {
        problem.code = own_code(problem.code);
        problems.add(source.place(problem));
    }
}

// Relative paths are relative to the file that names them.
std::string beside(const std::string& config, std::string_view path) {
    if (path.empty() || path.starts_with('/')) return std::string(path);
    const std::string folder = parent_path(config);
    return folder.empty() ? std::string(path) : folder + "/" + std::string(path);
}

SecretSource read_secret(const Value& tree, const std::string& path, const SourceText& source,
                         Diagnostics& problems) {
    SecretSource secret{.name = std::string(tree.text_at("name"))};
    secret.file = beside(path, tree.text_at("file"));
    secret.files = texts_by_key(tree.find("files"));
    for (auto& [key, file] : secret.files) file = beside(path, file);
    secret.env = texts_by_key(tree.find("env"));
    secret.stacks = texts_of(tree.find("stacks"));
    secret.providers = texts_of(tree.find("providers"));
    if (const int ways = !secret.file.empty() + !secret.files.empty() + !secret.env.empty(); ways != 1)
        source.error(
            problems, "config.bad-secret",
            fmt::format("the secret {} has {}", secret.name, ways == 0 ? "no source" : "several sources"),
            tree.position, 0, "give it exactly one of `file`, `files` and `env`");
    return secret;
}

// `where` is the map that has the place under `key`.
SecretPlace read_place(const Value& where, std::string_view key, const std::string& path,
                       const SourceText& source, Diagnostics& problems) {
    SecretPlace place;
    const Value* value = where.find(key);
    if (!value) return place;
    place.file = beside(path, value->text_at("file"));
    const std::vector<std::string_view> words = split(value->text_at("secret"), '.');
    place.secret = words.front();
    for (std::size_t i = 1; i < words.size(); ++i) place.key.emplace_back(words[i]);
    if (place.file.empty() == place.secret.empty())
        source.error(problems, "config.bad-credential",
                     fmt::format("{} has {}", key, place.empty() ? "no place" : "two places"),
                     value->position, 0, "give it exactly one of `file` and `secret`");
    return place;
}

GitCredential read_credential(const Value& tree, const std::string& path, const SourceText& source,
                              Diagnostics& problems) {
    GitCredential credential{.name = std::string(tree.text_at("name"))};
    credential.urls = texts_of(tree.find("urls"));
    credential.sources = texts_of(tree.find("sources"));
    credential.stacks = texts_of(tree.find("stacks"));
    credential.token = read_place(tree, "token", path, source, problems);
    credential.ca_file = beside(path, tree.text_at("caFile"));
    credential.proxy = tree.text_at("proxy");
    if (const Value* basic = tree.find("basic")) {
        credential.user = basic->text_at("user");
        credential.password = read_place(*basic, "password", path, source, problems);
    }
    if (const Value* ssh = tree.find("ssh")) {
        const Value* agent = ssh->find("agent");
        credential.agent = agent && *agent->if_bool();
        credential.key_file = beside(path, ssh->text_at("keyFile"));
        credential.passphrase = read_place(*ssh, "passphrase", path, source, problems);
        credential.known_hosts_file = beside(path, ssh->text_at("knownHostsFile"));
        credential.config_file = beside(path, ssh->text_at("configFile"));
        if (!credential.agent && credential.key_file.empty())
            source.error(problems, "config.bad-credential",
                         fmt::format("the ssh part of the credential {} has no key", credential.name),
                         ssh->position, 0, "give it keyFile, or `agent: true`");
    }
    for (std::size_t i = 0; i < credential.urls.size(); ++i)
        if (const Status pattern = check_url_pattern(credential.urls[i]); !pattern)
            source.error(problems, "config.bad-credential", pattern.error().message,
                         position_at(tree, append_pointer("/urls", i)), credential.urls[i].size(),
                         "write the beginning of an address, such as https://git.example.org/ops");
    if (!credential.user.empty() && !credential.token.empty())
        source.error(problems, "config.bad-credential",
                     fmt::format("the credential {} has a password and a token", credential.name),
                     tree.position, 0,
                     "a server takes one of them; where it wants the token as a password, use basic");
    return credential;
}

void read_git(const Value& tree, const SourceText& source, OperatorConfig& config, Diagnostics& problems) {
    if (const Value* most = tree.find("fetchMaxBytes"); most && most->if_integer())
        config.fetch_max_bytes = static_cast<std::size_t>(*most->if_integer());
    const Value* list = tree.find("gitCredentials");
    if (!list || !list->is_list() || problems.has_errors()) return;
    for (const Value& credential : *list->if_list()) {
        const std::string name(credential.text_at("name"));
        if (config.git_credential(name))
            source.error(problems, "config.bad-credential",
                         fmt::format("the credential {} is defined twice", name),
                         position_at(credential, "/name"), name.size());
        config.git_credentials.push_back(read_credential(credential, config.path, source, problems));
    }
}

void read_plugins(const Value& tree, OperatorConfig& config) {
    for (const std::string& path : texts_of(tree.find("paths")))
        config.plugin_paths.push_back(beside(config.path, path));
    for (const auto& [name, hex] : texts_by_key(tree.find("pins")))
        if (const auto hash = hash_from_hex(hex)) config.plugin_pins[name] = *hash;
    const Value* demand = tree.find("demandPins");
    config.demand_pins = demand && demand->if_bool() && *demand->if_bool();
}

void read_duration(const Value& tree, std::string_view pointer, std::chrono::milliseconds& to,
                   const SourceText& source, Diagnostics& problems) {
    const Value* value = find_at(tree, pointer);
    if (!value || !value->if_string()) return;
    const std::string& text = *value->if_string();
    if (const auto duration = parse_duration(text); duration && duration->count() > 0)
        to = *duration;
    else
        source.error(problems, "config.bad-value",
                     fmt::format("\"{}\" is no duration that can be used", text), position_at(tree, pointer),
                     text.size(), "write one such as 30s, 5m or 1h30m");
}

void read_commands(const Value& commands, const SourceText& source, OperatorConfig& config,
                   Diagnostics& problems) {
    for (const MapEntry& entry : *commands.if_map()) {
        NamedCommand& command = config.commands.emplace_back();
        command.name = entry.key;
        command.run = texts_of(entry.value.find("run"));
        command.stacks = texts_of(entry.value.find("stacks"));
        command.providers = texts_of(entry.value.find("providers"));
        read_duration(entry.value, "/timeout", command.timeout, source, problems);
        // Whose PATH would it be? The daemon's is not the operator's.
        if (!command.run.empty() && !command.run.front().starts_with('/'))
            source.error(
                problems, "config.bad-command",
                fmt::format("the command {} does not name its program by an absolute path", entry.key),
                position_at(entry.value, "/run/0"), command.run.front().size(),
                "write it as in [/usr/bin/systemctl, is-active, bird]");
    }
}

void read_renderer(const Value& tree, std::string_view tool, Renderer& renderer, const SourceText& source,
                   Diagnostics& problems) {
    const Value* written = tree.find(tool);
    if (!written) return;
    renderer.program = written->text_at("program");
    read_duration(*written, "/timeout", renderer.timeout, source, problems);
    const auto bytes = [&](std::string_view key, std::size_t& to) {
        const Value* most = written->find(key);
        if (most && most->if_integer()) to = static_cast<std::size_t>(*most->if_integer());
    };
    bytes("memoryMaxBytes", renderer.memory_max_bytes);
    bytes("outputMaxBytes", renderer.output_max_bytes);
}

DaemonConfig read_daemon(const Value& tree, const std::string& path, const SourceText& source,
                         Diagnostics& problems) {
    DaemonConfig daemon;
    const auto text = [&](std::string_view pointer, std::string& to) {
        if (const Value* value = find_at(tree, pointer); value && value->if_string())
            to = *value->if_string();
    };
    text("/repository/path", daemon.repository);
    daemon.repository = beside(path, daemon.repository);
    text("/repository/revision", daemon.revision);
    read_duration(tree, "/repository/interval", daemon.poll, source, problems);
    read_duration(tree, "/interval", daemon.interval, source, problems);
    read_duration(tree, "/resync", daemon.resync, source, problems);
    read_duration(tree, "/retryInterval", daemon.retry_interval, source, problems);
    read_duration(tree, "/maxRetryInterval", daemon.max_retry, source, problems);
    read_duration(tree, "/timeout", daemon.timeout, source, problems);
    if (const Value* jitter = tree.find("jitter"))
        daemon.jitter = jitter->if_real() ? *jitter->if_real() : 0.0;
    if (const Value* passes = tree.find("concurrency"); passes && passes->if_integer())
        daemon.concurrency = static_cast<std::size_t>(*passes->if_integer());
    text("/socket/path", daemon.socket);
    daemon.socket = beside(path, daemon.socket);
    std::string mode;
    text("/socket/mode", mode);
    if (mode == "0660") daemon.socket_mode = 0660;
    text("/socket/group", daemon.socket_group);
    text("/log/format", daemon.log_format);
    text("/log/level", daemon.log_level);
    return daemon;
}

void check_trust(const std::string& path, Diagnostics& problems) {
    const std::optional<FileTrust> trust = trust_of(path);
    if (!trust) return;
    std::string why;
    if (!trust->owner_is_trusted)
        why = "belongs to another user";
    else if (trust->writable_by_others)
        why = fmt::format("can be written by others (mode {:04o})", trust->mode & 07777);
    if (why.empty()) return;
    Diagnostic& problem = problems.error("config.unsafe-file", fmt::format("{} {}", path, why));
    problem.span.file = path;
    problem.hint =
        fmt::format("it decides which code runs: chown it to yourself or root, then chmod go-w {}", path);
}

std::string find_config(Diagnostics& problems) {
    if (const auto named = environment("HOLDFAST_CONFIG")) {
        if (!exists(*named))
            problems.error("config.unreadable",
                           fmt::format("$HOLDFAST_CONFIG names {}, which does not exist", *named));
        return *named;
    }
    for (const std::string& folder : {config_directory(), std::string("/etc/holdfast")})
        if (const std::string path = folder + "/config.yaml"; exists(path)) return path;
    return {};
}

} // namespace

const SecretSource* OperatorConfig::secret(const std::string& name) const {
    auto it =
        std::find_if(secrets.begin(), secrets.end(), [&](const SecretSource& s) { return s.name == name; });
    return it == secrets.end() ? nullptr : &*it;
}

const NamedCommand* OperatorConfig::command(const std::string& name) const {
    auto it =
        std::find_if(commands.begin(), commands.end(), [&](const NamedCommand& c) { return c.name == name; });
    return it == commands.end() ? nullptr : &*it;
}

const GitCredential* OperatorConfig::git_credential(const std::string& name) const {
    auto it = std::find_if(git_credentials.begin(), git_credentials.end(),
                           [&](const GitCredential& c) { return c.name == name; });
    return it == git_credentials.end() ? nullptr : &*it;
}

OperatorConfig parse_operator_config(const std::string& text, const std::string& path,
                                     Diagnostics& problems) {
    OperatorConfig config{.path = path};
    const SourceText source{path, text};
    Diagnostics found;
    const std::vector<YamlDocument> documents = parse_yaml(text, path, ScalarRules::strict, found);
    if (documents.size() > 1)
        source.error(found, "config.several-documents",
                     "the configuration is one document, this file has several", documents[1].tree.position,
                     0, "remove the --- lines");
    if (!documents.empty()) {
        const Value& tree = documents.front().tree;
        check(tree, source, found);
        if (const Value* plugins = tree.find("plugins")) read_plugins(*plugins, config);
        const Value* secrets = tree.find("secrets");
        if (secrets && secrets->is_list() && !found.has_errors())
            for (const Value& secret : *secrets->if_list()) {
                const std::string name(secret.text_at("name"));
                if (config.secret(name))
                    source.error(found, "config.bad-secret",
                                 fmt::format("the secret {} is defined twice", name),
                                 position_at(secret, "/name"), name.size());
                config.secrets.push_back(read_secret(secret, path, source, found));
            }
        read_git(tree, source, config, found);
        config.store = beside(path, tree.text_at("store"));
        if (const Value* commands = tree.find("commands"); commands && !found.has_errors())
            read_commands(*commands, source, config, found);
        if (const Value* renderers = tree.find("renderers"); renderers && !found.has_errors()) {
            read_renderer(*renderers, "kustomize", config.kustomize, source, found);
            read_renderer(*renderers, "helm", config.helm, source, found);
        }
        if (const Value* daemon = tree.find("daemon"); daemon && !found.has_errors())
            config.daemon = read_daemon(*daemon, path, source, found);
    }
    found.sort_by_place();
    problems.append(found);
    return config;
}

OperatorConfig load_operator_config(Diagnostics& problems) {
    const std::string path = find_config(problems);
    if (path.empty() || !exists(path)) return {};
    return load_operator_config(path, problems);
}

OperatorConfig load_operator_config(const std::string& path, Diagnostics& problems) {
    check_trust(path, problems);
    const Result<std::string> text = read_file(path, YamlLimits{}.max_bytes);
    if (!text) {
        Diagnostic& problem = problems.error("config.unreadable", text.error().message);
        problem.span.file = path;
        problem.hint = text.error().hint;
        return {};
    }
    // An unsafe file is not believed at all.
    return problems.has_errors() ? OperatorConfig{} : parse_operator_config(*text, path, problems);
}

} // namespace holdfast
