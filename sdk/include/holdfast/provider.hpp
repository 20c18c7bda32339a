#pragma once
// What plugin authors write against, C++17 or later, the standard library alone: derive a class from
// `Provider`, add the mix-ins it can do (Compile, Canonicalize, Watch, Checkpoint, Health, Order, Upgrade),
// and export it with HOLDFAST_PLUGIN(TheClass). provider.h says what each call means; holdfast/json.hpp joins
// this to nlohmann-json; examples/provider-hello is a whole provider.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>

#include <holdfast/provider.h>

namespace holdfast::sdk {

inline std::string_view view(holdfast_bytes bytes) {
    return bytes.size ? std::string_view(bytes.data, bytes.size) : std::string_view();
}
inline holdfast_bytes bytes(std::string_view text) { return {text.data(), text.size()}; }

// `text` as a JSON string with its quotes. What is not UTF-8 becomes U+FFFD, so that an error message
// with a broken file name in it is still JSON.
void append_quoted(std::string& out, std::string_view text);
inline std::string quote(std::string_view text) {
    std::string out;
    append_quoted(out, text);
    return out;
}
// The string at `key` of a flat JSON object; nothing where there is none. For options, not for documents.
std::optional<std::string> text_member(std::string_view object, std::string_view key);

enum class Severity { error, warning, note };
// May the engine try again? never: not before something changed; after: yes, later; conflict: the object
// is not what was observed, so observe, plan and try again.
enum class Retry { never, after, conflict };

struct Diagnostic {
    std::string code;    // "<plugin>.what-is-wrong", stable
    std::string message; // what is wrong and where; never a secret
    std::string hint;    // what to do
    std::string pointer; // JSON pointer into the declared document
    Retry retry = Retry::never;
    std::chrono::milliseconds retry_after{0}; // with `retry`: not earlier than that
    Severity severity = Severity::error;
};
using Diagnostics = std::vector<Diagnostic>;
std::string to_json(const Diagnostics& diagnostics);

// Thrown by a provider it ends the item (apply_one) or the call, as `failed`: nothing was written.
// Anything else that is thrown while applying makes the outcome `unknown`, and the engine looks again.
class Error : public std::runtime_error {
public:
    explicit Error(Diagnostic diagnostic)
        : std::runtime_error(diagnostic.message), diagnostic_(std::move(diagnostic)) {}
    Error(std::string code, std::string message, std::string hint = {})
        : Error(make(std::move(code), std::move(message), std::move(hint))) {}
    const Diagnostic& diagnostic() const { return diagnostic_; }

private:
    static Diagnostic make(std::string code, std::string message, std::string hint) {
        Diagnostic out;
        out.code = std::move(code);
        out.message = std::move(message);
        out.hint = std::move(hint);
        return out;
    }
    Diagnostic diagnostic_;
};

enum class Action : std::uint32_t {
    none = HOLDFAST_NONE,
    create = HOLDFAST_CREATE,
    update = HOLDFAST_UPDATE,
    remove = HOLDFAST_DELETE,
    refresh = HOLDFAST_REFRESH
};

enum class Outcome : std::uint32_t {
    done = HOLDFAST_DONE,
    unchanged = HOLDFAST_UNCHANGED,
    failed = HOLDFAST_ITEM_FAILED,
    partial = HOLDFAST_PARTIAL,
    unknown = HOLDFAST_UNKNOWN,
    skipped = HOLDFAST_SKIPPED,
    absent = HOLDFAST_ABSENT,
    not_yet = HOLDFAST_NOT_YET,
    must_replace = HOLDFAST_MUST_REPLACE
};

// One leaf of a call. Everything it gives is borrowed: valid until the provider's function returns.
class Item {
public:
    // `size`: how much of it the host knows (holdfast_call::item_size).
    Item(const holdfast_item* raw, std::size_t index, std::size_t size = sizeof(holdfast_item))
        : raw_(raw), index_(index), after_count_(size >= sizeof(holdfast_item) ? raw->after_count : 0) {}
    std::size_t index() const { return index_; }
    Action action() const { return static_cast<Action>(raw_->action); }
    std::string_view kind() const { return view(raw_->kind); }         // "host.holdfast.dev/v1alpha1/File"
    std::string_view identity() const { return view(raw_->identity); } // canonical JSON
    std::string_view declared() const { return view(raw_->declared); }
    std::string_view recorded() const { return view(raw_->recorded); }
    std::string_view observed() const { return view(raw_->observed); }
    std::string_view version() const { return view(raw_->version); }
    std::string_view private_data() const { return view(raw_->private_data); }
    std::string_view refresh() const { return view(raw_->refresh); }
    // Of an ordered plugin's apply: indices of the items that come first. Results::holds_back() judges them.
    std::size_t after_count() const { return after_count_; }
    std::size_t after(std::size_t i) const { return raw_->after[i]; }
    // Others wait until it is healthy; Provider::tell_health() does what that takes.
    bool wants_health() const { return (raw_->flags & HOLDFAST_WANTS_HEALTH) != 0; }
    const holdfast_item* raw() const { return raw_; }

private:
    const holdfast_item* raw_;
    std::size_t index_;
    std::size_t after_count_;
};
using Change = Item; // in `apply`, where action() says what to do

class Items {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Item;
        using difference_type = std::ptrdiff_t;
        using pointer = const Item*;
        using reference = Item;
        iterator() = default;
        iterator(const holdfast_call* call, std::size_t index) : call_(call), index_(index) {}
        Item operator*() const { return Items(call_)[index_]; }
        iterator& operator++() { return ++index_, *this; }
        iterator operator++(int) {
            iterator before = *this;
            return ++index_, before;
        }
        bool operator==(const iterator& other) const { return index_ == other.index_; }
        bool operator!=(const iterator& other) const { return index_ != other.index_; }

