#include "silences.hpp"

#include <algorithm>
#include <chrono>

#include <holdfast/sha256.hpp>

#include "alerts.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr const char* mark_begin = " [holdfast:";
constexpr const char* mark_until = " until ";

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

struct Mark {
    std::string comment, name, until;
};
// Of "text [holdfast:NAME until TIME]"; nothing where the comment has no such end.
std::optional<Mark> mark_in(const std::string& comment) {
    const std::size_t begin = comment.rfind(mark_begin);
    if (begin == std::string::npos || comment.back() != ']') return std::nullopt;
    const std::size_t name = begin + std::string_view(mark_begin).size(),
                      until = comment.find(mark_until, name);
    if (until == std::string::npos) return std::nullopt;
    const std::size_t time = until + std::string_view(mark_until).size();
    return Mark{comment.substr(0, begin), comment.substr(name, until - name),
                comment.substr(time, comment.size() - 1 - time)};
}

std::string whole_seconds(const std::string& time) {
    const auto ms = parse_time(time);
    return ms ? print_time(*ms) : time;
}

Json matchers_of_api(const Json& silence) {
    Json out = Json::array();
    for (const Json& one : silence.value("matchers", Json::array()))
        out.push_back(print_matcher({one.value("name", ""), one.value("value", ""),
                                     one.value("isRegex", false), one.value("isEqual", true)}));
    std::sort(out.begin(), out.end());
    return out;
}

Json matchers_for_api(const Json& matchers) {
    Json out = Json::array();
    for (const Json& text : matchers)
        if (const auto matcher = parse_matcher(text.get<std::string>()))
            out.push_back({{"name", matcher->name},
                           {"value", matcher->value},
                           {"isRegex", matcher->is_regex},
                           {"isEqual", matcher->is_equal}});
    return out;
}

std::string silence_name(const Key& key) { return sdk::parse_json(key.identity).get<std::string>(); }

} // namespace

Silences::Silence Silences::silence_of(const Json& answer) {
    Silence out;
    out.id = answer.value("id", "");
    out.state = sdk::text_at(answer, "/status/state");
    out.version = out.id + " " + answer.value("updatedAt", "") + " " + out.state;
    out.spec = {{"matchers", matchers_of_api(answer)},
                {"comment", answer.value("comment", "")},
                {"createdBy", answer.value("createdBy", "")},
                {"startsAt", whole_seconds(answer.value("startsAt", ""))},
                {"endsAt", whole_seconds(answer.value("endsAt", ""))}};
    const auto mark = mark_in(answer.value("comment", ""));
    if (!mark) return out;
    out.spec["name"] = mark->name;
    out.spec["comment"] = mark->comment;
    out.until = mark->until;
    return out;
}

// Of several of one name the one that is in force counts, else the one that ended last, if it ended by
// itself.
Silences::ByName Silences::read(const sdk::Call& call) const {
    ByName out;
    for (const Json& one : server_.json(call, "GET", "/api/v2/silences")) {
        Silence silence = silence_of(one);
        const bool is_over = silence.state == "expired";
        if (!silence.spec.contains("name")) continue;                     // somebody else's
        if (is_over && silence.spec["endsAt"] != silence.until) continue; // somebody, or we, ended it
        const std::string name = silence.spec["name"];
        const auto known = out.find(name);
        if (known == out.end() || (known->second.state == "expired" &&
                                   (!is_over || known->second.spec["endsAt"] < silence.spec["endsAt"])))
            out.insert_or_assign(name, std::move(silence));
    }
    return out;
}

std::string Silences::document(const Silence& silence) {
    Json out = document_of("Silence", silence.spec);
    out["status"] = {{"id", silence.id}, {"state", silence.state}};
    return sdk::dump_json(out);
}

// A start that has passed is rewritten by Alertmanager to when it was told, and means nothing any more.
Json Silences::canonical(const Json& declared, const Json& observed) {
    Json out = declared;
    out["matchers"] = canonical_matchers(declared);
    out["endsAt"] = whole_seconds(declared.value("endsAt", ""));
    if (!out.contains("createdBy")) out["createdBy"] = "holdfast";
    if (!out.contains("comment")) out["comment"] = "";
    const auto starts = parse_time(declared.value("startsAt", ""));
    if (starts && *starts > now_ms())
        out["startsAt"] = print_time(*starts);
    else if (observed.is_object() && observed.contains("startsAt"))
        out["startsAt"] = observed["startsAt"];
    else
        out.erase("startsAt");
    return out;
}

