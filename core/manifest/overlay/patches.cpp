// The patches of a kustomization: found, read by the rules of what they are for, and applied.

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include <fmt/core.h>

#include "base/text.hpp"
#include "manifest/overlay/json_patch.hpp"
#include "manifest/overlay/merge.hpp"
#include "manifest/overlay/selector.hpp"
#include "manifest/overlay/steps.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

void map_positions(Value& node, const std::function<Position(Position)>& to) {
    node.position = to(node.position);
    if (List* list = node.if_list())
        for (Value& item : *list) map_positions(item, to);
    if (Map* map = node.if_map())
        for (MapEntry& entry : *map) {
            entry.key_position = to(entry.key_position);
            map_positions(entry.value, to);
        }
}

// The text of a patch and where it stands: a file of its own, or a scalar of the kustomization.
class PatchText {
public:
    static std::optional<PatchText> from_file(const Value& path, const Kustomization& kustomization,
                                              OverlayContext& context) {
        const auto resolved = context.path_of(path, kustomization);
        if (!resolved) return std::nullopt;
        const Result<const OverlayFiles::Text*> text = context.files.read(*resolved);
        if (!text) {
            context.error(text.error(), path);
            return std::nullopt;
        }
        return PatchText(*(*text)->bytes, path, [first = (*text)->first_line](Position position) {
            if (position.is_known()) position.line += first;
            return position;
        });
    }

    static PatchText from_scalar(const Value& scalar, const Kustomization& kustomization,
                                 OverlayContext& context) {
        return PatchText(*scalar.if_string(), scalar, places_in(scalar, kustomization, context));
    }

    // Which rules hold for scalars hangs on whom the patch is for; each reading is made once.
    const List* read(ScalarRules rules, OverlayContext& context) {
        std::optional<List>& reading = readings_[rules == ScalarRules::strict ? 0 : 1];
        if (!reading) {
            reading.emplace();
            Diagnostics found;
            for (YamlDocument& document : parse_yaml(text_, "", rules, found)) {
                map_positions(document.tree, place_);
                reading->push_back(std::move(document.tree));
            }
            for (Diagnostic problem : found) {
                problem.span.position = place_(problem.span.position);
                context.problems.add(std::move(problem));
                is_broken_ = true;
            }
        }
        return is_broken_ ? nullptr : &*reading;
    }

    // As its own apiVersion says.
    const List* read_by_itself(OverlayContext& context) {
        return read(overlay_rules(guess_rules(text_, context.router)), context);
    }

    static ScalarRules overlay_rules(ScalarRules rules) {
        return rules == ScalarRules::strict ? rules : ScalarRules::kustomize;
    }

    const Value& at() const { return at_; } // where the kustomization names it

private:
    using Places = std::function<Position(Position)>;
    PatchText(std::string_view text, const Value& at, Places place)
        : text_(text), at_(at), place_(std::move(place)) {}

    // The lines of a literal block ("patch: |-") follow the one with the bar; of other scalars only the place
    // of the whole is known.
    static Places places_in(const Value& scalar, const Kustomization& kustomization,
                            OverlayContext& context) {
        const Position whole = scalar.position;
        const Places as_whole = [whole](Position) { return whole; };
        const Result<const OverlayFiles::Text*> file = context.files.read(kustomization.file);
        if (!file || !whole.is_known()) return as_whole;
        const std::vector<std::string_view> lines = split(*(*file)->bytes, '\n');
        const std::size_t line = whole.line - (*file)->first_line; // of the bar, from 1
        if (line > lines.size() || whole.column > lines[line - 1].size()) return as_whole;
        const std::string_view bar = lines[line - 1].substr(whole.column - 1);
        if (!bar.starts_with('|')) return as_whole;
        const auto indent_of = [](std::string_view one) {
            return std::min(one.find_first_not_of(' '), one.size());
        };
        const std::vector<std::string_view> inner = split(*scalar.if_string(), '\n');
        for (std::size_t i = 0; i < inner.size() && line + i < lines.size(); ++i) {
            if (trim(inner[i]).empty()) continue;
            const std::size_t indent = indent_of(lines[line + i]) - indent_of(inner[i]);
            return [whole, indent](Position position) {
                if (!position.is_known()) return position;
                return Position{whole.line + position.line,
                                position.column + static_cast<std::uint32_t>(indent)};
            };
        }
        return as_whole;
    }

