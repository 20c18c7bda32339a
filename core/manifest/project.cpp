// holdfast.yaml -> providers and stacks.

#include <algorithm>

#include <fmt/core.h>

#include "base/semver.hpp"
#include "base/text.hpp"
#include "git/remote_url.hpp"
#include "manifest/engine_schemas.hpp"
#include "manifest/load.hpp"
#include "manifest/paths.hpp"
#include "manifest/places.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

bool flag_of(const Value& spec, std::string_view key, bool otherwise) {
    const Value* value = spec.find(key);
    const bool* flag = value ? value->if_bool() : nullptr;
    return flag ? *flag : otherwise;
}

std::size_t count_at(const Value& map, std::string_view key, std::size_t otherwise) {
    const Value* value = map.find(key);
    const std::int64_t* count = value ? value->if_integer() : nullptr;
    return count && *count >= 0 ? static_cast<std::size_t>(*count) : otherwise;
}

// git-check-ref-format(1), as far as it could do harm: such a name never reaches a server.
bool is_ref_name(std::string_view name) {
    return !name.starts_with('-') && !name.starts_with('/') && !name.ends_with('/') &&
           name.find("..") == name.npos && name.find("//") == name.npos && name.find("@{") == name.npos &&
           std::none_of(name.begin(), name.end(), [](char c) {
               return static_cast<unsigned char>(c) <= ' ' || c == 0x7f ||
                      std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
           });
}

using Names = std::vector<std::string>;

class ProjectLoader {
public:
    ProjectLoader(std::string_view text, const std::string& file, Diagnostics& problems)
        : source_{file, text}, problems_(problems) {}

    Project load() {
        std::uint32_t index = 0;
        documents_ = parse_yaml(source_.text, source_.file, ScalarRules::strict, problems_);
        for (const YamlDocument& document : documents_) {
            Origin origin{.file = source_.file, .line = document.line, .index = index++};
            read(document.tree, std::move(origin));
        }
        for (std::size_t i = 0; i < sources_of_stacks_.size(); ++i)
            finish(project_.stacks[i], sources_of_stacks_[i]);
        check_cycles();
        return std::move(project_);
    }

private:
    void read(const Value& tree, Origin origin) {
        const std::string kind(tree.text_at("kind"));
        if (!tree.is_map() || kind.empty() || tree.text_at("apiVersion").empty()) {
            source_.error(problems_, "manifest.not-a-resource", "a document without apiVersion and kind",
                          tree.position, 0,
                          fmt::format("begin it with \"apiVersion: {}\" and a kind", engine_api_version));
            return;
        }
        const Value* schema = engine_schema(kind);
        if (split_api_version(tree.text_at("apiVersion")).group != engine_group || !schema) {
            report_foreign(tree, kind);
            return;
        }
        Diagnostics found;
        const bool is_valid = engine_checker(kind)->check(tree, found);
        for (Diagnostic problem : found) problems_.add(source_.place(problem));
        if (is_valid && note_name(tree, kind)) take(tree, kind, std::move(origin));
    }

    void report_foreign(const Value& tree, const std::string& kind) {
        const bool is_ours = split_api_version(tree.text_at("apiVersion")).group == engine_group;
        const auto near = closest(kind, engine_kinds());
        const std::string hint = !is_ours ? "move it into the folder of a stack"
                                 : near   ? fmt::format("did you mean \"{}\"?", *near)
                                          : "kinds: " + join(engine_kinds(), ", ");
        source_.error(
            problems_, "manifest.unknown-kind",
            fmt::format("{} {} does not belong into {}", tree.text_at("apiVersion"), kind, source_.file),
            position_at(tree, "/kind"), kind.size(), hint);
    }

    bool note_name(const Value& tree, const std::string& kind) {
        const std::string name(find_at(tree, "/metadata")->text_at("name"));
        const Position position = position_at(tree, "/metadata/name");
        const auto [it, is_new] = names_.emplace(kind + "/" + name, position);
        if (is_new) return true;
        source_.error(problems_, "manifest.duplicate-id",
                      fmt::format("there are two documents {}/{}, the first at {}:{}", kind, name,
                                  it->second.line, it->second.column),
                      position, name.size(), "rename one of them");
        return false;
    }

