#include "kubernetes.hpp"

#include <algorithm>
#include <ctime>
#include <set>

#include "health.hpp"
#include "judge.hpp"
#include "parallel.hpp"
#include "reader.hpp"
#include "steering.hpp"
#include "writer.hpp"

namespace holdfast::kubernetes {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t import_page = 500;
constexpr milliseconds longest_for_definition{10'000};

// What nobody who can replace the cluster behind an address can make by chance.
std::string identity_of(const Cluster& cluster, const sdk::Call& call) {
    Request request;
    request.path = "/api/v1/namespaces/kube-system";
    const Reply reply = cluster.client().send(call, request);
    if (reply.ok()) return "kubernetes:" + version_of(live_of(reply)).uid;
    // An account may be confined to a namespace; then the address has to do.
    if (reply.status == 403 || is_absent(reply)) return "kubernetes:" + cluster.client().server();
    throw sdk::Error(explain(reply, "the namespace kube-system"));
}

sdk::Diagnostic unknown_kind(const Target& target) {
    sdk::Diagnostic why;
    why.code = "kubernetes.unknown-kind";
    why.message = "the server does not serve " + target.kind.api_version + " " + target.kind.kind;
    why.hint =
        "correct apiVersion and kind, or apply the CustomResourceDefinition first, in the same stack for "
        "instance";
    why.pointer = "/kind";
    why.retry = sdk::Retry::after;
    return why;
}

// Hooks that run are judged by what became of them, and the hashes leave that out.
bool hangs_on_status(const sdk::Item& item) {
    return runs_once(parse_kind(item.kind())) && is_run(sdk::parse_json(item.declared()));
}

// As with Argo CD, where hooks run whenever something of their application is synchronised: of whatever it
// makes, itself included, but not of other hooks.
std::vector<std::size_t> acted_on(const std::vector<bool>& runs, const std::vector<Place>& places,
                                  std::size_t hook) {
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < places.size(); ++i)
        if (i == hook || (!runs[i] && !places[i].steering.is_left)) indices.push_back(i);
    return indices;
}

bool is_definition(const Target& target) {
    return target.kind.kind == "CustomResourceDefinition" || target.kind.kind == "APIService";
}

} // namespace

KubernetesProvider::KubernetesProvider(const sdk::Call& call, std::string_view config)
    : KubernetesProvider(call, sdk::parse_json(config.empty() ? "{}" : config, "kubernetes.config")) {}

KubernetesProvider::KubernetesProvider(const sdk::Call& call, const Json& config)
    : cluster_(std::make_unique<Cluster>(read_access(config), config)) {
    target_ = identity_of(*cluster_, call);
    if (!cluster_->options().set_id.empty()) parent_.emplace(*cluster_);
}

KubernetesProvider::~KubernetesProvider() = default;

// What no server has to be asked for.
void KubernetesProvider::validate(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        if (!is_secret(item.kind())) continue;
        const Json document = sdk::parse_json(item.declared());
        const Json* data = sdk::find(document, "/data");
        if (!data || !data->is_object()) continue;
        sdk::Result result;
        for (const auto& [key, value] : data->items()) {
            bool is_fine = value.is_string();
            if (is_fine) decode_base64(value.get<std::string>(), &is_fine);
            if (is_fine) continue;
            sdk::Diagnostic why;
            why.code = "kubernetes.no-base64";
            why.message = "what stands at data." + key + " of a Secret is no base64";
            why.hint = "write it as it is under stringData, or encode it";
            why.pointer = joined("/data", key);
            result.outcome = sdk::Outcome::failed;
            result.diagnostics.push_back(std::move(why));
        }
        if (!result.diagnostics.empty()) results.emit(item, result);
    }
}