    private:
        const holdfast_call* call_ = nullptr;
        std::size_t index_ = 0;
    };

    explicit Items(const holdfast_call* call) : call_(call) {}
    std::size_t size() const { return call_->item_count; }
    bool empty() const { return size() == 0; }
    Item operator[](std::size_t index) const {
        return Item(holdfast_item_at(call_, index), index, call_->item_size);
    }
    iterator begin() const { return {call_, 0}; }
    iterator end() const { return {call_, size()}; }

private:
    const holdfast_call* call_;
};

// The services of the host. May be copied and kept as long as the instance lives. [any]
class Host {
public:
    explicit Host(const holdfast_host* raw) : raw_(raw) {}

    void debug(std::string_view message) const { log(HOLDFAST_LOG_DEBUG, message); }
    void info(std::string_view message) const { log(HOLDFAST_LOG_INFO, message); }
    void warning(std::string_view message) const { log(HOLDFAST_LOG_WARNING, message); }
    void error(std::string_view message) const { log(HOLDFAST_LOG_ERROR, message); }

    // A descriptor to read the blob from, which the caller closes; -1 where there is none.
    int open_blob(std::string_view sha256_hex, std::uint64_t* size = nullptr) const {
        const holdfast_blob* blobs = extension<holdfast_blob>(HOLDFAST_EXT_BLOB);
        return blobs ? blobs->open(raw_, bytes(sha256_hex), size) : -1;
    }
    // The whole blob; nothing where there is none, it cannot be read, or it is larger than `limit`.
    std::optional<std::string> read_blob(std::string_view sha256_hex, std::size_t limit = 64U << 20) const;
    // Keeps `content`; its SHA-256 in hex, or nothing on failure.
    std::optional<std::string> put_blob(std::string_view content) const {
        const holdfast_blob* blobs = extension<holdfast_blob>(HOLDFAST_EXT_BLOB);
        std::string hex(64, '0');
        if (!blobs || !blobs->put(raw_, bytes(content), hex.data())) return std::nullopt;
        return hex;
    }

    // A host extension's table, or null where this host has none or knows less of it than we need.
    template <typename Table>
    const Table* extension(const char* id, std::size_t least_size = sizeof(Table)) const {
        if (!raw_ || !raw_->extension) return nullptr;
        const auto* table = static_cast<const Table*>(raw_->extension(raw_, id));
        return table && table->size >= least_size ? table : nullptr;
    }
    const holdfast_host* raw() const { return raw_; }

private:
    void log(holdfast_log_level level, std::string_view message) const {
        if (raw_ && raw_->log) raw_->log(raw_, level, bytes(message));
    }
    const holdfast_host* raw_;
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    std::vector<std::string> headers; // "Name: value"
    std::string body;
    std::string options; // JSON object, see holdfast_http_request; may be empty
    std::function<bool(std::string_view chunk)> on_body; // false ends the transfer; empty: collect it
};

struct HttpResponse {
    int status = 0;      // 0: no answer came, `error` says why
    std::string headers; // "name: value\r\n" lines, names in lower case
    std::string body;
    std::string error;
    std::optional<std::string> header(std::string_view lower_case_name) const;
};