    void take(const Value& tree, const std::string& kind, Origin origin) {
        const Value none;
        const Value& spec = tree.find("spec") ? *tree.find("spec") : none;
        const std::string name(find_at(tree, "/metadata")->text_at("name"));
        if (kind == "Project") project_.store = spec.text_at("store");
        if (kind == "Source") take_source(tree, spec, name, std::move(origin));
        if (kind == "Provider") take_provider(tree, spec, name, std::move(origin));
        if (kind == "Stack") take_stack(tree, spec, name, std::move(origin));
    }

    void take_provider(const Value& tree, const Value& spec, const std::string& name, Origin origin) {
        static const std::map<std::string_view, Ownership> words{{"owned", Ownership::owned},
                                                                 {"additive", Ownership::additive},
                                                                 {"exclusive", Ownership::exclusive},
                                                                 {"observe", Ownership::observe}};
        ProviderDocument provider{.name = name, .origin = std::move(origin)};
        provider.plugin = spec.text_at("plugin");
        provider.version = spec.text_at("version");
        if (const Value* config = spec.find("config")) provider.config = *config;
        provider.labels = texts_by_key(find_at(tree, "/metadata/labels"));
        provider.ownership = words.at(spec.text_at("ownership", "owned"));
        provider.confirm = confirm_of(tree, spec);
        project_.providers.push_back(std::move(provider));
    }

    void take_source(const Value& tree, const Value& spec, const std::string& name, Origin origin) {
        SourceDocument source{.name = name, .origin = std::move(origin)};
        source.url = spec.text_at("url");
        source.credential = spec.text_at("credential");
        source.allow_rewrites = flag_of(spec, "allowRewrites", false);
        source.interval_ms = duration_at(tree, "interval", source.interval_ms);
        source.timeout_ms = duration_at(tree, "timeout", source.timeout_ms);
        if (const Result<RemoteUrl> url = parse_remote_url(source.url); !url)
            source_.error(problems_, "manifest.bad-url", url.error().message, position_at(tree, "/spec/url"),
                          source.url.size(), url.error().hint);
        if (const Value* ref = spec.find("ref")) source.ref = read_ref(tree, *ref);
        project_.sources.push_back(std::move(source));
    }

    SourceRef read_ref(const Value& tree, const Value& ref) {
        using Kind = SourceRef::Kind;
        static const std::map<std::string_view, Kind> kinds{{"branch", Kind::branch},
                                                            {"tag", Kind::tag},
                                                            {"semver", Kind::semver},
                                                            {"name", Kind::name},
                                                            {"commit", Kind::commit}};
        const Map& map = *ref.if_map();
        if (map.size() != 1) {
            source_.error(
                problems_, "manifest.bad-ref",
                map.empty() ? "an empty ref" : "a ref names several things at once",
                position_at(tree, "/spec/ref", true), 3,
                "write exactly one of branch, tag, semver, name and commit, or leave out ref for the "
                "remote's default branch");
            return {};
        }
        const MapEntry& entry = *map.begin();
        const SourceRef read{kinds.at(entry.key), *entry.value.if_string()};
        const bool is_range = read.kind != Kind::semver || is_semver_range(read.value);
        const bool is_name = read.kind == Kind::semver || is_ref_name(read.value);
        if (!is_range || !is_name)
            source_.error(problems_, "manifest.bad-ref",
                          fmt::format("\"{}\" is no {}", read.value,
                                      is_range ? "name that a ref can have" : "range of versions"),
                          entry.value.position, read.value.size(),
                          is_range ? "" : "write one such as ^1.2, ~1.4.0 or \">=1.0.0 <2.0.0\"");
        return read;
    }

    std::optional<ConfirmPolicy> confirm_of(const Value& tree, const Value& spec) {
        const Value* confirm = spec.find("confirm");
        if (!confirm) return std::nullopt;
        ConfirmPolicy policy;
        policy.is_enabled = flag_of(*confirm, "enabled", true);
        policy.is_manual = flag_of(*confirm, "manual", false);
        policy.is_for_all = confirm->text_at("changes", "all") == "all";
        if (const std::int64_t timeout = duration_at(tree, "confirm/timeout", 0); timeout > 0)
            policy.timeout = std::chrono::milliseconds(timeout);
        const Value* probes = confirm->find("probes");
        for (const Value& probe : probes ? *probes->if_list() : List{}) {
            using Kind = ReachProbe::Kind;
            static const std::map<std::string_view, Kind> kinds{
                {"tcp", Kind::tcp}, {"http", Kind::http}, {"ping", Kind::ping}, {"command", Kind::command}};
            const MapEntry& entry = *probe.if_map()->begin();
            ReachProbe& read = policy.probes.emplace_back();
            read.kind = kinds.at(entry.key);
            read.target = entry.value.is_map() ? entry.value.text_at("url") : *entry.value.if_string();
            if (const Value* status = entry.value.find("status"))
                read.status = static_cast<int>(*status->if_integer());
        }
        return policy;
    }

