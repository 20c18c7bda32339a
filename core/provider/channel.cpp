#include "provider/channel.hpp"

#include <fmt/core.h>

namespace holdfast {

std::string_view to_string(Operation operation) {
    switch (operation) {
        case Operation::watch: return "watch";
        case Operation::unwatch: return "unwatch";
        case Operation::close: return "close";
        default: return to_string(static_cast<Method>(operation));
    }
}

Diagnostic thrown_by_plugin(std::string_view what) {
    return failure("plugin.exception",
                   fmt::format("an exception came out of it, which the contract forbids: {}", what),
                   "this is a mistake in the plugin: tell its author");
}

std::int64_t monotonic_ns(std::chrono::steady_clock::time_point time) {
    if (time == std::chrono::steady_clock::time_point::max()) return 0;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

} // namespace holdfast
