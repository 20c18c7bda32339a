#pragma once
// Whether a live object does what it is for.

#include <string>

#include "document.hpp"

namespace holdfast::kubernetes {

struct Condition {
    sdk::HealthState state = sdk::HealthState::healthy;
    std::string message;
};

// By the rules of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus/status), corrected where those call healthy
// what is not: a Job that still runs, a Pod that failed, a load balancer without an address. `now` is in
// seconds.
Condition condition_of(const Json& live, std::int64_t now);

} // namespace holdfast::kubernetes
