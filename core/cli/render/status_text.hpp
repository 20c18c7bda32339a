#pragma once
// How the stacks stand, for somebody who was woken up: what is well on one line each, what is not with its
// reason and the command that helps.

#include <string>
#include <vector>

#include "cli/render/query_text.hpp"

namespace holdfast {

// `head`: the commit that would be applied now.
std::string render_status(const std::vector<StackStatus>& stacks, const std::string& head,
                          const TextView& view);
Value status_to_json(const std::vector<StackStatus>& stacks);

} // namespace holdfast
