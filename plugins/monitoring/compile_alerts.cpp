// Documents about Alertmanager: a whole configuration, or parts of one that several documents share.

#include <algorithm>

#include "alerts.hpp"
#include "compile.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

Compiled leaf_of(Key key, const char* scope, std::string pointer, Json spec) {
    Compiled out;
    out.scope = scope;
    out.pointer = std::move(pointer);
    out.document = document_of(key.kind, std::move(spec));
    out.key = std::move(key);
    return out;
}

void check_matchers(const Json& from, const std::string& pointer, sdk::Diagnostics& problems) {
    const auto matchers = from.find("matchers");
    if (matchers == from.end() || !matchers->is_array()) return;
    for (std::size_t i = 0; i < matchers->size(); ++i)
        if ((*matchers)[i].is_string() && !parse_matcher((*matchers)[i].get<std::string>()))
            complain(problems, "monitoring.matcher", pointer + "/matchers/" + std::to_string(i),
                     "\"" + (*matchers)[i].get<std::string>() + "\" is no matcher",
                     "write a label, one of = != =~ !~, and a value: severity=\"page\"");
}

Compiled receiver_leaf(const Json& receiver, const std::string& pointer) {
    return leaf_of(receiver_key(sdk::text_at(receiver, "/name")), scope::alertmanager, pointer, receiver);
}

Compiled route_leaf(const Json& route, int order, const std::string& pointer, sdk::Diagnostics& problems) {
    check_matchers(route, pointer, problems);
    Json spec = canonical_route(route);
    if (!spec.contains("matchers")) spec["matchers"] = Json::array();
    if (!spec.contains("order")) spec["order"] = order;
    return leaf_of(route_key(route), scope::alertmanager, pointer, std::move(spec));
}

void keep_metadata(const Json& document, Compiled& leaf) {
    if (document.contains("metadata")) leaf.document["metadata"] = document["metadata"];
}

void check_time(const Json& spec, const char* key, sdk::Diagnostics& problems) {
    const auto found = spec.find(key);
    if (found != spec.end() && found->is_string() && !parse_time(found->get<std::string>()))
        complain(problems, "monitoring.time", std::string("/spec/") + key,
                 "\"" + found->get<std::string>() + "\" is no time",
                 "write it as 2026-12-24T18:00:00Z, or with +01:00");
}

} // namespace

// Below it in the plan: what stands at the top of the file, then its receivers and routes, with its order
// among them.
void compile_alertmanager_config(const Json& document, std::vector<Compiled>& out,
                                 sdk::Diagnostics& problems) {
    const Json& spec = document.at("spec");
    if (sdk::text_at(spec, "/route/receiver").empty())
        complain(problems, "monitoring.no-receiver", "/spec/route", "the first route names no receiver",
                 "alerts that no other route takes go to it: route: {receiver: NAME}");
    Json top = canonical_config(spec);
    top.erase("loaded");
    Compiled whole = leaf_of(config_key(), scope::alertmanager, "/spec", std::move(top));
    keep_metadata(document, whole);
    const Json receivers = spec.value("receivers", Json::array());
    const Json* const routes = sdk::find(spec, "/route/routes");
    out.push_back(std::move(whole));
    for (std::size_t i = 0; receivers.is_array() && i < receivers.size(); ++i) {
        if (!receivers[i].is_object()) continue;
        out.push_back(receiver_leaf(receivers[i], "/spec/receivers/" + std::to_string(i)));
        out.back().part = "receiver/" + sdk::text_at(receivers[i], "/name");
    }
    for (std::size_t i = 0; routes && routes->is_array() && i < routes->size(); ++i) {
        if (!(*routes)[i].is_object()) continue;
        out.push_back(route_leaf((*routes)[i], static_cast<int>(i), "/spec/route/routes/" + std::to_string(i),
                                 problems));
        out.back().part = "route/" + std::to_string(i);
    }
    if (out.size() > 1) out.front().part = "top";
}

void compile_receiver(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics&) {
    Json spec = document.at("spec");
    spec.erase("loaded");
    if (!spec.contains("name")) spec["name"] = sdk::text_at(document, "/metadata/name");
    out.push_back(receiver_leaf(spec, "/spec"));
    keep_metadata(document, out.back());
}

void compile_route(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    Json spec = document.at("spec");
    spec.erase("loaded");
    out.push_back(route_leaf(spec, default_route_order, "/spec", problems));
    keep_metadata(document, out.back());
}

void compile_silence(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    Json spec = document.at("spec");
    if (!spec.contains("name")) spec["name"] = sdk::text_at(document, "/metadata/name");
    check_matchers(spec, "/spec", problems);
    check_time(spec, "startsAt", problems);
    check_time(spec, "endsAt", problems);
    const auto starts = parse_time(sdk::text_at(spec, "/startsAt")),
               ends = parse_time(sdk::text_at(spec, "/endsAt"));
    if (starts && ends && *starts >= *ends)
        complain(problems, "monitoring.time", "/spec/endsAt", "the silence ends before it starts",
                 "give it an end after its start");
    const Json name = spec["name"];
    spec["matchers"] = canonical_matchers(spec);
    if (ends) spec["endsAt"] = print_time(*ends);
    if (starts) spec["startsAt"] = print_time(*starts);
    out.push_back(leaf_of({"Silence", name.dump()}, scope::silences, "/spec", std::move(spec)));
    keep_metadata(document, out.back());
}

} // namespace holdfast::monitoring
