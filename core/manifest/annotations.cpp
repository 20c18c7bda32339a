#include "manifest/annotations.hpp"

#include <charconv>
#include <functional>
#include <map>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

namespace {

constexpr std::string_view prefix = "holdfast.dev/";

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t from = 0; (from = text.find_first_not_of(" ,\t\r\n", from)) != text.npos;) {
        const std::size_t to = std::min(text.find_first_of(" ,\t\r\n", from), text.size());
        words.emplace_back(text.substr(from, to - from));
        from = to;
    }
    return words;
}

// Each reader returns what it expected instead, or nothing where all is well.
using Complaint = std::optional<std::string>;
using Reader = std::function<Complaint(std::string_view text, Steering& steering)>;

template <typename T>
Reader one_of(std::optional<T> Steering::*member, std::map<std::string, T, std::less<>> words) {
    return [member, words = std::move(words)](std::string_view text, Steering& steering) -> Complaint {
        if (auto it = words.find(text); it != words.end()) {
            steering.*member = it->second;
            return std::nullopt;
        }
        std::string expected;
        for (const auto& [word, value] : words) expected += (expected.empty() ? "" : " or ") + word;
        return expected;
    };
}

Reader flag(std::optional<bool> Steering::*member) {
    return one_of<bool>(member, {{"true", true}, {"false", false}});
}

Reader ids(std::vector<Address> Steering::*member) {
    return [member](std::string_view text, Steering& steering) -> Complaint {
        for (const std::string& word : words_of(text)) {
            Result<Address> address = parse_address(word);
            if (!address || (!address->stack.empty() && !is_name(address->stack)))
                return fmt::format("ids such as host.holdfast.dev/File/motd, or stack:id; \"{}\" is neither",
                                   word);
            (steering.*member).push_back(*std::move(address));
        }
        if ((steering.*member).empty()) return "at least one id";
        return std::nullopt;
    };
}

Complaint read_provider(std::string_view text, Steering& steering) {
    if (!is_name(text)) return "the name of a provider";
    steering.provider = text;
    return std::nullopt;
}

Complaint read_wave(std::string_view text, Steering& steering) {
    std::int32_t wave = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), wave);
    if (error != std::errc{} || end != text.data() + text.size()) return "an integer";
    steering.wave = wave;
    return std::nullopt;
}

Complaint read_ignore(std::string_view text, Steering& steering) {
    for (std::string& word : words_of(text)) {
        if (!word.starts_with('/'))
            return fmt::format("JSON pointers such as /spec/mode; \"{}\" is none", word);
        steering.ignore.push_back(std::move(word));
    }
    if (steering.ignore.empty()) return "at least one JSON pointer";
    return std::nullopt;
}

const std::map<std::string, Reader, std::less<>>& readers() {
    static const std::map<std::string, Reader, std::less<>> all{
        {"provider", read_provider},
        {"protect", flag(&Steering::protect)},
        {"observe", flag(&Steering::observe_only)},
        {"deletion",
         one_of<Deletion>(&Steering::deletion, {{"delete", Deletion::remove}, {"orphan", Deletion::orphan}})},
        {"adopt",
         one_of<Adopt>(&Steering::adopt,
                       {{"equal", Adopt::equal}, {"always", Adopt::always}, {"never", Adopt::never}})},
        {"drift", one_of<DriftPolicy>(&Steering::drift, {{"correct", DriftPolicy::correct},
                                                         {"report", DriftPolicy::report},
                                                         {"ignore", DriftPolicy::ignore}})},
        {"replace", one_of<ReplaceOrder>(&Steering::replace, {{"delete-first", ReplaceOrder::delete_first},
                                                              {"create-first", ReplaceOrder::create_first}})},
        {"wave", read_wave},
        {"ignore", read_ignore},
        {"depends-on", ids(&Steering::depends_on)},
        {"moved-from", ids(&Steering::moved_from)},
        {"refresh-on", ids(&Steering::refresh_on)},
    };
    return all;
}

void read_annotation(const MapEntry& entry, Steering& steering, const SourceText& source,
                     Diagnostics& problems) {
    const std::string_view name = std::string_view(entry.key).substr(prefix.size());
    const auto reader = readers().find(name);
    if (reader == readers().end()) {
        std::vector<std::string> known;
        for (const auto& [word, unused] : readers()) known.push_back(word);
        const auto near = closest(name, known);
        source.error(
            problems, "manifest.unknown-annotation", fmt::format("unknown annotation \"{}\"", entry.key),
            entry.key_position, entry.key.size(),
            near ? fmt::format("did you mean \"{}{}\"?", prefix, *near) : "known: " + join(known, ", "));
        return;
    }
    const std::string* text = entry.value.if_string();
    if (!text) {
        source.error(problems, "manifest.bad-annotation",
                     fmt::format("the annotation \"{}\" must be text, but is a {}", entry.key,
                                 entry.value.type_name()),
                     entry.value.position, 0, "put it into quotes");
        return;
    }
    if (const Complaint expected = reader->second(*text, steering))
        source.error(problems, "manifest.bad-annotation",
                     fmt::format("the annotation \"{}\" has the value \"{}\"", entry.key, *text),
                     entry.value.position, text->size(), "expected " + *expected);
}

} // namespace

Policy Steering::policy(const Policy& defaults) const {
    Policy out = defaults;
    out.protect = protect.value_or(defaults.protect);
    out.observe_only = observe_only.value_or(defaults.observe_only);
    out.deletion = deletion.value_or(defaults.deletion);
    out.adopt = adopt.value_or(defaults.adopt);
    out.drift = drift.value_or(defaults.drift);
    out.replace = replace.value_or(defaults.replace);
    out.wave = wave.value_or(defaults.wave);
    out.ignore.insert(out.ignore.end(), ignore.begin(), ignore.end());
    return out;
}

Steering take_steering(Value& document, const SourceText& source, Diagnostics& problems) {
    Steering steering;
    Value* metadata = find_at(document, "/metadata");
    Map* members = metadata ? metadata->if_map() : nullptr;
    Value* annotations = members ? members->find("annotations") : nullptr;
    if (!annotations || annotations->is_null()) return steering;
    Map* map = annotations->if_map();
    if (!map) {
        source.error(problems, "manifest.bad-annotation", "metadata.annotations must be a map",
                     annotations->position);
        return steering;
    }
    std::vector<std::string> taken;
    for (const MapEntry& entry : *map) {
        if (!entry.key.starts_with(prefix)) continue;
        read_annotation(entry, steering, source, problems);
        taken.push_back(entry.key);
    }
    for (const std::string& key : taken) map->erase(key);
    if (map->empty()) members->erase("annotations");
    return steering;
}

} // namespace holdfast
