#include "routing.hpp"

#include <algorithm>
#include <fstream>

#include <sys/socket.h>
#include <sys/utsname.h>

#include "checkpoint.hpp"
#include "writer.hpp"

namespace holdfast::routing {

namespace {

using sdk::Json;

// The machine's identity, which outlives its name; the namespace as it is called, since it is made anew at
// each boot. A namespace without a name is the machine's.
std::string machine_identity() {
    for (const char* path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
        std::ifstream file(path);
        std::string id;
        if (std::getline(file, id) && !id.empty()) return id;
    }
    utsname names{};
    uname(&names);
    return names.nodename;
}

bool has_errors(const sdk::Diagnostics& problems) {
    return std::any_of(problems.begin(), problems.end(),
                       [](const sdk::Diagnostic& why) { return why.severity == sdk::Severity::error; });
}

sdk::Error unknown_kind(std::string_view kind) {
    return sdk::Error("routing.unknown-kind", "this plugin has no kind " + std::string(kind),
                      "write Route, RouteSet, Rule, NexthopGroup, Link, BirdConfig or FrrConfig");
}

std::string kind_in(const Json& document) {
    return std::string(api_version) + "/" + sdk::text_at(document, "/kind");
}

} // namespace

RoutingProvider::RoutingProvider(const sdk::Call&, std::string_view config)
    : settings_(read_settings(config)), kernel_(std::make_unique<Kernel>(settings_)) {
    target_ = "routing:" + machine_identity() + (settings_.netns.empty() ? "" : ":" + settings_.netns);
    if (settings_.bird) bird_ = make_bird(*settings_.bird);
    if (settings_.frr) frr_ = make_frr(*settings_.frr);
}

RoutingProvider::~RoutingProvider() = default;

Kernel& RoutingProvider::kernel() {
    if (kernel_->refresh() && watcher_) watcher_->listen_again(*kernel_);
    return *kernel_;
}

RoutingDaemon* RoutingProvider::daemon_of(std::string_view name) const {
    const std::string_view kind = name.substr(name.rfind('/') + 1);
    return kind == "BirdConfig" ? bird_.get() : kind == "FrrConfig" ? frr_.get() : nullptr;
}

RoutingDaemon& RoutingProvider::demand_daemon(std::string_view name) const {
    if (RoutingDaemon* const found = daemon_of(name)) return *found;
    const bool is_bird = name.find("Bird") != std::string_view::npos;
    throw sdk::Error(
        "routing.config",
        std::string("the provider's config does not say where ") + (is_bird ? "BIRD" : "FRR") + " is",
        is_bird ? "add bird: {config: /etc/bird/bird.conf}" : "add frr: {config: /etc/frr/frr.conf}");
}

// ---- documents ----

RoutingProvider::Canonical RoutingProvider::canonical_of(std::string_view declared, std::string_view kind,
                                                         std::string_view observed) const {
    Canonical out;
    sdk::Diagnostics ignored;
    const Json document = sdk::parse_json(declared, "routing.document");
    const Json seen = observed.empty() ? Json() : sdk::parse_json(observed, "routing.document");
    if (kind == route_kind) {
        Route route = read_route(document, settings_.tables, out.problems);
        const Route live = seen.is_null() ? Route{} : read_route(seen, settings_.tables, ignored);
        settle_devices(route.hops, live.hops);
        append_document(out.document, route, settings_.tables, &live);
        out.identity = identity_of(route.key, settings_.tables);
    } else if (kind == set_kind) {
        RouteSet set = read_route_set(document, settings_, out.problems);
        const RouteSet live = seen.is_null() ? RouteSet{} : read_route_set(seen, settings_, ignored);
        settle_devices(set.way.hops, live.way.hops);
        set.strays.clear();
        append_document(out.document, set, settings_.tables, &live);
        out.identity = out.scope = identity_of(set.key, settings_.tables);
    } else if (kind == rule_kind) {
        const Rule rule = read_rule(document, settings_.tables, out.problems);
        const Rule live = seen.is_null() ? Rule{} : read_rule(seen, settings_.tables, ignored);
        append_document(out.document, rule, settings_.tables, &live);
        out.identity = identity_of(rule.key);
    } else if (kind == group_kind) {
        const Group group = read_group(document, out.problems);
        append_document(out.document, group);
        out.identity = std::to_string(group.id);
    } else if (kind == link_kind) {
        const DesiredLink link = read_link(document, out.problems);
        if (link.asks_for_changes() && !settings_.manages_links)
            out.problems.push_back(
                {"routing.link-observed",
                 "this provider only looks at links, and " + link.name + " is to be changed",
                 "set manageLinks: true in the provider's config if nothing else manages them, or remove "
                 "what is "
                 "declared beside the name",
                 "/spec"});
        append_document(out.document, link);
        out.identity = sdk::quote(link.name);
    } else {
        throw unknown_kind(kind);
    }
    return out;
}

// A document is its own leaf, spelled canonically: so two that mean the same object are found to.
void RoutingProvider::compile(const sdk::Call&, sdk::Items documents, sdk::Results& results) {
    for (const sdk::Item& item : documents) {
        const std::string kind = item.kind().empty()
                                     ? kind_in(sdk::parse_json(item.declared(), "routing.document"))
                                     : std::string(item.kind());
        Canonical leaf = canonical_of(item.declared(), kind, {});
        if (!leaf.problems.empty()) {
            sdk::Result problems;
            problems.outcome = has_errors(leaf.problems) ? sdk::Outcome::failed : sdk::Outcome::done;
            problems.diagnostics = std::move(leaf.problems);
            results.emit(item, problems);
            if (problems.outcome == sdk::Outcome::failed) continue;
        }
        results.leaf(item, {kind, leaf.identity, leaf.scope, "", "", leaf.document});
        if (leaf.problems.empty()) remember_compiled(kind, leaf.document);
    }
}

namespace {

std::size_t mark_of(std::string_view kind, std::string_view document) {
    const std::hash<std::string_view> hash;
    return hash(document) ^ hash(kind) * 0x9E3779B97F4A7C15U;
}

} // namespace

void RoutingProvider::remember_compiled(std::string_view kind, std::string_view document) {
    constexpr std::size_t most = 1'000'000;
    if (compiled_.size() >= most) compiled_.clear();
    compiled_.insert(mark_of(kind, document));
}

// What compile() has made is without problems and canonical. A leaf goes through here once to be validated
// and once to be compared, and to read its document again and again would be most of the plugin's work.
bool RoutingProvider::is_compiled(const sdk::Item& item) const {
    return compiled_.contains(mark_of(item.kind(), item.declared()));
}

void RoutingProvider::validate(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        sdk::Result result;
        try {
            if (item.kind() == bird_kind || item.kind() == frr_kind)
                demand_daemon(item.kind());
            else if (!is_compiled(item))
                result.diagnostics = canonical_of(item.declared(), item.kind(), {}).problems;
        } catch (const sdk::Error& error) {
            result.diagnostics.push_back(error.diagnostic());
        }
        result.outcome = has_errors(result.diagnostics) ? sdk::Outcome::failed : sdk::Outcome::done;
        results.emit(item, result);
    }
}

