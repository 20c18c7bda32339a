#include "dns.hpp"

#include <algorithm>

#include "check.hpp"
#include "compile.hpp"

namespace holdfast::dns {

namespace {

using sdk::Json;

std::unique_ptr<Backend> make_backend(const Json& config) {
    std::unique_ptr<Backend> backend;
    unsigned count = 0;
    const auto consider = [&](const char* key, auto make) {
        if (!config.contains(key)) return;
        ++count;
        backend = make(config.at(key));
    };
    consider("rfc2136", make_rfc2136);
    consider("powerdns", make_powerdns);
    consider("zonefile", make_zonefile);
    if (count == 1) return backend;
    throw sdk::Error("dns.config",
                     count == 0 ? "the provider's config says nothing of what holds the zones"
                                : "the provider's config names more than one thing that holds the zones",
                     "set one of rfc2136, powerdns and zonefile; a provider is one of them");
}

bool has_errors(const sdk::Diagnostics& problems) {
    return std::any_of(problems.begin(), problems.end(),
                       [](const sdk::Diagnostic& why) { return why.severity == sdk::Severity::error; });
}

} // namespace

DnsProvider::DnsProvider(const sdk::Call& call, std::string_view config)
    : DnsProvider(call, sdk::parse_json(config, "dns.config")) {}

DnsProvider::DnsProvider(const sdk::Call& call, const Json& config)
    : backend_(make_backend(config)),
      leave_(config),
      options_{config.value("allowApexNs", false), Markers(config)},
      watch_options_(read_watch_options(config)) {
    target_ = backend_->target(call);
}

DnsProvider::~DnsProvider() = default;

void DnsProvider::compile(const sdk::Call&, sdk::Items documents, sdk::Results& results) {
    for (const sdk::Item& item : documents) {
        sdk::Result problems;
        const std::vector<Compiled> leaves = compile_document(item.declared(), problems.diagnostics);
        const bool is_good = !has_errors(problems.diagnostics);
        if (!problems.diagnostics.empty()) {
            problems.outcome = sdk::Outcome::failed;
            results.emit(item, problems);
        }
        for (const Compiled& leaf : is_good ? leaves : std::vector<Compiled>()) {
            const std::string identity = identity_of(leaf.key), scope = zone_text(leaf.origin);
            const std::string part = leaf.stands_alone ? "" : leaf.key.part();
            results.leaf(item, {record_set_kind, identity, scope, part, leaf.pointer, leaf.document});
        }
    }
}

// Leaves and documents as people write them alike: a leaf compiles to itself. What several of them say
// together is judged zone by zone.
void DnsProvider::validate(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    std::vector<sdk::Diagnostics> problems(items.size());
    std::vector<std::pair<std::size_t, Desired>> sets;
    std::map<Wire, std::vector<std::size_t>> zones; // places in `sets`
    for (const sdk::Item& item : items) {
        for (const Compiled& leaf : compile_document(item.declared(), problems[item.index()])) {
            sets.emplace_back(item.index(), read_leaf(std::string_view(leaf.document)));
            if (leaf.stands_alone) zones[leaf.origin].push_back(sets.size() - 1);
            if (auto why = problem_of(leaf)) problems[item.index()].push_back(*std::move(why));
        }
    }
    for (const auto& [origin, places] : zones) {
        std::vector<Declared> declared;
        for (const std::size_t at : places)
            declared.push_back(
                {sets[at].second.key, &sets[at].second.values, std::to_string(sets[at].first)});
        sdk::Diagnostics found;
        check_together(declared, origin, found);
        for (sdk::Diagnostic& why : found) {
            sdk::Diagnostics& of_item = problems[std::stoul(why.pointer)];
            why.pointer.clear();
            if (of_item.empty()) of_item.push_back(std::move(why)); // else it has said so by itself
        }
    }
    for (const sdk::Item& item : items) {
        sdk::Result result;
        result.diagnostics = std::move(problems[item.index()]);
        result.outcome = has_errors(result.diagnostics) ? sdk::Outcome::failed : sdk::Outcome::done;
        results.emit(item, result);
    }
}

std::optional<sdk::Diagnostic> DnsProvider::problem_of(const Compiled& leaf) const {
    sdk::Diagnostic why;
    const std::string pattern = leave_.claimed_by(leaf.key);
    if (!pattern.empty())
        why = problem("dns.left",
                      leaf.key.part() + " is declared, and the provider's config leaves \"" + pattern +
                          "\" to others",
                      "remove it here, or narrow the pattern");
    if (Markers::is_marker(leaf.key))
        why =
            problem("dns.marker", leaf.key.part() + " is declared, and below _holdfast only Holdfast writes",
                    "set `owner` in the provider's config to have records marked");
    try {
        backend_->check_type(leaf.key.type);
    } catch (const sdk::Error& error) {
        why = error.diagnostic();
    }
    if (why.code.empty()) return std::nullopt;
    why.pointer =
        leaf.stands_alone
            ? leaf.pointer + (why.code == "dns.left" || why.code == "dns.marker" ? "/name" : "/type")
            : leaf.pointer;
    return why;
}

void DnsProvider::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    if (items.empty()) return;
    const Wire origin = parse_zone(scope.name());
    ZoneData& zone = last_[std::string(scope.name())];
    zone = {};
    zone = backend_->read(scope, origin);
    results.scope_version(zone.version);
    ZoneData::Sets::const_iterator near = zone.sets.begin();
    for (const sdk::Item& item : items) {
        if (!results.listening()) return;
        try {
            const Key key = key_of_identity(item.identity());
            if (const RrSet* set = zone.find_near(key, near))
                results.done(item, document_of(origin, key, *set));
            else
                results.absent(item);
        } catch (const sdk::Error& error) {
            results.failed(item, error.diagnostic());
        }
    }
}