void Silences::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    const ByName there = read(scope);
    for (const sdk::Item& item : items) {
        const auto found = there.find(silence_name(key_of(item)));
        if (found == there.end())
            results.absent(item);
        else
            results.done(item, document(found->second), found->second.version);
    }
}

// Foreign ones are left out: without a name of ours nobody could declare them.
void Silences::list(const sdk::Call& call, const std::string& kind, sdk::Results& results) {
    for (const auto& [name, silence] : read(call))
        if (!results.object(kind_id(kind), Json(name).dump(), document(silence), scope(), silence.version))
            return;
}

void Silences::canonicalize(const sdk::Scope&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        Json out = sdk::parse_json(item.declared(), "monitoring.document");
        out["spec"] = canonical(out.at("spec"), spec_in(item.observed()));
        results.done(item, sdk::dump_json(out));
    }
}

void Silences::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    ByName there;
    try {
        there = read(scope);
    } catch (const sdk::Error& error) { // nothing was touched
        for (const sdk::Change& change : changes) results.failed(change, error.diagnostic());
        return;
    }
    for (const sdk::Change& change : changes) {
        if (!results.listening() || scope.should_stop()) return;
        try {
            results.emit(change, apply_one(scope, change, there));
        } catch (const sdk::Error& error) {
            results.failed(change, error.diagnostic());
        }
    }
}

sdk::Result Silences::apply_one(const sdk::Scope& scope, const sdk::Change& change,
                                const ByName& there) const {
    const Key key = key_of(change);
    const std::string name = silence_name(key);
    const auto found = there.find(name);
    const Silence* const old = found == there.end() ? nullptr : &found->second;
    const bool is_in_force = old && old->state != "expired";
    const bool is_as_observed = change.version().empty() || (old && change.version() == old->version);
    if (change.action() == sdk::Action::remove) {
        if (!is_in_force) return sdk::Result::unchanged({});
        if (!is_as_observed) throw sdk::Error(conflict(key));
        return sent([&] {
            server_.json(scope, "DELETE", "/api/v2/silence/" + percent_encoded(old->id));
            return sdk::Result::done({});
        });
    }
    const Json observed = old ? old->spec : Json();
    const Json wanted = canonical(spec_in(change.declared()), observed);
    if (old && is_within(wanted, old->spec)) return sdk::Result::unchanged(document(*old), old->version);
    if (old && (!is_as_observed || change.action() == sdk::Action::create)) throw sdk::Error(conflict(key));
    if (parse_time(wanted.value("endsAt", "")).value_or(0) <= now_ms())
        throw sdk::Error(
            {"monitoring.silence-over",
             shown(key) + " ended at " + wanted.value("endsAt", "") + " and is not there any more",
             "remove its document, or give it a later end", "/spec/endsAt"});
    Json body{{"matchers", matchers_for_api(wanted["matchers"])},
              {"createdBy", wanted["createdBy"]},
              {"comment", wanted.value("comment", "") + mark_begin + name + mark_until +
                              wanted.value("endsAt", "") + "]"},
              {"startsAt", wanted.value("startsAt", print_time(now_ms()))},
              {"endsAt", wanted["endsAt"]}};
    if (is_in_force) body["id"] = old->id; // other matchers make it another one, and end this
    return sent([&] {
        const std::string id = server_.json(scope, "POST", "/api/v2/silences", body).value("silenceID", "");
        const Silence made = silence_of(server_.json(scope, "GET", "/api/v2/silence/" + percent_encoded(id)));
        return sdk::Result::done(document(made), made.version);
    });
}

std::string Silences::mark(const sdk::Call& call) const {
    return sdk::sha256_hex(sdk::dump_json(server_.json(call, "GET", "/api/v2/silences")));
}

} // namespace holdfast::monitoring
