// Documents about Grafana: a folder, a data source, a dashboard as people export it.

#include <algorithm>
#include <cctype>

#include "compile.hpp"
#include "grafana.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr std::size_t longest_uid = 40;

// A document without a uid has that of its name.
std::string take_uid(const Json& document, Json& spec, sdk::Diagnostics& problems) {
    if (!spec.contains("uid")) spec["uid"] = sdk::text_at(document, "/metadata/name");
    const std::string uid = sdk::text_at(spec, "/uid");
    const bool is_good =
        !uid.empty() && uid.size() <= longest_uid && std::all_of(uid.begin(), uid.end(), [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
        });
    if (!is_good)
        complain(problems, "monitoring.uid", "/spec/uid", "\"" + uid + "\" is no uid of Grafana's",
                 "write spec.uid with at most 40 letters, digits, - and _");
    return uid;
}

void add_leaf(const Json& document, const char* kind, Json spec, std::vector<Compiled>& out) {
    Compiled leaf;
    leaf.key = grafana_key(kind, sdk::text_at(spec, "/uid"));
    leaf.scope = kind;
    leaf.pointer = "/spec";
    leaf.document = document_of(kind, std::move(spec));
    if (document.contains("metadata")) leaf.document["metadata"] = document["metadata"];
    out.push_back(std::move(leaf));
}

} // namespace

void compile_folder(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    Json spec = document.at("spec");
    take_uid(document, spec, problems);
    if (spec.value("parentUid", Json()) == "") spec.erase("parentUid");
    add_leaf(document, "Folder", std::move(spec), out);
}

void compile_data_source(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    Json spec = document.at("spec");
    take_uid(document, spec, problems);
    if (!spec.contains("name")) spec["name"] = sdk::text_at(document, "/metadata/name");
    if (!spec.contains("access")) spec["access"] = "proxy";
    add_leaf(document, "DataSource", std::move(spec), out);
}

void compile_dashboard(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    Json spec = document.at("spec");
    if (const auto text = spec.find("json"); text != spec.end() && text->is_string()) {
        if (spec.contains("dashboard"))
            complain(problems, "monitoring.dashboard", "/spec/json", "the dashboard is there twice",
                     "keep one of dashboard and json");
        Json model = Json::parse(text->get_ref<const std::string&>(), nullptr, false);
        if (!model.is_object()) {
            complain(problems, "monitoring.dashboard", "/spec/json", "this is no JSON object",
                     "export the dashboard as JSON, and write that");
            model = Json::object();
        }
        spec.erase("json");
        spec["dashboard"] = std::move(model);
    }
    const Json model = spec.value("dashboard", Json());
    if (!model.is_object() || sdk::text_at(model, "/title").empty()) {
        complain(problems, "monitoring.dashboard", "/spec/dashboard", "the dashboard has no title",
                 "write dashboard: {title: ...}, or json with an exported one");
        return;
    }
    if (!spec.contains("uid") && !sdk::text_at(model, "/uid").empty()) spec["uid"] = model["uid"];
    take_uid(document, spec, problems);
    spec["dashboard"] = canonical_dashboard(model);
    add_leaf(document, "Dashboard", std::move(spec), out);
}

} // namespace holdfast::monitoring