void DnsProvider::list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) {
    if (request.kind != record_set_kind) return;
    std::vector<Wire> zones;
    if (scope.name().empty())
        zones = backend_->zones(scope);
    else
        zones.push_back(parse_zone(scope.name()));
    for (const Wire& origin : zones) {
        const ZoneData zone = backend_->read(scope, origin);
        const std::string name = zone_text(origin);
        for (const auto& [key, set] : zone.sets)
            if (!leave_.is_left(key) && !Markers::is_marker(key) &&
                options_.markers.other_owner(zone, key).empty() &&
                !results.object(record_set_kind, identity_of(key), document_of(origin, key, set), name))
                return;
    }
}

void DnsProvider::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    if (changes.empty()) return;
    const auto known = last_.find(std::string(scope.name()));
    Writer writer(*backend_, scope, options_, known == last_.end() ? nullptr : &known->second);
    writer.apply(changes, results);
    if (auto zone = writer.take_zone())
        last_[std::string(scope.name())] = *std::move(zone);
    else
        last_.erase(std::string(scope.name()));
}

void DnsProvider::watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) {
    if (!watcher_) watcher_ = std::make_unique<Watcher>(*backend_, watch_options_, scope.host());
    watcher_->watch(scope, !items.empty(), hints);
}

void DnsProvider::unwatch() { watcher_.reset(); }

std::string DnsProvider::snapshot(const sdk::Scope& scope) {
    const Wire origin = parse_zone(scope.name());
    Json sets = Json::array();
    for (const auto& [key, set] : backend_->read(scope, origin).sets)
        sets.push_back(sdk::parse_json(document_of(origin, key, set)));
    return sdk::dump_json({{"format", "dns/1"}, {"zone", scope.name()}, {"sets", std::move(sets)}});
}

// Back to what the snapshot holds, whatever happened since; names that are left to others stay as they are.
void DnsProvider::restore(const sdk::Scope& scope, std::string_view snapshot) {
    const Json saved = sdk::parse_json(snapshot, "dns.snapshot");
    const Wire origin = parse_zone(scope.name());
    const ZoneData live = backend_->read_to_write(scope, origin);
    std::map<Key, RrSet> then;
    for (const Json& document : saved.at("sets")) {
        const Desired set = read_leaf(document);
        then[set.key] = {set.ttl.value_or(default_ttl), set.values};
    }
    std::map<Key, Change> changes;
    for (const auto& [key, set] : then) changes[key] = {key, std::nullopt, set};
    for (const auto& [key, set] : live.sets) {
        Change& change = changes[key];
        change.key = key;
        change.before = set;
    }
    std::vector<Change> todo;
    for (const auto& [key, change] : changes)
        if (change.before != change.after && !(leave_.is_left(key) && key.type != type::ns))
            todo.push_back(change);
    if (todo.empty()) return;
    const Written written = backend_->write(scope, live, todo);
    if (written.end != Written::End::done) throw sdk::Error(written.why);
}

} // namespace holdfast::dns

HOLDFAST_PLUGIN(holdfast::dns::DnsProvider);
