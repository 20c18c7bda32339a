#include "judge.hpp"

namespace holdfast::kubernetes {

namespace {

constexpr std::size_t most_blamed = 5;

sdk::Result not_yet(const std::string& reason) {
    sdk::Result result;
    result.outcome = sdk::Outcome::not_yet;
    result.detail = Json{{"reason", reason}}.dump();
    return result;
}

// A webhook with side effects that it cannot leave out.
bool refuses_dry_run(const Reply& reply) {
    return reply.status == 400 && sdk::text_at(reply.said(), "/message").find("dry run") != std::string::npos;
}

// An admission rule that looks for what the same plan may make.
bool misses_something(const Json& status) {
    const std::string message = sdk::text_at(status, "/message");
    for (const char* part : {"error looking up service account", "no PriorityClass with name",
                             "RuntimeClass \"", "unable to find StorageClass"})
        if (message.find(part) != std::string::npos && message.find("valid ingress") == std::string::npos)
            return true;
    return false;
}

// What cannot be asked before something else stands; empty where the refusal is a refusal.
std::string reason_to_wait(const Reply& reply, const Target& target) {
    const Json status = reply.said();
    if (reply.status == 404 && sdk::text_at(status, "/details/kind") == "namespaces")
        return "namespace " + target.name_space + " does not exist yet";
    if (reply.status == 404)
        return sdk::text_at(status, "/message", "something that it needs does not exist yet");
    if (reply.status == 403 && misses_something(status)) return sdk::text_at(status, "/message");
    if (refuses_dry_run(reply)) return "an admission webhook refuses dry-runs";
    return {};
}

sdk::Result judge_new(const Cluster& cluster, const sdk::Call& call, const Target& target,
                      const Json& document) {
    const Reply reply = cluster.apply(call, target, document, Mode::dry_run);
    sdk::Result as_declared;
    as_declared.outcome = sdk::Outcome::unchanged;
    if (reply.ok()) return as_declared;
    if (const std::string reason = reason_to_wait(reply, target); !reason.empty()) return not_yet(reason);
    return sdk::Result::failed(explain_write(reply, target));
}

// The server refuses the change. Only where it would take the same document as a new object is it the change
// that is refused and not the document: such fields are immutable, whatever words the server has for it.
sdk::Result judge_refused(const Cluster& cluster, const sdk::Call& call, const Target& target,
                          const Json& document, const Reply& refusal) {
    Target probe = target;
    probe.name = target.name.substr(0, 40) + "-holdfast-probe";
    Json anew = document;
    anew["metadata"]["name"] = probe.name;
    const Reply reply = cluster.apply(call, probe, anew, Mode::dry_run);
    if (!reply.ok()) return sdk::Result::failed(explain_write(refusal, target));
    sdk::Result result;
    result.outcome = sdk::Outcome::must_replace;
    Json paths = Json::array();
    const Json status = refusal.said();
    if (const Json* causes = sdk::find(status, "/details/causes"))
        for (const Json& cause : *causes)
            if (const std::string at = pointer_of_field(sdk::text_at(cause, "/field")); !at.empty())
                paths.push_back(at);
    Json detail{{"paths", paths}};
    if (own_annotation(document, "replace") != "allowed")
        detail["asks"] = "has to be deleted and made anew (annotate it with kubernetes.holdfast.dev/replace: "
                         "allowed to have that done without asking)";
    result.detail = sdk::dump_json(detail);
    result.document = sdk::dump_json(document);
    return result;
}

void remove_status(Json& document) { document.erase("status"); }

// What makes an object differ from what was written: who did it, as far as the server knows.
std::vector<std::string> notes_of(const Cluster& cluster, const sdk::Call& call, const Target& target,
                                  const Json& wanted) {
    const Reply reply = cluster.get(call, target);
    if (!reply.ok()) return {};
    return blame(live_of(reply), wanted, most_blamed);
}

Json without(Json document, std::vector<std::string> pointers) {
    const Json patch = removal_patch(std::move(pointers), {});
    try {
        return document.patch(patch);
    } catch (const Json::exception&) {
        return document;
    }
}

Json compared(Json live) {
    Json out = observed_form(std::move(live));
    remove_status(out);
    out["metadata"].erase("generation");
    return out;
}

// Whether a dry-run of now gave what stands there now: where a controller has written since the object was
// observed, its writes are no change of ours.
bool changes_nothing(const Cluster& cluster, const sdk::Call& call, const Target& target,
                     const Json& wanted) {
    const Reply reply = cluster.get(call, target);
    return reply.ok() && compared(live_of(reply)) == wanted;
}

sdk::Result judge_there(const Cluster& cluster, const sdk::Call& call, const Target& target,
                        const sdk::Item& item, const Json& document, const Json& observed) {
    const Reply reply = cluster.apply(call, target, document, Mode::dry_run);
    if (reply.status == 422) return judge_refused(cluster, call, target, document, reply);
    if (refuses_dry_run(reply)) return not_yet("an admission webhook refuses dry-runs");
    if (!reply.ok()) return sdk::Result::failed(explain_write(reply, target));
    const Json live = live_of(reply);
    const std::vector<std::string> removes = cluster.removals(call, target, live, document);
    const Json wanted = compared(live), before = compared(observed);
    sdk::Result result = sdk::Result::done(sdk::dump_json(wanted));
    if (wanted == before && removes.empty()) return result;
    const bool has_moved =
        version_of(live).resource_version != parse_version(item.version()).resource_version;
    if (has_moved && removes.empty() && changes_nothing(cluster, call, target, wanted))
        return sdk::Result::done(std::string(item.observed()));
    const Json after = without(wanted, removes);
    result.detail = sdk::dump_json(
        {{"removes", removes},
         {"notes", target.is_secret() ? Json::array() : Json(notes_of(cluster, call, target, after))}});
    return result;
}

} // namespace

sdk::Result judge(const Cluster& cluster, const sdk::Call& call, const Target& target,
                  const sdk::Item& item) {
    const Json document = applied_form(sdk::parse_json(item.declared()), target.name_space);
    if (item.observed().empty()) return judge_new(cluster, call, target, document);
    const Json observed = sdk::parse_json(item.observed());
    if (const std::string since = sdk::text_at(observed, "/metadata/deletionTimestamp"); !since.empty()) {
        sdk::Diagnostic why;
        why.code = "kubernetes.terminating";
        why.message = target.shown() + " is being deleted since " + since + ", by somebody else";
        why.hint = "it is made anew once it is gone; see what its finalizers wait for: kubectl get -o yaml";
        why.retry = sdk::Retry::after;
        return sdk::Result::failed(why);
    }
    return judge_there(cluster, call, target, item, document, observed);
}

} // namespace holdfast::kubernetes
