#include "writer.hpp"

#include <holdfast/parts.hpp>

namespace holdfast::kubernetes {

namespace {

using std::chrono::milliseconds;

constexpr int most_tries = 5;

sdk::Result unknown(const Reply& reply, const Target& target) {
    sdk::Result result = sdk::Result::failed(explain_write(reply, target));
    result.outcome = sdk::Outcome::unknown; // it may have arrived: the engine looks
    return result;
}

sdk::Result conflict(const Target& target, const std::string& what) {
    return sdk::Result::failed(sdk::problem("kubernetes.conflict", target.shown() + " " + what,
                                            "it is looked at and planned again", sdk::Retry::conflict));
}

sdk::Result written(const Json& live, bool is_changed) {
    const Version version = version_of(live);
    sdk::Result result = sdk::Result::done(sdk::dump_json(observed_form(live)), to_string(version));
    if (!is_changed) result.outcome = sdk::Outcome::unchanged;
    result.private_data = Json{{"uid", version.uid}}.dump();
    return result;
}

// What a forced apply leaves: keys that were put in by hand.
std::optional<Reply> take_away(const Cluster& cluster, const sdk::Call& call, const Target& target,
                               const Json& document, Json& live) {
    const std::vector<std::string> pointers = cluster.removals(call, target, live, document);
    if (pointers.empty()) return std::nullopt;
    Reply reply =
        cluster.patch(call, target, removal_patch(pointers, version_of(live).resource_version), Mode::real);
    if (reply.ok()) live = live_of(reply);
    return reply;
}

struct Reread {
    enum class State { same, other, failed } state = State::failed;
    Version version;
    sdk::Result result; // of all but `same`
};

// Another version, but nothing of what was compared: only its status has changed, as it does all the time
// while something is rolled out.
Reread read_again(const Cluster& cluster, const sdk::Call& call, const Target& target, const Json& observed) {
    Reread again;
    const Reply reply = cluster.get(call, target);
    if (is_absent(reply)) {
        again.state = Reread::State::other;
        again.result = conflict(target, "was deleted by somebody else meanwhile");
    } else if (!reply.ok()) {
        again.result = sdk::Result::failed(explain(reply, target.shown(), target.is_secret()));
    } else {
        const Json live = live_of(reply);
        again.version = version_of(live);
        const bool is_same = content_hash(observed_form(live)) == content_hash(observed);
        again.state = is_same ? Reread::State::same : Reread::State::other;
        if (!is_same) again.result = conflict(target, "was changed by somebody else meanwhile");
    }
    return again;
}

std::string recorded_uid(const sdk::Change& change) {
    const std::string_view text = change.private_data();
    return sdk::text_at(Json::parse(text.begin(), text.end(), nullptr, false), "/uid");
}

std::string finalizers_of(const Json& live) {
    std::string out;
    const Json* own = sdk::find(live, "/metadata/finalizers");
    for (const Json& one : own && own->is_array() ? *own : Json::array())
        out += (out.empty() ? "" : ", ") + one.get<std::string>();
    // A namespace says in its conditions what it still holds.
    const Json* conditions = sdk::find(live, "/status/conditions");
    for (const Json& one : conditions && conditions->is_array() ? *conditions : Json::array())
        if (sdk::text_at(live, "/kind") == "Namespace" && sdk::text_at(one, "/status") == "True")
            out += (out.empty() ? "" : "; ") + sdk::text_at(one, "/message");
    return out.empty() ? "nothing that it tells of" : out;
}

sdk::Result wait_until_gone(const Cluster& cluster, const sdk::Call& call, const Target& target,
                            const std::string& uid) {
    const auto until = std::chrono::steady_clock::now() + cluster.options().delete_wait;
    milliseconds wait{10};
    for (;;) {
        const Reply reply = cluster.get(call, target);
        if (is_absent(reply)) return sdk::Result::done({});
        if (!reply.ok()) return unknown(reply, target);
        const Json live = live_of(reply);
        if (!uid.empty() && version_of(live).uid != uid) return sdk::Result::done({}); // another one, since
        if (std::chrono::steady_clock::now() >= until || !pause(call, wait)) {
            sdk::Diagnostic why = sdk::problem("kubernetes.waits-for-finalizers",
                                               target.shown() + " is marked for deletion since " +
                                                   sdk::text_at(live, "/metadata/deletionTimestamp", "now") +
                                                   " and waits for: " + finalizers_of(live),
                                               "whoever put the finalizer there has to take it off; if its "
                                               "controller is gone for good, remove "
                                               "it by kubectl patch",
                                               sdk::Retry::after);
            why.retry_after = std::min(cluster.options().delete_wait, milliseconds(5000));
            return sdk::Result::failed(why);
        }
        wait = std::min(wait * 2, milliseconds(500));
    }
}

// Empty parts of the version are not compared.
Reply send_delete(const Cluster& cluster, const sdk::Call& call, const Target& target,
                  const Version& version) {
    Json options{{"apiVersion", "v1"},
                 {"kind", "DeleteOptions"},
                 {"propagationPolicy", cluster.options().propagation}};
    if (!version.uid.empty()) options["preconditions"]["uid"] = version.uid;
    if (!version.resource_version.empty())
        options["preconditions"]["resourceVersion"] = version.resource_version;
    Request request;
    request.method = "DELETE";
    request.path = target.path();
    request.content_type = "application/json";
    request.body = options.dump();
    return cluster.client().send(call, request);
}

} // namespace

sdk::Result write_object(const Cluster& cluster, const sdk::Call& call, const Target& target,
                         const sdk::Change& change) {
    Json document = applied_form(sdk::parse_json(change.declared()), target.name_space);
    const bool is_update = change.action() != sdk::Action::create && !change.observed().empty();
    const Json observed = is_update ? sdk::parse_json(change.observed()) : Json();
    Version version = parse_version(change.version());
    for (int tries = 1;; ++tries) {
        Json sent = document;
        if (is_update && !version.resource_version.empty()) {
            sent["metadata"]["uid"] = version.uid;
            sent["metadata"]["resourceVersion"] = version.resource_version;
        }
        const Reply reply = cluster.apply(call, target, sent, Mode::real);
        if (reply.ok()) {
            Json live = live_of(reply);
            const std::optional<Reply> taken = take_away(cluster, call, target, document, live);
            sdk::Result result = written(live, reply.status == 201 || version_of(live).resource_version !=
                                                                          version.resource_version);
            if (!target.is_secret()) // a hash without a key may be guessed
                result.private_data = Json{{"uid", version_of(live).uid},
                                           {"declared", std::hash<std::string_view>()(change.declared())},
                                           {"content", content_hash(observed_form(live))}}
                                          .dump();
            if (taken && !taken->ok()) {
                result.outcome = sdk::Outcome::partial;
                result.diagnostics = {explain_write(*taken, target)};
            }
            return result;
        }
        if (reply.status == 0) return unknown(reply, target);
        const bool is_stale =
            is_update && (reply.status == 409 || reply.status == 404) && conflicts_of(reply.said()).empty();
        if (!is_stale || tries == most_tries) return sdk::Result::failed(explain_write(reply, target));
        const Reread again = read_again(cluster, call, target, observed);
        if (again.state != Reread::State::same) return again.result;
        version = again.version;
    }
}

sdk::Result delete_object(const Cluster& cluster, const sdk::Call& call, const Target& target,
                          const sdk::Change& change) {
    const Version seen = parse_version(change.version());
    const std::string recorded = recorded_uid(change);
    if (!recorded.empty() && !seen.uid.empty() && recorded != seen.uid)
        return sdk::Result::failed(sdk::problem(
            "kubernetes.other-object",
            target.shown() + " is not the object that was applied: somebody has deleted that and made "
                             "another of the same name, which is left alone",
            "delete it by hand, or run holdfast forget", sdk::Retry::never));
    const std::string uid = recorded.empty() ? seen.uid : recorded;
    Version version{uid, change.observed().empty() ? std::string() : seen.resource_version};
    for (int tries = 1;; ++tries) {
        const Reply reply = send_delete(cluster, call, target, version);
        if (is_absent(reply)) return sdk::Result::unchanged({});
        if (reply.status == 0) return unknown(reply, target);
        if (reply.ok()) return wait_until_gone(cluster, call, target, uid);
        if (reply.status != 409 || uid.empty() || tries == most_tries)
            return sdk::Result::failed(explain_write(reply, target));
        // Another object, another version, or one that is on its way out already.
        const Reply there = cluster.get(call, target);
        if (is_absent(there)) return sdk::Result::unchanged({});
        if (!there.ok()) return sdk::Result::failed(explain(there, target.shown(), target.is_secret()));
        const Json live = live_of(there);
        if (version_of(live).uid != uid)
            return conflict(target, "was deleted and made anew by somebody else meanwhile");
        if (live["metadata"].contains("deletionTimestamp"))
            return wait_until_gone(cluster, call, target, uid);
        if (!change.observed().empty() &&
            content_hash(observed_form(live)) != content_hash(sdk::parse_json(change.observed())))
            return conflict(target, "was changed by somebody else meanwhile");
        version.resource_version = version_of(live).resource_version;
    }
}

} // namespace holdfast::kubernetes
