#include "subject.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "manifest/identity.hpp"

namespace holdfast::conformance {

namespace {

Answer keep(const ItemResult& result) {
    Answer out{.item = result.item, .is_given = true, .outcome = result.outcome};
    out.kind = result.kind;
    out.identity = result.identity;
    out.scope = result.scope;
    out.part = result.part;
    out.pointer = result.pointer;
    out.document = result.document;
    out.version = result.version;
    out.private_data = result.private_data;
    out.refreshed = result.refreshed;
    out.detail = result.detail;
    out.diagnostics = result.diagnostics;
    return out;
}

std::string first_of(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics)
        if (diagnostic.severity == Severity::error)
            return fmt::format("{}: {}", diagnostic.code, diagnostic.message);
    return {};
}

std::vector<Item> borrow(const std::vector<Ask>& asks) {
    std::vector<Item> items;
    items.reserve(asks.size());
    for (const Ask& ask : asks)
        items.push_back({.action = ask.action,
                         .kind = ask.kind,
                         .identity = ask.identity,
                         .declared = ask.declared,
                         .recorded = ask.recorded,
                         .observed = ask.observed,
                         .version = ask.version,
                         .private_data = ask.private_data,
                         .refresh = {},
                         .after = ask.after,
                         .wants_health = ask.wants_health});
    return items;
}

} // namespace

std::string Answer::in_words() const {
    if (!is_given) return "nothing";
    const std::string why = first_of(diagnostics);
    return why.empty() ? std::string(to_string(outcome)) : fmt::format("{} ({})", to_string(outcome), why);
}

std::string Answers::why() const {
    if (end.ok) return {};
    const std::string why = first_of(end.why);
    return why.empty() ? "the call failed, and nobody says why" : why;
}

bool Answers::says(std::string_view code) const {
    return std::any_of(end.why.begin(), end.why.end(),
                       [&](const Diagnostic& diagnostic) { return diagnostic.code == code; });
}

Answers Instance::ask(Method method, const std::string& scope, const std::vector<Ask>& asks,
                      const AskOptions& options) {
    const std::vector<Item> items = borrow(asks);
    Answers out;
    out.items.resize(asks.size());
    const bool has_many = method == Method::list || method == Method::compile;
    std::size_t answered = 0;
    Call call{.method = method, .scope = scope, .items = items, .deadline = options.deadline};
    call.options = options.options;
    call.stop = options.stop;
    if (method == Method::apply) call.scope_version = scope_versions_[scope];
    const auto started = std::chrono::steady_clock::now();
    out.end = provider_->call(call, [&](const ItemResult& result) {
        if (result.item == no_item)
            out.call = keep(result);
        else if (result.item == scope_item)
            out.scope = keep(result);
        else if (has_many)
            out.objects.push_back(keep(result));
        else if (result.item < asks.size())
            out.items[result.item] = keep(result);
        if (result.item < scope_item && options.on_answer) options.on_answer(++answered);
    });
    out.took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started);
    const bool tells_version = method == Method::apply || method == Method::observe;
    if (tells_version && !out.scope.version.empty()) scope_versions_[scope] = out.scope.version;
    const std::string_view name = to_string(method);
    for (std::size_t i = 0; i < out.items.size(); ++i) subject_.search(name, out.items[i], asks[i].kind);
    for (const Answer& answer : out.objects) subject_.search(name, answer, answer.kind);
    subject_.search(name, out.call, {});
    subject_.search(name, out.scope, {});
    subject_.search_diagnostics(name, out.end.why);
    return out;
}

Subject::Subject(const SubjectOptions& options) : options_(options) {
    HostOptions host;
    host.search_path = {options.folder};
    host.worker = options.worker;
    host.blob_directory = options.blob_directory;
    host.call_timeout = options.call_timeout;
    host.cancel_grace = options.stop_timeout;
    host.log = [this](std::string_view, int, std::string_view message) {
        log_.with([&](std::vector<std::string>& lines) { lines.emplace_back(message); });
    };
    host_ = std::make_unique<PluginHost>(std::move(host));
}

Result<std::shared_ptr<const Description>> Subject::describe() {
    return host_->describe(options_.plugin, options_.isolation);
}

Result<std::unique_ptr<Instance>> Subject::open(const std::string& name, const std::string& config) {
    auto provider = host_->open(
        {.name = name, .plugin = options_.plugin, .config = config, .isolation = options_.isolation});
    if (!provider) {
        Diagnostics why;
        why.add(provider.error());
        search_diagnostics("open", why);
        return provider.error();
    }
    if (secrets_.holds_secret((*provider)->target()))
        leaked("the target id that open returned",
               "make it from what identifies the target, not from a login");
    return std::make_unique<Instance>(*this, std::move(*provider));
}

std::vector<Leak> Subject::leaks() const {
    std::vector<Leak> out = leaks_;
    log_.with([&](const std::vector<std::string>& lines) {
        const bool is_in_log = std::any_of(
            lines.begin(), lines.end(), [&](const std::string& line) { return secrets_.holds_secret(line); });
        if (is_in_log) out.push_back({"the log", "never log a document, a request or a config as it is"});
    });
    return out;
}

bool Subject::has_logged(std::string_view text) const {
    return log_.with([&](const std::vector<std::string>& lines) {
        return std::any_of(lines.begin(), lines.end(),
                           [&](const std::string& line) { return line.find(text) != std::string::npos; });
    });
}

std::string Subject::last_words() const {
    return log_.with([](const std::vector<std::string>& lines) {
        return lines.empty() ? std::string() : fmt::format("; its log ends with: {}", lines.back());
    });
}

void Subject::leaked(std::string where, std::string advice) {
    const bool is_known =
        std::any_of(leaks_.begin(), leaks_.end(), [&](const Leak& leak) { return leak.where == where; });
    if (!is_known) leaks_.push_back({std::move(where), std::move(advice)});
}

void Subject::search(std::string_view method, const Answer& answer, std::string_view kind) {
    if (!answer.is_given) return;
    search_document(method, answer, kind);
    search_diagnostics(method, answer.diagnostics);
    const std::pair<std::string_view, const std::string*> others[] = {{"version", &answer.version},
                                                                      {"private data", &answer.private_data},
                                                                      {"detail", &answer.detail},
                                                                      {"identity", &answer.identity},
                                                                      {"scope", &answer.scope}};
    for (const auto& [name, text] : others)
        if (secrets_.holds_secret(*text))
            leaked(fmt::format("the {} that {} returned", name, method),
                   "the engine keeps it in its store: keep a hash of the secret there, or nothing");
}

void Subject::search_document(std::string_view method, const Answer& answer, std::string_view kind_id) {
    if (answer.document.empty() || !description_ || !secrets_.holds_secret(answer.document)) return;
    Result<Value> document = parse_json(answer.document);
    if (!document) return;
    for (const KindInfo& kind : description_->kinds)
        if (kind.id() == kind_id)
            for (const std::string& pattern : kind.sensitive)
                for (const std::string& pointer : expand_pointer(*document, pattern))
                    erase_at(*document, pointer);
    if (secrets_.holds_secret(to_json(*document)))
        leaked(fmt::format("the document that {} returned", method),
               "leave it out there, or name its place in \"sensitive\" of the kind");
}

void Subject::search_diagnostics(std::string_view method, const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics)
        for (const std::string* text : {&diagnostic.message, &diagnostic.hint, &diagnostic.pointer})
            if (secrets_.holds_secret(*text))
                leaked(fmt::format("a diagnostic of {}, {}", method, diagnostic.code),
                       "say which field it is about, not what it holds");
}

} // namespace holdfast::conformance
