#include "cli/render/query_text.hpp"

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/render/history_text.hpp"
#include "cli/render/outcome_text.hpp"
#include "cli/render/page.hpp"
#include "cli/render/plan_json.hpp"
#include "cli/render/value_text.hpp"
#include "control/records.hpp"
#include "sys/clock.hpp"

namespace holdfast {

namespace {

std::string ago(std::int64_t at_ms, const TextView& view) {
    return at_ms == 0 ? "never" : relative_time(view.now_s - at_ms / 1000);
}

} // namespace

std::string short_commit(const std::string& id) { return id.empty() ? "-" : printable(id.substr(0, 7)); }

namespace {

std::string who(const CommitInfo& commit, const TextView& view) {
    return fmt::format("{}  \"{}\"  {}, {}", short_commit(commit.id), printable(commit.subject),
                       printable(commit.author), relative_time(view.now_s - commit.time_s));
}

const PassRecord* pass_of(const Why& why, const std::string& id) {
    const auto at =
        std::find_if(why.passes.begin(), why.passes.end(), [&](const PassRecord& p) { return p.id == id; });
    return at == why.passes.end() ? nullptr : &*at;
}

void add_fact(Page& page, std::string_view label, const std::string& text) {
    const std::vector<std::string> lines = wrap(text, page.room_after(13));
    for (const std::string& line : lines) page.line(2, pad(&line == &lines.front() ? label : "", 11) + line);
}

std::string entry_state_text(EntryState state) {
    switch (state) {
        case EntryState::creating: return "being created; whether that succeeded is not known yet";
        case EntryState::applied: break;
        case EntryState::deleting: return "being deleted";
        case EntryState::deposed: return "replaced; the old object waits for its removal";
    }
    return {};
}

} // namespace

std::string render_why(const Why& why, const TextView& view) {
    const LedgerEntry& entry = why.entry;
    Page page(view.width, view.colour);
    const std::string place =
        entry.file.empty() ? "" : fmt::format("{}:{}", printable(entry.file), entry.line);
    page.line(0, paint(page.colours().strong, printable(to_string(entry.address))), place);
    add_fact(page, "object",
             fmt::format("{} {} of provider {} ({})", printable(entry.object.kind),
                         printable(entry.object.identity), printable(entry.provider),
                         printable(entry.object.target)));
    if (!why.declared_by.id.empty()) add_fact(page, "declared", who(why.declared_by, view));
    const bool is_other_commit = !why.line_by.id.empty() && why.line_by.id != why.declared_by.id;
    if (is_other_commit) add_fact(page, "begun", who(why.line_by, view));
    if (entry.state != EntryState::applied) add_fact(page, "state", entry_state_text(entry.state));
    std::string applied = entry.applied_at_ms == 0 ? "never"
                                                   : fmt::format("{} ({})", ago(entry.applied_at_ms, view),
                                                                 utc_time(entry.applied_at_ms));
    if (const PassRecord* pass = pass_of(why, entry.pass))
        applied +=
            fmt::format(", by {} with `holdfast {}`", printable(pass->actor), printable(pass->command));
    if (!entry.pass.empty()) applied += fmt::format(", pass {}", printable(entry.pass));
    add_fact(page, "applied", applied);
    if (!entry.commit.empty())
        add_fact(page, "at commit",
                 short_commit(entry.commit) + (entry.author.empty() ? "" : " of " + printable(entry.author)));
    if (entry.protect) add_fact(page, "protect", "deletes and replaces of it are always parked");
    if (entry.deletion == Deletion::orphan)
        add_fact(page, "deletion", "orphan: a prune leaves the object alone");
    if (!why.steps.empty()) {
        page.blank();
        page.raw(render_steps(why.steps, why.passes, view));
    }
    return std::move(page).take();
}

namespace {

void add_values(Page& page, const Value& value, const std::string& name) {
    const Map* map = value.if_map();
    if (!map || map->empty() || is_masked_secret(value)) {
        page.line(2, fmt::format("{}  {}", name, value_text(value)));
        return;
    }
    for (const MapEntry& entry : *map)
        add_values(page, entry.value,
                   name.empty() ? printable(entry.key) : name + "." + printable(entry.key));
}

} // namespace

std::string render_outputs(const std::vector<Outputs>& outputs, const TextView& view) {
    Page page(view.width, view.colour);
    for (const Outputs& output : outputs) {
        page.line(0, paint(page.colours().strong, printable(to_string(output.address))));
        add_values(page, output.values, "");
    }
    std::string text = std::move(page).take();
    return text.empty() ? "No outputs: no recorded leaf has fields that its target sets.\n" : text;
}

namespace {

// Draws the tree. Depends on the graph having no cycle, which loading has checked; a cycle would still end,
// since every leaf is opened once.
class GraphText {
public:
    GraphText(const std::vector<GraphNode>& nodes, const TextView& view)
        : nodes_(nodes), colours_(palette(view.colour)) {
        for (std::size_t i = 0; i < nodes.size(); ++i) index_[nodes[i].address] = i;
        is_needed_.resize(nodes.size(), false);
        is_shown_.resize(nodes.size(), false);
        for (const GraphNode& node : nodes)
            for (const Address& need : node.after)
                if (const auto at = index_.find(need); at != index_.end()) is_needed_[at->second] = true;
    }