void KubernetesProvider::order(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    std::vector<Json> documents;
    for (const sdk::Item& item : items) documents.push_back(sdk::parse_json(item.declared()));
    std::vector<Place> places = order_of(documents, cluster_->options().name_space);
    if (parent_) order_set(documents, items, places);
    std::vector<bool> runs(items.size());
    for (const sdk::Item& item : items) {
        const Steering& steering = places[item.index()].steering;
        const bool is_hook = steering.phase != Phase::none && !steering.is_left;
        runs[item.index()] = is_hook && is_run(documents[item.index()]);
    }
    for (const sdk::Item& item : items) {
        const Place& place = places[item.index()];
        Json detail{{"after", place.after}};
        if (place.wave != 0) detail["wave"] = place.wave;
        if (place.steering.is_kept) detail["deletion"] = "orphan";
        if (place.steering.is_left) detail["leave"] = true;
        if (runs[item.index()]) detail["refresh"] = acted_on(runs, places, item.index());
        sdk::Result result;
        result.detail = detail.dump();
        result.diagnostics = place.steering.remarks;
        if (!results.emit(item, result)) return;
    }
}

void KubernetesProvider::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    std::vector<Target> targets;
    std::vector<std::size_t> places(items.size(), SIZE_MAX);
    std::vector<Found> found;
    for (const sdk::Item& item : items) {
        found.push_back(cluster_->find(scope, item.kind(), item.identity(), scope.name()));
        if (found.back().state != Lookup::State::served) continue;
        places[item.index()] = targets.size();
        targets.push_back(found.back().target);
        targets.back().written_set = set_in(item.private_data());
    }
    const std::vector<Sight> sights = look(*cluster_, scope, targets);
    for (const sdk::Item& item : items) {
        const std::size_t at = places[item.index()];
        // What the server does not serve, it does not hold either: with its definition an object is gone.
        if (at == SIZE_MAX && found[item.index()].state == Lookup::State::unknown)
            results.absent(item);
        else if (at == SIZE_MAX)
            results.failed(item, found[item.index()].why);
        else if (sights[at].state == Sight::State::present)
            results.done(item, sights[at].document, sights[at].version);
        else if (sights[at].state == Sight::State::absent)
            results.absent(item);
        else
            results.failed(item, sights[at].why);
    }
}

void KubernetesProvider::list(const sdk::Scope& scope, const sdk::ListRequest& request,
                              sdk::Results& results) {
    const KindName kind = parse_kind(request.kind);
    const Lookup lookup = cluster_->discovery().find(scope, kind.api_version, kind.kind);
    if (lookup.state == Lookup::State::broken) throw sdk::Error(lookup.why);
    if (lookup.state == Lookup::State::unknown || !lookup.resource.can_list) return;
    const ListPage page =
        list_page(*cluster_, scope, lookup.resource, std::string(scope.name()), request.page, import_page,
                  [&](const Json& object) {
                      // What another object owns its controller has made, and would make again.
                      if (sdk::find(object, "/metadata/ownerReferences")) return;
                      if (is_parent_of_ours(object)) return;
                      const std::string space = sdk::text_at(object, "/metadata/namespace");
                      const std::string identity = Json(sdk::text_at(object, "/metadata/name")).dump();
                      results.object(request.kind, identity, sdk::dump_json(written_form(object)), space,
                                     to_string(version_of(object)));
                  });
    if (!page.next.empty()) results.next_page(page.next);
}

