#include "provider/guard.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace holdfast {

namespace {

// A plugin that answers ten thousand items wrongly says the same thing ten thousand times.
constexpr std::size_t max_complaints = 20;
constexpr JsonLimits small_json{.max_bytes = 1U << 20, .max_depth = 32};

constexpr unsigned bit(Outcome outcome) { return 1U << static_cast<unsigned>(outcome); }

unsigned allowed_outcomes(Method method) {
    constexpr unsigned done_or_failed = bit(Outcome::done) | bit(Outcome::failed);
    switch (method) {
        case Method::observe: return done_or_failed | bit(Outcome::absent);
        case Method::apply:
            return done_or_failed | bit(Outcome::unchanged) | bit(Outcome::partial) | bit(Outcome::unknown) |
                   bit(Outcome::skipped);
        case Method::upgrade: return done_or_failed | bit(Outcome::unchanged);
        case Method::canonicalize:
            return done_or_failed | bit(Outcome::unchanged) | bit(Outcome::absent) | bit(Outcome::not_yet) |
                   bit(Outcome::must_replace);
        default: return done_or_failed;
    }
}

// Whether items are numbered by the plugin (list), may have any number of answers (compile), or one each.
enum class Numbering { one_each, any_number, by_plugin, none };

Numbering numbering(Method method) {
    switch (method) {
        case Method::list: return Numbering::by_plugin;
        case Method::compile: return Numbering::any_number;
        case Method::describe:
        case Method::open:
        case Method::snapshot:
        case Method::restore: return Numbering::none;
        default: return Numbering::one_each;
    }
}

bool needs_document(Method method) {
    return method == Method::observe || method == Method::list || method == Method::compile ||
           method == Method::canonicalize || method == Method::upgrade;
}

// Not a parser: documents are read, if at all, by whoever looks inside. This catches text that was never
// meant to be a document, at no cost.
bool looks_like_object(std::string_view text) {
    const std::string_view body = trim(text);
    return body.size() >= 2 && body.front() == '{' && body.back() == '}';
}

std::optional<Severity> severity_from(std::string_view word) {
    if (word == "error") return Severity::error;
    if (word == "warning") return Severity::warning;
    if (word == "note") return Severity::note;
    return std::nullopt;
}

std::optional<Retry> retry_from(std::string_view word) {
    if (word.empty() || word == "never") return Retry::never;
    if (word == "after") return Retry::after;
    if (word == "conflict") return Retry::conflict;
    return std::nullopt;
}

std::optional<Diagnostic> read_diagnostic(const Value& value) {
    Diagnostic out;
    const auto severity = severity_from(value.text_at("severity", "error"));
    const auto retry = retry_from(value.text_at("retry"));
    out.code = value.text_at("code");
    out.message = value.text_at("message");
    out.hint = value.text_at("hint");
    out.pointer = value.text_at("pointer");
    const Value* wait = value.find("retryAfterMs");
    if (const std::int64_t* ms = wait ? wait->if_integer() : nullptr)
        out.retry_after = std::chrono::milliseconds(std::max<std::int64_t>(*ms, 0));
    if (!severity || !retry || out.code.empty() || out.message.empty()) return std::nullopt;
    out.severity = *severity;
    out.retry = *retry;
    return out;
}

std::string item_name(const Call& call, std::uint32_t item) {
    if (item >= call.items.size()) return fmt::format("item {}", item);
    return fmt::format("item {} ({} {})", item, call.items[item].kind, call.items[item].identity);
}

} // namespace

Guard::Guard(const GuardedCall& call, const OnResult& on_result) : subject_(call), on_result_(on_result) {
    answered_.resize(call.call.items.size());
}

Diagnostic Guard::about_call(std::string_view code, std::string_view what, std::string hint) const {
    Diagnostic out = failure(code,
                             fmt::format("plugin \"{}\" of provider \"{}\", in {}: {}", subject_.plugin,
                                         subject_.provider, subject_.operation, what),
                             std::move(hint));
    out.subject = subject_.provider;
    return out;
}

bool Guard::take(const RawResult& raw) {
    if (!is_expected(raw)) return true;
    ItemResult result;
    result.item = raw.item;
    judge(raw, result);
    if (raw.item == no_item && result.outcome == Outcome::failed) {
        call_failed_ = true;
        for (Diagnostic why : result.diagnostics) {
            why.context.push_back(fmt::format("running {} of plugin \"{}\", provider \"{}\"",
                                              subject_.operation, subject_.plugin, subject_.provider));
            end_.why.add(std::move(why));
        }
        return true;
    }
    on_result_(result);
    return true;
}

