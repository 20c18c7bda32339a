#include "discovery.hpp"

namespace holdfast::kubernetes {

namespace {

using sdk::Json;

// A definition may be new, or made by somebody else; and a failure may be over.
constexpr std::chrono::seconds believed{600};
constexpr std::chrono::milliseconds believed_missing{500};

bool has_verb(const Json& resource, const char* verb) {
    for (const Json& known : resource.value("verbs", Json::array()))
        if (known == verb) return true;
    return false;
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

Lookup Discovery::find(const sdk::Call& call, const std::string& api_version, const std::string& kind) {
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
