#include "judge.hpp"

#include <ctime>
#include <optional>

#include "applyset.hpp"
#include "health.hpp"
#include "private_data.hpp"
#include "steering.hpp"

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

sdk::Result as_declared() {
    sdk::Result result;
    result.outcome = sdk::Outcome::unchanged;
    return result;
}

sdk::Result judge_new(const Cluster& cluster, const sdk::Call& call, const Target& target,
                      const Json& document, std::optional<Reply> first) {
    const Reply reply = cluster.apply(call, target, document, Mode::dry_run, std::move(first));
    if (reply.ok()) return as_declared();
    if (const std::string reason = reason_to_wait(reply, target); !reason.empty()) return not_yet(reason);
    return sdk::Result::failed(explain_write(reply, target));
}

// What the server would make of the document under a name that nothing has.
Reply try_as_new(const Cluster& cluster, const sdk::Call& call, const Target& target, Json document) {
    Target probe = target;
    probe.name = target.name.substr(0, 40) + "-holdfast-probe";
    document["metadata"]["name"] = probe.name;
    return cluster.apply(call, probe, document, Mode::dry_run);
}

// The server refuses the change. Only where it would take the same document as a new object is it the change
// that is refused and not the document: such fields are immutable, whatever words the server has for it.
sdk::Result judge_refused(const Cluster& cluster, const sdk::Call& call, const Target& target,
                          const Json& document, const Reply& refusal) {
    const Reply reply = try_as_new(cluster, call, target, document);
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
    if (!read_steering(document).may_be_replaced)
        detail["asks"] = "has to be deleted and made anew (annotate it with kubernetes.holdfast.dev/replace: "
                         "allowed to have that done without asking)";
    result.detail = sdk::dump_json(detail);
    result.document = sdk::dump_json(document);
    return result;
}

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
    out.erase("status");
    out.erase(set_mark);
    out["metadata"].erase("generation");
    put_run_mark(out, {});
    return out;
}

// Whether a dry-run of now gave what stands there now: where a controller has written since the object was
// observed, its writes are no change of ours.
bool changes_nothing(const Cluster& cluster, const sdk::Call& call, const Target& target,
                     const Json& wanted) {
    const Reply reply = cluster.get(call, target);
    return reply.ok() && compared(live_of(reply)) == wanted;
}

// How an item is judged.
enum class Way { hook_is_over, create, leave, wait, run, update };

struct Question {
    Json document, observed; // as it is applied; null where nothing stands there
    Steering steering;
    Way way = Way::update;
};

std::optional<sdk::Diagnostic> has_left_set(const Cluster& cluster, const Target& target,
                                            const sdk::Item& item, const Question& question) {
    // What comes from another stack comes without its private data: it changes sets once it is ours.
    const bool is_of_set = !cluster.options().set_id.empty() && !item.recorded().empty();
    if (!is_of_set || own_annotation(question.document, "conflicts") == "take") return std::nullopt;
    return taken_over(cluster, target, item.private_data(), question.observed, "changed");
}