void RoutingProvider::canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        if (!results.listening()) return;
        try {
            if (RoutingDaemon* const daemon = daemon_of(item.kind())) {
                results.done(item, daemon->canonical(scope, item));
                continue;
            }
            if (item.declared() == item.observed() || (item.observed().empty() && is_compiled(item))) {
                results.as_declared(item);
                continue;
            }
            const Canonical canonical = canonical_of(item.declared(), item.kind(), item.observed());
            if (canonical.document == item.declared())
                results.as_declared(item);
            else
                results.done(item, canonical.document);
        } catch (const sdk::Error& error) {
            results.failed(item, error.diagnostic());
        }
    }
}

// ---- what there is ----

Wanted RoutingProvider::wanted_for(sdk::Items items) const {
    Wanted out;
    for (const sdk::Item& item : items) {
        const std::string_view kind = item.kind();
        if (kind == route_kind) {
            const RouteKey key = route_key_of(item.identity(), settings_.tables);
            out.table(key.table, key.to.address.family);
        } else if (kind == rule_kind) {
            out.rules = true;
        } else if (kind == group_kind) {
            out.nexthops = true;
        } else if (kind == link_kind) {
            out.addresses = true;
        } else {
            throw unknown_kind(kind);
        }
    }
    return out;
}

std::optional<std::string> RoutingProvider::live_document(const Picture& picture,
                                                          const sdk::Item& item) const {
    std::string out;
    std::uint8_t protocol = settings_.protocol;
    if (item.kind() == route_kind) {
        const Route* const route =
            picture.routes.visible(route_key_of(item.identity(), settings_.tables), settings_);
        if (!route) return std::nullopt;
        protocol = route->protocol;
        append_document(out, *route, settings_.tables);
    } else if (item.kind() == rule_kind) {
        const auto rules = picture.visible(rule_key_of(item.identity()), settings_);
        if (rules.empty()) return std::nullopt;
        protocol = rules.front()->protocol;
        append_document(out, *rules.front(), settings_.tables);
    } else if (item.kind() == group_kind) {
        const auto group = picture.group(group_id_of(item.identity()), settings_);
        if (!group) return std::nullopt;
        protocol = group->protocol;
        append_document(out, *group);
    } else {
        const Link* const link = picture.link(link_name_of(item.identity()));
        if (!link) return std::nullopt;
        append_document(out, *link);
        return out;
    }
    if (protocol != settings_.protocol) append_protocol(out, protocol);
    return out;
}

