#include "reconcile/observe.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/locked.hpp"
#include "execute/step.hpp"

namespace holdfast {

namespace {

// The questions in runs that go to one scope of one provider.
template <typename Question, typename ProviderOf, typename ScopeOf>
std::vector<std::vector<Question*>> by_scope(std::span<Question> questions, ProviderOf provider_of,
                                             ScopeOf scope_of) {
    std::vector<Question*> order;
    order.reserve(questions.size());
    for (Question& question : questions) order.push_back(&question);
    auto before = [&](Question* a, Question* b) {
        return std::forward_as_tuple(provider_of(*a), scope_of(*a)) <
               std::forward_as_tuple(provider_of(*b), scope_of(*b));
    };
    if (!std::is_sorted(order.begin(), order.end(), before))
        std::stable_sort(order.begin(), order.end(), before);
    std::vector<std::vector<Question*>> runs;
    for (Question* question : order) {
        if (runs.empty() || before(runs.back().front(), question)) runs.emplace_back();
        runs.back().push_back(question);
    }
    return runs;
}

void fail(Observed& observed, const Diagnostic& why) {
    observed.presence = Presence::failed;
    observed.diagnostics.add(why);
}

void take(Probe& probe, const ItemResult& result, const Hash& rules, std::string_view masking_key) {
    Observed& observed = *probe.observed;
    observed.diagnostics.append(result.diagnostics);
    if (result.outcome == Outcome::absent) {
        observed.presence = Presence::absent;
        return;
    }
    if (result.outcome != Outcome::done || result.document.empty()) {
        observed.presence = Presence::failed;
        if (!result.diagnostics.has_errors())
            observed.diagnostics.error("provider.no-document", "the plugin gave no document and no reason");
        return;
    }
    observed.presence = Presence::present;
    observed.raw_hash = sha256(result.document);
    observed.version = result.version;
    observed.private_data = result.private_data;
    observed.refreshed = result.refreshed;
    observed.is_settled =
        probe.leaf && probe.entry && has_memo_of(*probe.entry, *probe.leaf) &&
        probe.entry->settled == settle_hash(*probe.leaf, rules, observed.raw_hash, masking_key);
    if (!observed.is_settled || probe.keep_document) observed.document = result.document;
}

// The ids of kinds, which the items of a call only borrow: each is put together once.
class KindIds {
public:
    std::string_view of(std::string_view api_version, std::string_view kind) {
        const bool is_last = last_.size() == api_version.size() + 1 + kind.size() &&
                             last_.starts_with(api_version) && last_.ends_with(kind) &&
                             last_[api_version.size()] == '/';
        if (!is_last) last_ = *ids_.insert(fmt::format("{}/{}", api_version, kind)).first;
        return last_;
    }

private:
    std::set<std::string> ids_;
    std::string_view last_;
};

// All scopes of one provider, on one thread.
class Observer {
public:
    Observer(Provider& provider, std::string_view masking_key, std::atomic<std::size_t>& done,
             std::stop_token stop)
        : provider_(provider), masking_key_(masking_key), done_(done), stop_(std::move(stop)) {}

    void observe(const std::vector<Probe*>& probes) {
        KindIds kinds;
        std::vector<Item> items(probes.size());
        for (std::size_t i = 0; i < probes.size(); ++i) {
            items[i] = {.kind = kinds.of(probes[i]->api_version(), probes[i]->kind()),
                        .identity = probes[i]->identity()};
            if (const LedgerEntry* entry = probes[i]->entry)
                items[i].version = entry->version, items[i].private_data = entry->private_data;
        }
        const Call call{
            .method = Method::observe, .scope = probes.front()->scope(), .items = items, .stop = stop_};
        const CallEnd end = provider_.call(call, [&](const ItemResult& result) {
            if (result.item == scope_item && !result.version.empty())
                versions[{provider_.name(), probes.front()->scope()}] = result.version;
            if (result.item >= probes.size()) return;
            ++done_;
            // Whoever was told to stop has no use for the same reason 100,000 times.
            const bool is_cut_short = result.outcome == Outcome::failed && stop_.stop_requested();
            if (is_cut_short && std::exchange(has_told_of_stop_, true))
                probes[result.item]->observed->presence = Presence::failed;
            else
                take(*probes[result.item], result, provider_.rules_hash(), masking_key_);
        });
        for (Probe* probe : probes)
            if (probe->observed->presence == Presence::unread)
                fail(*probe->observed, end.why.empty()
                                           ? failure("provider.no-answer", "the plugin did not answer")
                                           : end.why.list().front());
    }