    std::string_view text_;
    const Value& at_;
    Places place_;
    std::array<std::optional<List>, 2> readings_; // strict, kustomize
    bool is_broken_ = false;
};

class Patcher {
public:
    Patcher(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context)
        : resources_(resources), kustomization_(kustomization), context_(context) {}

    void merge_all(std::string_view key) {
        for (const Value& entry : kustomization_.list(key)) {
            const std::string text = Kustomization::text_of(entry);
            const bool is_inline = text.find('\n') != text.npos || text.starts_with('{');
            std::optional<PatchText> patch = is_inline
                                                 ? PatchText::from_scalar(entry, kustomization_, context_)
                                                 : PatchText::from_file(entry, kustomization_, context_);
            if (patch) merge_by_id(*patch, {});
        }
        resources_.remove_deleted();
    }

    void apply_all(std::string_view key) {
        for (const Value& entry : kustomization_.list(key))
            if (std::optional<PatchText> patch = text_of(entry)) apply(*patch, entry);
        resources_.remove_deleted();
    }

private:
    struct Options {
        bool may_rename = false, may_change_kind = false;
    };

    std::optional<PatchText> text_of(const Value& entry) {
        const Value *patch = entry.find("patch"), *path = entry.find("path");
        const bool has_patch = patch && patch->if_string() && !trim(*patch->if_string()).empty();
        if (has_patch == (path != nullptr)) {
            context_.error("overlay.bad-kustomization",
                           has_patch ? "a patch has both \"patch\" and \"path\"" : "a patch has no text",
                           entry, "write it under \"patch\", or name its file under \"path\"");
            return std::nullopt;
        }
        return has_patch ? PatchText::from_scalar(*patch, kustomization_, context_)
                         : PatchText::from_file(*path, kustomization_, context_);
    }

    void apply(PatchText& patch, const Value& entry) {
        Options options;
        if (const Value* given = entry.find("options"))
            options = {Kustomization::flag_in(*given, "allowNameChange"),
                       Kustomization::flag_in(*given, "allowKindChange")};
        const Value* target = entry.find("target");
        if (!target) return apply_without_target(patch, entry, options);
        const std::optional<TargetSelector> selector = TargetSelector::read(*target, context_.problems);
        if (!selector) return;
        const std::vector<OverlayResource*> selected = selector->select(resources_);
        if (selected.empty()) {
            patch.read_by_itself(context_); // its syntax at least
            Diagnostic& warning =
                context_.problems.warning("overlay.no-target", "no resource fits the target of this patch");
            warning.span.position = target->position;
            warning.hint =
                "kustomize passes over such patches in silence; correct the target or remove the patch";
            return;
        }
        for (OverlayResource* resource : selected) {
            if (context_.problems.has_errors()) return; // each further one would say the same
            apply_to(*resource, patch, options);
        }
    }

    void apply_without_target(PatchText& patch, const Value& entry, Options options) {
        const List* documents = patch.read_by_itself(context_);
        if (!documents) return;
        if (!documents->empty() && documents->front().is_list()) {
            context_.error("overlay.bad-kustomization", "a JSON patch needs a target", entry,
                           "add \"target\" with the kind and name of the resource");
            return;
        }
        merge_by_id(patch, options);
    }

    void apply_to(OverlayResource& resource, PatchText& patch, Options options) {
        const bool is_kubernetes = context_.router.has_kubernetes() &&
                                   context_.router.group_follows_kubernetes(resource.api_version());
        const List* documents =
            patch.read(is_kubernetes ? ScalarRules::kustomize : ScalarRules::strict, context_);
        if (!documents) return;
        if (documents->size() != 1) {
            context_.error("overlay.bad-patch",
                           documents->empty() ? "the patch is empty"
                                              : "a patch with a target holds several documents",
                           patch.at(), "give each a patch entry of its own");
            return;
        }
        const Value& document = documents->front();
        if (document.is_list()) {
            const OverlayId before = resource.id();
            resource.remember_name();
            json_patch(resource.tree, document, to_string(before), context_.problems);
            if (resource.id() != before) resources_.names_have_changed();
        } else if (document.is_map()) {
            merge(resource, document, options);
        } else {
            context_.error("overlay.bad-patch", "the patch is neither a map nor a list", patch.at());
        }
    }

