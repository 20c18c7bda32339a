#include "writer.hpp"

#include <ctime>

#include <holdfast/parts.hpp>

#include "applyset.hpp"
#include "health.hpp"
#include "private_data.hpp"
#include "steering.hpp"

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

sdk::Result written(const sdk::Change& change, Json live, bool is_changed) {
    sdk::Result result = sdk::Result::done({}, to_string(version_of(live)));
    result.private_data = private_data_of(change, live);
    result.document = sdk::dump_json(observed_form(std::move(live)));
    if (!is_changed) result.outcome = sdk::Outcome::unchanged;
    result.refreshed = change.refresh();
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
        const bool is_same = content_hash(live) == content_hash(observed);
        again.state = is_same ? Reread::State::same : Reread::State::other;
        if (!is_same) again.result = conflict(target, "was changed by somebody else meanwhile");
    }
    return again;
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

// What holdfast.dev/refresh-on names has changed: pods read what they are given when they start.
bool needs_restart(const sdk::Change& change, const Json& live) {
    return !change.refresh().empty() && refreshed_in(change.private_data()) != change.refresh() &&
           sdk::find(live, "/spec/template/metadata") && sdk::text_at(live, "/apiVersion") == "apps/v1";
}

// As kubectl rollout restart does it, by an annotation of the pods; of another manager, so that an apply,
// which knows nothing of it, leaves it.
Reply restart(const Cluster& cluster, const sdk::Call& call, const Target& target, const sdk::Change& change,
              Json& live) {
    const std::string mark = std::string(change.refresh().substr(0, 16));
    Request request;
    request.method = "PATCH";
    request.path = target.path();
    request.content_type = "application/merge-patch+json";
    request.query = "fieldManager=holdfast-refresh";
    request.body =
        Json{{"metadata", {{"resourceVersion", version_of(live).resource_version}}},
             {"spec",
              {{"template",
                {{"metadata", {{"annotations", {{"kubernetes.holdfast.dev/refreshed", mark}}}}}}}}}}
            .dump();
    Reply reply = cluster.client().send(call, request);
    if (reply.ok()) live = live_of(reply);
    return reply;
}

// A hook carries the mark of what it has run for, so that a run whose answer was lost is not run twice.
bool has_run_already(const sdk::Change& change, const Json& observed) {
    return !change.refresh().empty() && run_mark_of(observed) == run_mark(change.refresh());
}

bool has_to_run_anew(const sdk::Change& change, const Json& document, const Json& observed) {
    if (!runs_once(parse_kind(change.kind()))) return false;
    const bool is_refresh = change.action() == sdk::Action::refresh;
    if (!is_run(document)) return is_refresh;
    if (condition_of(observed, std::time(nullptr)).state == sdk::HealthState::degraded) return true;
    return !has_run_already(change, observed) && (is_refresh || was_written_otherwise(change));
}

bool has_to_go(const sdk::Change& change, const Json& document, const Json& observed) {
    return change.action() == sdk::Action::refresh && is_run(document) &&
           read_steering(document).goes_when_done && has_run_already(change, observed) &&
           condition_of(observed, std::time(nullptr)).state == sdk::HealthState::healthy;
}

bool is_update(const sdk::Change& change) {
    return change.action() != sdk::Action::create && !change.observed().empty();
}

Json document_to_write(const Target& target, const sdk::Change& change) {
    Json document = applied_form(sdk::parse_json(change.declared()), target.name_space);
    if (is_run(document)) put_run_mark(document, run_mark(change.refresh()));
    return document;
}

// An update is of the version that was seen, or not at all.
Json sent_form(const sdk::Change& change, Json document, const Version& version) {
    if (is_update(change) && !version.resource_version.empty()) {
        document["metadata"]["uid"] = version.uid;
        document["metadata"]["resourceVersion"] = version.resource_version;
    }
    return document;
}

// First it is written down that it has succeeded, then it is deleted: without the one nobody would know why
// the other happened, and it would run again. Nothing waits for a hook after all others.
sdk::Result let_go(const Cluster& cluster, const sdk::Call& call, const Target& target,
                   const sdk::Change& change, const Json& document) {
    sdk::Result result = sdk::Result::done({});
    result.private_data = as_succeeded(change.private_data());
    result.refreshed = change.refresh();
    const bool is_noted = has_succeeded_in(change.private_data());
    if (!is_noted && read_steering(document).phase != Phase::post_sync) {
        result.document = change.observed();
        result.version = change.version();
        return result;
    }
    const std::string uid = parse_version(change.version()).uid;
    const Reply removed = send_delete(cluster, call, target, {uid, {}});
    if (removed.status == 0) return is_absent(cluster.get(call, target)) ? result : unknown(removed, target);
    if (!removed.ok() && !is_absent(removed)) return sdk::Result::failed(explain_write(removed, target));
    if (removed.ok()) {
        sdk::Result gone = wait_until_gone(cluster, call, target, uid);
        if (gone.outcome != sdk::Outcome::done) return gone;
    }
    return result;
}

