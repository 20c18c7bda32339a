#pragma once
// What the host offers to a plugin, in either process: log, holdfast.blob/1, and holdfast.http/1 where the
// program that hosts it brings one along.

#include <functional>
#include <string>
#include <string_view>

#include <holdfast/provider.h>

namespace holdfast {

struct ServiceOptions {
    std::function<void(int level, std::string_view message)> log; // [any]
    std::string blob_directory;                                   // empty: no blobs
    const holdfast_http* http = nullptr;                          // http_extension(), or none
};

// Lives as long as the instances that use it; never moves, because plugins keep its address.
class HostServices {
public:
    explicit HostServices(ServiceOptions options);
    HostServices(const HostServices&) = delete;
    HostServices& operator=(const HostServices&) = delete;

    const holdfast_host& host() const { return host_; }
    const ServiceOptions& options() const { return options_; }

private:
    ServiceOptions options_;
    holdfast_host host_{};
};

// The table of holdfast.http/1. In a library of its own (holdfast_provider_http), because it needs libcurl.
const holdfast_http* http_extension();

} // namespace holdfast