void RoutingProvider::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    if (items.empty()) return;
    if (const auto set = set_of(scope.name())) return observe_set(*set, items, results);
    if (!scope.name().empty()) {
        RoutingDaemon& daemon = demand_daemon(scope.name());
        for (const sdk::Item& item : items)
            if (const auto document = daemon.observe(scope))
                results.done(item, *document, version_of(*document));
            else
                results.absent(item);
        return;
    }
    const Picture picture = kernel().read(wanted_for(items));
    for (const sdk::Item& item : items) {
        if (!results.listening()) return;
        if (const auto document = live_document(picture, item))
            results.done(item, *document, version_of(*document));
        else
            results.absent(item);
    }
}

std::optional<RouteSetKey> RoutingProvider::set_of(std::string_view scope) const {
    if (scope.substr(0, 1) != "[") return std::nullopt;
    return route_set_key_of(scope, settings_.tables);
}

void RoutingProvider::observe_set(const RouteSetKey& key, sdk::Items items, sdk::Results& results) {
    const auto document = RouteSets(kernel(), settings_).observe(key);
    for (const sdk::Item& item : items)
        if (document)
            results.done(item, *document, version_of(*document));
        else
            results.absent(item);
}

void RoutingProvider::list_sets(const sdk::Scope& scope, sdk::Results& results) {
    for (const RouteSet& set : RouteSets(kernel(), settings_).all()) {
        const std::string identity = identity_of(set.key, settings_.tables);
        if (!scope.name().empty() && scope.name() != identity) continue;
        std::string document;
        append_document(document, set, settings_.tables);
        if (!results.object(std::string(set_kind), identity, document, identity, version_of(document)))
            return;
    }
}

void RoutingProvider::list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) {
    if (request.kind == set_kind) return list_sets(scope, results);
    RoutingDaemon* const daemon = daemon_of(request.kind);
    if (daemon && (scope.name().empty() || daemon == daemon_of(scope.name()))) {
        if (const auto document = daemon->observe(scope))
            results.object(request.kind, daemon->identity(), *document,
                           request.kind.substr(request.kind.rfind('/') + 1), version_of(*document));
        return;
    }
    if (scope.name().empty() && !daemon) list_kernel(scope, request.kind, results);
}

