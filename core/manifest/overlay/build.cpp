#include "manifest/overlay/build.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "manifest/overlay/steps.hpp"
#include "manifest/paths.hpp"

namespace holdfast {

namespace {

constexpr std::size_t deepest_chain = 50, most_layers = 20'000, most_resources = 250'000;

std::string shown_folder(const std::string& folder) {
    return folder.empty() ? "the repository's root" : folder;
}

// A resource that kustomize keeps to itself.
bool is_local_only(const Value& tree) {
    const Value* value = find_at(tree, "/metadata/annotations/config.kubernetes.io~1local-config");
    return value && Kustomization::text_of(*value) != "false";
}

void drop_empty_annotations(Value& tree) {
    Value* metadata = find_at(tree, "/metadata");
    Map* map = metadata ? metadata->if_map() : nullptr;
    const Value* annotations = map ? map->find("annotations") : nullptr;
    if (annotations && annotations->is_map() && annotations->if_map()->empty()) map->erase("annotations");
}

} // namespace

OverlayBuilder::OverlayBuilder(const Tree& tree, Router& router, std::string stack)
    : files_(tree, router),
      router_(router),
      stack_(std::move(stack)),
      context_{files_, router_, problems_, stack_} {}

std::vector<OverlayDocument> OverlayBuilder::build(const std::string& folder, Diagnostics& problems) {
    problems_ = {};
    added_ = layers_ = 0;
    std::vector<OverlayDocument> documents;
    const Kustomization* root = kustomization_in(folder, nullptr);
    if (root && root->is_component)
        context_.error(
            "overlay.component", "a component is no overlay of its own", root->tree,
            "name it under \"components\" of a kustomization, or name its folder in .holdfastignore");
    else if (root)
        documents = finish(accumulate(*root));
    for (Diagnostic problem : problems_) {
        files_.sources().place(problem);
        problems.add(std::move(problem));
    }
    return problems_.has_errors() ? std::vector<OverlayDocument>{} : std::move(documents);
}

// Null where it has errors or there is none, which has been reported.
const Kustomization* OverlayBuilder::kustomization_in(const std::string& folder, const Value* named_by) {
    const auto [place, is_new] = read_.try_emplace(folder);
    if (!is_new) {
        // Its errors have been reported, but in another build perhaps.
        if (!place->second && !problems_.has_errors())
            problems_.error("overlay.bad-kustomization",
                            fmt::format("the kustomization of {} has errors", shown_folder(folder)));
        return place->second.get();
    }
    const std::vector<std::string> files = files_.kustomizations_in(folder);
    if (files.size() > 1) {
        Diagnostic& problem =
            problems_.error("overlay.bad-kustomization",
                            fmt::format("{} has {} kustomization files", shown_folder(folder), files.size()));
        problem.span.file = files[1];
        problem.hint = fmt::format("keep one; {} is another", files[0]);
        return nullptr;
    }
    if (files.empty()) {
        if (named_by) context_.error(files_.missing_folder(folder), *named_by);
        return nullptr;
    }
    if (std::optional<Kustomization> read = read_kustomization(files.front(), context_))
        place->second = std::make_unique<Kustomization>(*std::move(read));
    return place->second.get();
}

OverlayResources OverlayBuilder::accumulate(const Kustomization& kustomization) {
    OverlayResources resources;
    carry_out(resources, kustomization);
    return resources;
}

// What one kustomization does, in kustomize's order. Where its resources have errors the steps are left out:
// their complaints would follow from those.
void OverlayBuilder::carry_out(OverlayResources& resources, const Kustomization& kustomization) {
    open_.push_back(&kustomization);
    add_entries(resources, kustomization, "resources");
    add_entries(resources, kustomization, "bases");
    if (!problems_.has_errors()) generate_maps(resources, kustomization, context_);
    add_components(resources, kustomization);
    if (!problems_.has_errors()) {
        apply_patches(resources, kustomization, context_);
        set_namespaces(resources, kustomization, context_);
        add_prefix_and_suffix(resources, kustomization);
        add_labels(resources, kustomization);
        apply_late_patches(resources, kustomization, context_);
        set_replicas(resources, kustomization, context_);
        set_images(resources, kustomization, context_);
    }
    open_.pop_back();
}

void OverlayBuilder::add_entries(OverlayResources& resources, const Kustomization& kustomization,
                                 std::string_view key) {
    for (const Value& entry : kustomization.list(key)) {
        const std::optional<std::string> path = context_.path_of(entry, kustomization);
        if (!path) continue;
        if (files_.is_file(*path))
            add_file(resources, *path, entry);
        else
            add_folder(resources, *path, entry);
    }
}

void OverlayBuilder::add_file(OverlayResources& resources, const std::string& path, const Value& named_by) {
    const Result<const OverlayFiles::Parsed*> parsed = files_.parse(path);
    if (!parsed) {
        context_.error(parsed.error(), named_by);
        return;
    }
    problems_.append((*parsed)->problems);
    std::uint32_t index = 0;
    for (const Value& tree : (*parsed)->trees) {
        const std::uint32_t number = index++;
        if (!is_resource(tree)) continue;
        OverlayResource resource;
        resource.tree = tree;
        resource.origin = {
            path, tree.position.line - (*parsed)->text->first_line, (*parsed)->text->blob, number, {}};
        append(resources, std::move(resource));
    }
}

bool OverlayBuilder::is_resource(const Value& tree) {
    const Value* name = find_at(tree, "/metadata/name");
    const bool has_name = name && name->is_string() && !name->if_string()->empty();
    if (!tree.text_at("apiVersion").empty() && !tree.text_at("kind").empty() && has_name) return true;
    if (tree.text_at("apiVersion").empty() || tree.text_at("kind").empty())
        context_.error("manifest.not-a-resource", "a document without apiVersion and kind", tree,
                       "only resources may be listed; a patch belongs under \"patches\"");
    else if (tree.text_at("kind") == "Kustomization" || tree.text_at("kind") == "Component")
        context_.error("manifest.not-a-resource", "a kustomization is listed as a file", tree,
                       "name its folder instead");
    else
        context_.error("manifest.missing-key", "metadata.name is missing", tree,
                       "every document needs a name");
    return false;
}

void OverlayBuilder::add_folder(OverlayResources& resources, const std::string& folder,
                                const Value& named_by) {
    const Kustomization* base = kustomization_in(folder, &named_by);
    if (!base || !enter(*base, named_by)) return;
    if (base->is_component) {
        context_.error("overlay.component", fmt::format("{} is a component", shown_folder(folder)), named_by,
                       "name it under \"components\"");
        return;
    }
    OverlayResources inner = accumulate(*base);
    for (OverlayResource& resource : inner) append(resources, std::move(resource));
}

// A component works on what its kustomization has so far.
void OverlayBuilder::add_components(OverlayResources& resources, const Kustomization& kustomization) {
    for (const Value& entry : kustomization.list("components")) {
        const std::optional<std::string> folder = context_.path_of(entry, kustomization);
        const Kustomization* component = folder ? kustomization_in(*folder, &entry) : nullptr;
        if (!component || !enter(*component, entry)) continue;
        if (!component->is_component)
            context_.error("overlay.component", fmt::format("{} is no component", shown_folder(*folder)),
                           entry, "name it under \"resources\", or write \"kind: Component\" into it");
        else
            carry_out(resources, *component);
    }
}

// False where going on would not end.
bool OverlayBuilder::enter(const Kustomization& kustomization, const Value& named_by) {
    parts_.insert(kustomization.folder);
    const auto again = std::find(open_.begin(), open_.end(), &kustomization);
    if (again != open_.end()) {
        has_ring_ = true;
        std::string ring;
        for (auto it = again; it != open_.end(); ++it) ring += (*it)->file + " -> ";
        context_.error(
            "overlay.cycle",
            fmt::format("kustomizations name each other in a ring: {}{}", ring, kustomization.file), named_by,
            "take out one of these entries");
        return false;
    }
    if (open_.size() < deepest_chain && ++layers_ <= most_layers) return true;
    context_.error("overlay.too-large",
                   open_.size() >= deepest_chain
                       ? fmt::format("kustomizations are nested deeper than {}", deepest_chain)
                       : fmt::format("kustomizations are used more than {} times", most_layers),
                   named_by, "name the bases that are needed directly");
    return false;
}

void OverlayBuilder::append(OverlayResources& resources, OverlayResource resource) {
    const std::vector<OverlayResource*> same = resources.find_now(resource.id());
    if (!same.empty()) {
        const Value* name = find_at(resource.tree, "/metadata/name");
        const auto placed = [&](const OverlayResource& one) {
            return to_string(Span{one.origin.file, {one.origin.line, 1}, 0});
        };
        context_.error(
            "overlay.clash",
            fmt::format("{} comes in twice, first from {}", to_string(resource.id()), placed(*same.front())),
            name && name->position.is_known() ? *name : resource.tree,
            "list it once, or give one of the two a prefix in a kustomization of its own");
        return;
    }
    if (++added_ == most_resources)
        context_.error("overlay.too-large",
                       fmt::format("the overlay has more than {} resources", most_resources), resource.tree,
                       "split the stack into several");
    if (added_ < most_resources) resources.add(std::move(resource));
}

std::vector<OverlayDocument> OverlayBuilder::finish(OverlayResources resources) {
    if (problems_.has_errors()) return {};
    add_hashes(resources);
    follow_names(resources, context_);
    follow_own_names(resources, context_);
    std::vector<OverlayDocument> documents;
    for (OverlayResource& resource : resources) {
        if (is_local_only(resource.tree)) continue;
        drop_empty_annotations(resource.tree);
        documents.push_back({std::move(resource.tree), std::move(resource.origin)});
    }
    return documents;
}

} // namespace holdfast