// Many requests, of which some are under way at the same time. Everything is called on the thread that calls
// Call::http_all(): what takes its time in there holds up the others.
struct HttpBatch {
    std::size_t most_at_once = 0;                                        // 0: as many as the host thinks fit
    std::function<std::optional<HttpRequest>()> next;                    // nothing: there are no more
    std::function<void(std::size_t number, HttpResponse response)> take; // number: in the order of `next`
};

// One call of the engine. Valid until the provider's function returns.
class Call {
public:
    explicit Call(const holdfast_call* raw) : raw_(raw) {}

    Host host() const { return Host(raw_->host); }
    std::string_view options() const { return view(raw_->options); }

    bool cancelled() const { return raw_->cancelled && raw_->cancelled(raw_) != 0; }
    std::optional<std::chrono::steady_clock::time_point> deadline() const {
        if (raw_->deadline_ns == 0) return std::nullopt;
        return std::chrono::steady_clock::time_point(
            std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                std::chrono::nanoseconds(raw_->deadline_ns)));
    }
    // Ask this between items and before every wait; return soon once it is true.
    bool should_stop() const {
        return cancelled() || (raw_->deadline_ns != 0 && std::chrono::steady_clock::now() >= *deadline());
    }

    // Blocks until there is a whole response, the deadline has passed or the call was cancelled.
    HttpResponse http(const HttpRequest& request) const;
    // Blocks until each request has its response; they come in any order. One after the other where the host
    // is older than this. What `next` or `take` throws is thrown here, once all that was begun has ended.
    void http_all(const HttpBatch& batch) const;

    const holdfast_call* raw() const { return raw_; }

private:
    const holdfast_call* raw_;
};

// A call about one scope.
class Scope : public Call {
public:
    using Call::Call;
    std::string_view name() const { return view(raw()->scope); } // empty where a provider has only one
    std::string_view version() const { return view(raw()->scope_version); }
};

// One answer that owns its text. Results has shorter ways for the common ones.
struct Result {
    Outcome outcome = Outcome::done;
    std::string document;
    std::string version;
    std::string private_data;
    std::string refreshed;
    std::string detail; // JSON object, as the call says; apply: the health, see Provider::tell_health()
    Diagnostics diagnostics;

    static Result done(std::string document, std::string version = {}) {
        return make(Outcome::done, std::move(document), std::move(version));
    }
    static Result unchanged(std::string document, std::string version = {}) {
        return make(Outcome::unchanged, std::move(document), std::move(version));
    }
    static Result absent() { return make(Outcome::absent, {}, {}); }
    static Result failed(Diagnostic diagnostic) {
        Result out = make(Outcome::failed, {}, {});
        out.diagnostics.push_back(std::move(diagnostic));
        return out;
    }

private:
    static Result make(Outcome outcome, std::string document, std::string version) {
        Result out;
        out.outcome = outcome;
        out.document = std::move(document);
        out.version = std::move(version);
        return out;
    }
};

// What `compile` makes of a document.
struct Leaf {
    std::string_view kind;     // "dns.holdfast.dev/v1alpha1/RecordSet"
    std::string_view identity; // canonical JSON
    std::string_view scope;
    std::string_view part;    // short name inside the document, "www/A"
    std::string_view pointer; // where in the document it comes from, "/spec/records/3"
    std::string_view document;
    // Of a plugin with holdfast.compile-all/1: from then on its documents compile to something else.
    // Milliseconds since 1970; 0: never.
    std::int64_t until_ms = 0;
};

enum class HealthState { progressing, healthy, degraded, suspended };

// Takes the answers of one call and passes each on at once. False: nobody listens any more, stop. An
// item's second answer is dropped, since each has exactly one.
class Results {
public:
    Results(const holdfast_call* call, const char* plugin, bool one_per_item)
        : call_(call),
          plugin_(plugin),
          answered_(one_per_item ? call->item_count : 0, false),
          succeeded_(answered_) {}
    Results(const Results&) = delete;
    Results& operator=(const Results&) = delete;