    // In ms.
    std::int64_t duration_at(const Value& tree, const std::string& key, std::int64_t otherwise) {
        const Value* value = find_at(tree, "/spec/" + key);
        if (!value) return otherwise;
        constexpr std::chrono::hours longest{30 * 24};
        const std::string& text = *value->if_string();
        const std::optional<std::chrono::milliseconds> duration = parse_duration(text);
        if (duration && duration->count() > 0 && *duration <= longest) return duration->count();
        source_.error(problems_, "manifest.bad-duration", fmt::format("{} of {}", key, text), value->position,
                      text.size(), "it has to be longer than nothing and at most 30 days, 720h");
        return otherwise;
    }

    void take_stack(const Value& tree, const Value& spec, const std::string& name, Origin origin) {
        StackDocument stack{.name = name, .origin = std::move(origin)};
        stack.source = spec.text_at("source");
        stack.path = path_at(spec);
        if (const Value* vars = spec.find("vars"); vars && vars->is_map()) stack.vars = *vars->if_map();
        stack.prune = flag_of(spec, "prune", true);
        stack.deletion = spec.text_at("deletion") == "delete" ? Deletion::remove : Deletion::orphan;
        stack.depends_on = texts_of(spec.find("dependsOn"));
        stack.allow_insecure_secret_fields = flag_of(spec, "allowInsecureSecretFields", false);
        read_defaults(spec, stack.defaults);
        if (const Value* limits = spec.find("limits")) read_limits(*limits, stack.limits);
        read_schedule(tree, spec, stack.schedule);
        stack.confirm = confirm_of(tree, spec);
        if (const Value* each = spec.find("each")) return take_each(tree, *each, stack);
        if (const Value* render = spec.find("render")) stack.render = render_of(*render, stack.path);
        project_.stacks.push_back(std::move(stack));
        sources_of_stacks_.push_back({&tree, nullptr});
    }

    RenderSpec render_of(const Value& render, const std::string& folder) {
        RenderSpec spec;
        const Value* helm = render.find("helm");
        if (!helm) return spec;
        spec.tool = RenderSpec::Tool::helm;
        spec.release = helm->text_at("release");
        spec.namespace_name = helm->text_at("namespace");
        const Value* values = helm->find("values");
        for (std::size_t i = 0; values && i < values->if_list()->size(); ++i) {
            const Value& written = (*values->if_list())[i];
            const std::string& text = *written.if_string();
            if (const auto path = path_inside(folder, text))
                spec.values.push_back(*path);
            else
                source_.error(problems_, "manifest.path-escapes",
                              fmt::format("the path \"{}\" leaves the repository", text), written.position,
                              text.size(), "write a path relative to the stack's folder");
        }
        return spec;
    }

    // One stack for each entry: "web" with {name: a} gives "web-a". What an entry says stands over the
    // stack's own.
    void take_each(const Value& tree, const Value& each, const StackDocument& common) {
        std::vector<std::string>& instances = groups_[common.name];
        for (const Value& entry : *each.if_list()) {
            StackDocument stack = common;
            stack.name = fmt::format("{}-{}", common.name, entry.text_at("name"));
            const Position position = entry.find("name")->position;
            const auto [it, is_new] = names_.emplace("Stack/" + stack.name, position);
            if (!is_new) {
                source_.error(problems_, "manifest.duplicate-id",
                              fmt::format("there are two stacks {}, the first at {}:{}", stack.name,
                                          it->second.line, it->second.column),
                              position, entry.text_at("name").size(), "rename one of them");
                continue;
            }
            if (entry.find("path")) stack.path = path_at(entry);
            if (const Value* render = find_at(tree, "/spec/render"))
                stack.render = render_of(*render, stack.path);
            if (const Value* vars = entry.find("vars"))
                for (const MapEntry& var : *vars->if_map()) stack.vars.set(var.key, var.value);
            instances.push_back(stack.name);
            project_.stacks.push_back(std::move(stack));
            sources_of_stacks_.push_back({&tree, &entry});
        }
    }

