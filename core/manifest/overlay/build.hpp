#pragma once
// Overlays: a folder with a kustomization file -> the documents that it stands for, as kustomize makes them
// but for documents of all providers. Private to manifest.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/overlay/kustomization.hpp"
#include "manifest/overlay/resource.hpp"

namespace holdfast {

struct OverlayDocument {
    Value tree;    // positions are of `sources`
    Origin origin; // of the file that the document was first written in
};

// Builds the overlays of one stack; a file that several of them use is read and parsed once.
class OverlayBuilder {
public:
    OverlayBuilder(const Tree& tree, Router& router, std::string stack);
    OverlayBuilder(const OverlayBuilder&) = delete;
    OverlayBuilder& operator=(const OverlayBuilder&) = delete;

    // The documents of the overlay in `folder`, in kustomize's order. None where there are errors.
    std::vector<OverlayDocument> build(const std::string& folder, Diagnostics& problems);

    // Whether an overlay that was built uses the kustomization in `folder`. Of a ring nobody is a part.
    bool is_part(const std::string& folder) const { return !has_ring_ && parts_.contains(folder); }
    const SourceMap& sources() { return files_.sources(); }
    std::size_t files() const { return files_.count(); }
    void add_inputs(Hasher& hasher) const { files_.add_inputs(hasher); }
    const std::map<std::string, std::string, std::less<>>& reach() const { return files_.reach(); }

private:
    const Kustomization* kustomization_in(const std::string& folder, const Value* named_by);
    OverlayResources accumulate(const Kustomization& kustomization);
    void carry_out(OverlayResources& resources, const Kustomization& kustomization);
    void add_entries(OverlayResources& resources, const Kustomization& kustomization, std::string_view key);
    void add_file(OverlayResources& resources, const std::string& path, const Value& named_by);
    void add_folder(OverlayResources& resources, const std::string& folder, const Value& named_by);
    void add_components(OverlayResources& resources, const Kustomization& kustomization);
    void append(OverlayResources& resources, OverlayResource resource);
    bool enter(const Kustomization& kustomization, const Value& named_by);
    bool is_resource(const Value& tree);
    std::vector<OverlayDocument> finish(OverlayResources resources);

    OverlayFiles files_;
    Router& router_;
    std::string stack_;
    Diagnostics problems_; // of the build that runs
    OverlayContext context_;
    std::map<std::string, std::unique_ptr<Kustomization>> read_; // by folder; null: has errors
    std::set<std::string, std::less<>> parts_;
    bool has_ring_ = false;
    std::vector<const Kustomization*> open_; // the way to the one that is carried out
    std::size_t added_ = 0, layers_ = 0;
};

} // namespace holdfast