// False, with a complaint, for an answer that nobody asked for.
bool Guard::is_expected(const RawResult& raw) {
    if (raw.is_malformed && raw.item == HOLDFAST_CALL) {
        complain(about_call("plugin.bad-result", "it handed over a result whose structure makes no sense"));
        return false;
    }
    if (raw.item == no_item || raw.item == scope_item) return true;
    switch (numbering(subject_.call.method)) {
        case Numbering::by_plugin: return true;
        case Numbering::none:
            complain(
                about_call("plugin.unasked-item",
                           fmt::format("it answered item {}, but the call is not about items", raw.item)));
            return false;
        default: break;
    }
    if (raw.item >= answered_.size()) {
        complain(
            about_call("plugin.unasked-item", fmt::format("it answered item {}, but was asked about {} only",
                                                          raw.item, count_of(answered_.size(), "item"))));
        return false;
    }
    if (answered_[raw.item] && numbering(subject_.call.method) == Numbering::one_each) {
        complain(
            about_call("plugin.doubled-result", fmt::format("it answered {} twice; the first answer counts",
                                                            item_name(subject_.call, raw.item))));
        return false;
    }
    if (!answered_[raw.item]) ++answers_;
    answered_[raw.item] = true;
    return true;
}

void Guard::judge(const RawResult& raw, ItemResult& result) {
    const Method method = subject_.call.method;
    const std::string who = raw.item == no_item      ? "the call"
                            : raw.item == scope_item ? "the scope"
                                                     : std::string();
    const auto name = [&] { return who.empty() ? item_name(subject_.call, raw.item) : who; };
    if (raw.is_malformed)
        return fail_item(result,
                         about_call("plugin.bad-result",
                                    fmt::format("its result for {} holds a text without bytes", name())));
    if (raw.is_oversized)
        return fail_item(result,
                         about_call("plugin.oversized",
                                    fmt::format("its result for {} is larger than allowed", name()),
                                    "raise the limit on documents if the object really is that large"));
    const unsigned allowed =
        who.empty() ? allowed_outcomes(method) : bit(Outcome::done) | bit(Outcome::failed);
    if (raw.outcome > static_cast<unsigned>(Outcome::must_replace) || (allowed & (1U << raw.outcome)) == 0)
        return fail_item(result,
                         about_call("plugin.bad-outcome",
                                    fmt::format("it answered {} with outcome {}, which this call cannot have",
                                                name(), raw.outcome)));
    result.outcome = static_cast<Outcome>(raw.outcome);
    for (const auto& [to, from] : {std::pair{&ItemResult::document, &RawResult::document},
                                   {&ItemResult::version, &RawResult::version},
                                   {&ItemResult::private_data, &RawResult::private_data},
                                   {&ItemResult::refreshed, &RawResult::refreshed},
                                   {&ItemResult::detail, &RawResult::detail},
                                   {&ItemResult::kind, &RawResult::kind},
                                   {&ItemResult::identity, &RawResult::identity},
                                   {&ItemResult::scope, &RawResult::scope},
                                   {&ItemResult::part, &RawResult::part},
                                   {&ItemResult::pointer, &RawResult::pointer}})
        result.*to = raw.*from;
    read_diagnostics(raw.diagnostics, result);
    const bool has_answer = result.outcome == Outcome::done || result.outcome == Outcome::must_replace;
    if (who.empty() && has_answer && needs_document(method) && result.document.empty())
        return fail_item(result, about_call("plugin.bad-document",
                                            fmt::format("its answer for {} has no document", name())));
    if (!result.document.empty() && !looks_like_object(result.document))
        return fail_item(result, about_call("plugin.bad-document",
                                            fmt::format("the document of {} is no JSON object", name())));
    if (!result.detail.empty()) {
        const auto detail = parse_json(result.detail, small_json);
        if (!detail || !detail->is_map())
            return fail_item(result, about_call("plugin.bad-detail",
                                                fmt::format("the detail of {} is no JSON object", name())));
    }
    if (result.outcome == Outcome::failed && !result.diagnostics.has_errors())
        result.diagnostics.add(about_call("plugin.no-reason",
                                          fmt::format("{} failed, and it does not say why", name()),
                                          "the plugin's log may tell more"));
}

