#include "health.hpp"

#include <ctime>
#include <map>

namespace holdfast::kubernetes {

namespace {

using State = sdk::HealthState;

constexpr std::int64_t unschedulable_grace = 15; // seconds: the scheduler tries again

std::int64_t number(const Json& live, const char* pointer, std::int64_t otherwise = 0) {
    const Json* value = sdk::find(live, pointer);
    return value && value->is_number_integer() ? value->get<std::int64_t>() : otherwise;
}

const Json* condition(const Json& live, const std::string& type) {
    const Json* list = sdk::find(live, "/status/conditions");
    if (!list || !list->is_array()) return nullptr;
    for (const Json& one : *list)
        if (sdk::text_at(one, "/type") == type) return &one;
    return nullptr;
}

bool is(const Json& live, const std::string& type, const char* status) {
    const Json* found = condition(live, type);
    return found && sdk::text_at(*found, "/status") == status;
}

std::string why(const Json& live, const std::string& type) {
    const Json* found = condition(live, type);
    if (!found) return type;
    const std::string reason = sdk::text_at(*found, "/reason"), message = sdk::text_at(*found, "/message");
    return message.empty() ? (reason.empty() ? type : reason) : message;
}

Condition progressing(std::string message) { return {State::progressing, std::move(message)}; }
Condition degraded(std::string message) { return {State::degraded, std::move(message)}; }
Condition healthy(std::string message = {}) { return {State::healthy, std::move(message)}; }

std::string of(const char* what, std::int64_t there, std::int64_t wanted) {
    return std::to_string(there) + " of " + std::to_string(wanted) + " replicas " + what;
}

Condition deployment(const Json& live) {
    const Json* rollout = condition(live, "Progressing");
    if (rollout && sdk::text_at(*rollout, "/reason") == "ProgressDeadlineExceeded")
        return degraded(why(live, "Progressing"));
    const std::int64_t wanted = number(live, "/spec/replicas", 1), there = number(live, "/status/replicas"),
                       updated = number(live, "/status/updatedReplicas"),
                       available = number(live, "/status/availableReplicas"),
                       ready = number(live, "/status/readyReplicas");
    const Json* paused = sdk::find(live, "/spec/paused");
    if (updated < wanted && paused && *paused == true) return {State::suspended, "the rollout is paused"};
    if (there < wanted) return progressing(of("made", there, wanted));
    if (updated < wanted) return progressing(of("updated", updated, wanted));
    if (there > wanted) return progressing(std::to_string(there - wanted) + " old replicas still run");
    if (updated > available) return progressing(of("available", available, updated));
    if (ready < wanted) return progressing(of("ready", ready, wanted));
    const bool has_deadline = sdk::find(live, "/spec/progressDeadlineSeconds") != nullptr;
    if (has_deadline && (!rollout || sdk::text_at(*rollout, "/reason") != "NewReplicaSetAvailable"))
        return progressing("the new replica set is not available yet");
    if (!is(live, "Available", "True")) return progressing(why(live, "Available"));
    return healthy();
}

Condition stateful_set(const Json& live) {
    if (sdk::text_at(live, "/spec/updateStrategy/type") == "OnDelete") return healthy();
    const std::int64_t wanted = number(live, "/spec/replicas", 1), there = number(live, "/status/replicas"),
                       ready = number(live, "/status/readyReplicas"),
                       updated = number(live, "/status/updatedReplicas"),
                       present = number(live, "/status/currentReplicas"),
                       partition = number(live, "/spec/updateStrategy/rollingUpdate/partition", -1);
    if (there < wanted) return progressing(of("made", there, wanted));
    if (ready < wanted) return progressing(of("ready", ready, wanted));
    if (there > wanted) return progressing(std::to_string(there - wanted) + " replicas too many");
    if (partition > 0) {
        if (updated < wanted - partition) return progressing(of("updated", updated, wanted - partition));
        return healthy("the partition is rolled out");
    }
    if (sdk::text_at(live, "/status/currentRevision") != sdk::text_at(live, "/status/updateRevision"))
        return progressing(of("updated", updated, wanted));
    if (present < wanted) return progressing(of("of the present revision", present, wanted));
    return healthy();
}

Condition daemon_set(const Json& live) {
    if (!sdk::find(live, "/metadata/generation") || !sdk::find(live, "/status/observedGeneration") ||
        !sdk::find(live, "/status/desiredNumberScheduled"))
        return progressing("no status yet");
    const std::int64_t wanted = number(live, "/status/desiredNumberScheduled");
    if (number(live, "/status/currentNumberScheduled") < wanted)
        return progressing(of("scheduled", number(live, "/status/currentNumberScheduled"), wanted));
    if (number(live, "/status/updatedNumberScheduled") < wanted)
        return progressing(of("updated", number(live, "/status/updatedNumberScheduled"), wanted));
    if (number(live, "/status/numberAvailable") < wanted)
        return progressing(of("available", number(live, "/status/numberAvailable"), wanted));
    if (number(live, "/status/numberReady") < wanted)
        return progressing(of("ready", number(live, "/status/numberReady"), wanted));
    return healthy();
}

Condition replica_set(const Json& live) {
    if (is(live, "ReplicaFailure", "True")) return degraded(why(live, "ReplicaFailure"));
    const std::int64_t wanted = number(live, "/spec/replicas", 1);
    if (number(live, "/status/fullyLabeledReplicas") < wanted)
        return progressing(of("labelled", number(live, "/status/fullyLabeledReplicas"), wanted));
    if (number(live, "/status/availableReplicas") < wanted)
        return progressing(of("available", number(live, "/status/availableReplicas"), wanted));
    if (number(live, "/status/readyReplicas") < wanted)
        return progressing(of("ready", number(live, "/status/readyReplicas"), wanted));
    if (number(live, "/status/replicas") > wanted) return progressing("replicas too many");
    return healthy();
}

Condition pod(const Json& live, std::int64_t now) {
    const std::string phase = sdk::text_at(live, "/status/phase");
    if (phase == "Succeeded") return healthy("has completed");
    if (phase == "Failed") return degraded(sdk::text_at(live, "/status/message", "has failed"));
    if (phase == "Running" && is(live, "Ready", "True")) return healthy();
    if (const Json* containers = sdk::find(live, "/status/containerStatuses"))
        for (const Json& one : *containers)
            if (sdk::text_at(one, "/state/waiting/reason") == "CrashLoopBackOff")
                return degraded("container " + sdk::text_at(one, "/name") + " crashes again and again");
    const Json* scheduled = condition(live, "PodScheduled");
    if (phase == "Pending" && scheduled && sdk::text_at(*scheduled, "/status") == "False" &&
        sdk::text_at(*scheduled, "/reason") == "Unschedulable") {
        std::tm parts{};
        const std::string since = sdk::text_at(*scheduled, "/lastTransitionTime");
        if (strptime(since.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) &&
            now - timegm(&parts) > unschedulable_grace)
            return degraded(why(live, "PodScheduled"));
    }
    return progressing(phase.empty() ? "no status yet" : phase);
}

Condition job(const Json& live) {
    if (is(live, "Failed", "True")) return degraded(why(live, "Failed"));
    if (is(live, "Complete", "True")) return healthy("has completed");
    if (is(live, "Suspended", "True")) return {State::suspended, why(live, "Suspended")};
    return progressing(std::to_string(number(live, "/status/active")) + " running, " +
                       std::to_string(number(live, "/status/succeeded")) + " succeeded");
}

Condition claim(const Json& live) {
    const std::string phase = sdk::text_at(live, "/status/phase");
    if (phase == "Bound") return healthy();
    if (phase == "Lost") return degraded("its volume is lost");
    return progressing(phase.empty() ? "no status yet" : "is not bound yet");
}

Condition service(const Json& live) {
    if (sdk::text_at(live, "/spec/type") != "LoadBalancer") return healthy();
    const Json* addresses = sdk::find(live, "/status/loadBalancer/ingress");
    if (addresses && !addresses->empty()) return healthy();
    return progressing("its load balancer has no address yet");
}

Condition definition(const Json& live) {
    if (is(live, "NamesAccepted", "False")) return degraded(why(live, "NamesAccepted"));
    if (is(live, "Established", "True")) return healthy();
    return progressing("is not established yet");
}

Condition name_space(const Json& live) {
    if (sdk::text_at(live, "/status/phase") != "Terminating") return healthy();
    return progressing("is being deleted");
}

Condition by_availability(const Json& live) {
    if (is(live, "Available", "True")) return healthy();
    return progressing(why(live, "Available"));
}

// A kind that nobody has told us of says by its condition Ready how it is, if it says anything.
Condition other(const Json& live) {
    const Json* ready = condition(live, "Ready");
    if (!ready || sdk::text_at(*ready, "/status") == "True") return healthy();
    return progressing(why(live, "Ready"));
}

bool always_fine(const std::string& kind) {
    static const std::map<std::string, bool> kinds{{"ConfigMap", true},
                                                   {"Secret", true},
                                                   {"CronJob", true},
                                                   {"PodDisruptionBudget", true},
                                                   {"NetworkPolicy", true}};
    return kinds.count(kind) != 0;
}

} // namespace

Condition condition_of(const Json& live, std::int64_t now) {
    if (const std::string since = sdk::text_at(live, "/metadata/deletionTimestamp"); !since.empty())
        return progressing("is being deleted since " + since);
    const Json *generation = sdk::find(live, "/metadata/generation"),
               *seen = sdk::find(live, "/status/observedGeneration");
    if (generation && seen && *seen != *generation) return progressing("its controller has not seen it yet");
    if (is(live, "Reconciling", "True")) return progressing(why(live, "Reconciling"));
    if (is(live, "Stalled", "True")) return degraded(why(live, "Stalled"));
    const std::string kind = sdk::text_at(live, "/kind"), api = sdk::text_at(live, "/apiVersion");
    if (api.rfind("apps/", 0) == 0) {
        if (kind == "Deployment") return seen ? deployment(live) : progressing("no status yet");
        if (kind == "StatefulSet") return seen ? stateful_set(live) : progressing("no status yet");
        if (kind == "DaemonSet") return daemon_set(live);
        if (kind == "ReplicaSet") return replica_set(live);
    }
    if (api.rfind("batch/", 0) == 0 && kind == "Job") return job(live);
    if (api == "v1") {
        if (kind == "Pod") return pod(live, now);
        if (kind == "PersistentVolumeClaim") return claim(live);
        if (kind == "Service") return service(live);
        if (kind == "Namespace") return name_space(live);
    }
    if (kind == "CustomResourceDefinition") return definition(live);
    if (kind == "APIService") return by_availability(live);
    return always_fine(kind) ? healthy() : other(live);
}

} // namespace holdfast::kubernetes