void KubernetesProvider::canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    struct Question {
        sdk::Item item;
        Target target;
        std::string key;
        Hashes hashes;
        std::optional<Reply> first;
        bool is_answered = false;
    };
    std::vector<Question> questions;
    const auto answer = [&](Question& question, const sdk::Result& result) {
        question.is_answered = true;
        known_equal_.erase(question.key);
        if (result.outcome == sdk::Outcome::done && result.detail.empty())
            known_equal_[question.key] = question.hashes;
        results.emit(question.item, result);
    };
    for (const sdk::Item& item : items) {
        const Found found = cluster_->find(scope, item.kind(), item.identity(), scope.name());
        if (found.state == Lookup::State::broken) {
            results.failed(item, found.why);
        } else if (found.state == Lookup::State::unknown) {
            results.not_yet(item, "the server does not serve " + found.target.kind.kind + " of " +
                                      found.target.kind.api_version + " yet");
        } else {
            Question question{item, found.target, found.target.path(), hashes_of(item), {}, false};
            const auto known = known_equal_.find(question.key);
            const bool is_equal = !hangs_on_status(item) && !is_marked(item.observed()) &&
                                  ((known != known_equal_.end() && known->second == question.hashes) ||
                                   question.hashes == hashes_in(item.private_data()));
            if (!item.observed().empty() && is_equal)
                results.emit(item, sdk::Result::done(std::string(item.observed())));
            else
                questions.push_back(std::move(question));
        }
    }
    ask_together(
        cluster_->client(), scope, cluster_->options().parallel, questions,
        [&](const Question& question) { return first_question(*cluster_, question.target, question.item); },
        [&](Question& question, Reply reply) {
            if (const auto result = judged_at_once(question.item, reply))
                answer(question, *result);
            else
                question.first = std::move(reply);
        });
    std::erase_if(questions, [](const Question& question) { return question.is_answered; });
    std::vector<sdk::Result> judged(questions.size());
    in_parallel(questions.size(), cluster_->options().parallel, [&](std::size_t i) {
        Question& question = questions[i];
        try {
            judged[i] = judge(*cluster_, scope, question.target, question.item, std::move(question.first));
        } catch (const sdk::Error& error) {
            judged[i] = sdk::Result::failed(error.diagnostic());
        }
    });
    for (std::size_t i = 0; i < questions.size(); ++i) answer(questions[i], judged[i]);
}

// What is written before anything else of the set: the parent's own namespace.
void KubernetesProvider::order_set(const std::vector<Json>& documents, sdk::Items items,
                                   std::vector<Place>& places) {
    std::set<std::string> kinds, spaces;
    std::size_t own = items.size();
    for (const sdk::Item& item : items) {
        const std::size_t i = item.index();
        if (places[i].steering.is_left) continue;
        kinds.emplace(item.kind());
        if (const std::string space = sdk::text_at(documents[i], "/metadata/namespace"); !space.empty())
            spaces.insert(space);
        const bool is_namespace = item.kind() == "v1/Namespace" && places[i].after.empty();
        if (is_namespace && sdk::text_at(documents[i], "/metadata/name") == cluster_->options().set_space)
            own = i;
    }
    parent_->foresee(std::move(kinds), std::move(spaces));
    if (own == items.size()) return;
    for (const Place& place : places) places[own].wave = std::min(places[own].wave, place.wave);
    for (std::size_t i = 0; i < places.size(); ++i) {
        std::vector<std::size_t>& after = places[i].after;
        if (i != own && std::find(after.begin(), after.end(), own) == after.end()) after.push_back(own);
    }
}