    std::string path_at(const Value& map) {
        const std::string_view written = map.text_at("path");
        if (const auto path = path_inside("", written)) return *path;
        source_.error(
            problems_, "manifest.path-escapes", fmt::format("the path \"{}\" leaves the repository", written),
            position_at(map, "/path"), written.size(), "write a path relative to the repository's root");
        return {};
    }

    static void read_defaults(const Value& spec, Policy& policy) {
        const std::string_view adopt = spec.text_at("adopt"), drift = spec.text_at("drift");
        if (adopt == "always") policy.adopt = Adopt::always;
        if (adopt == "never") policy.adopt = Adopt::never;
        if (drift == "report") policy.drift = DriftPolicy::report;
        if (drift == "ignore") policy.drift = DriftPolicy::ignore;
        policy.protect = flag_of(spec, "protect", false);
        policy.ignore = texts_of(spec.find("ignore"));
    }

    void read_schedule(const Value& tree, const Value& spec, StackDocument::Schedule& schedule) {
        const auto take = [&](std::string_view key, std::optional<std::chrono::milliseconds>& to) {
            if (!spec.find(key)) return;
            const std::string text(spec.text_at(key));
            to = parse_duration(text);
            if (to && to->count() > 0) return;
            source_.error(problems_, "manifest.bad-duration",
                          fmt::format("{} \"{}\" is not a duration that a stack can have", key, text),
                          position_at(tree, append_pointer("/spec", key)), text.size(),
                          "write one of at most ten years that is not zero, such as 30s or 1h30m");
            to.reset();
        };
        take("interval", schedule.interval);
        take("retryInterval", schedule.retry_interval);
        take("resync", schedule.resync);
        take("timeout", schedule.timeout);
        schedule.is_suspended = flag_of(spec, "suspend", false);
    }

    static void read_limits(const Value& spec, BlastLimits& limits) {
        if (const Value* share = spec.find("maxShare"))
            limits.max_share =
                share->if_real() ? *share->if_real() : static_cast<double>(*share->if_integer());
        limits.share_from = count_at(spec, "shareFrom", limits.share_from);
        limits.all_from = count_at(spec, "allFrom", limits.all_from);
        limits.max_leaves = count_at(spec, "maxLeaves", limits.max_leaves);
    }

    // Where a stack was written: its document, and the entry of "each" that it is for.
    struct StackSource {
        const Value* tree;
        const Value* entry;
    };

    // What needs all documents: names of providers, sources and stacks.
    void finish(StackDocument& stack, const StackSource& written) {
        const Value& tree = *written.tree;
        std::vector<std::string> providers, stacks;
        for (const ProviderDocument& provider : project_.providers) providers.push_back(provider.name);
        for (const StackDocument& other : project_.stacks) stacks.push_back(other.name);
        for (const auto& [name, instances] : groups_) stacks.push_back(name);
        for (const Value* map :
             {find_at(tree, "/spec/providers"), written.entry ? written.entry->find("providers") : nullptr})
            if (map && map->is_map())
                for (const MapEntry& entry : *map->if_map())
                    stack.providers[entry.key] = instances_of(entry.value, providers, entry.key);
        const Value* depends_on = find_at(tree, "/spec/dependsOn");
        if (depends_on && depends_on->is_list())
            for (const Value& name : *depends_on->if_list()) check_known("stack", name, stacks);
        expand_groups(stack.depends_on);
        if (!stack.source.empty()) check_source(stack, tree);
    }

    // A stack with "each" stands for all that it gives.
    void expand_groups(std::vector<std::string>& names) const {
        std::vector<std::string> all;
        for (std::string& name : names) {
            const auto group = groups_.find(name);
            if (group == groups_.end())
                all.push_back(std::move(name));
            else
                all.insert(all.end(), group->second.begin(), group->second.end());
        }
        names = std::move(all);
    }

