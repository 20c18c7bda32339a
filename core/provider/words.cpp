#include "provider/provider.hpp"

namespace holdfast {

std::string_view to_string(Method method) {
    switch (method) {
        case Method::describe: return "describe";
        case Method::open: return "open";
        case Method::validate: return "validate";
        case Method::observe: return "observe";
        case Method::list: return "list";
        case Method::apply: return "apply";
        case Method::upgrade: return "upgrade";
        case Method::compile: return "compile";
        case Method::canonicalize: return "canonicalize";
        case Method::snapshot: return "snapshot";
        case Method::restore: return "restore";
        case Method::health: return "health";
        case Method::order: return "order";
    }
    return "call";
}

std::string_view to_string(Outcome outcome) {
    switch (outcome) {
        case Outcome::done: return "done";
        case Outcome::unchanged: return "unchanged";
        case Outcome::failed: return "failed";
        case Outcome::partial: return "partial";
        case Outcome::unknown: return "unknown";
        case Outcome::skipped: return "skipped";
        case Outcome::absent: return "absent";
        case Outcome::not_yet: return "not-yet";
        case Outcome::must_replace: return "must-replace";
    }
    return "unknown";
}

} // namespace holdfast