    std::string draw() {
        for (std::size_t i = 0; i < nodes_.size(); ++i)
            if (!is_needed_[i]) add(nodes_[i].address, "", "");
        for (std::size_t i = 0; i < nodes_.size(); ++i)
            if (!is_shown_[i]) add(nodes_[i].address, "", ""); // on a cycle
        return std::move(text_);
    }

private:
    void add(const Address& address, const std::string& lead, const std::string& indent) {
        const auto at = index_.find(address);
        const bool is_known = at != index_.end();
        const bool was_shown = is_known && is_shown_[at->second] && !nodes_[at->second].after.empty();
        const std::string_view note = !is_known ? "  (not in this stack)" : was_shown ? "  (above)" : "";
        text_ += lead + printable(to_string(address)) + paint(colours_.dim, note) + '\n';
        if (!is_known || was_shown) return;
        // Very long chains would be wider than they are readable.
        if (display_width(indent) > deepest_indent) {
            text_ += indent + paint(colours_.dim, "… (--dot shows what is below)") + '\n';
            return;
        }
        is_shown_[at->second] = true;
        const std::vector<Address>& needs = nodes_[at->second].after;
        for (std::size_t i = 0; i < needs.size(); ++i) {
            const bool is_last = i + 1 == needs.size();
            add(needs[i], indent + (is_last ? "└─ " : "├─ "), indent + (is_last ? "   " : "│  "));
        }
    }

    static constexpr std::size_t deepest_indent = 120;
    const std::vector<GraphNode>& nodes_;
    const Palette& colours_;
    std::map<Address, std::size_t> index_;
    std::vector<bool> is_needed_, is_shown_;
    std::string text_;
};

} // namespace

std::string render_graph(const std::vector<GraphNode>& nodes, const TextView& view) {
    return GraphText(nodes, view).draw();
}

std::string render_graph_dot(const std::vector<GraphNode>& nodes) {
    const auto quoted = [](const Address& address) {
        std::string out;
        append_json_string(out, printable(to_string(address)));
        return out;
    };
    std::string text = "digraph holdfast {\n    rankdir=LR;\n    node [shape=box];\n";
    for (const GraphNode& node : nodes) {
        text += fmt::format("    {};\n", quoted(node.address));
        for (const Address& need : node.after)
            text += fmt::format("    {} -> {};\n", quoted(node.address), quoted(need));
    }
    return text + "}\n";
}

Value why_to_json(const Why& why) {
    Value out = why_to_message(why);
    out.as_map().set("problems", diagnostics_to_json(why.problems));
    return out;
}

Value graph_to_json(const std::vector<GraphNode>& nodes) {
    List list;
    for (const GraphNode& node : nodes) {
        List after;
        for (const Address& need : node.after) after.emplace_back(to_string(need));
        list.push_back(Value::map({{"address", to_string(node.address)},
                                   {"after", std::move(after)},
                                   {"origin", origin_to_json(node.origin)}}));
    }
    return Value::map({{"format", "holdfast.graph/1"}, {"nodes", std::move(list)}});
}

} // namespace holdfast