    std::vector<std::string> instances_of(const Value& value, const std::vector<std::string>& known,
                                          const std::string& group) {
        if (value.is_string())
            return check_known("provider", value, known) ? Names{*value.if_string()} : Names{};
        if (value.is_list()) {
            std::vector<std::string> names;
            for (const Value& name : *value.if_list())
                if (check_known("provider", name, known)) names.push_back(*name.if_string());
            return names;
        }
        const std::map<std::string, std::string> wanted =
            texts_by_key(find_at(value, "/selector/matchLabels"));
        std::vector<std::string> names;
        for (const ProviderDocument& provider : project_.providers) {
            const bool matches = std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
                const auto it = provider.labels.find(label.first);
                return it != provider.labels.end() && it->second == label.second;
            });
            if (matches) names.push_back(provider.name);
        }
        if (names.empty())
            source_.error(problems_, "manifest.empty-selector",
                          fmt::format("the selector for {} matches no provider", group), value.position, 0,
                          "compare it with metadata.labels of the Provider documents");
        return names;
    }

    bool check_known(std::string_view what, const Value& name, const std::vector<std::string>& known) {
        const std::string& text = *name.if_string();
        if (std::find(known.begin(), known.end(), text) != known.end()) return true;
        const auto near = closest(text, known);
        std::string hint = near            ? fmt::format("did you mean \"{}\"?", *near)
                           : known.empty() ? fmt::format("{} declares none", source_.file)
                                           : "known: " + join(known, ", ");
        source_.error(problems_, what == "stack" ? "manifest.unknown-stack" : "manifest.unknown-provider",
                      fmt::format("there is no {} \"{}\"", what, text), name.position, text.size(),
                      std::move(hint));
        return false;
    }

    void check_source(const StackDocument& stack, const Value& tree) {
        if (project_.source(stack.source)) return;
        std::vector<std::string> known;
        for (const SourceDocument& source : project_.sources) known.push_back(source.name);
        const auto near = closest(stack.source, known);
        source_.error(
            problems_, "manifest.unknown-source", fmt::format("there is no source \"{}\"", stack.source),
            position_at(tree, "/spec/source"), stack.source.size(),
            near ? fmt::format("did you mean \"{}\"?", *near)
            : known.empty()
                ? fmt::format("{} declares none; leave out `source` to use this repository", source_.file)
                : "known: " + join(known, ", "));
    }

    // Depth first; a stack that is met again while it is still open closes a circle.
    void check_cycles() {
        enum class Mark { open, done };
        std::map<std::string, Mark> marks;
        std::vector<std::string> way;
        auto visit = [&](auto& self, std::size_t i) -> void {
            const StackDocument& stack = project_.stacks[i];
            if (!marks.emplace(stack.name, Mark::open).second) {
                if (marks[stack.name] == Mark::open) report_cycle(way, stack.name, i);
                return;
            }
            way.push_back(stack.name);
            for (const std::string& name : stack.depends_on)
                for (std::size_t j = 0; j < project_.stacks.size(); ++j)
                    if (project_.stacks[j].name == name) self(self, j);
            way.pop_back();
            marks[stack.name] = Mark::done;
        };
        for (std::size_t i = 0; i < project_.stacks.size(); ++i) visit(visit, i);
    }

    void report_cycle(const std::vector<std::string>& way, const std::string& name, std::size_t index) {
        std::string circle;
        for (auto it = std::find(way.begin(), way.end(), name); it != way.end(); ++it) circle += *it + " -> ";
        source_.error(problems_, "manifest.stack-cycle",
                      fmt::format("stacks depend on each other in a circle: {}{}", circle, name),
                      position_at(*sources_of_stacks_[index].tree, "/spec/dependsOn", true), 9,
                      "take out one of these dependencies");
    }

    SourceText source_;
    Diagnostics& problems_;
    Project project_;
    std::vector<YamlDocument> documents_;
    std::vector<StackSource> sources_of_stacks_;             // as Project::stacks
    std::map<std::string, std::vector<std::string>> groups_; // stacks with "each" -> what they give
    std::map<std::string, Position> names_;
};

} // namespace

Project load_project(std::string_view text, const std::string& file, Diagnostics& problems) {
    Diagnostics found;
    Project project = ProjectLoader(text, file, found).load();
    found.sort_by_place();
    // What all stacks of one "each" have wrong is said once.
    for (std::size_t i = 0; i < found.size(); ++i)
        if (i == 0 || found.list()[i] != found.list()[i - 1]) problems.add(found.list()[i]);
    return project;
}

} // namespace holdfast