// Rounds: whatever has nothing left to wait for, of the lowest rank first, a few requests at a time; deletes
// from the highest rank down.
void KubernetesProvider::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    std::vector<sdk::Change> pending;
    for (const sdk::Change& change : changes) pending.push_back(change);
    const auto waits = [&](const sdk::Change& change) {
        for (std::size_t i = 0; i < change.after_count(); ++i)
            if (!results.has(changes[change.after(i)])) return true;
        return false;
    };
    std::vector<Target> gone;
    while (!pending.empty() && results.listening() && !scope.should_stop()) {
        std::vector<Task> round;
        std::vector<sdk::Change> rest;
        for (const sdk::Change& change : pending) {
            if (waits(change))
                rest.push_back(change);
            else if (results.holds_back(change))
                results.skipped(change);
            else
                round.push_back({change, {}, {}, {}, Task::State::open});
        }
        if (round.empty() && rest.size() == pending.size()) break; // a ring: not ours to break
        pending = std::move(rest);
        find_targets(scope, round);
        if (parent_) enter_set(scope, round);
        create_together(scope, round, results);
        in_parallel(round.size(), cluster_->options().parallel, [&](std::size_t i) { run(scope, round[i]); });
        for (Task& task : round) {
            if (task.state == Task::State::left || task.state == Task::State::told) continue;
            if (is_definition(task.found.target)) settle_definition(scope, task.change, task.result);
            tell_health(scope, task.change, task.result);
            const bool is_done =
                task.result.outcome == sdk::Outcome::done || task.result.outcome == sdk::Outcome::unchanged;
            if (is_done && task.is_removal()) gone.push_back(task.found.target);
            results.emit(task.change, task.result);
        }
    }
    if (parent_ && !gone.empty()) leave_set(scope, gone);
}

// The first request of all writes. What needs no second one is done with it, and told at once.
void KubernetesProvider::create_together(const sdk::Scope& scope, std::vector<Task>& round,
                                         sdk::Results& results) {
    ask_together(
        cluster_->client(), scope, cluster_->options().parallel, round,
        [&](const Task& task) -> std::optional<Request> {
            if (task.state != Task::State::open || task.is_removal()) return std::nullopt;
            return first_write(*cluster_, task.found.target, task.change);
        },
        [&](Task& task, Reply reply) {
            std::optional<sdk::Result> result;
            try {
                if (!is_definition(task.found.target)) result = written_at_once(task.change, reply);
            } catch (const sdk::Error&) { // write_object() throws it again
            }
            if (!result) {
                task.first = std::move(reply);
                return;
            }
            task.state = Task::State::told;
            tell_health(scope, task.change, *result);
            results.emit(task.change, *result);
        });
}

void KubernetesProvider::find_targets(const sdk::Scope& scope, std::vector<Task>& round) {
    for (Task& task : round) {
        task.found = cluster_->find(scope, task.change.kind(), task.change.identity(), scope.name());
        if (task.found.state == Lookup::State::served) continue;
        task.state = Task::State::answered;
        if (task.found.state == Lookup::State::broken)
            task.result = sdk::Result::failed(task.found.why);
        else
            task.result = task.is_removal() ? sdk::Result::unchanged({})
                                            : sdk::Result::failed(unknown_kind(task.found.target));
    }
}

// Nothing of the set is written before its parent says where to look for it.
void KubernetesProvider::enter_set(const sdk::Scope& scope, std::vector<Task>& round) {
    const auto is_entered = [&](const Task& task) {
        return task.state == Task::State::open && !task.is_removal() &&
               !parent_->is_own_namespace(task.found.target);
    };
    std::vector<Target> targets;
    for (const Task& task : round)
        if (is_entered(task)) targets.push_back(task.found.target);
    if (targets.empty()) return;
    std::optional<sdk::Diagnostic> why;
    try {
        why = parent_->enter(scope, targets);
    } catch (const sdk::Error& error) {
        why = error.diagnostic();
    }
    if (!why) return;
    for (Task& task : round) {
        if (!is_entered(task)) continue;
        task.state = Task::State::answered;
        task.result = sdk::Result::failed(*why);
    }
}

void KubernetesProvider::leave_set(const sdk::Scope& scope, const std::vector<Target>& gone) {
    try {
        parent_->leave(scope, gone);
    } catch (const sdk::Error& error) {
        scope.host().warning(error.what()); // it names more than there is, and the next delete tries again
    }
}

