// The steps that write one value into many fields: namespace, names, labels, annotations, replicas, images.

#include <algorithm>

#include <fmt/core.h>

#include "manifest/overlay/fields.hpp"
#include "manifest/overlay/pattern.hpp"
#include "manifest/overlay/steps.hpp"

namespace holdfast {

namespace {

Value text_at(std::string text, Position position) {
    Value value(std::move(text));
    value.position = position;
    return value;
}

// ---- namespaces ----

// Of role bindings kustomize moves the subjects that are called "default"; others follow their account's
// name.
void set_default_subjects(Value& tree, const Value& name_space) {
    Value* subjects = tree.if_map()->find("subjects");
    if (!subjects || !subjects->is_list()) return;
    for (Value& subject : *subjects->if_list())
        if (Map* map = subject.if_map(); map && subject.text_at("name") == "default")
            map->set("namespace", name_space);
}

void report_clashes(OverlayResources& resources, const Value& at, OverlayContext& context) {
    resources.names_have_changed();
    for (OverlayResource& resource : resources) {
        const std::vector<OverlayResource*> same = resources.find_now(resource.id());
        if (same.size() < 2 || same.front() == &resource) continue;
        context.error("overlay.clash",
                      fmt::format("two resources become {} in this namespace", to_string(resource.id())), at,
                      fmt::format("they are written at {} and {}", to_string(same.front()->origin),
                                  to_string(resource.origin)));
    }
}

// ---- names ----

bool keeps_its_name(const OverlayResource& resource) {
    const OverlayId original = resource.original_id();
    return original.kind == "CustomResourceDefinition" || original.kind == "Namespace" ||
           (original.kind == "APIService" && original.group == "apiregistration.k8s.io");
}

// ---- images ----

struct ImageName {
    std::string name, tag, digest;
};

// "registry:5000/app:1.2@sha256:..." in its parts. A colon before the first slash belongs to a port.
ImageName split_image(const std::string& image) {
    const std::size_t slash = image.find('/');
    const std::size_t from = slash == image.npos || slash == 0 ? 0 : slash;
    const std::size_t at = image.find('@', from), colon = image.find(':', from);
    if (at != image.npos && (colon == image.npos || at < colon))
        return {image.substr(0, at), "", image.substr(at + 1)};
    if (colon == image.npos) return {image, "", ""};
    if (at == image.npos) return {image.substr(0, colon), image.substr(colon + 1), ""};
    return {image.substr(0, colon), image.substr(colon + 1, at - colon - 1), image.substr(at + 1)};
}

// One entry of "images". Its name is a regular expression for kustomize; in the names that people write only
// the dot is special, and so it is here without one.
class ImageRule {
public:
    static std::optional<ImageRule> read(const Value& entry, OverlayContext& context) {
        ImageRule rule;
        rule.name_ = Kustomization::text_in(entry, "name");
        rule.new_name_ = Kustomization::text_in(entry, "newName");
        rule.new_tag_ = Kustomization::text_in(entry, "newTag");
        rule.digest_ = Kustomization::text_in(entry, "digest");
        rule.suffix_ = Kustomization::text_in(entry, "tagSuffix");
        rule.position_ = entry.position;
        if (rule.name_.find_first_of("\\[]{}()*+?|^$") != std::string::npos) {
            Result<Pattern> pattern = Pattern::compile(
                rule.name_ + "(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?");
            if (!pattern) {
                context.error(pattern.error(), *entry.find("name"));
                return std::nullopt;
            }
            rule.pattern_ = *std::move(pattern);
        }
        return rule;
    }

    void apply(Value& image) const {
        const std::string* text = image.if_string();
        if (!text || !matches(*text)) return;
        ImageName parts = split_image(*text);
        if (!new_name_.empty()) parts.name = new_name_;
        if (!new_tag_.empty() || !digest_.empty()) {
            parts.tag = new_tag_;
            parts.digest = digest_;
        } else if (!suffix_.empty()) {
            parts.tag += suffix_;
            parts.digest.clear();
        }
        std::string made = std::move(parts.name);
        if (!parts.tag.empty()) made += ":" + parts.tag;
        if (!parts.digest.empty()) made += "@" + parts.digest;
        if (made != *text) image = text_at(std::move(made), position_);
    }

private:
    bool matches(std::string_view image) const {
        if (pattern_) return pattern_->matches(image);
        if (image.size() < name_.size()) return false;
        for (std::size_t i = 0; i < name_.size(); ++i)
            if (name_[i] != image[i] && name_[i] != '.') return false;
        const std::string_view rest = image.substr(name_.size());
        if (rest.empty()) return true;
        const std::size_t at = rest.find('@');
        const std::string_view tag = rest.substr(0, std::min(at, rest.size()));
        const auto is_tag = [](std::string_view text) {
            return std::all_of(text.begin(), text.end(), [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.{}-").find(c) != std::string_view::npos;
            });
        };
        if (!tag.empty() && (!tag.starts_with(':') || !is_tag(tag.substr(1)))) return false;
        if (at == rest.npos) return true;
        const std::string_view digest = rest.substr(at + 1);
        const std::size_t colon = digest.find(':');
        return colon != digest.npos && colon > 0 && is_tag(digest.substr(colon + 1));
    }

