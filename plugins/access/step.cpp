#include "step.hpp"

#include "keys.hpp"

namespace holdfast::access {

namespace {

Json spec_in(std::string_view document) {
    if (document.empty()) return nullptr;
    const Json json = sdk::parse_json(document, "access.document");
    const auto spec = json.find("spec");
    return spec == json.end() ? Json(nullptr) : *spec;
}

// What is declared is what stands there; members that nobody declares do not count.
bool fits(Kind kind, const Json& want, const Json& have) {
    for (const auto& [key, value] : want.items()) {
        const auto found = have.find(key);
        if (found == have.end() && (value.is_null() || (value.is_array() && value.empty()))) continue;
        if (found == have.end()) return false;
        const bool is_set = kind != Kind::sudoers && value.is_array();
        if (is_set ? texts_of(want, key.c_str()) != texts_of(have, key.c_str()) : *found != value)
            return false;
    }
    return true;
}

} // namespace

std::set<std::string> texts_of(const Json& spec, const char* key) {
    std::set<std::string> out;
    if (!spec.is_object()) return out;
    if (const auto found = spec.find(key); found != spec.end() && found->is_array())
        for (const Json& item : *found) out.insert(item.get<std::string>());
    return out;
}

std::set<std::string> wanted_texts(const Step& step, const char* key) {
    if (step.want.contains(key)) return texts_of(step.want, key);
    std::set<std::string> out = texts_of(step.before, key);
    for (const std::string& given : texts_of(step.recorded, key)) out.erase(given);
    return out;
}

std::vector<Step> read_steps(sdk::Items changes) {
    std::vector<Step> steps;
    for (const sdk::Change& change : changes) {
        Step step{change,
                  kind_of(change.kind()),
                  name_in(change.identity()),
                  spec_in(change.declared()),
                  spec_in(change.recorded()),
                  nullptr,
                  false};
        if (change.action() == sdk::Action::remove) step.want = nullptr;
        if (step.want.contains("keys")) {
            std::set<std::string> keys;
            for (const std::string& key : texts_of(step.want, "keys"))
                keys.insert(parse_key(key).value_or(key));
            step.want["keys"] = keys;
        }
        steps.push_back(std::move(step));
    }
    return steps;
}

bool is_so_already(const Step& step) {
    if (step.removes() && step.creates()) return true;
    const bool is_new = step.change.action() == sdk::Action::create;
    if (is_new && !step.creates()) {
        if (fits(step.kind, step.want, step.before)) return true;
        throw sdk::Error(conflict(step.title(), "was made by somebody else"));
    }
    if (!is_new && step.creates()) throw sdk::Error(conflict(step.title(), "was removed"));
    if (step.creates() || step.change.version().empty()) return false;
    const std::string document = sdk::dump_json(document_of(step.kind, step.before));
    if (version_of(document) != step.change.version())
        throw sdk::Error(conflict(step.title(), "was changed by somebody else"));
    return false;
}

} // namespace holdfast::access
