#pragma once
// What the commands that only ask have in common.

#include <optional>
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/render/query_text.hpp"

namespace holdfast {

SessionOptions read_only_session();
TextView text_view(Context& context);

// `cli.unknown-stack`, with a suggestion, for the first of `wanted` that is not among `known`.
std::optional<Diagnostic> check_stacks(const std::vector<std::string>& wanted,
                                       const std::vector<std::string>& known);
// Names of the stacks that holdfast.yaml declares.
std::vector<std::string> declared_stacks(Context& context);
// `wanted`, or all declared ones where it is empty.
std::vector<std::string> chosen_stacks(Context& context, const std::vector<std::string>& wanted);

} // namespace holdfast