    ScopeVersions versions;

private:
    Provider& provider_;
    std::string_view masking_key_;
    std::atomic<std::size_t>& done_;
    std::stop_token stop_;
    bool has_told_of_stop_ = false;
};

} // namespace

ScopeVersions observe(Session& session, std::span<Probe> probes, const Progress& progress,
                      std::stop_token stop) {
    auto runs = by_scope(
        probes, [](const Probe& p) -> const std::string& { return p.provider(); },
        [](const Probe& p) -> const std::string& { return p.scope(); });
    const std::string masking_key = session.store().masking_key();
    std::atomic<std::size_t> done = 0;

    // Providers are opened on this thread, then each works through its scopes on its own.
    std::map<std::string, std::vector<std::vector<Probe*>*>> by_provider;
    for (auto& run : runs) by_provider[run.front()->provider()].push_back(&run);
    std::vector<std::pair<Provider*, std::vector<std::vector<Probe*>*>>> work;
    for (auto& [name, scopes] : by_provider) {
        Result<Provider*> provider = session.provider(name);
        if (provider)
            work.emplace_back(*provider, std::move(scopes));
        else
            for (auto* scope : scopes)
                for (Probe* probe : *scope) fail(*probe->observed, provider.error());
    }
    Locked<ScopeVersions> versions;
    auto run_one = [&](Provider& provider, const std::vector<std::vector<Probe*>*>& scopes) {
        Observer observer(provider, masking_key, done, stop);
        for (auto* scope : scopes) observer.observe(*scope);
        versions.with([&](ScopeVersions& all) { all.merge(observer.versions); });
    };
    if (progress) progress("observing", 0, probes.size());
    if (work.size() == 1)
        run_one(*work.front().first, work.front().second);
    else { // the threads are joined at the end of this block
        std::vector<std::jthread> threads;
        for (auto& [provider, scopes] : work)
            threads.emplace_back(
                [&run_one, provider = provider, scopes = &scopes] { run_one(*provider, *scopes); });
    }
    if (progress) progress("observing", done, probes.size());
    return versions.with([](ScopeVersions& all) { return std::move(all); });
}

namespace {

std::vector<std::string> texts_at(const Value& of, std::string_view key) {
    std::vector<std::string> out;
    const Value* list = of.find(key);
    for (const Value& text : list && list->is_list() ? *list->if_list() : List{})
        if (text.is_string()) out.push_back(*text.if_string());
    return out;
}

void take_canonical(const Leaf& leaf, Canonical& canonical, Diagnostics& invalid, const ItemResult& result) {
    if (result.diagnostics.has_errors() || result.outcome == Outcome::failed) {
        invalid.append(result.diagnostics);
        return;
    }
    Result<Value> detail = result.detail.empty() ? Result<Value>(Value{}) : parse_json(result.detail);
    const bool is_as_declared =
        result.outcome == Outcome::unchanged ||
        (result.outcome == Outcome::done && result.detail.empty() && result.document == leaf.declared.json);
    if (is_as_declared) { // with secrets the plain document is compared, as it is where the plugin changed it
        if (leaf.masked.empty()) return;
        canonical.document = leaf.declared;
        canonical.state = Canonical::State::done;
        return;
    }
    if (result.outcome == Outcome::not_yet) {
        canonical.state = Canonical::State::not_yet;
        if (detail) canonical.reason = detail->text_at("reason");
        return;
    }
    if (detail) {
        canonical.refresh = detail->text_at("refresh");
        const Value* due = detail->find("due");
        canonical.is_refresh_due = due && due->if_bool() && *due->if_bool();
    }
    if (result.outcome == Outcome::absent) {
        canonical.state = Canonical::State::absent;
        return;
    }
    Result<Value> tree = parse_json(result.document);
    if (!tree) {
        invalid.add(tree.error());
        return;
    }
    canonical.document = make_document(*tree);
    canonical.state = Canonical::State::done;
    if (detail) {
        canonical.removes = texts_at(*detail, "removes");
        canonical.notes = texts_at(*detail, "notes");
    }
    if (result.outcome != Outcome::must_replace) return;
    canonical.state = Canonical::State::must_replace;
    if (!detail) return;
    canonical.paths = texts_at(*detail, "paths");
    canonical.asks = detail->text_at("asks");
}

} // namespace

namespace {

const std::vector<std::string>& write_only_of(const Provider& provider, const Leaf& leaf) {
    static const std::vector<std::string> none;
    const KindInfo* kind = provider.description().find(leaf.api_version, leaf.kind_name());
    return kind ? kind->write_only : none;
}

// One call about some leaves of one scope. What the call as a whole complains of counts against each of them.
void ask(Provider& provider, Method method, std::span<CanonicalProbe*> probes, std::stop_token stop,
         const std::function<void(CanonicalProbe&, const ItemResult&)>& take) {
    if (probes.empty()) return;
    KindIds kinds;
    std::vector<Item> items(probes.size());
    std::deque<std::string> declared; // of which items borrow
    for (std::size_t i = 0; i < probes.size(); ++i) {
        const CanonicalProbe& probe = *probes[i];
        items[i] = {.kind = kinds.of(probe.leaf->api_version, probe.leaf->kind_name()),
                    .identity = probe.leaf->identity,
                    .declared = probe.leaf->declared.json};
        // As an update sends it: an ignored field is nobody's quarrel.
        if (method == Method::canonicalize && !probe.leaf->policy.ignore.empty() && probe.observed &&
            !probe.observed->document.empty())
            items[i].declared = declared.emplace_back(
                with_ignored_as_observed(probe.leaf->declared.json, probe.observed->document,
                                         probe.leaf->policy.ignore, write_only_of(provider, *probe.leaf)));
        if (probe.entry)
            items[i].recorded =
                probe.entry->declared.empty() ? probe.leaf->recordable().json : probe.entry->declared,
            items[i].private_data = probe.entry->private_data;
        if (probe.observed)
            items[i].observed = probe.observed->document, items[i].version = probe.observed->version;
    }
    const Call call{.method = method, .scope = probes.front()->leaf->scope, .items = items, .stop = stop};
    const CallEnd end = provider.call(call, [&](const ItemResult& result) {
        if (result.item < probes.size()) take(*probes[result.item], result);
    });
    for (const Diagnostic& problem : end.why)
        for (CanonicalProbe* probe : probes)
            if (probe->invalid->empty())
                probe->invalid->add(problem).context.push_back(fmt::format("calling {}", to_string(method)));
}

} // namespace

void canonicalize(Session& session, std::span<CanonicalProbe> probes, std::stop_token stop) {
    auto runs = by_scope(
        probes, [](const CanonicalProbe& p) -> const std::string& { return p.leaf->provider; },
        [](const CanonicalProbe& p) -> const std::string& { return p.leaf->scope; });
    for (auto& run : runs) {
        Result<Provider*> provider = session.provider(run.front()->leaf->provider);
        if (!provider) continue; // its leaves are Presence::failed already
        std::vector<CanonicalProbe*> unknown;
        for (CanonicalProbe* probe : run)
            if (!probe->is_valid) unknown.push_back(probe);
        ask(**provider, Method::validate, unknown, stop, [](CanonicalProbe& probe, const ItemResult& result) {
            probe.invalid->append(result.diagnostics);
        });
        std::erase_if(run, [](const CanonicalProbe* p) { return !p->canonical || p->invalid->has_errors(); });
        if (!(*provider)->description().has("holdfast.canonicalize/1")) continue;
        ask(**provider, Method::canonicalize, run, stop, [](CanonicalProbe& probe, const ItemResult& result) {
            take_canonical(*probe.leaf, *probe.canonical, *probe.invalid, result);
        });
    }
}

namespace {

// Everything of one kind, page by page.
CallEnd list_kind(Provider& provider, const std::string& scope, const std::string& kind,
                  const OnResult& on_object, std::stop_token stop) {
    std::string page;
    for (;;) {
        const std::string options = to_json(Value::map({{"kind", kind}, {"page", page}}));
        page.clear();
        CallEnd end =
            provider.call({.method = Method::list, .scope = scope, .options = options, .stop = stop},
                          [&](const ItemResult& result) {
                              if (result.item != no_item) return on_object(result);
                              if (Result<Value> detail = parse_json(result.detail))
                                  page = detail->text_at("next");
                          });
        if (!end.ok || page.empty()) return end;
    }
}

} // namespace

Result<std::vector<ForeignObject>> list_foreign(Session& session, const std::string& name,
                                                const std::string& scope,
                                                const std::function<bool(const TargetObject&)>& is_known,
                                                std::stop_token stop) {
    Result<Provider*> provider = session.provider(name);
    if (!provider) return provider.error();
    std::vector<ForeignObject> foreign;
    for (const KindInfo& kind : (*provider)->description().kinds) {
        if (kind.compiles && kind.identity.empty()) continue; // no leaf is of this kind
        const std::string group = split_api_version(kind.api_version).group;
        const CallEnd end = list_kind(
            **provider, scope, kind.id(),
            [&](const ItemResult& result) {
                if (!scope.empty() && result.scope != scope) return;
                TargetObject object{(*provider)->target(), std::string(result.scope), group + "/" + kind.kind,
                                    std::string(result.identity)};
                if (!is_known(object))
                    foreign.push_back(
                        {name, kind.api_version, std::move(object), std::string(result.document)});
            },
            stop);
        if (!end.ok)
            return end.why.empty() ? failure("provider.list", "the list failed") : end.why.list().front();
    }
    return foreign;
}

} // namespace holdfast
