#pragma once
// What a daemon answers, as text: how the stacks that it keeps stand, and how passes ended.

#include <string>

#include "cli/render/query_text.hpp"

namespace holdfast {

// Of an answer to `status`: one line for the daemon, one for each stack that is not simply idle. What people
// hold is in the store as well, and the rest of `status` says it.
std::string render_daemon(const Value& status, const TextView& view);
// Of an answer to `sync` with waiting.
std::string render_synced(const Value& result, const TextView& view);
// "suspended by ana@box 2 hours ago: maintenance"; what `status` says of a stack that people hold.
std::string suspended_text(std::string_view by, std::int64_t at_ms, std::string_view reason,
                           const TextView& view);
std::string pinned_text(std::string_view commit, std::string_view by, std::int64_t at_ms,
                        std::string_view reason, const TextView& view);

} // namespace holdfast
