#include "partial_world.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <sys/stat.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "plugins/memory/store.hpp"
#include "support/catch.hpp"

namespace holdfast {

namespace {

const std::string api = "memory.holdfast.dev/v1alpha1";

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

} // namespace

PartialWorld::PartialWorld() {
    secret("hunter2-hunter2");
    configure();
}

void PartialWorld::secret(const std::string& value) {
    std::ofstream(folder / "keys.yaml") << "token: " << value << "\n";
    ::chmod((folder / "keys.yaml").c_str(), 0600);
    std::ofstream(folder / "operator.yaml") << "secrets:\n  - name: keys\n    file: " << folder / "keys.yaml"
                                            << "\n";
    ::chmod((folder / "operator.yaml").c_str(), 0600);
}

void PartialWorld::configure(const std::string& more_config, const std::string& more_provider,
                             const std::string& more_stack) {
    const auto after_comma = [](const std::string& text) { return text.empty() ? "" : ", " + text; };
    const auto stack = [&](const std::string& name) {
        return "---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: " + name +
               "}\nspec: {path: " + name + ", providers: {memory.holdfast.dev: memory}" +
               (name == "app" ? after_comma(more_stack) : "") + "}\n";
    };
    write("holdfast.yaml", "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
                           "spec: {plugin: memory, config: {file: " +
                               folder / "objects" + ", callLog: " + folder / "calls" + ", target: memory" +
                               after_comma(more_config) + "}" + after_comma(more_provider) + "}\n" +
                               stack("app") + stack("db"));
}

std::string PartialWorld::document(const std::string& name, const std::string& spec,
                                   const std::string& annotations, const std::string& kind) {
    std::string text = "apiVersion: " + api + "\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n";
    if (!annotations.empty()) text += "  annotations: {" + annotations + "}\n";
    return text + "spec: {" + spec + "}\n";
}

Session& PartialWorld::session() {
    if (session_) return *session_;
    ::setenv("HOLDFAST_CONFIG", (folder / "operator.yaml").c_str(), 1);
    Result<std::unique_ptr<Session>> opened = Session::open(
        {.directory = repository.path(),
         .store = folder / "store",
         .isolation = Isolation::in_process,
         .plugin_paths = {HOLDFAST_BINARY_DIR "/tests/plugins", HOLDFAST_BINARY_DIR "/plugins"}},
        clock_, masker_, log_);
    if (!opened) FAIL(render(opened.error()));
    session_ = *std::move(opened);
    return *session_;
}

StackOutcome PartialWorld::pass(Reach reach, const std::vector<Touched>& touched, const std::string& stack,
                                Mode mode, std::stop_token stop) {
    clock_.sleep_for(std::chrono::seconds(1), {});
    if (Status moved = session().move_to(); !moved) FAIL(render(moved.error()));
    RunOutcome outcome =
        run(session(), {.mode = mode, .reach = reach, .touched = touched, .stacks = {stack}}, {}, stop);
    for (const Diagnostic& problem : outcome.problems) FAIL(render(problem));
    REQUIRE(outcome.stacks.size() == 1);
    return std::move(outcome.stacks.front());
}

void PartialWorld::by_hand(const std::string& name, const std::string& spec) {
    memory::Store objects(folder / "objects");
    const std::string kind = api + "/Object", identity = quoted(name);
    const memory::Object* present = objects.find(kind, "", identity);
    const std::uint64_t generation = present ? present->generation + 1 : 1;
    std::string document;
    if (!spec.empty())
        document = fmt::format(R"({{"apiVersion":"{}","kind":"Object","metadata":{{"name":"{}"}},"spec":{},)"
                               R"("status":{{"generation":{},"health":"healthy","value":"{}"}}}})",
                               api, name, spec, generation, name);
    objects.put({kind, "", identity, document, generation});
}

Touched PartialWorld::touched(const std::string& name) {
    return {"memory",
            {.reach = Hint::Reach::item, .scope = "", .kind = api + "/Object", .identity = quoted(name)}};
}

std::vector<std::string> PartialWorld::new_calls() {
    std::ifstream log(folder / "calls");
    std::vector<std::string> calls;
    std::size_t number = 0;
    for (std::string line; std::getline(log, line);)
        if (++number > calls_seen_) calls.push_back(line);
    calls_seen_ = number;
    return calls;
}

std::vector<std::string> PartialWorld::target() const {
    memory::Store objects(folder / "objects");
    std::vector<std::string> lines;
    for (const memory::Object& object : objects.all({}, {}, true))
        lines.push_back(fmt::format("{} {} {}", object.kind, object.identity, object.document));
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::vector<std::string> PartialWorld::ledger() {
    std::vector<std::string> lines;
    for (const LedgerEntry& e : session().store().all_entries(Detail::full)) {
        const auto commit = std::find(commits.begin(), commits.end(), e.commit) - commits.begin();
        std::string after;
        for (const Address& address : e.after) after += to_string(address) + " ";
        lines.push_back(fmt::format("{} {} {} {} {} {} at {} {}:{} after [{}] wave {} {} {}",
                                    to_string(e.address), e.provider, e.object.kind, e.object.identity,
                                    to_string(e.state), e.declared, commit, e.file, e.line, after, e.wave,
                                    to_string(e.deletion), e.observed));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::vector<std::string> lines_of_changes(const StackOutcome& outcome) {
    std::vector<std::string> lines;
    for (const Round& round : outcome.rounds)
        for (const Change& change : round.plan.changes) {
            std::string line =
                fmt::format("{} {} {} from {}", to_string(change.action), to_string(change.readiness),
                            to_string(change.address), to_string(change.moved_from));
            for (const FieldChange& field : change.fields)
                line +=
                    fmt::format(" {}: {} -> {}", field.pointer, field.before ? to_json(*field.before) : "-",
                                field.after ? to_json(*field.after) : "-");
            for (const std::string& reason : change.reasons) line += ", " + reason;
            for (const Diagnostic& problem : change.diagnostics) line += ", " + problem.code;
            lines.push_back(std::move(line));
        }
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::string problems_of(const StackOutcome& outcome) {
    std::string text;
    for (const Diagnostic& problem : outcome.problems) text += render(problem);
    return text;
}

} // namespace holdfast
