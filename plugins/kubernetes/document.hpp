#pragma once
// Documents of Kubernetes: what of a live object is compared, and what is sent for a declared one.

#include <string>
#include <string_view>
#include <vector>

#include <holdfast/json.hpp>

namespace holdfast::kubernetes {

using sdk::Json;

// In which kubectl apply keeps what it was given.
constexpr const char* last_applied = "kubectl.kubernetes.io/last-applied-configuration";

// Without what the server keeps of an object for itself: managedFields, resourceVersion and the like. Stays:
// uid, generation, deletionTimestamp and status, which health and outputs need.
Json observed_form(Json live);
// The same without uid, status and whatever else nobody would write into a document.
Json written_form(Json live);
// What two sights of an object are compared by: without status and other things that change by themselves.
std::size_t content_hash(const Json& observed);

// What is applied for a document: stringData folded into data, since the server never takes back a key that
// came in by the first; protocols that servers before 1.21 want to be written out.
Json applied_form(Json declared, const std::string& name_space);

struct Version { // of an object, as it goes to the engine: "uid/resourceVersion"
    std::string uid, resource_version;
};
// `body`, an object's JSON or, with `is_list`, that of a list of objects, without metadata.managedFields,
// which is half of it and worth no parsing where nobody asks who wrote what.
std::string without_managed_fields(std::string_view body, bool is_list);
Version version_of(const Json& live);
Version parse_version(std::string_view text);
std::string to_string(const Version& version);

// "apps/v1/Deployment" -> "apps/v1", "Deployment"
struct KindName {
    std::string api_version, kind;
    std::string group() const;
};
KindName parse_kind(std::string_view id);
bool is_secret(std::string_view kind_id);
// "ConfigMap shop/web"
std::string shown(const std::string& kind, const std::string& name_space, const std::string& name);
std::string annotation_of(const Json& document, const std::string& name); // or ""
// Of a list in an annotation, with commas or blanks between them.
std::vector<std::string> words_of(const std::string& text);
// The annotation kubernetes.holdfast.dev/<name>, or "".
std::string own_annotation(const Json& document, const std::string& name);
// The pod template's spec of a workload, or a pod's; null where there is none.
const Json* pod_spec(const Json& document);
std::string joined(std::string_view pointer, std::string_view token); // escapes the token

} // namespace holdfast::kubernetes