    std::string name_, new_name_, new_tag_, digest_, suffix_;
    std::optional<Pattern> pattern_;
    Position position_;
};

void find_images(Value& node, std::vector<Value*>& images) {
    if (List* list = node.if_list())
        for (Value& item : *list)
            if (!item.is_scalar()) find_images(item, images);
    Map* map = node.if_map();
    if (!map) return;
    for (MapEntry& entry : *map) {
        if (entry.value.is_scalar()) continue;
        find_images(entry.value, images);
        if (!entry.value.is_list() || (entry.key != "containers" && entry.key != "initContainers")) continue;
        for (Value& container : *entry.value.if_list())
            if (Map* members = container.if_map())
                if (Value* image = members->find("image")) images.push_back(image);
    }
}

} // namespace

void set_namespaces(OverlayResources& resources, const Kustomization& kustomization,
                    OverlayContext& context) {
    const Value* value = kustomization.tree.find("namespace");
    if (!value || Kustomization::text_of(*value).empty()) return;
    const Value name_space = text_at(Kustomization::text_of(*value), value->position);
    for (OverlayResource& resource : resources) {
        resource.remember_name();
        if (!is_cluster_scoped(resource.api_version(), resource.kind()))
            resource.set_namespace(*name_space.if_string(), name_space.position);
        if (resource.kind() == "RoleBinding" || resource.kind() == "ClusterRoleBinding")
            set_default_subjects(resource.tree, name_space);
        for (const FieldSpec& spec : namespace_fields())
            if (spec.fits(resource.api_version(), resource.kind()))
                visit_fields(resource.tree, spec.path, spec.create,
                             [&](Value& field) { field = name_space; });
    }
    report_clashes(resources, *value, context);
}

void add_prefix_and_suffix(OverlayResources& resources, const Kustomization& kustomization) {
    const std::string prefix = kustomization.text("namePrefix"), suffix = kustomization.text("nameSuffix");
    const auto rename = [&](OverlayResource& resource, std::string name) {
        resource.remember_name();
        resource.set_name(std::move(name), {});
    };
    for (OverlayResource& resource : resources) {
        if ((prefix.empty() && suffix.empty()) || keeps_its_name(resource)) continue;
        if (!prefix.empty()) {
            resource.prefixes.push_back(prefix);
            rename(resource, prefix + std::string(resource.name()));
        }
        if (!suffix.empty()) {
            resource.suffixes.push_back(suffix);
            rename(resource, std::string(resource.name()) + suffix);
        }
    }
    resources.names_have_changed();
}

namespace {

void set_texts(OverlayResource& resource, const Value& texts, const std::vector<FieldSpec>& specs) {
    for (const FieldSpec& spec : specs) {
        if (!spec.fits(resource.api_version(), resource.kind())) continue;
        visit_fields(resource.tree, spec.path, spec.create, [&](Value& field) {
            if (field.is_null()) field.as_map();
            Map* map = field.if_map();
            if (!map) return;
            for (const MapEntry& entry : *texts.if_map())
                map->set(entry.key, text_at(Kustomization::text_of(entry.value), entry.value.position));
        });
    }
}

std::vector<FieldSpec> label_fields(const Value& label) {
    std::vector<FieldSpec> specs;
    const auto add = [&](const std::vector<FieldSpec>& more) {
        specs.insert(specs.end(), more.begin(), more.end());
    };
    if (const Value* fields = label.find("fields"))
        for (const Value& field : *fields->if_list())
            specs.push_back(
                field_spec(Kustomization::text_in(field, "path"), Kustomization::flag_in(field, "create"),
                           Kustomization::text_in(field, "kind"), Kustomization::text_in(field, "group"),
                           Kustomization::text_in(field, "version")));
    if (Kustomization::flag_in(label, "includeSelectors")) {
        add(selector_label_fields());
        return specs;
    }
    if (Kustomization::flag_in(label, "includeTemplates")) add(template_label_fields());
    specs.push_back(template_label_fields().front()); // metadata/labels
    return specs;
}

} // namespace

void add_labels(OverlayResources& resources, const Kustomization& kustomization) {
    for (const Value& label : kustomization.list("labels")) {
        const Value* pairs = label.find("pairs");
        if (!pairs || pairs->if_map()->empty()) continue;
        const std::vector<FieldSpec> specs = label_fields(label);
        for (OverlayResource& resource : resources) set_texts(resource, *pairs, specs);
    }
    for (const auto& [key, specs] : {std::pair{"commonLabels", &selector_label_fields()},
                                     std::pair{"commonAnnotations", &annotation_fields()}}) {
        const Value* texts = kustomization.tree.find(key);
        if (!texts || texts->if_map()->empty()) continue;
        for (OverlayResource& resource : resources) set_texts(resource, *texts, *specs);
    }
}

void set_replicas(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context) {
    for (const Value& entry : kustomization.list("replicas")) {
        bool any = false;
        const std::string name = Kustomization::text_in(entry, "name");
        for (OverlayResource* resource : resources.named(name)) {
            for (const FieldSpec& spec : replica_fields()) {
                if (!spec.fits(resource->api_version(), resource->kind())) continue;
                any = true;
                visit_fields(resource->tree, spec.path, true,
                             [&](Value& field) { field = *entry.find("count"); });
            }
        }
        if (!any)
            context.error("overlay.no-target", fmt::format("nothing that has replicas is called {}", name),
                          *entry.find("name"),
                          "Deployment, StatefulSet, ReplicaSet and ReplicationController have");
    }
}

void set_images(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context) {
    std::vector<ImageRule> rules;
    for (const Value& entry : kustomization.list("images"))
        if (std::optional<ImageRule> rule = ImageRule::read(entry, context))
            rules.push_back(*std::move(rule));
    if (rules.empty()) return;
    for (OverlayResource& resource : resources) {
        if (resource.kind() == "CustomResourceDefinition") continue;
        std::vector<Value*> images;
        find_images(resource.tree, images);
        for (const FieldSpec& spec : image_fields())
            visit_fields(resource.tree, spec.path, false, [&](Value& field) { images.push_back(&field); });
        for (Value* image : images)
            for (const ImageRule& rule : rules) rule.apply(*image);
    }
}

} // namespace holdfast
