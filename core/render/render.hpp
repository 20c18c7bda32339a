#pragma once
// A stack's documents as kustomize or helm make them of its folder, for what the engine does not read
// natively. The tool is the operator's; it sees the files of the commit and nothing else (docs/rendering.md).

#include <stop_token>
#include <string>

#include "git/repository.hpp"
#include "manifest/operator_config.hpp"
#include "model/stack.hpp"

namespace holdfast {

// YAML documents as the tool printed them. Blocks until it has ended. Errors: `render.*`, `git.*`.
Result<std::string> render(const Tree& tree, const StackDocument& stack, const OperatorConfig& config,
                           const std::stop_token& stop);

} // namespace holdfast
