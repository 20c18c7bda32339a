#pragma once
// A plugin in the caller's own process: no isolation. What it throws is caught and what it answers is
// guarded, but a crash ends the caller, and a call that ignores its deadline cannot be ended.

#include "provider/channel.hpp"
#include "provider/services.hpp"

namespace holdfast {

std::unique_ptr<Channel> make_in_process_channel(const holdfast_plugin& table, ServiceOptions services,
                                                 std::size_t max_document_bytes);

} // namespace holdfast