// Links are nobody's to make or remove, so that there is nothing to import and no orphan among them.
void RoutingProvider::list_kernel(const sdk::Scope&, const std::string& kind, sdk::Results& results) {
    Wanted wanted;
    wanted.rules = kind == rule_kind;
    wanted.nexthops = kind == group_kind;
    if (kind == route_kind)
        for (const auto& [table, name] : settings_.tables.owned())
            for (unsigned family : {AF_INET, AF_INET6}) wanted.table(table, family);
    const Picture picture = kernel().read(wanted);
    const auto tell = [&](std::string document, std::uint8_t protocol, const std::string& identity) {
        if (protocol != settings_.protocol) append_protocol(document, protocol);
        return results.object(kind, identity, document, "", version_of(document));
    };
    std::string document;
    for (const Route& route : picture.routes.all()) {
        if (picture.routes.visible(route.key, settings_) != &route) continue;
        document.clear();
        append_document(document, route, settings_.tables);
        if (!tell(document, route.protocol, identity_of(route.key, settings_.tables))) return;
    }
    for (const Rule& rule : picture.rules) {
        const auto visible = picture.visible(rule.key, settings_);
        if (visible.empty() || visible.front() != &rule) continue;
        document.clear();
        append_document(document, rule, settings_.tables);
        if (!tell(document, rule.protocol, identity_of(rule.key))) return;
    }
    for (const auto& [id, object] : picture.nexthops)
        if (const auto group = picture.group(id, settings_)) {
            document.clear();
            append_document(document, *group);
            if (!tell(document, group->protocol, std::to_string(id))) return;
        }
}

void RoutingProvider::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    if (changes.empty()) return;
    if (scope.name().empty()) return KernelWriter(kernel(), settings_, scope, results).apply(changes);
    const bool is_set = set_of(scope.name()).has_value();
    for (const sdk::Change& change : changes) {
        if (scope.should_stop()) return;
        try {
            const auto result = is_set ? RouteSets(kernel(), settings_).apply(scope, change)
                                       : demand_daemon(scope.name()).apply(scope, change);
            if (result) results.emit(change, *result);
        } catch (const sdk::Error& error) {
            results.failed(change, error.diagnostic());
        }
    }
}

// ---- watching, and back ----

void RoutingProvider::watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) {
    const std::string name(scope.name());
    const bool is_set = set_of(name).has_value();
    if (!name.empty() && !is_set) {
        file_watchers_.erase(name);
        if (!items.empty())
            file_watchers_[name] = std::make_unique<FileWatcher>(demand_daemon(name).file(),
                                                                 [hints, name] { hints.scope(name); });
        return;
    }
    std::unordered_set<std::string> identities;
    for (const sdk::Item& item : items)
        identities.insert(std::string(item.kind()) + " " + std::string(item.identity()));
    Kernel& now = kernel();
    if (!watcher_) watcher_ = std::make_unique<Watcher>(now, settings_, scope.host());
    if (is_set)
        watcher_->watch_set(name, !identities.empty(), hints);
    else
        watcher_->watch(std::move(identities), hints);
}

void RoutingProvider::unwatch() {
    watcher_.reset();
    file_watchers_.clear();
}

std::string RoutingProvider::snapshot(const sdk::Scope& scope) {
    if (scope.name().empty()) return take_snapshot(kernel(), settings_);
    if (const auto set = set_of(scope.name())) return RouteSets(kernel(), settings_).snapshot(*set);
    return demand_daemon(scope.name()).snapshot(scope);
}

void RoutingProvider::restore(const sdk::Scope& scope, std::string_view snapshot) {
    if (scope.name().empty()) return restore_snapshot(kernel(), settings_, snapshot);
    if (const auto set = set_of(scope.name())) return RouteSets(kernel(), settings_).restore(*set, snapshot);
    demand_daemon(scope.name()).restore(scope, snapshot);
}

} // namespace holdfast::routing

HOLDFAST_PLUGIN(holdfast::routing::RoutingProvider);
