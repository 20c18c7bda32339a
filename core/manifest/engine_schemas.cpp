#include "manifest/engine_schemas.hpp"

#include <cassert>
#include <map>

#include "base/json.hpp"
#include "base/locked.hpp"

namespace holdfast {

namespace {

// Around each kind's spec: what all engine documents have.
constexpr std::string_view envelope = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["apiVersion", "kind", "metadata"],
  "additionalProperties": false,
  "properties": {
    "apiVersion": {"const": "holdfast.dev/v1alpha1"},
    "kind": {"type": "string"},
    "metadata": {
      "type": "object",
      "required": ["name"],
      "additionalProperties": false,
      "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 253,
                 "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
                 "description": "names are lower-case letters, digits, '-' and '.'"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}}
      }
    }
  }
})json";

constexpr std::string_view project_spec = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "store": {"type": "string", "minLength": 1, "description": "folder of the store"}
  }
})json";

constexpr std::string_view source_spec = R"json({
  "type": "object",
  "required": ["url"],
  "additionalProperties": false,
  "properties": {
    "url": {"type": "string", "minLength": 1,
            "description": "where the repository lies: a path, https://, ssh:// or user@host:path"},
    "ref": {
      "type": "object",
      "additionalProperties": false,
      "description": "exactly one of them; without `ref` it is the remote's default branch",
      "properties": {
        "branch": {"type": "string", "minLength": 1},
        "tag": {"type": "string", "minLength": 1},
        "semver": {"type": "string", "minLength": 1, "description": "a range of versions, as in ^1.2"},
        "name": {"type": "string", "pattern": "^refs/[^ ]+$",
                 "description": "a full name such as refs/pull/7/head"},
        "commit": {"type": "string", "pattern": "^[0-9a-f]{40}$",
                   "description": "a commit id in full: 40 lower-case hexadecimal digits"}
      }
    },
    "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$",
                 "description": "a duration such as 30s, 5m or 1h"},
    "timeout": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$",
                "description": "a duration such as 30s or 2m"},
    "credential": {"type": "string", "minLength": 1,
                   "description": "a name in the operator's configuration, never the secret"},
    "allowRewrites": {"type": "boolean"}
  }
})json";

constexpr std::string_view provider_spec = R"json({
  "type": "object",
  "required": ["plugin"],
  "additionalProperties": false,
  "properties": {
    "plugin": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
               "description": "the name of a plugin, never a path: where it lies is the operator's to say"},
    "version": {"type": "string", "minLength": 1,
                "description": "range of plugin versions, as in semver: ^1.2"},
    "config": {"type": "object"},
    "ownership": {"enum": ["owned", "additive", "exclusive", "observe"]}
  }
})json";

// Of a Stack and of a Provider; docs/confirm.md explains it.
constexpr std::string_view confirm_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "enabled": {"type": "boolean"},
    "timeout": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$",
                "description": "write a duration such as 60s or 2m"},
    "manual": {"type": "boolean"},
    "changes": {"enum": ["all", "risky"]},
    "probes": {
      "type": "array", "minItems": 1, "maxItems": 16,
      "items": {
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
        "properties": {
          "tcp": {"type": "string", "pattern": "^([^ :/\\[\\]]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$",
                  "description": "write HOST:PORT, as in 192.0.2.1:22 or [2001:db8::1]:22"},
          "http": {
            "type": "object", "required": ["url"], "additionalProperties": false,
            "properties": {
              "url": {"type": "string", "pattern": "^https?://[^ ]+$",
                      "description": "write a URL that begins with http:// or https://"},
              "status": {"type": "integer", "minimum": 100, "maximum": 599}
            }
          },
          "ping": {"type": "string", "pattern": "^[^ /]+$", "description": "write a name or an address"},
          "command": {"type": "string", "minLength": 1,
                      "description": "the name of a command in the operator's configuration"}
        }
      }
    }
  }
})json";

// `render` of a Stack: one renderer, and its own settings.
constexpr std::string_view render_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "minProperties": 1,
  "maxProperties": 1,
  "properties": {
    "kustomize": {"type": "object", "additionalProperties": false},
    "helm": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "release": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?$",
                    "description": "releases are lower-case letters, digits, '-' and '.', at most 53"},
        "namespace": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
        "values": {"type": "array", "items": {"type": "string", "minLength": 1}}
      }
    }
  }
})json";

