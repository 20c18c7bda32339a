#include "reconcile/provider_config.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "manifest/load.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

class Completer {
public:
    Completer(const ProviderDocument& document, const ConfigPlaces& places)
        : document_(document), places_(places) {}

    Result<Value> complete(const Description& description, Value config) {
        if (Status checked = check(description, config); !checked) return checked.error();
        if (Status walked = walk(config, description.config_schema, ""); !walked) return walked.error();
        return config;
    }

private:
    Diagnostic at(std::string_view pointer, Diagnostic problem) const {
        const Span found = problem.span;
        problem.span =
            locate(places_.tree, document_.origin, "/spec/config" + std::string(pointer), &problem.excerpt);
        // The schema's checker knows whether a key is meant or its value.
        if (found.position.line == problem.span.position.line) {
            problem.span.position = found.position;
            problem.span.length = found.length;
        }
        problem.context.push_back("reading the config of provider " + document_.name);
        return problem;
    }

    Status check(const Description& description, const Value& config) const {
        if (!description.config_schema.is_map()) return Ok{};
        const auto checker = SchemaChecker::compile(description.config_schema);
        if (!checker) return checker.error();
        Diagnostics problems;
        (*checker)->check(config, problems);
        if (problems.empty()) return Ok{};
        // One is told; a wrong word, which has a hint, also explains what is missing.
        const auto found = std::find_if(problems.begin(), problems.end(),
                                        [](const Diagnostic& problem) { return !problem.hint.empty(); });
        const Diagnostic& told = found == problems.end() ? problems.list().front() : *found;
        return at(told.pointer, told);
    }

    // Through what the schema and the config both have.
    Status walk(Value& config, const Value& schema, const std::string& pointer) const {
        const Value* properties = schema.find("properties");
        Map* members = config.if_map();
        if (!properties || !properties->is_map() || !members) return Ok{};
        for (const MapEntry& property : *properties->if_map()) {
            Value* value = members->find(property.key);
            if (!value) continue;
            const std::string here = pointer + "/" + property.key,
                              format = std::string(property.value.text_at("format"));
            if (Status done = format == "path"      ? make_absolute(*value, here)
                              : format == "command" ? look_up(*value, here)
                                                    : walk(*value, property.value, here);
                !done)
                return done.error();
        }
        return Ok{};
    }

    Status make_absolute(Value& value, const std::string& pointer) const {
        const std::string* path = value.if_string();
        if (!path || path->starts_with('/')) return Ok{};
        if (places_.root.empty())
            return at(pointer,
                      failure("provider.relative-path",
                              fmt::format(
                                  "config{} is a relative path, but the repository has no working directory",
                                  in_words(pointer)),
                              "write an absolute path"));
        value = Value(absolute_path(places_.root + "/" + *path));
        return Ok{};
    }

    Status look_up(Value& value, const std::string& pointer) const {
        const std::string* name = value.if_string();
        if (!name) return Ok{};
        const NamedCommand* command = places_.operators.command(*name);
        const bool is_given =
            command &&
            (command->providers.empty() ||
             std::any_of(command->providers.begin(), command->providers.end(),
                         [&](const std::string& glob) { return matches_glob(glob, document_.name); }));
        if (!is_given)
            return at(pointer,
                      failure("provider.unknown-command",
                              fmt::format("{} command {} for provider {}",
                                          command ? "the operator's configuration does not give"
                                                  : "the operator's configuration has no",
                                          *name, document_.name),
                              "write it under commands in the operator's configuration, with its `run` and, "
                              "where they are limited, its `providers`"));
        Value run;
        for (const std::string& word : command->run) run.as_list().push_back(Value(word));
        Value found;
        found.as_map().set("name", Value(*name));
        found.as_map().set("run", std::move(run));
        found.as_map().set("timeoutMs", Value(std::int64_t{command->timeout.count()}));
        value = std::move(found);
        return Ok{};
    }

    static std::string in_words(std::string pointer) {
        std::replace(pointer.begin(), pointer.end(), '/', '.');
        return pointer;
    }

    const ProviderDocument& document_;
    const ConfigPlaces& places_;
};

} // namespace

Result<Value> complete_config(const ProviderDocument& document, const Description& description, Value config,
                              const ConfigPlaces& places) {
    if (config.is_null()) config.as_map();
    return Completer(document, places).complete(description, std::move(config));
}

} // namespace holdfast
