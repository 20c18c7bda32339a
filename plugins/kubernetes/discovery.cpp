#include "discovery.hpp"

namespace holdfast::kubernetes {

namespace {

using sdk::Json;

// A definition may be new, or made by somebody else; and a failure may be over.
constexpr std::chrono::seconds believed{600};
constexpr std::chrono::milliseconds believed_missing{500};

// KEP-3352. Whoever knows neither of the first two takes the last, as client-go's discovery relies on too.
constexpr const char* aggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

bool has_verb(const Json& resource, const char* verb) {
    for (const Json& known : resource.value("verbs", Json::array()))
        if (known == verb) return true;
    return false;
}

const Json& list_at(const Json& of, const char* key) {
    static const Json none = Json::array();
    const auto found = of.is_object() ? of.find(key) : of.end();
    return of.is_object() && found != of.end() && found->is_array() ? *found : none;
}

} // namespace

std::string api_path(const std::string& api_version) {
    return (api_version.find('/') == std::string::npos ? "/api/" : "/apis/") + api_version;
}

std::string ResourceKind::path(const std::string& name_space) const {
    const bool is_within = is_namespaced && !name_space.empty();
    return api_path(api_version) + (is_within ? "/namespaces/" + escaped(name_space) : "") + "/" + plural;
}

Discovery::Version Discovery::read(const sdk::Call& call, const std::string& api_version) const {
    Version version;
    version.read_at = Clock::now();
    Request request;
    request.path = api_path(api_version);
    const Reply reply = client_.send(call, request);
    const Json list = reply.said();
    // What an API server does not serve it answers with these words, or with a Status; a broken aggregated
    // API is a 503. Somebody else's 404 (a balancer's) says nothing of what the cluster holds.
    const bool is_known_so = reply.body.rfind("404 page not found", 0) == 0 || list.contains("reason");
    if (reply.status == 404 && is_known_so) return version;
    if (!reply.ok() || !list.contains("resources") || !list["resources"].is_array()) {
        version.rest.state = Lookup::State::broken;
        version.rest.why = explain(reply, "the API " + api_version);
        if (reply.ok()) version.rest.why.code = "kubernetes.bad-answer";
        if (reply.status >= 500) version.rest.why.code = "kubernetes.broken-api";
        if (reply.status >= 500)
            version.rest.why.hint = "see kubectl get apiservice: what serves this group does not answer. "
                                    "Nothing of the group is written or pruned until it does";
        version.rest.why.retry = sdk::Retry::after;
        return version;
    }
    for (const Json& resource : list["resources"]) {
        const std::string name = sdk::text_at(resource, "/name");
        if (name.find('/') != std::string::npos) continue; // a subresource
        Lookup found;
        found.state = Lookup::State::served;
        found.resource = {api_version,
                          sdk::text_at(resource, "/kind"),
                          name,
                          resource.value("namespaced", false),
                          has_verb(resource, "list"),
                          has_verb(resource, "watch")};
        version.kinds.emplace(found.resource.kind, std::move(found));
    }
    return version;
}

// What it gives of a version is believed only where the server calls it current: a version whose own server
// does not answer is stale, and is asked for by itself, which says why.
void Discovery::read_all(const sdk::Call& call, const std::string& root) {
    Request request;
    request.path = root;
    request.accept = aggregated;
    const Reply reply = client_.send(call, request);
    const Json list = reply.said();
    if (!reply.ok() || sdk::text_at(list, "/kind") != "APIGroupDiscoveryList") return;
    for (const Json& group : list_at(list, "items"))
        for (const Json& served : list_at(group, "versions")) {
            if (sdk::text_at(served, "/freshness", "Current") != "Current") continue;
            const std::string name = sdk::text_at(group, "/metadata/name");
            const std::string api_version =
                (name.empty() ? "" : name + "/") + sdk::text_at(served, "/version");
            Version version;
            version.read_at = Clock::now();
            for (const Json& resource : list_at(served, "resources")) {
                Lookup found;
                found.state = Lookup::State::served;
                found.resource = {api_version,
                                  sdk::text_at(resource, "/responseKind/kind"),
                                  sdk::text_at(resource, "/resource"),
                                  sdk::text_at(resource, "/scope") == "Namespaced",
                                  has_verb(resource, "list"),
                                  has_verb(resource, "watch")};
                version.kinds.emplace(found.resource.kind, std::move(found));
            }
            versions_[api_version] = std::move(version);
        }
}

Lookup Discovery::find(const sdk::Call& call, const std::string& api_version, const std::string& kind) {
    const std::string root = api_version.find('/') == std::string::npos ? "/api" : "/apis";
    const auto [at, is_first] = all_read_at_.try_emplace(root);
    if (versions_.count(api_version) == 0 && (is_first || Clock::now() - at->second > believed)) {
        at->second = Clock::now();
        read_all(call, root);
    }
    auto known = versions_.find(api_version);
    if (known != versions_.end()) {
        const auto age = Clock::now() - known->second.read_at;
        const bool is_here = known->second.kinds.count(kind) != 0;
        if (age > (is_here ? Clock::duration(believed) : Clock::duration(believed_missing))) {
            versions_.erase(known);
            known = versions_.end();
        }
    }
    if (known == versions_.end()) known = versions_.emplace(api_version, read(call, api_version)).first;
    const auto found = known->second.kinds.find(kind);
    return found == known->second.kinds.end() ? known->second.rest : found->second;
}

} // namespace holdfast::kubernetes