constexpr std::string_view stack_spec = R"json({
  "type": "object",
  "required": ["path"],
  "additionalProperties": false,
  "properties": {
    "path": {"type": "string"},
    "source": {"type": "string", "minLength": 1},
    "providers": {
      "type": "object",
      "additionalProperties": {
        "anyOf": [
          {"type": "string", "minLength": 1},
          {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string", "minLength": 1}},
          {"type": "object", "required": ["selector"], "additionalProperties": false, "properties": {
            "selector": {"type": "object", "required": ["matchLabels"], "additionalProperties": false,
                         "properties": {
              "matchLabels": {"type": "object", "minProperties": 1,
                              "additionalProperties": {"type": "string"}}}}}}
        ]
      }
    },
    "vars": {"type": "object"},
    "each": {
      "type": "array", "minItems": 1,
      "items": {
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
          "name": {"type": "string", "minLength": 1, "maxLength": 200,
                   "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
                   "description": "names are lower-case letters, digits, '-' and '.'"},
          "path": {"type": "string"},
          "vars": {"type": "object"}
        }
      }
    },
    "prune": {"type": "boolean"},
    "deletion": {"enum": ["delete", "orphan"]},
    "adopt": {"enum": ["equal", "always", "never"]},
    "drift": {"enum": ["correct", "report", "ignore"]},
    "protect": {"type": "boolean"},
    "ignore": {"type": "array", "items": {"type": "string", "pattern": "^/",
               "description": "write a JSON pointer such as /spec/mode"}},
    "limits": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "maxShare": {"type": "number", "minimum": 0, "maximum": 1},
        "shareFrom": {"type": "integer", "minimum": 1},
        "allFrom": {"type": "integer", "minimum": 1},
        "maxLeaves": {"type": "integer", "minimum": 0}
      }
    },
    "dependsOn": {"type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 1}},
    "interval": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$",
                 "description": "write a duration such as 30s, 5m or 1h30m"},
    "retryInterval": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$",
                      "description": "write a duration such as 30s, 5m or 1h30m"},
    "resync": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$",
               "description": "write a duration such as 30s, 5m or 1h30m"},
    "timeout": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$",
                "description": "write a duration such as 30s, 5m or 1h30m"},
    "suspend": {"type": "boolean"},
    "allowInsecureSecretFields": {"type": "boolean"}
  }
})json";

Value parse(std::string_view text) {
    Result<Value> value = parse_json(text);
    assert(value.ok());
    return *std::move(value);
}

Value schema_of(std::string_view kind, std::string_view spec, bool needs_spec) {
    Value schema = parse(envelope);
    set_at(schema, "/title", Value(kind));
    set_at(schema, "/properties/kind", Value::map({{"const", kind}}));
    set_at(schema, "/properties/spec", parse(spec));
    if (kind == "Stack" || kind == "Provider")
        set_at(schema, "/properties/spec/properties/confirm", parse(confirm_schema));
    if (needs_spec) find_at(schema, "/required")->as_list().push_back("spec");
    return schema;
}

// An entry of "each" maps providers in the same way as the stack itself.
Value stack_schema() {
    Value schema = schema_of("Stack", stack_spec, true);
    const Value providers = *find_at(schema, "/properties/spec/properties/providers");
    set_at(schema, "/properties/spec/properties/each/items/properties/providers", providers);
    set_at(schema, "/properties/spec/properties/render", parse(render_schema));
    return schema;
}

const std::map<std::string, Value, std::less<>>& schemas() {
    static const std::map<std::string, Value, std::less<>> all{
        {"Project", schema_of("Project", project_spec, false)},
        {"Provider", schema_of("Provider", provider_spec, true)},
        {"Source", schema_of("Source", source_spec, true)},
        {"Stack", stack_schema()}};
    return all;
}

} // namespace

const std::vector<std::string>& engine_kinds() {
    static const std::vector<std::string> kinds{"Project", "Provider", "Source", "Stack"};
    return kinds;
}

const Value* engine_schema(std::string_view kind) {
    auto it = schemas().find(kind);
    return it == schemas().end() ? nullptr : &it->second;
}

std::shared_ptr<const SchemaChecker> engine_checker(const std::string& kind) {
    static Locked<std::map<std::string, std::shared_ptr<const SchemaChecker>>> all;
    return all.with([&](auto& checkers) {
        std::shared_ptr<const SchemaChecker>& checker = checkers[kind];
        if (!checker) {
            const Value* schema = engine_schema(kind);
            assert(schema);
            Result<std::shared_ptr<const SchemaChecker>> compiled = SchemaChecker::compile(*schema);
            assert(compiled.ok());
            checker = *std::move(compiled);
        }
        return checker;
    });
}

} // namespace holdfast
