#include "host.hpp"

#include <cerrno>

#include <holdfast/json.hpp>

#include "document.hpp"
#include "errors.hpp"
#include "live.hpp"
#include "path.hpp"
#include "walk.hpp"
#include "watcher.hpp"
#include "writer.hpp"

namespace holdfast::host {

namespace {

constexpr std::size_t max_page_objects = 1000;
constexpr std::size_t max_page_bytes = 4U << 20;

Type type_of(const sdk::Item& item) {
    const Type type = type_of_kind(item.kind());
    if (type == Type::none)
        throw sdk::Error("host.unknown-kind", "this plugin has no kind " + std::string(item.kind()),
                         "write File, Directory or Symlink of host.holdfast.dev/v1alpha1");
    return type;
}

// Runs `body` for each item, and turns its errors into the item's result.
template <typename Body>
void for_each_item(const sdk::Call& call, sdk::Items items, sdk::Results& results, Body body) {
    for (const sdk::Item& item : items) {
        if (!results.listening() || call.should_stop()) return;
        try {
            body(item, type_of(item));
        } catch (const sdk::Error& error) {
            results.failed(item, error.diagnostic());
        }
    }
}

} // namespace

HostProvider::Config HostProvider::read_config(std::string_view text) {
    const sdk::Json json = sdk::parse_json(text, "host.config");
    Config config;
    config.root = sdk::text_at(json, "/root");
    if (config.root.empty() || config.root.front() != '/')
        throw sdk::Error("host.config",
                         "the provider's config names no absolute root: \"" + config.root + "\"",
                         "write root: /some/directory");
    if (const sdk::Json* allow = sdk::find(json, "/allowOwnerChange"))
        config.may_change_owner = allow->is_boolean() ? allow->get<bool>() : true;
    return config;
}

HostProvider::HostProvider(const sdk::Call&, std::string_view config) : HostProvider(read_config(config)) {}
HostProvider::HostProvider(Config config) : config_(std::move(config)), root_(config_.root) {}
HostProvider::~HostProvider() = default;

void HostProvider::begin() {
    root_.check_still_there();
    root_.forget();
    names_.forget();
}

void HostProvider::validate(const sdk::Call& call, sdk::Items items, sdk::Results& results) {
    for_each_item(call, items, results, [&](const sdk::Item& item, Type type) {
        sdk::Result result;
        result.diagnostics = problems_of(type, sdk::parse_json(item.declared(), "host.document"));
        result.outcome = result.diagnostics.empty() ? sdk::Outcome::done : sdk::Outcome::failed;
        results.emit(item, result);
    });
}

void HostProvider::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    begin();
    for_each_item(scope, items, results, [&](const sdk::Item& item, Type) { observe_item(item, results); });
    root_.forget();
}

void HostProvider::observe_item(const sdk::Item& item, sdk::Results& results) {
    const Type type = type_of_kind(item.kind());
    const std::string path = path_of_identity(item.identity());
    int error = 0;
    const auto directory = root_.directory(parent_of(path), OpenFor::reading, error);
    if (!directory && (error == ENOENT || error == ENOTDIR)) {
        results.absent(item);
        return;
    }
    if (!directory) throw sdk::Error(parent_diagnostic(error, path));
    Live live;
    error = look(*directory, std::string(name_of(path)), type, live);
    if (error != 0) throw_system(error, "read", path);
    if (live.type == type) {
        document_.clear();
        append_document(document_, live, path, names_);
        results.done(item, document_, version_of(live));
        return;
    }
    sdk::Result absent = sdk::Result::absent();
    if (live.type != Type::none) {
        sdk::Diagnostic note;
        note.code = "host.wrong-type";
        note.severity = sdk::Severity::warning;
        note.message = "at " + path + " stands " + noun_of(live.type) + ", not " + noun_of(type);
        note.hint = "remove or rename it by hand, if it is not needed; this plugin never does";
        absent.diagnostics.push_back(note);
    }
    results.emit(item, absent);
}

void HostProvider::list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) {
    begin();
    const Type type = type_of_kind(request.kind);
    if (type == Type::none) throw sdk::Error("host.unknown-kind", "this plugin has no kind " + request.kind);
    std::size_t objects = 0, bytes = 0;
    std::string last;
    bool is_whole = true;
    const Visit visit = [&](const std::string& path, const Live& live) {
        if (objects >= max_page_objects || bytes >= max_page_bytes || !results.listening() ||
            scope.should_stop())
            return is_whole = false;
        document_.clear();
        append_document(document_, live, path, names_);
        results.object(request.kind, sdk::quote(path), document_, {}, version_of(live));
        ++objects;
        bytes += document_.size();
        last = path;
        return true;
    };
    walk(root_, type, request.page, visit, [&](const std::string& path) {
        scope.host().warning("left out of the list, since its name is not UTF-8: " + sdk::quote(path));
    });
    if (!is_whole) results.next_page(last.empty() ? request.page : last);
}

void HostProvider::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    begin();
    Writer(root_, names_, scope, results, {.may_change_owner = config_.may_change_owner}).apply(changes);
    root_.forget();
}

void HostProvider::canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    names_.forget();
    for_each_item(scope, items, results, [&](const sdk::Item& item, Type type) {
        results.done(item, canonical(type, item.declared(), scope.host(), names_));
    });
}

void HostProvider::watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) {
    std::vector<Interest> interests;
    for (const sdk::Item& item : items)
        interests.push_back(
            {path_of_identity(item.identity()), std::string(item.kind()), std::string(item.identity())});
    if (!watcher_) watcher_ = std::make_unique<Watcher>(root_, scope.host());
    watcher_->watch(std::string(scope.name()), std::move(interests), hints);
}

void HostProvider::unwatch() { watcher_.reset(); }

} // namespace holdfast::host

HOLDFAST_PLUGIN(holdfast::host::HostProvider);
