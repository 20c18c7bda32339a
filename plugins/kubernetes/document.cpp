#include "document.hpp"

#include <algorithm>
#include <functional>

#include "access.hpp"
#include "applyset.hpp"

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

bool is_bookkeeping(std::string_view name) { // of an object's metadata
    return name == "managedFields" || name == "resourceVersion" || name == "selfLink" ||
           name == "creationTimestamp";
}

void add_text(std::size_t& hash, std::string_view text) {
    hash = (hash ^ std::hash<std::string_view>()(text)) * 0x9E3779B97F4A7C15U + 1;
}

// Of everything that tells two values apart, without writing them out.
void add_value(std::size_t& hash, const Json& value) {
    hash = hash * 31 + static_cast<std::size_t>(value.type());
    if (value.is_string()) return add_text(hash, value.get_ref<const std::string&>());
    if (value.is_object()) {
        for (const auto& [key, member] : value.items()) add_text(hash, key), add_value(hash, member);
    } else if (value.is_array()) {
        for (const Json& element : value) add_value(hash, element);
    } else {
        add_text(hash, value.dump());
    }
    hash = hash * 31 + value.size();
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
        for (auto field = metadata->begin(); metadata->is_object() && field != metadata->end();)
            field = is_bookkeeping(field.key()) ? metadata->erase(field) : std::next(field);
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
    put_into_set(live, {});
    Json* spec = member(live, "spec");
    const std::string kind = sdk::text_at(live, "/kind");
    if (spec && kind == "Service" && sdk::text_at(*spec, "/clusterIP") != "None")
        erase(*spec, {"clusterIP", "clusterIPs", "healthCheckNodePort"});
    if (spec && kind == "Namespace") erase(*spec, {"finalizers"});
    return live;
}

std::size_t content_hash(const Json& observed) {
    std::size_t hash = 0;
    for (const auto& [key, value] : observed.items()) {
        if (key == "status" || key == set_mark) continue;
        add_text(hash, key);
        if (key != "metadata" || !value.is_object()) {
            add_value(hash, value);
            continue;
        }
        for (const auto& [name, field] : value.items())
            if (!is_bookkeeping(name) && name != "generation") add_text(hash, name), add_value(hash, field);
    }
    return hash;
}

// Strings are jumped over and brackets counted, and nothing else is looked at. Keys of the one place are all
// that counts: a custom resource may have fields of that name of its own.
std::string without_managed_fields(std::string_view body, bool is_list) {
    static constexpr std::string_view name = "managedFields", parent = "metadata";
    const int depth_of_field = is_list ? 4 : 2;
    std::string out;
    out.reserve(body.size());
    std::size_t kept_from = 0, field_from = body.npos;
    std::string_view key_above;
    int depth = 0;
    for (std::size_t i = 0; i < body.size(); ++i) {
        const char c = body[i];
        if (c == '{' || c == '[') {
            ++depth;
        } else if (c == '}' || c == ']') {
            --depth;
            if (field_from == body.npos || depth != depth_of_field) continue;
            std::size_t end = i + 1; // with the comma behind it, or else the one before it
            if (end < body.size() && body[end] == ',')
                ++end;
            else if (field_from > 0 && body[field_from - 1] == ',')
                --field_from;
            out.append(body, kept_from, field_from - kept_from);
            kept_from = end;
            i = end - 1;
            field_from = body.npos;
        } else if (c == '"') {
            const std::size_t begin = i + 1;
            for (i = begin; i < body.size() && body[i] != '"'; ++i)
                if (body[i] == '\\') ++i;
            const bool is_key = i + 1 < body.size() && body[i + 1] == ':';
            if (!is_key || field_from != body.npos) continue;
            const std::string_view key = body.substr(begin, i - begin);
            if (depth == depth_of_field - 1) key_above = key;
            const bool is_it = depth == depth_of_field && key == name && key_above == parent;
            if (is_it && i + 2 < body.size() && body[i + 2] == '[') field_from = begin - 1;
        }
    }
    out.append(body, kept_from, body.npos);
    return out;
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

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> words;
    for (std::size_t from = 0; (from = text.find_first_not_of(", \t", from)) != text.npos;) {
        const std::size_t to = std::min(text.find_first_of(", \t", from), text.size());
        words.push_back(text.substr(from, to - from));
        from = to;
    }
    return words;
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
