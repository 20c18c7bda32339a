#include "support/memory_world.hpp"

#include <algorithm>
#include <fstream>

#include "plugins/memory/store.hpp"
#include "support/catch.hpp"

namespace test {

namespace {

const std::string api = "memory.holdfast.dev/v1alpha1";

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

} // namespace

MemoryWorld::MemoryWorld(const std::string& more) { configure(more); }

void MemoryWorld::configure(const std::string& more_config, const std::string& more_stack) {
    const auto after_comma = [](const std::string& text) { return text.empty() ? "" : ", " + text; };
    place.write("holdfast.yaml",
                "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
                "spec: {plugin: memory, config: {file: " +
                    (place.target() / "objects").string() +
                    ", callLog: " + (place.folder() / "calls").string() + after_comma(more_config) +
                    "}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\n"
                    "spec: {path: app, providers: {memory.holdfast.dev: memory}" +
                    after_comma(more_stack) + "}\n");
}

std::string MemoryWorld::document(const std::string& name, const std::string& spec,
                                  const std::string& annotations, const std::string& kind) {
    std::string text = "apiVersion: " + api + "\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n";
    if (!annotations.empty()) text += "  annotations: {" + annotations + "}\n";
    return text + "spec: {" + spec + "}\n";
}

void MemoryWorld::object(const std::string& name, const std::string& spec, const std::string& annotations,
                         const std::string& kind) {
    place.write("app/" + name + ".yaml", document(name, spec, annotations, kind));
}

Ran MemoryWorld::apply(const std::vector<std::string>& more) {
    place.commit();
    std::vector<std::string> arguments{"apply", "--yes"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place.holdfast(arguments);
}

Ran MemoryWorld::plan(const std::vector<std::string>& more) {
    place.commit();
    std::vector<std::string> arguments{"plan", "--exit-code"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return place.holdfast(arguments);
}

void MemoryWorld::applied() {
    const Ran ran = apply();
    INFO(ran.out << ran.err);
    REQUIRE(ran.exit_code == 0);
}

std::string MemoryWorld::stored(const std::string& name, const std::string& kind, const std::string& scope) {
    memory::Store objects((place.target() / "objects").string());
    const memory::Object* object = objects.find(api + "/" + kind, scope, quoted(name));
    return object && !object->document.empty() ? std::string(object->document) : "<none>";
}

void MemoryWorld::by_hand(const std::string& name, const std::string& json, const std::string& kind) {
    memory::Store objects((place.target() / "objects").string());
    const memory::Object* object = objects.find(api + "/" + kind, "", quoted(name));
    const std::uint64_t generation = object ? object->generation + 1 : 1;
    const std::string kind_id = api + "/" + kind, identity = quoted(name);
    objects.put({kind_id, "", identity, json, generation});
}

std::vector<std::string> MemoryWorld::writes() {
    std::ifstream log(place.folder() / "calls");
    std::vector<std::string> lines;
    std::size_t seen = 0;
    for (std::string line; std::getline(log, line);) {
        if (line.starts_with("observe") || line.starts_with("list") || ++seen <= log_seen_) continue;
        lines.push_back(line);
    }
    log_seen_ = seen;
    return lines;
}

std::size_t count(const std::vector<std::string>& lines, const std::string& line) {
    return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), line));
}

std::string word_after(const std::string& text, const std::string& before) {
    const std::size_t at = text.find(before);
    if (at == std::string::npos) return {};
    const std::size_t from = at + before.size();
    return text.substr(from, text.find_first_of(" \n\t", from) - from);
}

void check_converged(MemoryWorld& world) {
    const Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 0);
    world.writes();
    world.applied();
    CHECK(world.writes().empty());
    const Ran check = world.place.holdfast({"store", "check"});
    CAPTURE(check.out, check.err);
    CHECK(check.exit_code == 0);
}

} // namespace test