    bool emit(const Item& item, const Result& result);
    bool done(const Item& item, std::string_view document, std::string_view version = {}) {
        return answer(item, Outcome::done, document, version);
    }
    bool unchanged(const Item& item, std::string_view document, std::string_view version = {}) {
        return answer(item, Outcome::unchanged, document, version);
    }
    bool absent(const Item& item, std::string_view version = {}) {
        return answer(item, Outcome::absent, {}, version);
    }
    bool skipped(const Item& item) { return answer(item, Outcome::skipped, {}, {}); }
    bool failed(const Item& item, Diagnostic diagnostic) {
        return emit(item, Result::failed(std::move(diagnostic)));
    }
    // canonicalize: what the target would store is what was declared
    bool as_declared(const Item& item) { return answer(item, Outcome::unchanged, {}, {}); }
    bool not_yet(const Item& item, std::string_view reason);
    bool must_replace(const Item& item, std::string_view document, const std::vector<std::string>& paths);
    // health
    bool health(const Item& item, HealthState state, std::string_view message);
    // order: `detail` is its JSON object
    bool ordered(const Item& item, std::string_view detail) {
        holdfast_result raw = blank(item.index(), Outcome::done);
        raw.detail = bytes(detail);
        return emit_raw(raw);
    }
    // compile: any number per document
    bool leaf(const Item& from, const Leaf& leaf);
    // list: one per object, and at the end, where there is more, the page to ask for next
    bool object(std::string_view kind, std::string_view identity, std::string_view document,
                std::string_view scope = {}, std::string_view version = {});
    bool next_page(std::string_view page);
    // observe: the version of the whole scope
    bool scope_version(std::string_view version);
    // About the call as a whole.
    bool about_call(const Diagnostics& diagnostics, std::string_view document = {},
                    std::string_view detail = {});

    // apply: true where an item that comes first is neither done nor unchanged, or not told to be healthy
    // where that is wanted: the item is to be skipped().
    bool holds_back(const Item& item) const;
    bool has(const Item& item) const { return item.index() < answered_.size() && answered_[item.index()]; }
    bool complete() const { return count_ >= answered_.size(); }
    bool listening() const { return listening_; }
    const char* plugin() const { return plugin_; }
    // The border to the C side, for what the above does not cover. Sets `size`.
    bool emit_raw(holdfast_result& result);

private:
    static holdfast_result blank(std::size_t item, Outcome outcome) {
        holdfast_result raw{};
        raw.item = static_cast<std::uint32_t>(item);
        raw.outcome = static_cast<std::uint32_t>(outcome);
        return raw;
    }
    bool answer(const Item& item, Outcome outcome, std::string_view document, std::string_view version) {
        holdfast_result raw = blank(item.index(), outcome);
        raw.document = bytes(document);
        raw.version = bytes(version);
        return emit_raw(raw);
    }

    const holdfast_call* call_;
    const char* plugin_;
    std::vector<bool> answered_; // empty where an item may have many answers
    std::vector<bool> succeeded_;
    std::size_t count_ = 0;
    std::uint32_t running_ = 0;
    bool listening_ = true;
};

struct ListRequest {
    std::string kind; // "host.holdfast.dev/v1alpha1/File"
    std::string page; // empty: the first; else what next_page() said
};

// One provider instance. It is made by its constructor `(const Call& call, std::string_view config)`,
// which throws Error where it cannot; the class also has
//     static constexpr const char* plugin_name = "...";     static constexpr const char* plugin_version =
//     "..."; static std::string describe();                        // JSON: docs/providers.md, "describe"
// One call at a time for an instance. Nothing that these functions throw passes the border.
class Provider {
public:
    virtual ~Provider() = default;

    // What identifies the real target for ever; never a label.
    virtual std::string target() const = 0;

    // What the schema cannot say; no network. An item without an answer is valid.
    virtual void validate(const Call&, Items, Results&) {}
    // done with document and version, or absent. What could not be read is failed, never absent.
    virtual void observe(const Scope& scope, Items items, Results& results) = 0;
    virtual void list(const Scope& scope, const ListRequest& request, Results& results) = 0;
    // Performs all changes, of mixed kinds, in the order that the target needs. Safe to repeat. It may say
    // "ordered": true in its description: then it begins nothing before what it comes after has succeeded,
    // and skips what Results::holds_back().
    virtual void apply(const Scope& scope, Items changes, Results& results);
    // For targets without transactions: override this instead, and changes come in the order given, each
    // only where those that it comes after succeeded. The description gets "ordered": true by itself, where
    // it neither says "ordered" nor "atomic": true.
    virtual Result apply_one(const Scope& scope, const Change& change);

protected:
    // To be called by an ordered provider that overrides apply(), before it emits a result: where others
    // wait for the item's health, asks its own Health for it, which saves them a call.
    void tell_health(const Scope& scope, const Change& change, Result& result);
};

