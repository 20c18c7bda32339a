#pragma once
// kustomize's field specs: which fields of which kinds a label, a replica count or a name goes to. Private to
// manifest.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.hpp"

namespace holdfast {

struct FieldSpec {
    std::string group, version, kind; // empty: any
    std::vector<std::string> path;    // "containers[]": only where it is a list
    bool create = false;              // make what is missing on the way

    bool fits(std::string_view api_version, std::string_view of_kind) const;
};

// "spec/template/metadata", with "\/" for a slash in a key.
FieldSpec field_spec(std::string_view path, bool create, std::string_view kind = {},
                     std::string_view group = {}, std::string_view version = {});

// Calls `visit` for each field of `document` at `path`; lists on the way stand for all their elements. With
// `create`, maps are made on the way, and what stands at the end may be null.
void visit_fields(Value& document, const std::vector<std::string>& path, bool create,
                  const std::function<void(Value& field)>& visit);

// Where labels go: to metadata and the templates' metadata, ...
const std::vector<FieldSpec>& template_label_fields();
const std::vector<FieldSpec>& selector_label_fields(); // ... and to all of these and the selectors.
const std::vector<FieldSpec>& annotation_fields();
const std::vector<FieldSpec>& namespace_fields(); // besides metadata.namespace
const std::vector<FieldSpec>& replica_fields();
const std::vector<FieldSpec>& image_fields();

} // namespace holdfast
