#include "world.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "support/catch.hpp"

namespace holdfast::test {

namespace {

const std::string api_version = "host.holdfast.dev/v1alpha1";

Document document(const std::string& name, const std::string& spec, const std::string& kind) {
    return make_document(Value::map({{"apiVersion", api_version},
                                     {"kind", kind},
                                     {"metadata", Value::map({{"name", name}})},
                                     {"spec", json(spec)}}));
}

std::string identity_of(const std::string& spec) {
    const Value tree = json(spec);
    const Value* path = tree.find("path");
    return path ? to_json(*path) : std::string{};
}

} // namespace

Value json(std::string_view text) {
    Result<Value> value = parse_json(text);
    INFO(text);
    REQUIRE(value.ok());
    return *value;
}

World::World() {
    stack.name = "web";
    description.plugin = "host";
    kind("File").immutable = {"/spec/type"};
    kind("Directory").rank = -1;
    kind("Database").stateful = true;
    input.providers["files"] = {.target = "machine-1", .rules = sha256("plugin")};
    input.masking_key = "a key";
}

KindInfo& World::kind(const std::string& name) {
    for (KindInfo& known : description.kinds)
        if (known.kind == name) return known;
    KindInfo info;
    info.api_version = api_version;
    info.kind = name;
    info.identity = {"/spec/path"};
    info.compare = {"/spec"};
    info.observed = {"/status"};
    description.kinds.push_back(info);
    return description.kinds.back();
}

ResourceId file_id(const std::string& name, const std::string& kind) {
    return {.group = "host.holdfast.dev", .kind = kind, .name_space = {}, .name = name, .part = {}};
}
Address address(const std::string& name, const std::string& kind) { return {"web", file_id(name, kind)}; }

Leaf& World::declare(const std::string& name, const std::string& spec, const std::string& kind_name) {
    Leaf leaf;
    leaf.address = address(name, kind_name);
    leaf.api_version = api_version;
    leaf.provider = "files";
    leaf.identity = identity_of(spec);
    leaf.declared = document(name, spec, kind_name);
    leaf.origin = {.file = "web/" + name + ".yaml", .line = 1};
    input.leaves.push_back(std::move(leaf));
    return input.leaves.back();
}

Observed& World::hold(const std::string& path, const std::string& spec, const std::string& kind_name) {
    Observed& observed = target_[{kind_name, "\"" + path + "\""}];
    observed.presence = Presence::present;
    observed.document = document("observed", spec, kind_name).json;
    observed.raw_hash = sha256(observed.document);
    return observed;
}

void World::fail_to_read(const std::string& path, const std::string& kind_name) {
    Observed& observed = target_[{kind_name, "\"" + path + "\""}];
    observed.presence = Presence::failed;
    observed.diagnostics.error("host.read", "permission denied");
}

LedgerEntry& World::record(const std::string& name, const std::string& spec, const std::string& kind_name) {
    const Document declared = document(name, spec, kind_name);
    LedgerEntry entry;
    entry.address = address(name, kind_name);
    entry.provider = "files";
    entry.api_version = api_version;
    entry.object = {"machine-1", "", "host.holdfast.dev/" + kind_name, identity_of(spec)};
    entry.declared_hash = declared.hash;
    entry.declared = declared.json;
    entry.file = "web/" + name + ".yaml";
    entry.line = 1;
    input.recorded.push_back(std::move(entry));
    return input.recorded.back();
}

Leaf& World::settle(const std::string& name, const std::string& spec, const std::string& kind_name) {
    record(name, spec, kind_name);
    hold(*json(spec).find("path")->if_string(), spec, kind_name);
    return declare(name, spec, kind_name);
}

Plan World::plan() {
    input.stack = &stack;
    input.providers["files"].description = &description;
    auto observe = [&](const std::string& kind_name, const std::string& identity) {
        auto it = target_.find({kind_name, identity});
        return it == target_.end() ? Observed{.presence = Presence::absent} : it->second;
    };
    std::set<TargetObject> of_leaves;
    input.observed_leaves.clear();
    input.observed_recorded.clear();
    for (const Leaf& leaf : input.leaves) {
        of_leaves.insert(target_object(leaf, "machine-1"));
        Observed& observed = input.observed_leaves.emplace_back(observe(leaf.address.id.kind, leaf.identity));
        const Hash memo =
            settle_hash(leaf, input.providers["files"].rules, observed.raw_hash, input.masking_key);
        observed.is_settled = std::any_of(input.recorded.begin(), input.recorded.end(),
                                          [&](const LedgerEntry& entry) { return entry.settled == memo; });
    }
    for (const LedgerEntry& entry : input.recorded) {
        const bool is_a_leafs = !input.destroy && of_leaves.contains(entry.object);
        const std::string kind_name(entry.object.kind_name());
        input.observed_recorded.push_back(is_a_leafs ? Observed{}
                                                     : observe(kind_name, entry.object.identity));
    }
    return make_plan(input);
}

std::string numbered(const char* prefix, std::size_t number) { return prefix + std::to_string(number); }

bool has_change(const Plan& plan, const std::string& name) {
    return place_in(plan, name) < plan.changes.size();
}

const Change& change_of(const Plan& plan, const std::string& name) {
    INFO("the change for " << name);
    const std::size_t place = place_in(plan, name);
    REQUIRE(place < plan.changes.size());
    return plan.changes[place];
}

std::size_t place_in(const Plan& plan, const std::string& name) {
    for (std::size_t i = 0; i < plan.changes.size(); ++i) {
        const ResourceId& id = plan.changes[i].address.id;
        if (id.name == name || short_name(id) == name || id.name + "#" + id.part == name) return i;
    }
    return plan.changes.size();
}

std::string all_text(const Plan& plan) {
    std::string text;
    auto add = [&](const Diagnostics& diagnostics) {
        for (const Diagnostic& d : diagnostics) text += render(d);
    };
    add(plan.diagnostics);
    for (const Change& change : plan.changes) {
        text += to_string(change.address) + " " + std::string(to_string(change.action)) + " " +
                std::string(to_string(change.readiness)) + "\n";
        for (const std::string& reason : change.reasons) text += "  " + reason + "\n";
        add(change.diagnostics);
    }
    return text;
}

std::string bytes_of(const Plan& plan) {
    std::string text = to_hex(plan.hash) + "\n" + all_text(plan);
    for (const Change& change : plan.changes) {
        text += to_hex(change.hash) + to_string(change.moved_from);
        for (const FieldChange& field : change.fields)
            text += field.pointer + (field.before ? to_json(*field.before) : "-") + ">" +
                    (field.after ? to_json(*field.after) : "-") + (field.by_drift ? "d" : "") +
                    (field.forces_replace ? "r" : "") + (field.sensitive ? "s" : "");
        for (std::size_t after : change.after) text.append(" ").append(std::to_string(after));
        for (std::size_t gate : change.after_gates) text.append(" g").append(std::to_string(gate));
        text += "\n";
    }
    return text;
}

} // namespace holdfast::test
