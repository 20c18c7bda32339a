#pragma once
// The files that `holdfast provider new` writes: those of examples/provider-hello and provider-hello-c, put
// into the program by the build, so that what is written is what is tested.

#include <span>
#include <string_view>

namespace holdfast {

struct ProviderTemplate {
    std::string_view name, text; // "hello.cpp"
};

// `language` is "c" or "cxx".
std::span<const ProviderTemplate> provider_templates(std::string_view language);

} // namespace holdfast
