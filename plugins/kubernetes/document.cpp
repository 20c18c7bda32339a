#include "document.hpp"

#include <functional>

#include "access.hpp"

namespace holdfast::kubernetes {

namespace {

Json* member(Json& of, const char* key) {
    const auto found = of.is_object() ? of.find(key) : of.end();
    return of.is_object() && found != of.end() ? &*found : nullptr;
}

void erase(Json& of, std::initializer_list<const char*> keys) {
    if (!of.is_object()) return;
    for (const char* key : keys) of.erase(key);
}

// `protocol` is part of the key by which ports are merged, and old servers want keys in full.
void write_out_protocols(Json* ports) {
    if (!ports || !ports->is_array()) return;
    for (Json& port : *ports)
        if (port.is_object() && !port.contains("protocol")) port["protocol"] = "TCP";
}

void write_out_pod_protocols(Json& spec) {
    for (const char* list : {"containers", "initContainers"})
        if (Json* containers = member(spec, list); containers && containers->is_array())
            for (Json& container : *containers) write_out_protocols(member(container, "ports"));
}

void fold_string_data(Json& document) {
    Json* plain = member(document, "stringData");
    if (!plain) return;
    if (plain->is_object())
        for (const auto& [key, value] : plain->items())
            document["data"][key] =
                encode_base64(value.is_string() ? value.get<std::string>() : value.dump());
    document.erase("stringData");
}

} // namespace

Json observed_form(Json live) {
    if (Json* metadata = member(live, "metadata"))
        erase(*metadata, {"managedFields", "resourceVersion", "selfLink", "creationTimestamp"});
    return live;
}

Json written_form(Json live) {
    erase(live, {"status"});
    Json* metadata = member(live, "metadata");
    if (!metadata) return live;
    erase(*metadata, {"managedFields", "resourceVersion", "selfLink", "creationTimestamp", "uid",
                      "generation", "deletionTimestamp", "deletionGracePeriodSeconds"});
    if (Json* annotations = member(*metadata, "annotations")) {
        erase(*annotations, {last_applied, "deployment.kubernetes.io/revision"});
        if (annotations->empty()) metadata->erase("annotations");
    }
    Json* spec = member(live, "spec");
    const std::string kind = sdk::text_at(live, "/kind");
    if (spec && kind == "Service" && sdk::text_at(*spec, "/clusterIP") != "None")
        erase(*spec, {"clusterIP", "clusterIPs", "healthCheckNodePort"});
    if (spec && kind == "Namespace") erase(*spec, {"finalizers"});
    return live;
}

std::size_t content_hash(const Json& observed) {
    Json content = observed;
    erase(content, {"status"});
    if (Json* metadata = member(content, "metadata"))
        erase(*metadata, {"managedFields", "resourceVersion", "generation"});
    return std::hash<std::string>()(content.dump());
}

const Json* pod_spec(const Json& document) {
    const std::string kind = sdk::text_at(document, "/kind");
    if (kind == "Pod") return sdk::find(document, "/spec");
    if (kind == "CronJob") return sdk::find(document, "/spec/jobTemplate/spec/template/spec");
    return sdk::find(document, "/spec/template/spec");
}

Json applied_form(Json declared, const std::string& name_space) {
    erase(declared, {"status"});
    Json& metadata = declared["metadata"];
    erase(metadata,
          {"managedFields", "resourceVersion", "selfLink", "creationTimestamp", "uid", "generation"});
    if (name_space.empty())
        metadata.erase("namespace");
    else
        metadata["namespace"] = name_space;
    const std::string kind = sdk::text_at(declared, "/kind");
    if (kind == "Secret") fold_string_data(declared);
    if (kind == "Service" && declared.contains("spec"))
        write_out_protocols(member(declared["spec"], "ports"));
    if (const Json* spec = pod_spec(declared); spec && spec->is_object())
        write_out_pod_protocols(*const_cast<Json*>(spec)); // it lies in `declared`, which is ours
    return declared;
}

Version version_of(const Json& live) {
    return {sdk::text_at(live, "/metadata/uid"), sdk::text_at(live, "/metadata/resourceVersion")};
}

Version parse_version(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == text.npos) return {};
    return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

std::string to_string(const Version& version) { return version.uid + "/" + version.resource_version; }

std::string KindName::group() const {
    const std::size_t slash = api_version.find('/');
    return slash == api_version.npos ? "" : api_version.substr(0, slash);
}

KindName parse_kind(std::string_view id) {
    const std::size_t slash = id.rfind('/');
    if (slash == id.npos) return {"", std::string(id)};
    return {std::string(id.substr(0, slash)), std::string(id.substr(slash + 1))};
}

bool is_secret(std::string_view kind_id) { return kind_id == "v1/Secret"; }

std::string shown(const std::string& kind, const std::string& name_space, const std::string& name) {
    return kind + " " + (name_space.empty() ? name : name_space + "/" + name);
}

std::string annotation_of(const Json& document, const std::string& name) {
    const Json* annotations = sdk::find(document, "/metadata/annotations");
    if (!annotations || !annotations->is_object()) return {};
    const auto found = annotations->find(name);
    return found != annotations->end() && found->is_string() ? found->get<std::string>() : "";
}

std::string own_annotation(const Json& document, const std::string& name) {
    return annotation_of(document, "kubernetes.holdfast.dev/" + name);
}

std::string joined(std::string_view pointer, std::string_view token) {
    std::string out(pointer);
    out += '/';
    for (const char c : token) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

} // namespace holdfast::kubernetes
