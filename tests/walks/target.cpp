#include "target.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/core.h>

#include "base/json.hpp"
#include "plugins/memory/script_lock.hpp"
#include "plugins/memory/store.hpp"

namespace holdfast::walks {

namespace {

namespace fs = std::filesystem;

std::string api_version(bool is_atomic) {
    return is_atomic ? "memory-atomic.holdfast.dev/v1alpha1" : "memory.holdfast.dev/v1alpha1";
}
std::string kind_id(const TargetName& name) { return api_version(name.is_atomic) + "/" + name.kind; }
std::string quoted(const std::string& name) { return "\"" + name + "\""; }

std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

// Lists whose order means nothing, in one order; without elements they are as good as none.
Value ordered(const std::string& field, Value value) {
    List* list = value.if_list();
    if (!list || (field != "tags" && field != "rules")) return value;
    if (list->empty()) return {};
    std::sort(list->begin(), list->end(),
              [](const Value& a, const Value& b) { return to_json(a) < to_json(b); });
    return value;
}

// "update Object/o1@right"
Target::Call call_of(const std::string& line, bool is_atomic) {
    const std::size_t blank = line.find(' '), slash = line.find('/'), at = line.find('@');
    Target::Call call{.verb = line.substr(0, blank)};
    if (slash != std::string::npos)
        call.object = {is_atomic, line.substr(blank + 1, slash - blank - 1),
                       at == std::string::npos ? "" : line.substr(at + 1),
                       line.substr(slash + 1, at == std::string::npos ? at : at - slash - 1)};
    return call;
}

void compare_field(const TargetName& name, const std::string& field, const Value* walked, const Value* fresh,
                   const Allowed& allowed, std::vector<std::string>& lines) {
    const Value none;
    const Value have = ordered(field, walked ? *walked : none), want = ordered(field, fresh ? *fresh : none);
    if (have == want || (walked && !fresh && allowed.has(name, field, have))) return;
    // Elements that others put there are left alone, and what they put into those that we declare.
    if ((field == "tags" || field == "rules") && allowed.has(name, field, have)) return;
    lines.push_back(fmt::format("{}: {} is {}, and {} in a fresh apply", to_string(name), field,
                                walked ? to_json(have) : "not there", fresh ? to_json(want) : "not there"));
}

} // namespace

void Allowed::field(const TargetName& name, const std::string& field, const Value& value) {
    fields_.emplace(name, field + "=" + to_json(ordered(field, value)));
    // That is how it is stored, once something else of the object is written.
    if (const std::string* text = value.if_string(); text && field == "lower") {
        std::string lower = *text;
        for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        fields_.emplace(name, field + "=" + to_json(Value(lower)));
    }
    // What is written over a list's elements may leave any of both.
    if (value.is_list()) fields_.emplace(name, field);
}

void Allowed::everything(const std::map<TargetName, Value>& standing) {
    for (const auto& [name, document] : standing) {
        object(name);
        any_field(name);
    }
}

bool Allowed::has(const TargetName& name, const std::string& field, const Value& value) const {
    return any_field_.contains(name) || fields_.contains({name, field}) ||
           fields_.contains({name, field + "=" + to_json(value)});
}

std::string Target::objects_file(bool is_atomic) const {
    return folder_ + (is_atomic ? "/objects-atomic" : "/objects");
}
std::string Target::calls_file(bool is_atomic) const {
    return folder_ + (is_atomic ? "/calls-atomic" : "/calls");
}

std::map<TargetName, Value> Target::objects() const {
    std::map<TargetName, Value> all;
    for (const bool is_atomic : {false, true}) {
        memory::Store store(objects_file(is_atomic));
        for (const memory::Object& object : store.all({}, {}, true)) {
            const std::string kind(object.kind.substr(object.kind.rfind('/') + 1));
            const Result<Value> name = parse_json(object.identity);
            all[{is_atomic, kind, std::string(object.scope), *name->if_string()}] =
                *parse_json(object.document);
        }
    }
    return all;
}

void Target::put(const TargetName& name, const Value& document) {
    memory::Store store(objects_file(name.is_atomic));
    const std::string kind = kind_id(name), identity = quoted(name.name);
    const memory::Object* present = store.find(kind, name.scope, identity);
    const std::uint64_t generation = present ? present->generation + 1 : 1;
    std::string text;
    if (!document.is_null()) {
        Value whole = document;
        set_at(whole, "/status/generation", static_cast<std::int64_t>(generation));
        text = to_json(whole);
    }
    store.put({kind, name.scope, identity, text, generation});
}

void Target::set(const TargetName& name, const std::string& field, const Value& value, Allowed& allowed) {
    const auto standing = objects();
    auto it = standing.find(name);
    if (it == standing.end()) return;
    Value document = it->second;
    if (value.is_null())
        erase_at(document, "/spec/" + field);
    else
        set_at(document, "/spec/" + field, value);
    allowed.field(name, field, value);
    put(name, document);
}

void Target::make(const TargetName& name, const Value& spec, Allowed& allowed) {
    Map whole = *spec.if_map();
    if (!name.scope.empty()) whole.set("scope", name.scope);
    for (const MapEntry& entry : whole) allowed.field(name, entry.key, entry.value);
    allowed.object(name);
    const Value* value = whole.find("value");
    const Value status = Value::map({{"health", "healthy"}, {"value", value ? *value : Value(name.name)}});
    put(name, Value::map({{"apiVersion", api_version(name.is_atomic)},
                          {"kind", name.kind},
                          {"metadata", Value::map({{"name", name.name}})},
                          {"spec", whole},
                          {"status", status}}));
}

void Target::remove(const TargetName& name) {
    if (objects().contains(name)) put(name, {});
}

void Target::pretend_change(const TargetName& name) {
    memory::Store(objects_file(name.is_atomic)).pretend_change();
}

void Target::add_fault(const Value& fault) const {
    const memory::ScriptLock lock(faults_file());
    const std::string present = read(faults_file());
    Result<Value> all = present.empty() ? Result<Value>(List{}) : parse_json(present);
    all->as_list().push_back(fault);
    std::ofstream(faults_file() + ".made", std::ios::binary) << to_json(*all);
    fs::rename(faults_file() + ".made", faults_file());
}

bool Target::has_deadly_fault() const { return read(faults_file()).find("\"kill-") != std::string::npos; }
void Target::clear_faults() const {
    const memory::ScriptLock lock(faults_file());
    fs::remove(faults_file());
}

std::vector<Target::Call> Target::new_calls() {
    std::vector<Call> calls;
    for (const bool is_atomic : {false, true}) {
        std::ifstream log(calls_file(is_atomic));
        std::size_t number = 0, &seen = calls_seen_[calls_file(is_atomic)];
        for (std::string line; std::getline(log, line);)
            if (++number > seen && !line.starts_with(" ")) calls.push_back(call_of(line, is_atomic));
        seen = std::max(seen, number);
    }
    return calls;
}

std::set<TargetName> Target::ever_read_stale() const {
    std::set<TargetName> names;
    for (const bool is_atomic : {false, true}) {
        std::ifstream log(calls_file(is_atomic));
        std::string call;
        for (std::string line; std::getline(log, line);)
            if (line == "  stale")
                names.insert(call_of(call, is_atomic).object);
            else
                call = line;
    }
    return names;
}

void Target::set_aside() const {
    for (const bool is_atomic : {false, true})
        if (fs::exists(objects_file(is_atomic)))
            fs::rename(objects_file(is_atomic), objects_file(is_atomic) + ".walked");
}

std::vector<std::string> differences(const std::map<TargetName, Value>& walked,
                                     const std::map<TargetName, Value>& fresh, const Allowed& allowed) {
    std::vector<std::string> lines;
    for (const auto& [name, document] : walked)
        if (!fresh.contains(name) && !allowed.has(name))
            lines.push_back(to_string(name) + " stands there, and not in a fresh apply");
    for (const auto& [name, document] : fresh) {
        auto it = walked.find(name);
        if (it == walked.end()) {
            lines.push_back(to_string(name) + " is not there");
            continue;
        }
        const Value *have = it->second.find("spec"), *want = document.find("spec");
        std::set<std::string> fields;
        for (const Value* spec : {have, want})
            for (const MapEntry& entry : *spec->if_map()) fields.insert(entry.key);
        for (const std::string& field : fields)
            compare_field(name, field, have->find(field), want->find(field), allowed, lines);
        if (have->find("value") && want->find("value") &&
            it->second.find("status")->text_at("value") != document.find("status")->text_at("value"))
            lines.push_back(to_string(name) + ": another status.value");
    }
    return lines;
}

} // namespace holdfast::walks