sdk::Result judge_there(const Cluster& cluster, const sdk::Call& call, const Target& target,
                        const sdk::Item& item, const Question& question, std::optional<Reply> first) {
    const Json &document = question.document, &observed = question.observed;
    if (const auto why = has_left_set(cluster, target, item, question)) return sdk::Result::failed(*why);
    const Reply reply = cluster.apply(call, target, document, Mode::dry_run, std::move(first));
    if (reply.status == 422) return judge_refused(cluster, call, target, document, reply);
    if (refuses_dry_run(reply)) return not_yet("an admission webhook refuses dry-runs");
    if (!reply.ok()) return sdk::Result::failed(explain_write(reply, target));
    const Json live = live_of(reply);
    std::vector<std::string> removes = cluster.removals(call, target, live, document);
    const bool leaves_set = set_of(live).empty() && !set_of(observed).empty();
    if (leaves_set && !item.recorded().empty()) removes.emplace_back(set_pointer);
    Json wanted = compared(live), before = compared(observed);
    // What was never ours is adopted where Git says the same: the label comes with the first write.
    if (item.recorded().empty()) put_into_set(wanted, {}), put_into_set(before, {});
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

// Of `stored`, what `declared` says: a document as the server spells it, without what it adds.
Json as_spelled(const Json& declared, const Json& stored) {
    if (declared.is_object() && stored.is_object()) {
        Json out = Json::object();
        for (const auto& [key, value] : declared.items())
            if (stored.contains(key)) out[key] = as_spelled(value, stored[key]);
        return out;
    }
    if (!declared.is_array() || !stored.is_array() || declared.size() != stored.size()) return stored;
    Json out = Json::array();
    for (std::size_t i = 0; i < declared.size(); ++i) out.push_back(as_spelled(declared[i], stored[i]));
    return out;
}

constexpr const char* runs_by_stack = "runs anew, since something of its stack has changed";

// Something is to be done with a hook as it stands there, or would be if its stack had changed.
sdk::Result with_refresh(sdk::Result result, const std::string& why, bool is_due) {
    result.detail = sdk::dump_json({{"refresh", why}, {"due", is_due}});
    return result;
}

// A hook that is gone after it has run need not stand there: its policy, its ttlSecondsAfterFinished or
// somebody who cleaned up has deleted it. Of one that others waited for it has to be known that it succeeded.
bool is_over(const sdk::Item& item, const Steering& steering) {
    if (uid_in(item.private_data()).empty() || was_written_otherwise(item)) return false;
    return steering.phase == Phase::post_sync || has_succeeded_in(item.private_data());
}

// A hook that runs is not compared with what stands there but with what was written: it runs anew when a
// document of its stack has changed, its own included, or when it has failed. Nothing comes after one of the
// first phase before it is done.
std::optional<sdk::Result> judge_run(const Cluster& cluster, const sdk::Call& call, const Target& target,
                                     const sdk::Item& item, const Json& document, const Json& observed,
                                     const Steering& steering) {
    if (was_written_otherwise(item)) {
        const Reply reply = try_as_new(cluster, call, target, document);
        if (!reply.ok()) return sdk::Result::failed(explain_write(reply, target));
        Json wanted = as_spelled(document, live_of(reply));
        wanted["metadata"]["name"] = target.name;
        return sdk::Result::done(sdk::dump_json(wanted));
    }
    const Condition condition = condition_of(observed, std::time(nullptr));
    const bool is_ours = !item.private_data().empty();
    const auto due = [&](const std::string& why) {
        return with_refresh(sdk::Result::done(std::string(item.observed())), why, true);
    };
    if (condition.state == sdk::HealthState::degraded)
        return due("it failed, and runs anew: " + condition.message);
    if (condition.state == sdk::HealthState::progressing && steering.phase == Phase::pre_sync && is_ours)
        return due("it has not ended yet, and what comes after waits: " + condition.message);
    if (condition.state == sdk::HealthState::healthy && steering.goes_when_done && is_ours)
        return due("it has succeeded, and goes by its policy HookSucceeded");
    return std::nullopt;
}

sdk::Result judge_hook(const Cluster& cluster, const sdk::Call& call, const Target& target,
                       const sdk::Item& item, const Question& question) {
    const Json& document = question.document;
    std::optional<sdk::Result> run =
        judge_run(cluster, call, target, item, document, question.observed, question.steering);
    if (run && run->detail.empty()) return *std::move(run);
    sdk::Result result =
        run ? *std::move(run) : judge_there(cluster, call, target, item, question, std::nullopt);
    if (result.outcome != sdk::Outcome::done) return result;
    // The next run has other labels and another selector, which the server gives to it.
    result.document = sdk::dump_json(as_spelled(document, sdk::parse_json(result.document)));
    return result.detail.empty() ? with_refresh(std::move(result), runs_by_stack, false) : result;
}

Question read_question(const Target& target, const sdk::Item& item) {
    Question question;
    question.document = applied_form(sdk::parse_json(item.declared()), target.name_space);
    question.steering = read_steering(question.document);
    const bool is_a_run = is_run(question.document);
    if (item.observed().empty()) {
        question.way = is_a_run && is_over(item, question.steering) ? Way::hook_is_over : Way::create;
        return question;
    }
    question.observed = sdk::parse_json(item.observed());
    if (question.steering.is_left || question.steering.only_creates)
        question.way = Way::leave;
    else if (!sdk::text_at(question.observed, "/metadata/deletionTimestamp").empty())
        question.way = Way::wait;
    else
        question.way = is_a_run ? Way::run : Way::update;
    return question;
}

sdk::Diagnostic is_terminating(const Target& target, const Json& observed) {
    sdk::Diagnostic why;
    why.code = "kubernetes.terminating";
    why.message = target.shown() + " is being deleted since " +
                  sdk::text_at(observed, "/metadata/deletionTimestamp") + ", by somebody else";
    why.hint = "it is made anew once it is gone; see what its finalizers wait for: kubectl get -o yaml";
    why.retry = sdk::Retry::after;
    return why;
}

} // namespace

sdk::Result judge(const Cluster& cluster, const sdk::Call& call, const Target& target, const sdk::Item& item,
                  std::optional<Reply> first) {
    const Question question = read_question(target, item);
    const Json& document = question.document;
    switch (question.way) {
        case Way::hook_is_over: return with_refresh(sdk::Result::absent(), runs_by_stack, false);
        case Way::create: return judge_new(cluster, call, target, document, std::move(first));
        case Way::leave: return sdk::Result::done(std::string(item.observed()));
        case Way::wait: return sdk::Result::failed(is_terminating(target, question.observed));
        case Way::run: return judge_hook(cluster, call, target, item, question);
        case Way::update: break;
    }
    return judge_there(cluster, call, target, item, question, std::move(first));
}

std::optional<Request> first_question(const Cluster& cluster, const Target& target, const sdk::Item& item) {
    const Question question = read_question(target, item);
    const bool is_asked = question.way == Way::create ||
                          (question.way == Way::update && !has_left_set(cluster, target, item, question));
    if (!is_asked) return std::nullopt;
    return cluster.apply_request(target, question.document, Mode::dry_run);
}

std::optional<sdk::Result> judged_at_once(const sdk::Item& item, const Reply& first) {
    if (!item.observed().empty() || !first.ok()) return std::nullopt;
    return as_declared();
}

} // namespace holdfast::kubernetes