class Compile {
public:
    virtual ~Compile() = default;
    virtual void compile(const Call& call, Items documents, Results& results) = 0;
};

class Canonicalize {
public:
    virtual ~Canonicalize() = default;
    virtual void canonicalize(const Scope& scope, Items items, Results& results) = 0;
};

// Beside Canonicalize.
class Review {
public:
    virtual ~Review() = default;
    // What a plan is going to do in this scope: Results::failed() refuses a change, as_declared() lets it
    // pass.
    virtual void review(const Scope& scope, Items changes, Results& results) = 0;
};

// Where a watching provider tells what may have changed. [any], valid until unwatch() has returned.
class Hints {
public:
    explicit Hints(const holdfast_watch_sink* sink) : sink_(sink) {}
    void item(std::string_view scope, std::string_view kind, std::string_view identity) const {
        holdfast_hint hint = blank(HOLDFAST_HINT_ITEM);
        hint.scope = bytes(scope);
        hint.kind = bytes(kind);
        hint.identity = bytes(identity);
        send(hint);
    }
    void scope(std::string_view scope) const {
        holdfast_hint hint = blank(HOLDFAST_HINT_SCOPE);
        hint.scope = bytes(scope);
        send(hint);
    }
    void all() const { send(blank(HOLDFAST_HINT_ALL)); }
    void send(holdfast_hint hint) const {
        hint.size = sizeof hint;
        sink_->hint(sink_, &hint);
    }
    static holdfast_hint blank(holdfast_hint_reach reach) {
        holdfast_hint hint{};
        hint.reach = static_cast<std::uint32_t>(reach);
        return hint;
    }

private:
    const holdfast_watch_sink* sink_;
};

class Watch {
public:
    virtual ~Watch() = default;
    // Replaces what is watched in the scope; no items: nothing. Once it returns, no change is missed.
    virtual void watch(const Scope& scope, Items items, Hints hints) = 0;
    // No hint after it returned.
    virtual void unwatch() = 0;
};

class Checkpoint {
public:
    virtual ~Checkpoint() = default;
    virtual std::string snapshot(const Scope& scope) = 0; // self-contained bytes
    virtual void restore(const Scope& scope, std::string_view snapshot) = 0;
};

class Health {
public:
    virtual ~Health() = default;
    virtual void health(const Scope& scope, Items items, Results& results) = 0;
};

class Order {
public:
    virtual ~Order() = default;
    // Pure: Results::ordered() for each item that has something to say.
    virtual void order(const Call& call, Items items, Results& results) = 0;
};

class Upgrade {
public:
    virtual ~Upgrade() = default;
    // recorded and private_data in the format of `from_version` -> document and private_data in today's.
    virtual void upgrade(const Call& call, std::string_view from_version, Items items, Results& results) = 0;
};

// The ids that belong in the description's "extensions", from the mix-ins that T really has.
template <typename T>
std::vector<std::string> extensions_of() {
    std::vector<std::string> out;
    if (std::is_base_of<Compile, T>::value) out.emplace_back(HOLDFAST_EXT_COMPILE);
    if (std::is_base_of<Canonicalize, T>::value) out.emplace_back(HOLDFAST_EXT_CANONICALIZE);
    if (std::is_base_of<Review, T>::value) out.emplace_back(HOLDFAST_EXT_REVIEW);
    if (std::is_base_of<Watch, T>::value) out.emplace_back(HOLDFAST_EXT_WATCH);
    if (std::is_base_of<Checkpoint, T>::value) out.emplace_back(HOLDFAST_EXT_CHECKPOINT);
    if (std::is_base_of<Health, T>::value) out.emplace_back(HOLDFAST_EXT_HEALTH);
    if (std::is_base_of<Order, T>::value) out.emplace_back(HOLDFAST_EXT_ORDER);
    return out;
}

// Exports `Type` as this shared library's plugin. Once per library, outside any namespace.
#define HOLDFAST_PLUGIN(Type)                                                                                \
    extern "C" {                                                                                             \
    HOLDFAST_EXPORT extern const holdfast_plugin holdfast_plugin_v1;                                         \
    const holdfast_plugin holdfast_plugin_v1 = ::holdfast::sdk::detail::Border<Type>::table();               \
    }                                                                                                        \
    static_assert(true, "")

} // namespace holdfast::sdk

// How it works; nothing that an author calls.
#include <holdfast/detail/json_text.ipp>

#include <holdfast/detail/calls.ipp>

#include <holdfast/detail/border.ipp>
