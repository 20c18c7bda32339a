#include "declared.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"

namespace holdfast::walks {

namespace {

const std::string version = "/v1alpha1";
const std::string memory_group = "memory.holdfast.dev", atomic_group = "memory-atomic.holdfast.dev";
// Two bundles, one for each stack.
std::string bundle_name(const std::string& stack) { return "bundle-of-" + stack; }

std::string text_of(const List& documents, const std::string& path, bool has_comment, bool is_damaged) {
    if (path.ends_with(".json")) {
        Value list = Value::map({{"apiVersion", "v1"}, {"kind", "List"}, {"items", documents}});
        return (has_comment ? "\n" : "") + to_json(list) + (is_damaged ? "}" : "") + "\n";
    }
    std::string text = has_comment ? "# A comment\n" : "";
    for (const Value& document : documents) {
        text += "---\n";
        for (const MapEntry& entry : *document.if_map())
            text += entry.key + ": " + to_json(entry.value) + "\n";
    }
    return text + (is_damaged ? "---\nkind: [\n" : "");
}

} // namespace

std::string to_string(const TargetName& name) {
    return name.kind + "/" + name.name + (name.scope.empty() ? "" : "@" + name.scope) +
           (name.is_atomic ? " (atomic)" : "");
}

bool Declared::take(const Step& step) {
    switch (step.verb) {
        case Verb::rotate: secret_ = step.number; break;
        case Verb::vary: variable_ = step.number; break;
        case Verb::comment:
            if (!comments_.erase(step.file)) comments_.insert(step.file);
            break;
        case Verb::damage:
            if (!damaged_.erase(step.file)) damaged_.insert(step.file);
            break;
        default:
            if (!take_edit(objects_[step.object], step)) return false;
    }
    note_identities();
    return true;
}

bool Declared::take_edit(Object& object, const Step& step) {
    const auto toggle = [&](std::string& names) { names = names.empty() ? step.other : ""; };
    switch (step.verb) {
        case Verb::declare:
            if (object.is_declared) break;
            object.is_declared = true;
            object.is_atomic = step.text == "atomic";
            object.kind = object.is_atomic ? "Object" : step.text;
            object.scope = step.other;
            object.file = step.file;
            object.spec = *step.value.if_map();
            object.is_bundled = object.is_bundled && step.text == "Object";
            break;
        case Verb::undeclare: {
            Object undeclared;
            undeclared.is_atomic = object.is_atomic;
            undeclared.kind = object.kind;
            undeclared.scope = object.scope;
            object = undeclared;
            break;
        }
        case Verb::set:
            if (step.value.is_null())
                object.spec.erase(step.text);
            else
                object.spec.set(step.text, step.value);
            break;
        case Verb::move: object.file = step.file; break;
        case Verb::bundle:
            if (object.kind == "Object" && !object.is_atomic) object.is_bundled = !object.is_bundled;
            break;
        case Verb::rescope: object.scope = step.text; break;
        case Verb::annotate:
            if (step.value.is_null()) {
                object.annotations.erase(step.text);
                break;
            }
            object.annotations[step.text] = *step.value.if_string();
            if (step.text == "deletion") ever_orphaned_.insert(step.object);
            break;
        case Verb::depend: toggle(object.depends_on); break;
        case Verb::refresh: toggle(object.refreshes_on); break;
        case Verb::take: toggle(object.takes_from); break;
        default: return false;
    }
    return true;
}

void Declared::heal() {
    damaged_.clear();
    for (auto& [name, object] : objects_) {
        for (const char* policy : {"protect", "drift", "ignore"}) object.annotations.erase(policy);
        object.spec.erase("health");
        if (const Value* value = object.spec.find("value"); value && *value == Value("invalid"))
            object.spec.set("value", "valid");
    }
}

const Declared::Object* Declared::find(const std::string& name) const {
    auto it = objects_.find(name);
    return it == objects_.end() || !it->second.is_declared ? nullptr : &it->second;
}

std::string Declared::stack_of(const Object& object) { return object.file.substr(0, object.file.find('/')); }

TargetName Declared::target_name(const std::string& name) const {
    auto it = objects_.find(name);
    if (it == objects_.end()) return {false, "Object", "", name};
    return {it->second.is_atomic, it->second.kind, it->second.scope, name};
}

bool Declared::is_declared(const TargetName& name) const {
    return find(name.name) && target_name(name.name) == name;
}

std::string Declared::id_of(const std::string& name, const Object& object) const {
    if (is_in_bundle(object))
        return fmt::format("{}/Bundle/{}#{}", memory_group, bundle_name(stack_of(object)), name);
    return fmt::format("{}/{}/{}", object.is_atomic ? atomic_group : memory_group, object.kind, name);
}

// Only to what has a lower number, and only from app to db: so there are no cycles.
std::string Declared::reference(const std::string& from, const std::string& to) const {
    const Object *source = find(from), *target = find(to);
    if (!source || !target || to >= from) return {};
    const std::string stack = stack_of(*target);
    if (stack == stack_of(*source)) return id_of(to, *target);
    return stack == "db" ? "db:" + id_of(to, *target) : "";
}

// What waits for another cannot be of an earlier wave than that.
int Declared::wave_of(const std::string& name) const {
    const Object* object = find(name);
    if (!object || is_in_bundle(*object)) return 0;
    auto own = object->annotations.find("wave");
    int wave = own == object->annotations.end() ? 0 : std::stoi(own->second);
    for (const std::string& other : {object->depends_on, object->refreshes_on, object->takes_from})
        if (!reference(name, other).empty()) wave = std::max(wave, wave_of(other));
    return wave;
}

Value Declared::document(const std::string& name) const {
    const Object& object = *find(name);
    Map annotations, metadata, spec = object.spec;
    for (const auto& [key, value] : object.annotations) annotations.set("holdfast.dev/" + key, value);
    if (const int wave = wave_of(name); wave != 0) annotations.set("holdfast.dev/wave", std::to_string(wave));
    if (const std::string id = reference(name, object.depends_on); !id.empty())
        annotations.set("holdfast.dev/depends-on", id);
    if (const std::string id = reference(name, object.refreshes_on); !id.empty())
        annotations.set("holdfast.dev/refresh-on", id);
    if (const std::string id = reference(name, object.takes_from); !id.empty()) {
        const std::string text = fmt::format("${{{{ outputs[\"{}\"].status.value }}}}", id);
        spec.set("from", text);
        if (!spec.contains("value")) spec.set("value", text);
    }
    // Else somebody's hand edit could become an output, and so part of other objects.
    if (!spec.contains("value")) spec.set("value", name);
    if (!object.scope.empty()) spec.set("scope", object.scope);
    metadata.set("name", name);
    if (!annotations.empty()) metadata.set("annotations", std::move(annotations));
    return Value::map({{"apiVersion", (object.is_atomic ? atomic_group : memory_group) + version},
                       {"kind", object.kind},
                       {"metadata", std::move(metadata)},
                       {"spec", std::move(spec)}});
}

// Null where nothing is in it.
Value Declared::bundle(const std::string& stack) const {
    Map objects;
    for (const auto& [name, object] : objects_) {
        if (!is_in_bundle(object) || stack_of(object) != stack) continue;
        Map spec = object.spec;
        // A Bundle's schema does not say which of its fields are sensitive.
        if (spec.contains("password")) spec.set("password", "in plain");
        if (!spec.contains("value")) spec.set("value", name);
        if (!object.scope.empty()) spec.set("scope", object.scope);
        objects.set(name, std::move(spec));
    }
    if (objects.empty()) return {};
    return Value::map({{"apiVersion", memory_group + version},
                       {"kind", "Bundle"},
                       {"metadata", Value::map({{"name", bundle_name(stack)}})},
                       {"spec", Value::map({{"objects", std::move(objects)}})}});
}

std::map<std::string, std::string> Declared::files() const {
    std::map<std::string, List> documents;
    for (const std::string& path : walks::files()) documents[path];
    for (const auto& [name, object] : objects_)
        if (object.is_declared && !object.is_bundled) documents[object.file].push_back(document(name));
    std::map<std::string, std::string> files;
    for (const auto& [path, list] : documents) {
        const bool has_comment = comments_.contains(path), is_damaged = damaged_.contains(path);
        if (!list.empty() || has_comment || is_damaged)
            files[path] = text_of(list, path, has_comment, is_damaged);
    }
    for (const std::string stack : {"app", "db"})
        if (Value whole = bundle(stack); !whole.is_null())
            files[stack + "/bundle.yaml"] = text_of({std::move(whole)}, "bundle.yaml", false, false);
    // Without, the folder would not exist, which is an error of its own.
    for (const std::string stack : {"app", "db"}) files[stack + "/README.md"] = "A walk's.\n";
    return files;
}

void Declared::note_identities() {
    for (const auto& [name, object] : objects_)
        if (object.is_declared) note_identity(target_name(name), object.spec);
}

void Declared::note_identity(const TargetName& name, const Value& spec) {
    const auto part = [&](const char* field) {
        const Value* value = spec.find(field);
        return value ? to_json(*value) : "";
    };
    identities_[name].insert(part("size") + " " + part("fixed"));
}

std::size_t Declared::identities_of(const TargetName& name) const {
    auto it = identities_.find(name);
    return it == identities_.end() ? 0 : it->second.size();
}

} // namespace holdfast::walks
