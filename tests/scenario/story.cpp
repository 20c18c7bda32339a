#include "story.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "manifest/yaml.hpp"

namespace holdfast::scenario {

namespace {

const std::vector<std::string> commands{"plan", "apply", "destroy", "approve", "settled", "holdfast"};
const std::vector<std::string> deeds{"commit", "live", "fail", "lose-reply", "kill", "tick", "lose-store"};
const std::vector<std::string> results{"done", "changes", "parked", "error", "killed"};

bool contains(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

class Reader {
public:
    Reader(const std::string& file, Diagnostics& problems) : file_(file), problems_(problems) {}

    Story story(const Value& root) {
        Story out;
        if (!root.is_map()) return wrong(root.position, "a scenario is a map with says and steps"), out;
        for (const MapEntry& entry : *root.if_map()) {
            if (entry.key == "says" && entry.value.is_string())
                out.says = *entry.value.if_string();
            else if (entry.key == "outside" && entry.value.is_map())
                out.outside = *entry.value.if_map();
            else if (entry.key == "steps" && entry.value.is_list())
                for (const Value& value : *entry.value.if_list()) out.steps.push_back(step(value));
            else
                wrong(entry.key_position, "there is no \"" + entry.key + "\" of this type in a scenario");
        }
        if (out.says.empty()) wrong(root.position, "says is missing: what this scenario shows");
        if (out.steps.empty()) wrong(root.position, "there are no steps");
        return out;
    }

private:
    // "- plan" or "- plan: --all" with expect and note beside it.
    Step step(const Value& value) {
        Step out;
        out.line = value.position.line;
        if (const std::string* word = value.if_string()) out.verb = *word;
        if (const Map* map = value.if_map())
            for (const MapEntry& entry : *map) take(entry, out);
        if (!contains(commands, out.verb) && !contains(deeds, out.verb))
            wrong(value.position, "a step is one of: " + join(commands, ", ") + ", " + join(deeds, ", "));
        if (!out.expect.empty() && (!is_command(out.verb) || !contains(results, out.expect)))
            wrong(value.position, "expect, of a command, is one of: " + join(results, ", "));
        return out;
    }

    void take(const MapEntry& entry, Step& out) {
        const std::string* text = entry.value.if_string();
        if (entry.key == "expect" && text)
            out.expect = *text;
        else if (entry.key == "note" && text)
            out.note = *text;
        else if (out.verb.empty())
            out.verb = entry.key, out.argument = entry.value;
        else
            wrong(entry.key_position, "a step has one verb; here are " + out.verb + " and " + entry.key);
    }

    void wrong(const Position& position, const std::string& what) {
        problems_.error("scenario.wrong", what).span = {file_, position, 0};
    }

    const std::string& file_;
    Diagnostics& problems_;
};

} // namespace

bool is_command(const std::string& verb) { return contains(commands, verb); }

std::string heading_of(const Step& step) {
    const Value& argument = step.argument;
    if (const std::string* text = argument.if_string())
        return step.verb == "holdfast" ? *text : step.verb + " " + *text;
    std::string heading = step.verb;
    if (!argument.is_map()) return heading;
    if (step.verb == "fail") return heading + " " + std::string(argument.text_at("call"));
    for (const MapEntry& deed : *argument.if_map()) {
        if (deed.value.is_string()) continue;
        std::vector<std::string> subjects = texts_of(&deed.value);
        if (const Map* map = deed.value.if_map())
            for (const MapEntry& entry : *map) subjects.push_back(entry.key);
        heading += (heading == step.verb ? ": " : "; ") + deed.key + " " + join(subjects, ", ");
    }
    return heading;
}

Story parse_story(const std::string& text, const std::string& file, Diagnostics& problems) {
    const std::vector<YamlDocument> documents = parse_yaml(text, file, ScalarRules::strict, problems);
    if (documents.size() != 1) {
        problems.error("scenario.wrong", file + " must hold one document");
        return {};
    }
    return Reader(file, problems).story(documents.front().tree);
}

} // namespace holdfast::scenario
