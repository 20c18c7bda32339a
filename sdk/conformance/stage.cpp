#include "stage.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/identity.hpp"
#include "sys/file.hpp"

namespace holdfast::conformance {

namespace {

std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

// What it said and how it ended; 0 is well.
std::pair<int, std::string> run_command(const std::string& line) {
    std::string said;
    FILE* const pipe = popen(line.c_str(), "r");
    if (!pipe) return {-1, error_text(errno)};
    std::array<char, 4096> buffer{};
    for (std::size_t got = 0; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        said.append(buffer.data(), got);
    return {pclose(pipe), said};
}

std::string word_of(ItemAction action) {
    switch (action) {
        case ItemAction::create: return "create";
        case ItemAction::update: return "update";
        case ItemAction::remove: return "delete";
        case ItemAction::refresh: return "refresh";
        case ItemAction::none: break;
    }
    return "none";
}

// The plugin itself fails calls with codes of its own; these are what the host noticed.
bool is_complaint(const Diagnostic& diagnostic) {
    static const std::vector<std::string_view> harmless{"plugin.deadline", "plugin.cancelled",
                                                        "plugin.not-sent", "plugin.batch-too-large"};
    return diagnostic.code.starts_with("plugin.") &&
           std::find(harmless.begin(), harmless.end(), diagnostic.code) == harmless.end();
}

bool is_removal(ItemAction action) { return action == ItemAction::remove; }

// As the engine does with the operator's commands: where the config names one, the plugin gets what is to be
// run.
void put_commands(Value& config, const Value& schema, const Value& commands,
                  std::chrono::milliseconds timeout) {
    const Value* properties = schema.find("properties");
    Map* members = config.if_map();
    if (!properties || !properties->is_map() || !members) return;
    for (const MapEntry& property : *properties->if_map()) {
        Value* value = members->find(property.key);
        if (!value) continue;
        const std::string* name = value->if_string();
        if (property.value.text_at("format") != "command" || !name) {
            put_commands(*value, property.value, commands, timeout);
            continue;
        }
        const Value* run = commands.find(*name);
        if (!run) continue; // the plugin says what it makes of that
        Value found;
        found.as_map().set("name", Value(*name));
        found.as_map().set("run", *run);
        found.as_map().set("timeoutMs", Value(std::int64_t{timeout.count()}));
        *value = std::move(found);
    }
}

} // namespace

const KindSettings* Run::settings_of(const KindInfo& kind) const {
    for (const std::string& key : {kind.id(), kind.kind})
        if (const auto found = settings.kinds.find(key); found != settings.kinds.end()) return &found->second;
    return nullptr;
}

Stage::Stage(Run& run, LevelResult& result, const KindInfo* kind)
    : run_(run), result_(result), kind_(kind), folder_(run.scratch + "/" + result.name) {
    if (kind) kind_settings_ = run.settings_of(*kind);
    std::filesystem::create_directories(folder_);
}

Stage::~Stage() {
    remove_leftovers();
    mine_.reset();
    other_.reset();
    if (!run_.settings.cleanup.empty()) {
        try {
            shell(run_.settings.cleanup, "cleanup");
        } catch (const Abandoned&) { // reported
        }
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void Stage::fail(const Object* object, std::string call, std::string problem, std::string advice) {
    result_.findings.push_back({kind_ ? kind_->kind : "", std::move(call),
                                object ? run_.subject.mask(object->identity) : "", run_.subject.mask(problem),
                                run_.subject.mask(advice)});
}

void Stage::abandon(const Object* object, std::string call, std::string problem, std::string advice) {
    ++result_.checks;
    fail(object, std::move(call), std::move(problem), std::move(advice));
    throw Abandoned{};
}

bool Stage::check(bool holds, const Object* object, std::string_view call, std::string_view problem,
                  std::string_view advice) {
    ++result_.checks;
    if (!holds) fail(object, std::string(call), std::string(problem), std::string(advice));
    return holds;
}

void Stage::note(std::string text) {
    result_.notes.push_back(run_.subject.mask(kind_ ? kind_->kind + ": " + text : text));
}

void Stage::require_extension(std::string_view id) const {
    if (!description().has(id)) not_offered(fmt::format("the plugin does not have {}", id));
}

Words Stage::words(const Object* object) const {
    Words out{{"dir", folder_}, {"secret", run_.secret}, {"run", run_.token}};
    if (object) {
        out["name"] = object->name;
        out["number"] = std::to_string(object->number);
    }
    return out;
}

std::string Stage::config() const {
    Value config = fill_in(run_.settings.config, words());
    put_commands(config, description().config_schema, fill_in(run_.settings.commands, words()),
                 run_.settings.command_timeout);
    return to_json(config);
}

void Stage::shell(const std::string& command, std::string_view key, const Object* object) {
    std::string line;
    for (const auto& [name, value] : words(object)) line += fmt::format("{}={} ", name, shell_quoted(value));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(run_.settings.command_timeout);
    line = fmt::format("export {}; timeout {} sh -c {} 2>&1 </dev/null", line,
                       std::max<long>(1, seconds.count()), shell_quoted(command));
    const auto [status, said] = run_command(line);
    if (status == 0) return;
    abandon(object, fmt::format("the command \"{}\" of conformance.yaml", key),
            fmt::format("the command failed: {}", said.empty() ? "it said nothing" : trim(said)),
            "try it by hand, with $dir set to an empty folder and $name to some name");
}

std::unique_ptr<Instance> Stage::open(const std::string& name) {
    if (!std::exchange(is_prepared_, true) && !run_.settings.prepare.empty())
        shell(run_.settings.prepare, "prepare");
    auto instance = run_.subject.open(name, config());
    if (!instance)
        abandon(nullptr, "open",
                fmt::format("the provider cannot be opened: {} [{}]", instance.error().message,
                            instance.error().code),
                "check config and prepare of conformance.yaml");
    return std::move(*instance);
}

Instance& Stage::mine() {
    if (!mine_) mine_ = open("mine");
    return *mine_;
}

Instance& Stage::other() {
    if (!other_) other_ = open("other");
    return *other_;
}

Instance& Stage::fresh_mine() {
    mine_.reset();
    return mine();
}

void Stage::declare(Object& object, Value document) {
    object.declared = std::move(document);
    keep_blobs(object.declared);
    for (const std::string& pattern : object.kind->sensitive)
        for (const std::string& pointer : expand_pointer(object.declared, pattern))
            if (const std::string* secret = find_at(object.declared, pointer)->if_string())
                run_.subject.add_secret(*secret);
}

// What a document calls a file reaches the plugin as a blob: here the text that stands there is its content.
void Stage::keep_blobs(Value& document) {
    for (const std::string& pattern : kind_->files)
        for (const std::string& pointer : expand_pointer(document, pattern)) {
            const std::string* content = find_at(document, pointer)->if_string();
            if (!content) continue;
            const std::string hash = to_hex(sha256(*content));
            const auto size = static_cast<std::int64_t>(content->size());
            const Status kept =
                write_file_atomically(run_.subject.options().blob_directory + "/" + hash, *content, 0600);
            if (!kept) abandon(nullptr, "", kept.error().message, "");
            set_at(document, pointer, Value::map({{"sha256", hash}, {"size", size}}));
        }
}

Object Stage::make(const Value& patch) {
    Object object{.kind = kind_};
    object.number = ++count_;
    object.name = fmt::format("hf-{}-{}-{}", result_.name, run_.token, object.number);
    Value document = patch.is_map() ? merge_patch(kind_settings_->sample, patch) : kind_settings_->sample;
    document.as_map().set("apiVersion", kind_->api_version);
    document.as_map().set("kind", kind_->kind);
    if (!find_at(document, "/metadata/name")) set_at(document, "/metadata/name", "$name");
    document = fill_in(document, words(&object));
    declare(object, std::move(document));
    const Picked picked = pick_identity(*kind_, object.declared, false);
    if (!picked.missing.empty())
        abandon(nullptr, "",
                fmt::format("the sample has nothing at {}, which identifies the object", picked.missing),
                fmt::format("write it in kinds.{}.sample, with $name in it", kind_->kind));
    object.identity = picked.identity;
    object.scope = picked.scope;
    const bool is_known = std::any_of(made_.begin(), made_.end(), [&](const Object& other) {
        return other.identity == object.identity && other.scope == object.scope;
    });
    if (count_ <= 3 && is_known)
        abandon(&object, "", "two objects made from the sample have the same identity",
                fmt::format("put $name into the fields that identify the object: {}",
                            join(kind_->identity, ", ")));
    made_.push_back(object);
    return object;
}

std::vector<Object> Stage::make_many(std::size_t count) {
    std::vector<Object> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(make());
    return out;
}

bool Stage::is_valid(const Value& document) {
    Diagnostics problems;
    const auto checker = run_.checkers.find(kind_->id());
    if (checker != run_.checkers.end() && !checker->second->check(document, problems)) return false;
    Object object{.kind = kind_, .declared = document};
    const Picked picked = pick_identity(*kind_, document, false);
    object.identity = picked.identity;
    object.scope = picked.scope;
    const Answers answers = ask(mine(), Method::validate, {{&object}});
    return answers.end.ok && !answers.items.front().diagnostics.has_errors() &&
           answers.items.front().outcome != Outcome::failed;
}

std::vector<Edit> Stage::edits_of(const Object& object) { return edits_of(object, Remarks::none); }

std::vector<Edit> Stage::edits_of(const Object& object, Remarks remarks) {
    EditMaker maker(*kind_, *kind_settings_, [this](const Value& document) { return is_valid(document); });
    std::vector<Edit> edits = maker.edits_of(object.declared, words(&object));
    if (remarks == Remarks::none) return edits;
    for (const std::string& field : maker.unchangeable())
        note(fmt::format("no other valid value was found for {}; give one in changes", field));
    const std::vector<std::string> untouched = maker.untouched(object.declared);
    if (!untouched.empty())
        note(fmt::format("neither the sample nor a change sets {}", join(untouched, ", ")));
    return edits;
}

void Stage::complain(const Answers& answers, Method method, const Object* object) {
    for (const Diagnostic& problem : answers.end.why)
        if (is_complaint(problem))
            fail(object, std::string(to_string(method)),
                 fmt::format("{} [{}]", problem.message, problem.code),
                 fmt::format("{}{}", problem.hint.empty() ? "see docs/providers.md" : problem.hint,
                             run_.subject.last_words()));
}

Answers Stage::ask(Instance& instance, Method method, const std::vector<Wanted>& wanted,
                   const AskOptions& options) {
    std::vector<Ask> asks;
    asks.reserve(wanted.size());
    for (const Wanted& want : wanted) {
        const Object& object = *want.object;
        Ask ask{.action = want.action, .kind = object.kind->id(), .identity = object.identity};
        if (method != Method::observe && method != Method::health && !is_removal(want.action))
            ask.declared = to_json(object.declared);
        if (method == Method::apply || method == Method::canonicalize) {
            ask.recorded = object.recorded;
            ask.observed = object.observed;
        }
        if (method == Method::health) ask.observed = object.observed;
        ask.version = object.version;
        ask.private_data = object.private_data;
        ask.after = want.after;
        ask.wants_health = want.wants_health;
        asks.push_back(std::move(ask));
    }
    const std::string scope = wanted.empty() ? "" : wanted.front().object->scope;
    Answers answers = instance.ask(method, scope, asks, options);
    complain(answers, method, wanted.empty() ? nullptr : wanted.front().object);
    return answers;
}

void Stage::take(Object& object, const Answer& answer, ItemAction action) {
    if (!answer.has_succeeded()) return;
    object.recorded = is_removal(action) ? "" : to_json(object.declared);
    object.presence = is_removal(action) ? Presence::absent : Presence::present;
    object.observed = is_removal(action) ? "" : answer.document;
    object.version = is_removal(action) ? "" : answer.version;
    object.private_data = is_removal(action) ? "" : answer.private_data;
}

Answers Stage::apply(Instance& instance, const std::vector<Wanted>& wanted, const AskOptions& options) {
    Answers answers = ask(instance, Method::apply, wanted, options);
    for (std::size_t i = 0; i < wanted.size(); ++i)
        take(*wanted[i].object, answers.items[i], wanted[i].action);
    return answers;
}

void Stage::look(Instance& instance, const std::vector<Object*>& objects) {
    for (const auto& group : by_scope(objects)) {
        std::vector<Wanted> wanted;
        for (Object* object : group) wanted.push_back({object});
        const Answers answers = ask(instance, Method::observe, wanted);
        for (std::size_t i = 0; i < group.size(); ++i) {
            const Answer& answer = answers.items[i];
            Object& object = *group[i];
            if (answer.outcome != Outcome::done && answer.outcome != Outcome::absent)
                abandon(&object, "observe", fmt::format("it cannot be read: {}", answer.in_words()),
                        "observe has to answer each item with a document, or absent");
            object.presence = answer.outcome == Outcome::done ? Presence::present : Presence::absent;
            object.observed = answer.document;
            object.version = answer.version;
            if (!answer.private_data.empty()) object.private_data = answer.private_data;
        }
    }
}

Answer Stage::must(Instance& instance, ItemAction action, Object& object) {
    look(instance, {&object});
    const Answers answers = apply(instance, {{&object, action}});
    const Answer& answer = answers.items.front();
    if (!answer.has_succeeded())
        abandon(&object, fmt::format("apply ({})", word_of(action)),
                fmt::format("the {} ended as {}", word_of(action), answer.in_words()),
                fmt::format("it has to be done: the document is \"{}\"", to_json(object.declared)));
    return answer;
}

void Stage::must_all(Instance& instance, ItemAction action, const std::vector<Object*>& objects) {
    look(instance, objects);
    for (const auto& group : by_scope(objects)) {
        std::vector<Wanted> wanted;
        for (Object* object : group) wanted.push_back({object, action});
        const Answers answers = apply(instance, wanted);
        for (std::size_t i = 0; i < group.size(); ++i)
            if (!answers.items[i].has_succeeded())
                abandon(group[i],
                        fmt::format("apply ({}, {})", word_of(action), count_of(group.size(), "item")),
                        fmt::format("item {} ended as {}", i, answers.items[i].in_words()),
                        "each item has to be done");
    }
}

// Also after a level that failed halfway, so that a real server is left as it was found.
void Stage::remove_leftovers() {
    if (made_.empty() || !mine_) return;
    const std::size_t findings = result_.findings.size();
    const std::size_t checks = result_.checks;
    try {
        mine_.reset();
        Instance& instance = mine();
        for (const auto& group : by_scope(pointers_to(made_))) {
            std::vector<Wanted> wanted;
            for (Object* object : group) wanted.push_back({object});
            const Answers answers = ask(instance, Method::observe, wanted);
            wanted.clear();
            for (std::size_t i = 0; i < group.size(); ++i) {
                if (answers.items[i].outcome != Outcome::done) continue;
                group[i]->observed = answers.items[i].document;
                group[i]->version = answers.items[i].version;
                wanted.push_back({group[i], ItemAction::remove});
            }
            if (!wanted.empty()) ask(instance, Method::apply, wanted);
        }
    } catch (const Abandoned&) { // the target may be gone by now
    }
    result_.findings.resize(findings); // the level itself has said what is wrong
    result_.checks = checks;
}

std::vector<Object*> pointers_to(std::vector<Object>& objects) {
    std::vector<Object*> out;
    for (Object& object : objects) out.push_back(&object);
    return out;
}

std::vector<std::vector<Object*>> by_scope(const std::vector<Object*>& objects) {
    std::map<std::string, std::vector<Object*>> groups;
    for (Object* object : objects) groups[object->scope].push_back(object);
    std::vector<std::vector<Object*>> out;
    for (auto& [scope, group] : groups) out.push_back(std::move(group));
    return out;
}

} // namespace holdfast::conformance