// Deleted and made anew, in this order and again from the start where that was cut short. Only what was
// observed is deleted: what else has that name by now is a run that somebody has begun since.
sdk::Result run_anew(const Cluster& cluster, const sdk::Call& call, const Target& target,
                     const sdk::Change& change, const Json& document) {
    const std::string uid = parse_version(change.version()).uid;
    const Reply removed = send_delete(cluster, call, target, {uid, {}});
    if (removed.status == 0) return unknown(removed, target);
    if (removed.ok()) {
        sdk::Result gone = wait_until_gone(cluster, call, target, uid);
        if (gone.outcome != sdk::Outcome::done) return gone;
    } else if (!is_absent(removed)) {
        return sdk::Result::failed(explain_write(removed, target));
    }
    const Reply reply = cluster.apply(call, target, document, Mode::real);
    if (reply.status == 0) return unknown(reply, target);
    if (!reply.ok()) return sdk::Result::failed(explain_write(reply, target));
    return written(change, live_of(reply), true);
}

} // namespace

std::optional<Request> first_write(const Cluster& cluster, const Target& target, const sdk::Change& change) {
    if (is_update(change) && runs_once(parse_kind(change.kind()))) return std::nullopt; // it may have to go
    return cluster.apply_request(
        target, sent_form(change, document_to_write(target, change), parse_version(change.version())),
        Mode::real);
}

std::optional<sdk::Result> written_at_once(const sdk::Change& change, const Reply& first) {
    if (is_update(change) || first.status != 201) return std::nullopt;
    return written(change, live_without_owners(first), true); // all of it is ours
}

sdk::Result write_object(const Cluster& cluster, const sdk::Call& call, const Target& target,
                         const sdk::Change& change, std::optional<Reply> first) {
    const Json document = document_to_write(target, change);
    const bool is_update = kubernetes::is_update(change);
    const Json observed = is_update ? sdk::parse_json(change.observed()) : Json();
    if (is_update && has_to_go(change, document, observed))
        return let_go(cluster, call, target, change, document);
    if (is_update && has_to_run_anew(change, document, observed))
        return run_anew(cluster, call, target, change, document);
    Version version = parse_version(change.version());
    for (int tries = 1;; ++tries) {
        const Reply reply = cluster.apply(call, target, sent_form(change, document, version), Mode::real,
                                          std::exchange(first, std::nullopt));
        if (reply.ok()) {
            // Of what has just been made, all is ours.
            Json live = reply.status == 201 ? live_without_owners(reply) : live_of(reply);
            const bool is_changed =
                reply.status == 201 || version_of(live).resource_version != version.resource_version;
            std::optional<Reply> besides = take_away(cluster, call, target, document, live);
            if ((!besides || besides->ok()) && is_update && needs_restart(change, live))
                besides = restart(cluster, call, target, change, live);
            sdk::Result result = written(change, std::move(live), is_changed || besides);
            if (besides && !besides->ok()) {
                result.outcome = sdk::Outcome::partial;
                result.diagnostics = {explain_write(*besides, target)};
                result.refreshed.clear();
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
    const std::string recorded = uid_in(change.private_data());
    if (!recorded.empty() && !seen.uid.empty() && recorded != seen.uid)
        return sdk::Result::failed(sdk::problem(
            "kubernetes.other-object",
            target.shown() + " is not the object that was applied: somebody has deleted that and made "
                             "another of the same name, which is left alone",
            "delete it by hand, or run holdfast forget", sdk::Retry::never));
    if (!change.observed().empty())
        if (const auto why = taken_over(cluster, target, change.private_data(),
                                        sdk::parse_json(change.observed()), "deleted"))
            return sdk::Result::failed(*why);
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
            content_hash(live) != content_hash(sdk::parse_json(change.observed())))
            return conflict(target, "was changed by somebody else meanwhile");
        version.resource_version = version_of(live).resource_version;
    }
}

} // namespace holdfast::kubernetes
