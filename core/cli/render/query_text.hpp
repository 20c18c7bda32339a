#pragma once
// Answers to questions about what is recorded, as text: why, graph, outputs.

#include <cstdint>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "reconcile/query.hpp"

namespace holdfast {

struct TextView {
    std::size_t width = 80;
    bool colour = false;
    std::int64_t now_s = 0;
};

std::string render_why(const Why& why, const TextView& view);
std::string render_outputs(const std::vector<Outputs>& outputs, const TextView& view);

// As a tree: what nothing depends on stands at the left, what it needs below it. A leaf that was shown
// already is named again with "(above)".
std::string render_graph(const std::vector<GraphNode>& nodes, const TextView& view);
std::string render_graph_dot(const std::vector<GraphNode>& nodes);

// "3f2a91c", "-" for none.
std::string short_commit(const std::string& id);

Value why_to_json(const Why& why);
Value graph_to_json(const std::vector<GraphNode>& nodes);

} // namespace holdfast
