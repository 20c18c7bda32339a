#include "watcher.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "steering.hpp"

namespace holdfast::kubernetes {

namespace {

using std::chrono::milliseconds;

// The server ends a watch after this time, which is nothing to worry about.
constexpr int watch_seconds = 290;
constexpr milliseconds longest_pause{30'000};
constexpr const char* only_metadata =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

// The last to write, as far as the server tells.
struct Writer {
    std::string manager;
    std::int64_t at_ns = 0;
};
Writer last_writer(const Json& object) {
    Writer writer;
    std::string latest;
    const Json* entries = sdk::find(object, "/metadata/managedFields");
    for (const Json& entry : entries && entries->is_array() ? *entries : Json::array()) {
        const std::string time = sdk::text_at(entry, "/time");
        if (time < latest) continue;
        latest = time;
        writer.manager = sdk::text_at(entry, "/manager");
    }
    std::tm parts{};
    if (strptime(latest.c_str(), "%Y-%m-%dT%H:%M:%S", &parts))
        writer.at_ns = static_cast<std::int64_t>(timegm(&parts)) * 1'000'000'000;
    return writer;
}

} // namespace

// One watch. A list, of one object, says from which version on. After a 410, which says that the server no
// longer remembers that version, it begins anew: where the server offers a streaming list (KEP-3157), with
// the versions of all objects, so that only what has changed is told; else everything may have changed.
class Watcher::Stream {
public:
    Stream(const Cluster& cluster, sdk::Host host, sdk::Hints hints, ResourceKind resource,
           std::string name_space)
        : cluster_(cluster),
          host_(host),
          hints_(hints),
          resource_(std::move(resource)),
          name_space_(std::move(name_space)) {}
    ~Stream() {
        is_stopped_ = true;
        if (thread_.joinable()) thread_.join();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    void start(const sdk::Call& call) {
        version_ = list_version(call);
        thread_ = std::thread([this] { run(); });
    }

    void set(const std::string& scope, const std::vector<const Interest*>& interests) {
        const std::lock_guard lock(mutex_);
        std::erase_if(wanted_, [&](const auto& entry) { return entry.second.scope == scope; });
        for (const Interest* one : interests)
            wanted_[{one->target.name_space, one->target.name}] = {scope, one->kind, one->identity};
    }
    bool is_idle() {
        const std::lock_guard lock(mutex_);
        return wanted_.empty();
    }

private:
    struct Wanted {
        std::string scope, kind, identity;
        std::size_t seen = 0;    // hash of the metadata that was hinted last
        std::size_t version = 0; // of the resourceVersion that was told last; 0: none was
    };

    static int cancelled(const holdfast_call* call) {
        return static_cast<Stream*>(call->context)->is_stopped_;
    }

    // A call of our own, for as long as the watch runs.
    holdfast_call own_call() {
        holdfast_call call{};
        call.size = sizeof call;
        call.item_size = sizeof(holdfast_item);
        call.host = host_.raw();
        call.context = this;
        call.cancelled = &Stream::cancelled;
        return call;
    }

    std::string list_version(const sdk::Call& call) const {
        Request request;
        request.path = resource_.path(name_space_);
        request.query = "limit=1";
        request.accept = only_metadata_list;
        const Reply reply = cluster_.client().send(call, request);
        if (!reply.ok()) throw sdk::Error(explain(reply, "the watch of " + resource_.plural));
        return sdk::text_at(reply.said(), "/metadata/resourceVersion");
    }

    void run() {
        const holdfast_call raw = own_call();
        const sdk::Call call(&raw);
        milliseconds wait{500};
        std::minstd_rand random(std::random_device{}());
        while (!is_stopped_) {
            const bool went_well = follow(call);
            if (is_stopped_) return;
            if (went_well) wait = milliseconds(500);
            if (is_outdated_ && !begin_anew(call)) is_outdated_ = true;
            if (went_well && !is_outdated_) continue;
            // Half of it is jitter, so that all watches do not come back at once.
            if (!pause(call, wait / 2 + wait * (random() % 100) / 200)) return;
            wait = std::min(wait * 2, longest_pause);
        }
    }

    bool begin_anew(const sdk::Call& call) {
        try {
            if (!offers_lists_ || !take_snapshot(call)) {
                version_ = list_version(call);
                hint_everything();
            }
            is_outdated_ = false;
            return true;
        } catch (const sdk::Error& error) {
            host_.warning(error.what());
            return false;
        }
    }

    // A streaming list up to its end, which a bookmark marks. False where the server has none, or breaks off.
    bool take_snapshot(const sdk::Call& call) {
        std::map<std::pair<std::string, std::string>, Json> listed; // of what we want
        std::string version;
        const Reply reply =
            watch_lines(call, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=60",
                        std::chrono::seconds(90), [&](const Json& event, const Json& object) {
                            if (sdk::text_at(event, "/type") == "ERROR") return false;
                            if (sdk::text_at(event, "/type") != "BOOKMARK") {
                                const std::lock_guard lock(mutex_);
                                const auto name = name_of(object);
                                if (wanted_.count(name) != 0) listed[name] = object;
                                return true;
                            }
                            if (annotation_of(object, "k8s.io/initial-events-end") != "true") return true;
                            version = sdk::text_at(object, "/metadata/resourceVersion");
                            return false; // the watch from here on is the next request
                        });
        // It refuses, as servers before 1.27 do, or takes it for an ordinary watch.
        const bool is_busy = reply.status == 429 || reply.status == 410 || reply.status >= 500;
        if (version.empty() && reply.status != 0 && !is_busy) offers_lists_ = false;
        if (version.empty()) return false;
        version_ = version;
        compare(listed);
        return true;
    }

    // Tells what differs from what was told last. Of what nothing was told yet anything may have changed.
    void compare(const std::map<std::pair<std::string, std::string>, Json>& listed) {
        std::set<std::string> unknown;
        std::vector<std::pair<Json, bool>> changed; // and whether it is gone
        {
            const std::lock_guard lock(mutex_);
            for (auto& [name, wanted] : wanted_) {
                const auto found = listed.find(name);
                const bool is_gone = found == listed.end();
                const std::size_t now = is_gone ? absent_version : version_hash(found->second);
                const std::size_t before = std::exchange(wanted.version, now);
                if (before == 0)
                    unknown.insert(wanted.scope);
                else if (before != now)
                    changed.emplace_back(is_gone ? stub_of(name) : found->second, is_gone);
            }
        }
        for (const std::string& scope : unknown) hints_.scope(scope);
        for (const auto& [object, is_gone] : changed) hint(object, is_gone);
    }
    static Json stub_of(const std::pair<std::string, std::string>& name) {
        return {{"metadata", {{"namespace", name.first}, {"name", name.second}}}};
    }

    // Events of a watch, one a line, until `take` gives false.
    template <typename Take>
    Reply watch_lines(const sdk::Call& call, const std::string& query, milliseconds timeout, Take take) {
        Request request;
        request.path = resource_.path(name_space_);
        request.query = "watch=true&allowWatchBookmarks=true&" + query;
        request.accept = only_metadata;
        request.timeout = timeout;
        std::string line;
        request.on_body = [&](std::string_view chunk) {
            for (std::size_t end; (end = chunk.find('\n')) != chunk.npos; chunk.remove_prefix(end + 1)) {
                line += chunk.substr(0, end);
                const Json event = Json::parse(line, nullptr, false);
                line.clear();
                const Json* object = event.is_object() ? sdk::find(event, "/object") : nullptr;
                if (object && !take(event, *object)) return false;
            }
            line += chunk;
            return !is_stopped_.load();
        };
        request.on_again = [&] { line.clear(); };
        return cluster_.client().send(call, request);
    }

    // True where the server had something to say, be it that its time is over.
    bool follow(const sdk::Call& call) {
        if (is_outdated_) return false;
        const Reply reply = watch_lines(
            call, "timeoutSeconds=" + std::to_string(watch_seconds) + "&resourceVersion=" + escaped(version_),
            std::chrono::seconds(watch_seconds + 30),
            [&](const Json& event, const Json& object) { return take(event, object); });
        if (reply.status == 410) is_outdated_ = true;
        if (!reply.ok() && reply.status != 0 && reply.status != 410)
            host_.warning("the watch of " + resource_.plural + " was refused with status " +
                          std::to_string(reply.status));
        return reply.ok();
    }

    // One event. False: the watch is over.
    bool take(const Json& event, const Json& object) {
        const std::string type = sdk::text_at(event, "/type");
        if (type == "ERROR") {
            is_outdated_ = true; // 410; any other error is met by beginning anew as well
            return false;
        }
        version_ = sdk::text_at(object, "/metadata/resourceVersion", version_);
        if (type != "BOOKMARK") hint(object, type == "DELETED");
        return true;
    }

    static std::pair<std::string, std::string> name_of(const Json& object) {
        return {sdk::text_at(object, "/metadata/namespace"), sdk::text_at(object, "/metadata/name")};
    }
    static constexpr std::size_t absent_version = 1;
    static std::size_t version_hash(const Json& object) {
        const std::size_t hash = std::hash<std::string>()(sdk::text_at(object, "/metadata/resourceVersion"));
        return hash <= absent_version ? hash + 2 : hash;
    }

    // Status alone changes neither the generation nor labels and annotations. Of what runs once it is the
    // status that counts: a hook that has ended is to be seen to.
    std::size_t hash_of(const Json& object) const {
        if (runs_once({resource_.api_version, resource_.kind})) return 0;
        Json metadata = object.value("metadata", Json::object());
        if (metadata.value("generation", 0) == 0) return 0; // a kind that does not count: every event counts
        for (const char* key : {"resourceVersion", "managedFields"}) metadata.erase(key);
        return std::hash<std::string>()(metadata.dump());
    }

    void hint(const Json& object, bool is_gone) {
        Wanted wanted;
        {
            const std::lock_guard lock(mutex_);
            const auto found = wanted_.find(name_of(object));
            if (found == wanted_.end()) return;
            found->second.version = is_gone ? absent_version : version_hash(object);
            const std::size_t hash = is_gone ? 0 : hash_of(object);
            const bool is_known = hash != 0 && hash == found->second.seen;
            found->second.seen = hash;
            if (is_known) return;
            wanted = found->second;
        }
        const Writer writer = last_writer(object);
        holdfast_hint raw = sdk::Hints::blank(HOLDFAST_HINT_ITEM);
        raw.scope = sdk::bytes(wanted.scope);
        raw.kind = sdk::bytes(wanted.kind);
        raw.identity = sdk::bytes(wanted.identity);
        raw.actor = sdk::bytes(writer.manager);
        raw.at_ns = writer.at_ns;
        hints_.send(raw);
    }

    void hint_everything() {
        std::set<std::string> scopes;
        {
            const std::lock_guard lock(mutex_);
            for (const auto& [name, wanted] : wanted_) scopes.insert(wanted.scope);
        }
        for (const std::string& scope : scopes) hints_.scope(scope);
    }

    const Cluster& cluster_;
    sdk::Host host_;
    sdk::Hints hints_;
    const ResourceKind resource_;
    const std::string name_space_;
    std::string version_; // of `start`, then of the thread
    bool is_outdated_ = false;
    bool offers_lists_ = true; // until the server refuses one
    std::atomic<bool> is_stopped_{false};
    std::mutex mutex_;
    std::map<std::pair<std::string, std::string>, Wanted> wanted_;
    std::thread thread_;
};

Watcher::Watcher(const Cluster& cluster, sdk::Host host, sdk::Hints hints)
    : cluster_(cluster), host_(host), hints_(hints) {}

Watcher::~Watcher() = default;

void Watcher::watch(const sdk::Call& call, const std::string& scope, const std::vector<Interest>& interests) {
    // Of all namespaces at once where we may: there are fewer kinds than namespaces.
    std::map<std::string, std::vector<const Interest*>> by_stream;
    for (const Interest& one : interests) {
        const std::string all = one.target.resource.path("");
        const std::string own = one.target.resource.path(one.target.name_space);
        std::string path = streams_.count(all) != 0 ? all : own;
        if (streams_.count(path) == 0) {
            try {
                begin(call, one.target.resource, "");
                path = all;
            } catch (const sdk::Error& error) {
                if (error.diagnostic().code != "kubernetes.forbidden" || own == all) throw;
                begin(call, one.target.resource, one.target.name_space);
                path = own;
            }
        }
        by_stream[path].push_back(&one);
    }
    for (auto& [path, stream] : streams_) stream->set(scope, by_stream[path]);
    std::erase_if(streams_, [](const auto& entry) { return entry.second->is_idle(); });
}

void Watcher::begin(const sdk::Call& call, const ResourceKind& resource, const std::string& name_space) {
    auto stream = std::make_unique<Stream>(cluster_, host_, hints_, resource, name_space);
    stream->start(call);
    streams_[resource.path(name_space)] = std::move(stream);
}

} // namespace holdfast::kubernetes