void KubernetesProvider::run(const sdk::Scope& scope, Task& task) {
    if (task.state != Task::State::open) return;
    if (scope.should_stop() && !task.first) {
        task.state = Task::State::left;
        return;
    }
    try {
        task.result = task.is_removal() ? delete_object(*cluster_, scope, task.found.target, task.change)
                                        : write_object(*cluster_, scope, task.found.target, task.change,
                                                       std::move(task.first));
    } catch (const sdk::Error& error) {
        task.result = sdk::Result::failed(error.diagnostic());
    } catch (const std::exception& error) {
        task.result.outcome = sdk::Outcome::unknown;
        sdk::Diagnostic why;
        why.code = "kubernetes.exception";
        why.message = task.found.target.shown() + ": " + error.what();
        task.result.diagnostics = {why};
    }
}

// Its objects can be written only once the server serves them, which is a moment later.
void KubernetesProvider::settle_definition(const sdk::Scope& scope, const sdk::Change& change,
                                           sdk::Result& result) {
    cluster_->discovery().forget();
    const bool is_written = result.outcome == sdk::Outcome::done || result.outcome == sdk::Outcome::unchanged;
    if (!is_written || change.action() == sdk::Action::remove || result.document.empty()) return;
    const Found found = cluster_->find(scope, change.kind(), change.identity(), scope.name());
    const Json live = sdk::parse_json(result.document);
    const auto until = std::chrono::steady_clock::now() + longest_for_definition;
    for (;;) {
        const Reply reply = cluster_->get(scope, found.target);
        if (!reply.ok()) return;
        const Json now = live_of(reply);
        result.document = sdk::dump_json(observed_form(now));
        result.version = to_string(version_of(now));
        if (is_served(scope, now)) return;
        if (std::chrono::steady_clock::now() >= until || !pause(scope, milliseconds(50))) return;
    }
}

bool KubernetesProvider::is_served(const sdk::Scope& scope, const Json& definition) {
    const Condition condition = condition_of(definition, std::time(nullptr));
    if (condition.state == sdk::HealthState::degraded) return true; // waiting would not help
    if (condition.state != sdk::HealthState::healthy) return false;
    const std::string group = sdk::text_at(definition, "/spec/group"),
                      kind = sdk::text_at(definition, "/spec/names/kind");
    const Json* versions = sdk::find(definition, "/spec/versions");
    for (const Json& version : versions && versions->is_array() ? *versions : Json::array()) {
        if (!version.value("served", false)) continue;
        cluster_->discovery().forget();
        const std::string api_version = group + "/" + sdk::text_at(version, "/name");
        if (cluster_->discovery().find(scope, api_version, kind).state != Lookup::State::served) return false;
    }
    return true;
}

void KubernetesProvider::health(const sdk::Scope&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        const Json observed = sdk::parse_json(item.observed());
        const Condition condition = condition_of(observed, std::time(nullptr));
        // Once it is gone, nobody could tell any more that it has succeeded.
        const bool is_news = condition.state == sdk::HealthState::healthy && is_run(observed) &&
                             !item.private_data().empty() && !has_succeeded_in(item.private_data());
        if (!is_news) {
            results.health(item, condition.state, condition.message);
            continue;
        }
        sdk::Result result;
        result.detail = sdk::dump_json({{"health", "healthy"}, {"message", condition.message}});
        result.private_data = as_succeeded(item.private_data());
        results.emit(item, result);
    }
}

void KubernetesProvider::watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) {
    std::vector<Interest> interests;
    for (const sdk::Item& item : items) {
        Found found = cluster_->find(scope, item.kind(), item.identity(), scope.name());
        if (found.state != Lookup::State::served || !found.target.resource.can_watch) continue;
        interests.push_back(
            {std::move(found.target), std::string(item.kind()), std::string(item.identity())});
    }
    if (!watcher_) watcher_ = std::make_unique<Watcher>(*cluster_, scope.host(), hints);
    watcher_->watch(scope, std::string(scope.name()), interests);
}

void KubernetesProvider::unwatch() { watcher_.reset(); }

} // namespace holdfast::kubernetes

HOLDFAST_PLUGIN(holdfast::kubernetes::KubernetesProvider);