    void merge_by_id(PatchText& patch, Options options) {
        const List* documents = patch.read_by_itself(context_);
        if (!documents) return;
        if (documents->empty()) context_.error("overlay.bad-patch", "the patch is empty", patch.at());
        for (const Value& document : *documents) {
            const OverlayId id = overlay_id_of(document);
            if (id.kind.empty() || id.name.empty()) {
                context_.error("overlay.bad-patch", "a patch without a target needs a kind and a name",
                               document,
                               "write apiVersion, kind and metadata.name of the resource, or a \"target\"");
                continue;
            }
            const std::vector<OverlayResource*> found = resources_.find_any(id);
            if (found.size() == 1)
                merge(*found.front(), document, options);
            else
                report_target(document, id, found.size());
        }
    }

    void report_target(const Value& patch, const OverlayId& id, std::size_t count) {
        const Value* name = find_at(patch, "/metadata/name");
        if (count > 1) {
            context_.error("overlay.no-target",
                           fmt::format("{} resources are called {}", count, to_string(id)),
                           name ? *name : patch, "name the namespace as well, or use a \"target\"");
            return;
        }
        std::vector<std::string> known;
        for (OverlayResource& resource : resources_) known.push_back(to_string(resource.original_id()));
        const auto near = closest(to_string(id), known);
        context_.error("overlay.no-target", fmt::format("there is no resource {} to patch", to_string(id)),
                       name ? *name : patch,
                       near ? fmt::format("did you mean {}?", *near)
                            : "version, kind, namespace and name must be those of a resource");
    }

    void merge(OverlayResource& resource, const Value& patch, Options options) {
        const std::string name(resource.name()), kind(resource.kind()), name_space(resource.name_space()),
            api_version(resource.api_version());
        const Position name_at = position_at(resource.tree, "/metadata/name"),
                       kind_at = position_at(resource.tree, "/kind");
        const bool may_change = options.may_rename || options.may_change_kind;
        if (may_change) resource.remember_name();
        const std::string provider(provider_of(resource.tree));
        const Route& route = context_.router.route(api_version, kind, provider);
        const MergeRules rules(api_version, kind, route.kind);
        if (!strategic_merge(resource.tree, patch, rules, context_.problems)) {
            resource.is_deleted = true;
            return;
        }
        Map* root = resource.tree.if_map();
        set_text(*root, "apiVersion", api_version, position_at(resource.tree, "/apiVersion"));
        if (!options.may_change_kind) set_text(*root, "kind", kind, kind_at);
        if (!options.may_rename) resource.set_name(name, name_at);
        resource.set_namespace(name_space, {});
        if (may_change) resources_.names_have_changed();
    }

    static std::string_view provider_of(const Value& tree) {
        const Value* value = find_at(tree, "/metadata/annotations/holdfast.dev~1provider");
        const std::string* text = value ? value->if_string() : nullptr;
        return text ? std::string_view(*text) : std::string_view{};
    }

    static void set_text(Map& map, std::string_view key, const std::string& text, Position position) {
        Value value(text);
        value.position = position;
        map.set(key, std::move(value));
    }

    OverlayResources& resources_;
    const Kustomization& kustomization_;
    OverlayContext& context_;
};

} // namespace

void apply_patches(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context) {
    Patcher patcher(resources, kustomization, context);
    patcher.merge_all("patchesStrategicMerge");
    patcher.apply_all("patches");
}

void apply_late_patches(OverlayResources& resources, const Kustomization& kustomization,
                        OverlayContext& context) {
    Patcher(resources, kustomization, context).apply_all("patchesJson6902");
}

} // namespace holdfast
