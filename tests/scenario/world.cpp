#include "world.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "manifest/load.hpp"
#include "plugins/memory/store.hpp"
#include "store/store.hpp"
#include "sys/environment.hpp"

namespace fs = std::filesystem;

namespace holdfast::scenario {

namespace {

constexpr std::int64_t start_s = 1'795'377'056; // 2026-11-22
const std::string api = "memory.holdfast.dev/v1alpha1/";

// Waiting takes no time, but the steady clock goes on from the machine's: plugins see deadlines by it.
class StoryClock final : public Clock {
public:
    explicit StoryClock(std::chrono::milliseconds elapsed) : elapsed_(elapsed.count()) {}
    std::int64_t now_ms() override { return start_s * 1000 + elapsed_; }
    std::chrono::steady_clock::time_point steady() override {
        return begin_ + std::chrono::milliseconds(elapsed_);
    }
    bool sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override {
        if (stop.stop_requested()) return false;
        elapsed_ += duration.count();
        return true;
    }

private:
    std::atomic<std::int64_t> elapsed_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::string read(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

[[noreturn]] void refuse(const std::string& why) { throw std::runtime_error(why); }

std::string text_of(const Value& value, const std::string& what) {
    if (const std::string* text = value.if_string()) return *text;
    refuse(what + " has to be text");
}

const Map& map_of(const Value& value, const std::string& what) {
    if (const Map* map = value.if_map()) return *map;
    refuse(what + " has to be a map");
}

// "Object/a@scope" in its parts.
struct Name {
    std::string kind, name, scope;
    std::string kind_id() const { return api + kind; }
    std::string identity() const { return to_json(Value(name)); }
};
Name name_of(const std::string& text) {
    const std::size_t slash = text.find('/'), at = text.find('@');
    if (slash == std::string::npos) refuse("\"" + text + "\" is not Kind/name or Kind/name@scope");
    return {text.substr(0, slash), text.substr(slash + 1, at - slash - 1),
            at == std::string::npos ? "" : text.substr(at + 1)};
}

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

std::chrono::milliseconds duration_of(const std::string& text) {
    static const std::map<char, int> seconds{{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    const auto unit = text.empty() ? seconds.end() : seconds.find(text.back());
    const int number = std::atoi(text.c_str());
    if (unit == seconds.end() || number <= 0) refuse("tick is a number and s, m, h or d: 2h");
    return std::chrono::seconds(number * unit->second);
}

std::string result_word(int status) {
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGKILL ? "killed" : fmt::format("signal {}", WTERMSIG(status));
    switch (WEXITSTATUS(status)) {
        case exit_done: return "done";
        case exit_error: return "error";
        case exit_changes: return "changes";
        case exit_parked: return "parked";
        default: return fmt::format("exit code {}", WEXITSTATUS(status));
    }
}

// The words after each `before` in `text`.
std::vector<std::string> words_after(const std::string& text, const std::string& before) {
    std::vector<std::string> words;
    for (std::size_t at = 0; (at = text.find(before, at)) != std::string::npos;) {
        at += before.size();
        words.push_back(text.substr(at, text.find_first_of(" \n", at) - at));
    }
    return words;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
}

// "app:Object/a": the group is the same for all.
std::string short_address(const Address& address) {
    Address without_group = address;
    without_group.id.group.clear();
    return to_string(without_group);
}

} // namespace

World::World(const std::string& repository, const Map& outside) {
    if (fs::exists(repository)) fs::copy(repository, repository_.path(), fs::copy_options::recursive);
    write_holdfast_yaml();
    write(file("operator.yaml"), "");
    for (const MapEntry& entry : outside) {
        write(file(entry.key), text_of(entry.value, entry.key));
        ::chmod(file(entry.key).c_str(), 0600);
    }
    commit_all("Begin");
    // What every command would compile anew, all children have from here.
    Diagnostics ignored;
    load_project(read(fs::path(repository_.path()) / "holdfast.yaml"), "holdfast.yaml", ignored);
}

// The one that a scenario without its own has: stack "app" of folder app, on provider "memory".
void World::write_holdfast_yaml() {
    const fs::path path = fs::path(repository_.path()) / "holdfast.yaml";
    if (fs::exists(path)) return;
    write(path, "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
                "spec: {plugin: memory, config: {file: target, callLog: calls, script: faults, "
                "target: memory}}\n---\n"
                "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\n"
                "spec: {path: app, providers: {memory.holdfast.dev: memory}}\n");
}

void World::act(const Step& step) {
    const auto text = [&] { return text_of(step.argument, step.verb); };
    if (step.verb == "commit") return commit(step.argument);
    if (step.verb == "live") return live(step.argument);
    if (step.verb == "tick") {
        elapsed_ += duration_of(text());
    } else if (step.verb == "lose-store") {
        fs::remove_all(file("store"));
    } else if (step.verb == "lose-reply") {
        Map fault;
        fault.set("effect", "lose-reply");
        add_fault(text(), std::move(fault));
    } else if (step.verb == "kill") {
        const std::string when = text().substr(0, text().find(' '));
        if (when != "before" && when != "after") refuse("kill: before or after a call");
        Map fault;
        fault.set("effect", "kill-" + when);
        add_fault(text().substr(when.size() + 1), std::move(fault));
    } else if (step.verb == "fail") {
        Map fault = map_of(step.argument, "fail");
        const std::string call = text_of(fault["call"], "call");
        fault.set("effect", "fail");
        add_fault(call, std::move(fault));
    }
}

void World::commit(const Value& argument) {
    const fs::path root = repository_.path();
    std::string message = "Change";
    for (const MapEntry& deed : map_of(argument, "commit")) {
        if (deed.key == "message") {
            message = text_of(deed.value, "message");
        } else if (deed.key == "remove") {
            for (const std::string& path : texts_of(&deed.value))
                if (fs::remove_all(root / path) == 0) refuse("there is no " + path + " to remove");
        } else if (deed.key == "write") {
            for (const MapEntry& entry : map_of(deed.value, "write"))
                write(root / entry.key, text_of(entry.value, entry.key));
        } else if (deed.key == "move") {
            for (const MapEntry& entry : map_of(deed.value, "move")) {
                const fs::path to = root / text_of(entry.value, entry.key);
                fs::create_directories(to.parent_path());
                fs::rename(root / entry.key, to);
            }
        } else if (deed.key == "edit") {
            for (const MapEntry& entry : map_of(deed.value, "edit")) {
                const std::vector<std::string> change = texts_of(&entry.value);
                std::string content = read(root / entry.key);
                if (change.size() != 2) refuse("edit wants [old text, new text] for each file");
                const std::size_t at = content.find(change[0]);
                if (at == std::string::npos || content.find(change[0], at + 1) != std::string::npos)
                    refuse("\"" + change[0] + "\" does not stand exactly once in " + entry.key);
                write(root / entry.key, content.replace(at, change[0].size(), change[1]));
            }
        } else {
            refuse("commit knows write, edit, move, remove and message, but not " + deed.key);
        }
    }
    commit_all(message);
}

void World::commit_all(const std::string& message) {
    repository_.time_s = start_s + std::chrono::duration_cast<std::chrono::seconds>(elapsed_).count();
    commits_.push_back(repository_.commit(message));
}

void World::live(const Value& argument) {
    for (const MapEntry& deed : map_of(argument, "live")) {
        if (deed.key == "put" || deed.key == "set") {
            for (const MapEntry& entry : map_of(deed.value, deed.key))
                put(entry.key, entry.value, deed.key == "set");
        } else if (deed.key == "delete") {
            for (const std::string& name : texts_of(&deed.value)) put(name, Value(), false);
        } else {
            refuse("live knows put, set and delete, but not " + deed.key);
        }
    }
}

// Somebody else writes, past the engine: a null spec removes the object.
void World::put(const std::string& text, const Value& spec, bool over_present) {
    const Name name = name_of(text);
    memory::Store objects(file("target"));
    const std::string kind = name.kind_id(), identity = name.identity();
    const memory::Object* present = objects.find(kind, name.scope, identity);
    const std::uint64_t generation = present ? present->generation + 1 : 1;
    std::string document;
    if (!spec.is_null()) {
        Value whole = Value::map({{"apiVersion", api.substr(0, api.size() - 1)},
                                  {"kind", name.kind},
                                  {"metadata", Value::map({{"name", name.name}})}});
        if (over_present) {
            if (!present || present->document.empty()) refuse("there is no " + text + " to set fields of");
            whole = *parse_json(present->document);
        }
        Map& fields = whole.as_map()["spec"].as_map();
        for (const MapEntry& field : map_of(spec, text))
            if (field.value.is_null())
                fields.erase(field.key);
            else
                fields.set(field.key, field.value);
        const Value* value = fields.find("value");
        whole.as_map().set("status", Value::map({{"generation", static_cast<std::int64_t>(generation)},
                                                 {"health", "healthy"},
                                                 {"value", value ? *value : Value(name.name)}}));
        document = to_json(whole);
    }
    objects.put({kind, name.scope, identity, document, generation});
}

// "create Object/a", "list Object".
void World::add_fault(const std::string& call, Map fault) {
    const std::vector<std::string> words = words_of(call);
    if (words.size() != 2) refuse("\"" + call + "\" is not a call: create Object/a, list Object");
    const bool is_list = words[0] == "list";
    const Name name = is_list ? Name{words[1], "", ""} : name_of(words[1]);
    fault.set("call", words[0]);
    fault.set("kind", name.kind);
    fault.set("name", name.name);
    const std::string path = file("faults"), present = read(path);
    Value all = present.empty() ? Value(List{}) : *parse_json(present);
    all.as_list().emplace_back(std::move(fault));
    write(path, to_json(all));
}

Printed World::command(std::vector<std::string> words) {
    std::cout << std::flush;
    const pid_t child = ::fork();
    if (child == 0) run_child(words);
    int status = 0;
    ::waitpid(child, &status, 0);
    Printed printed{result_word(status), read(file("out")), read(file("err"))};
    asked_approvals_ = words_after(printed.out, "holdfast approve ");
    return printed;
}

void World::run_child(const std::vector<std::string>& words) const {
    ::clearenv();
    for (const auto& [name, value] :
         std::map<std::string, std::string>{{"HOME", file("home")},
                                            {"XDG_CONFIG_HOME", file("config")},
                                            {"XDG_STATE_HOME", file("state")},
                                            {"HOLDFAST_CONFIG", file("operator.yaml")},
                                            {"HOLDFAST_PLUGIN_PATH", HOLDFAST_BINARY_DIR "/tests/plugins"},
                                            {"PATH", "/usr/bin:/bin"},
                                            {"USER", "ana"}})
        ::setenv(name.c_str(), value.c_str(), 1);
    // The provider's files have names relative to the world's folder.
    if (::chdir(folder_.path().c_str()) != 0) ::_exit(127);
    std::ofstream out("out"), err("err");
    std::istringstream in;
    int code = exit_error;
    try {
        const Result<Invocation> invocation = parse_arguments(words);
        if (!invocation) {
            err << render(invocation.error());
        } else {
            StoryClock clock(elapsed_);
            const std::unique_ptr<Engine> engine = make_engine(clock, invocation->global.verbose);
            Context context(out, err, in, clock, *engine);
            context.global = invocation->global;
            context.global.directory = repository_.path();
            context.global.store = "store";
            context.isolation = Isolation::in_process;
            // The name of whoever runs this is in some texts: it must not decide where lines are broken.
            if (words.front() != "plan") context.terminal.width = 160;
            code = run_command(*invocation, context);
        }
    } catch (const std::exception& error) {
        err << "exception: " << error.what() << '\n';
        code = 126;
    }
    out.close();
    err.close();
    ::_exit(code);
}

std::string World::new_calls() {
    std::istringstream log(read(file("calls")));
    std::string calls;
    std::size_t number = 0;
    for (std::string line; std::getline(log, line);) {
        // What is only looked at, and in how many batches, is no part of a story.
        const bool is_look = line.starts_with("observe ") && line.find('/') == std::string::npos;
        if (++number > calls_seen_ && !is_look) calls += "  " + line + "\n";
    }
    calls_seen_ = number;
    return calls;
}

std::string World::new_journal() {
    if (!fs::exists(file("store/store.db"))) return {};
    Result<std::unique_ptr<Store>> store = open_store({.path = file("store/store.db"), .read_only = true});
    if (!store) return "cannot open the store: " + store.error().message + "\n";
    std::vector<PassRecord> passes = (*store)->passes("", 100);
    std::sort(passes.begin(), passes.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    std::string text;
    for (const PassRecord& pass : passes) {
        std::string lines;
        passes_.push_back(pass.id);
        const std::vector<JournalStep> steps = (*store)->steps_of_pass(pass.id);
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const JournalStep& step = steps[i];
            const bool has_ended = std::any_of(steps.begin(), steps.end(), [&](const JournalStep& other) {
                return other.sequence > step.sequence && other.address == step.address &&
                       other.action == step.action;
            });
            if (step.state == StepState::intended && has_ended) continue;
            if (!journal_seen_.insert(fmt::format("{}/{}", pass.id, step.sequence)).second) continue;
            lines += fmt::format("  {} {}: {}{}\n", to_string(step.action), short_address(step.address),
                                 to_string(step.state), step.message.empty() ? "" : ", " + step.message);
        }
        const bool is_new = journal_seen_.insert(fmt::format("{} {}", pass.id, to_string(pass.state))).second;
        if (is_new || !lines.empty())
            text += fmt::format("journal of {} on {}: {}\n{}", pass.command, pass.stack,
                                to_string(pass.state), lines);
    }
    return text;
}

std::string World::store_problems() const {
    Result<std::unique_ptr<Store>> store = open_store({.path = file("store/store.db"), .read_only = true});
    if (!store) return render(store.error());
    std::string text;
    for (const Diagnostic& problem : (*store)->check()) text += render(problem);
    return text;
}

std::string World::target() const {
    if (!fs::exists(file("target"))) return {};
    memory::Store objects(file("target"));
    std::set<std::string> lines;
    for (const memory::Object& object : objects.all({}, {}, true)) {
        const Value document = *parse_json(object.document), identity = *parse_json(object.identity);
        const Value* spec = document.find("spec");
        const std::string kind(object.kind.substr(object.kind.find_last_of('/') + 1));
        lines.insert(fmt::format("  {}/{}{} {}\n", kind, *identity.if_string(),
                                 object.scope.empty() ? "" : "@" + std::string(object.scope),
                                 spec ? to_json(*spec) : "{}"));
    }
    std::string text;
    for (const std::string& line : lines) text += line;
    return text;
}

std::string World::stable(const std::string& text) {
    static constexpr std::size_t commit_digits = 7, plan_digits = 12;
    static constexpr std::string_view hex = "0123456789abcdef";
    const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        while (end < text.size() && is_word(text[end])) ++end;
        std::string word = text.substr(at, std::max<std::size_t>(end - at, 1));
        at += word.size();
        const bool is_hash = word.size() >= commit_digits && word.find_first_not_of(hex) == std::string::npos;
        const auto known = std::find_if(commits_.begin(), commits_.end(),
                                        [&](const std::string& id) { return id.starts_with(word); });
        if (is_hash && known != commits_.end()) {
            word = fmt::format("commit{}", known - commits_.begin() + 1);
        } else if (is_hash && word.size() == plan_digits) {
            auto plan = std::find(plans_.begin(), plans_.end(), word);
            if (plan == plans_.end()) plan = plans_.insert(plans_.end(), word);
            word = fmt::format("plan-hash-{:02}", plan - plans_.begin() + 1);
        }
        const bool is_pass = std::find(passes_.begin(), passes_.end(), word) != passes_.end();
        out += is_pass ? "the-pass" : word;
    }
    replace_all(out, folder_.path(), "WORLD");
    replace_all(out, actor(), "ana@here");
    return out;
}

} // namespace holdfast::scenario