void Guard::read_diagnostics(std::string_view text, ItemResult& result) {
    if (text.empty()) return;
    const auto list = parse_json(text, small_json);
    bool is_bad = !list || !list->is_list();
    if (!is_bad)
        for (const Value& value : *list->if_list()) {
            auto diagnostic = read_diagnostic(value);
            if (diagnostic)
                result.diagnostics.add(*std::move(diagnostic));
            else
                is_bad = true;
        }
    if (!is_bad) return;
    // What it wanted to say is lost, what it did is not: the outcome stands.
    Diagnostic why = about_call("plugin.bad-diagnostics", "its diagnostics are not what the contract says");
    if (result.outcome != Outcome::failed) why.severity = Severity::warning;
    result.diagnostics.add(std::move(why));
}

// An answer that cannot be used. For apply that is not a failure: the change may well have been made.
void Guard::fail_item(ItemResult& result, Diagnostic why) {
    const std::uint32_t item = result.item;
    result = ItemResult{};
    result.item = item;
    result.outcome = item == no_item || item == scope_item ? Outcome::failed : lost_outcome();
    complain(why);
    result.diagnostics.add(std::move(why));
}

void Guard::complain(Diagnostic diagnostic) {
    end_.ok = false;
    if (++complaints_ <= max_complaints) end_.why.add(std::move(diagnostic));
}

Outcome Guard::lost_outcome() const {
    return subject_.call.method == Method::apply ? Outcome::unknown : Outcome::failed;
}

void Guard::judge_end(const ChannelEnd& end) {
    end_.instance_is_lost = end.instance_is_lost;
    if (end.why) {
        end_.ok = false;
        Diagnostic why = about_call(end.why->code, end.why->message, end.why->hint);
        why.retry = end.why->retry;
        end_.why.add(std::move(why));
        return;
    }
    switch (end.status) {
        case HOLDFAST_OK:
            if (!call_failed_) return;
            end_.ok = false;
            complain(
                about_call("plugin.bad-status", "it said that the call failed, and then that it went well"));
            return;
        case HOLDFAST_FAILED:
            end_.ok = false;
            if (!end_.why.has_errors())
                end_.why.add(about_call("plugin.no-reason", "the call failed, and it does not say why",
                                        "the plugin's log may tell more"));
            return;
        case HOLDFAST_CANCELLED: {
            end_.ok = false;
            const bool by_caller = subject_.call.stop.stop_requested();
            const bool by_deadline = std::chrono::steady_clock::now() >= subject_.call.deadline;
            Diagnostic why =
                by_caller ? about_call("plugin.cancelled", "it was told to stop, and did")
                : by_deadline
                    ? about_call("plugin.deadline", "it was not done before the deadline",
                                 "try again, or allow more time")
                    : about_call("plugin.bad-status", "it says it was cancelled, but nobody did that");
            if (by_deadline || by_caller) why.retry = Retry::after;
            end_.why.add(std::move(why));
            return;
        }
        case HOLDFAST_UNSUPPORTED:
            end_.ok = false;
            end_.why.add(about_call("provider.unsupported", "it does not have this call"));
            return;
        default:
            complain(about_call("plugin.bad-status",
                                fmt::format("it returned status {}, which does not exist", end.status)));
    }
}

void Guard::report_missing(bool claims_success) {
    const Numbering how = numbering(subject_.call.method);
    if (how != Numbering::one_each && (how != Numbering::any_number || end_.ok)) return;
    if (answers_ == answered_.size()) return;
    Diagnostic why;
    if (claims_success && how == Numbering::one_each) {
        why = about_call("plugin.missing-result",
                         fmt::format("it says that all went well, but {} of {} had no answer",
                                     answered_.size() - answers_, count_of(answered_.size(), "item")));
        complain(why);
    } else {
        const auto& reasons = end_.why.list();
        const auto error = std::find_if(reasons.begin(), reasons.end(),
                                        [](const Diagnostic& d) { return d.severity == Severity::error; });
        if (error != reasons.end()) why = *error;
    }
    for (std::size_t i = 0; i < answered_.size(); ++i) {
        if (answered_[i]) continue;
        ItemResult result;
        result.item = static_cast<std::uint32_t>(i);
        result.outcome = lost_outcome();
        result.diagnostics.add(why);
        on_result_(result);
    }
}

CallEnd Guard::finish(const ChannelEnd& end) {
    judge_end(end);
    report_missing(end.status == HOLDFAST_OK && !end.why);
    if (complaints_ > max_complaints)
        end_.why.add(about_call(
            "plugin.more", fmt::format("and {} more complaints of this kind", complaints_ - max_complaints)));
    return std::move(end_);
}

} // namespace holdfast
