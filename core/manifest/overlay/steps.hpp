#pragma once
// What a kustomization does to its resources, one function for each kind of step, in kustomize's words. Each
// reports its problems to the context and goes on. Private to manifest.

#include "manifest/overlay/kustomization.hpp"
#include "manifest/overlay/resource.hpp"

namespace holdfast {

// configMapGenerator, secretGenerator.
void generate_maps(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context);

// patchesStrategicMerge, then patches.
void apply_patches(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context);
// patchesJson6902, which come after names and labels.
void apply_late_patches(OverlayResources& resources, const Kustomization& kustomization,
                        OverlayContext& context);

void set_namespaces(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context);
void add_prefix_and_suffix(OverlayResources& resources, const Kustomization& kustomization);
// labels, commonLabels, commonAnnotations.
void add_labels(OverlayResources& resources, const Kustomization& kustomization);
void set_replicas(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context);
void set_images(OverlayResources& resources, const Kustomization& kustomization, OverlayContext& context);

// At the end, over everything: the content hashes of what was generated, ...
void add_hashes(OverlayResources& resources);
// ... then the fields of Kubernetes' kinds that name resources which are called otherwise now, ...
void follow_names(OverlayResources& resources, OverlayContext& context);
// ... and ours: depends-on, refresh-on and moved-from, and references to outputs.
void follow_own_names(OverlayResources& resources, OverlayContext& context);

// The last letters of a generated name, as kustomize and kubectl make them.
std::string content_hash(const Value& map);

} // namespace holdfast
