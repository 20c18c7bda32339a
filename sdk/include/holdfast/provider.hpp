#pragma once
// What plugin authors write against, C++17 or later, the standard library alone: derive a class from
// `Provider`, add the mix-ins it can do (Compile, Canonicalize, Watch, Checkpoint, Health, Order, Upgrade),
// and export it with HOLDFAST_PLUGIN(TheClass). provider.h says what each call means; holdfast/json.hpp joins
// this to nlohmann-json; examples/provider-hello is a whole provider.

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
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
    const Table* extension(const char* id) const {
        if (!raw_ || !raw_->extension) return nullptr;
        const auto* table = static_cast<const Table*>(raw_->extension(raw_, id));
        return table && table->size >= sizeof(Table) ? table : nullptr;
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

// ---- below: how it works; nothing that an author calls ----

namespace detail {

// Bytes of the UTF-8 sequence at the start of `text`; 0 where there is none (RFC 3629).
inline std::size_t utf8_sequence(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((at(i) & 0xC0) != 0x80) return 0;
    if (first == 0xE0 && at(1) < 0xA0) return 0;
    if (first == 0xED && at(1) > 0x9F) return 0;
    if (first == 0xF0 && at(1) < 0x90) return 0;
    if (first == 0xF4 && at(1) > 0x8F) return 0;
    return length;
}

inline void append_escaped(std::string& out, char c) {
    static const char* const hex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        case '\b': out += "\\b"; return;
        case '\f': out += "\\f"; return;
        default: break;
    }
    if (byte >= 0x20) {
        out += c;
        return;
    }
    out += "\\u00";
    out += hex[byte >> 4U];
    out += hex[byte & 15U];
}

inline void append_utf8(std::string& out, std::uint32_t point) {
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (point < 0x80) return put(point);
    if (point < 0x800) return put(0xC0U | (point >> 6U)), put(0x80U | (point & 0x3FU));
    if (point < 0x10000)
        return put(0xE0U | (point >> 12U)), put(0x80U | ((point >> 6U) & 0x3FU)),
               put(0x80U | (point & 0x3FU));
    put(0xF0U | (point >> 18U)), put(0x80U | ((point >> 12U) & 0x3FU));
    put(0x80U | ((point >> 6U) & 0x3FU)), put(0x80U | (point & 0x3FU));
}

// Walks over JSON that the host wrote. It does not judge it: on nonsense it just finds nothing.
class MemberReader {
public:
    explicit MemberReader(std::string_view text) : text_(text) {}

    std::optional<std::string> member(std::string_view key) {
        return find(key) && peek() == '"' ? std::optional<std::string>(string()) : std::nullopt;
    }
    bool is_true(std::string_view key) { return find(key) && peek() == 't'; }
    // The reader stands before the member's value then.
    bool find(std::string_view key) {
        if (!take('{')) return false;
        while (peek() == '"') {
            const std::string name = string();
            if (!take(':')) return false;
            if (name == key) return true;
            skip_value();
            if (!take(',')) return false;
        }
        return false;
    }

private:
    char peek() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
            ++at_;
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool take(char wanted) {
        if (peek() != wanted) return false;
        ++at_;
        return true;
    }
    char next() { return at_ < text_.size() ? text_[at_++] : '"'; }

    std::string string() {
        std::string out;
        for (take('"');;) {
            const char c = next();
            if (c == '"') return out;
            if (c != '\\')
                out += c;
            else
                unescape(out, next());
        }
    }
    void unescape(std::string& out, char c) {
        switch (c) {
            case 'n': out += '\n'; return;
            case 'r': out += '\r'; return;
            case 't': out += '\t'; return;
            case 'b': out += '\b'; return;
            case 'f': out += '\f'; return;
            case 'u': break;
            default: out += c; return;
        }
        std::uint32_t point = hex4();
        if (point >= 0xD800 && point < 0xDC00 && text_.substr(at_, 2) == "\\u") {
            at_ += 2;
            point = 0x10000 + ((point - 0xD800) << 10U) + ((hex4() - 0xDC00) & 0x3FFU);
        }
        append_utf8(out, point);
    }
    std::uint32_t hex4() {
        std::uint32_t out = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = next();
            const int digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : 0;
            out = out * 16U + static_cast<std::uint32_t>(digit);
        }
        return out;
    }
    void skip_value() {
        std::size_t depth = 0;
        for (;;) {
            const char c = peek();
            if (c == '\0') return;
            if (c == '"')
                string();
            else if (depth == 0 && (c == ',' || c == '}'))
                return;
            else {
                if (c == '{' || c == '[') ++depth;
                if (c == '}' || c == ']') --depth;
                ++at_;
            }
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace detail

inline void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    std::size_t plain_from = 0; // runs that need no change are copied at once
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = detail::utf8_sequence(text.substr(at));
        const char c = text[at];
        if (length > 1 || (length == 1 && static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\')) {
            at += length;
            continue;
        }
        out.append(text.data() + plain_from, at - plain_from);
        if (length == 0)
            out += "\xEF\xBF\xBD";
        else
            detail::append_escaped(out, c);
        plain_from = ++at;
    }
    out.append(text.data() + plain_from, text.size() - plain_from);
    out += '"';
}

inline std::optional<std::string> text_member(std::string_view object, std::string_view key) {
    return detail::MemberReader(object).member(key);
}

inline std::string to_json(const Diagnostics& diagnostics) {
    static const char* const severities[] = {"error", "warning", "note"};
    static const char* const retries[] = {"never", "after", "conflict"};
    std::string out = "[";
    const auto member = [&](const char* key, const std::string& value) {
        if (value.empty()) return;
        out += ",\"";
        out += key;
        out += "\":";
        append_quoted(out, value);
    };
    for (const Diagnostic& diagnostic : diagnostics) {
        if (out.size() > 1) out += ',';
        out += "{\"severity\":\"";
        out += severities[static_cast<int>(diagnostic.severity)];
        out += '"';
        member("code", diagnostic.code);
        member("message", diagnostic.message);
        member("hint", diagnostic.hint);
        member("pointer", diagnostic.pointer);
        member("retry", retries[static_cast<int>(diagnostic.retry)]);
        if (diagnostic.retry_after.count() > 0)
            out += ",\"retryAfterMs\":" + std::to_string(diagnostic.retry_after.count());
        out += '}';
    }
    return out + "]";
}

inline std::optional<std::string> Host::read_blob(std::string_view sha256_hex, std::size_t limit) const {
    std::uint64_t size = 0;
    const int fd = open_blob(sha256_hex, &size);
    if (fd < 0) return std::nullopt;
    struct Closer {
        int fd;
        ~Closer() { ::close(fd); }
    } closer{fd};
    if (size > limit) return std::nullopt;
    std::string out(static_cast<std::size_t>(size), '\0');
    for (std::size_t at = 0; at < out.size();) {
        const ssize_t got = ::read(fd, &out[at], out.size() - at);
        if (got <= 0) return std::nullopt;
        at += static_cast<std::size_t>(got);
    }
    return out;
}

inline std::optional<std::string> HttpResponse::header(std::string_view lower_case_name) const {
    std::string_view rest = headers;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(line.size() + 2 < rest.size() ? line.size() + 2 : rest.size());
        if (line.substr(0, lower_case_name.size()) != lower_case_name) continue;
        std::string_view value = line.substr(lower_case_name.size());
        if (value.empty() || value[0] != ':') continue;
        value.remove_prefix(1);
        const std::size_t start = value.find_first_not_of(" \t");
        return start == std::string_view::npos ? std::string() : std::string(value.substr(start));
    }
    return std::nullopt;
}

namespace detail {

// What the host's callbacks write to; exceptions of on_body wait here until the transfer has ended.
struct Transfer {
    const HttpRequest& request;
    HttpResponse response;
    std::exception_ptr thrown;

    static int on_body(void* context, holdfast_bytes chunk) noexcept {
        auto& self = *static_cast<Transfer*>(context);
        try {
            return self.request.on_body(view(chunk)) ? 1 : 0;
        } catch (...) {
            self.thrown = std::current_exception();
            return 0;
        }
    }
    static void on_response(void* context, const holdfast_http_response* response) noexcept {
        auto& self = *static_cast<Transfer*>(context);
        try {
            self.response.status = response->status;
            self.response.headers = view(response->headers);
            self.response.body = view(response->body);
            self.response.error = view(response->error);
        } catch (...) {
            self.thrown = std::current_exception();
        }
    }
};

} // namespace detail

inline HttpResponse Call::http(const HttpRequest& request) const {
    HttpResponse none;
    const holdfast_http* client = host().extension<holdfast_http>(HOLDFAST_EXT_HTTP);
    if (!client) return none.error = "this host offers no HTTP client (holdfast.http/1)", none;
    std::vector<holdfast_bytes> headers;
    for (const std::string& header : request.headers) headers.push_back(bytes(header));
    detail::Transfer transfer{request, {}, nullptr};
    holdfast_http_request raw{};
    raw.size = sizeof raw;
    raw.header_count = static_cast<std::uint32_t>(headers.size());
    raw.method = bytes(request.method);
    raw.url = bytes(request.url);
    raw.headers = headers.data();
    raw.body = bytes(request.body);
    raw.options = bytes(request.options);
    raw.context = &transfer;
    if (request.on_body) raw.on_body = &detail::Transfer::on_body;
    raw.on_response = &detail::Transfer::on_response;
    const holdfast_status status = client->perform(raw_, &raw);
    if (transfer.thrown) std::rethrow_exception(transfer.thrown);
    if (status != HOLDFAST_OK && transfer.response.status == 0 && transfer.response.error.empty())
        transfer.response.error = "the host's HTTP client refused the request";
    return std::move(transfer.response);
}

namespace detail {

// As Results::health() writes it.
inline bool is_healthy(std::string_view detail) { return detail.rfind("{\"health\":\"healthy\"", 0) == 0; }

} // namespace detail

inline bool Results::emit_raw(holdfast_result& result) {
    if (result.item < answered_.size()) {
        if (answered_[result.item]) return listening_;
        answered_[result.item] = true;
        const bool wants_health = (holdfast_item_at(call_, result.item)->flags & HOLDFAST_WANTS_HEALTH) != 0;
        succeeded_[result.item] = (result.outcome == HOLDFAST_DONE || result.outcome == HOLDFAST_UNCHANGED) &&
                                  (!wants_health || detail::is_healthy(view(result.detail)));
        ++count_;
    }
    result.size = sizeof result;
    if (call_->emit && call_->emit(call_, &result) == 0) listening_ = false;
    return listening_;
}

inline bool Results::holds_back(const Item& item) const {
    for (std::size_t i = 0; i < item.after_count(); ++i)
        if (item.after(i) >= succeeded_.size() || !succeeded_[item.after(i)]) return true;
    return false;
}

inline bool Results::emit(const Item& item, const Result& result) {
    holdfast_result raw = blank(item.index(), result.outcome);
    const std::string diagnostics = result.diagnostics.empty() ? std::string() : to_json(result.diagnostics);
    raw.document = bytes(result.document);
    raw.version = bytes(result.version);
    raw.private_data = bytes(result.private_data);
    raw.refreshed = bytes(result.refreshed);
    raw.diagnostics = bytes(diagnostics);
    raw.detail = bytes(result.detail);
    return emit_raw(raw);
}

inline bool Results::not_yet(const Item& item, std::string_view reason) {
    holdfast_result raw = blank(item.index(), Outcome::not_yet);
    const std::string detail = "{\"reason\":" + quote(reason) + "}";
    raw.detail = bytes(detail);
    return emit_raw(raw);
}

inline bool Results::must_replace(const Item& item, std::string_view document,
                                  const std::vector<std::string>& paths) {
    holdfast_result raw = blank(item.index(), Outcome::must_replace);
    std::string detail = "{\"paths\":[";
    for (const std::string& path : paths) {
        if (detail.back() != '[') detail += ',';
        append_quoted(detail, path);
    }
    detail += "]}";
    raw.document = bytes(document);
    raw.detail = bytes(detail);
    return emit_raw(raw);
}

inline bool Results::health(const Item& item, HealthState state, std::string_view message) {
    static const char* const words[] = {"progressing", "healthy", "degraded", "suspended"};
    holdfast_result raw = blank(item.index(), Outcome::done);
    const std::string detail = std::string("{\"health\":\"") + words[static_cast<int>(state)] +
                               "\",\"message\":" + quote(message) + "}";
    raw.detail = bytes(detail);
    return emit_raw(raw);
}

inline bool Results::leaf(const Item& from, const Leaf& leaf) {
    holdfast_result raw = blank(from.index(), Outcome::done);
    raw.kind = bytes(leaf.kind);
    raw.identity = bytes(leaf.identity);
    raw.scope = bytes(leaf.scope);
    raw.part = bytes(leaf.part);
    raw.pointer = bytes(leaf.pointer);
    raw.document = bytes(leaf.document);
    const std::string detail =
        leaf.until_ms == 0 ? std::string() : "{\"until\":" + std::to_string(leaf.until_ms) + "}";
    raw.detail = bytes(detail);
    return emit_raw(raw);
}

inline bool Results::object(std::string_view kind, std::string_view identity, std::string_view document,
                            std::string_view scope, std::string_view version) {
    holdfast_result raw = blank(running_++, Outcome::done);
    raw.kind = bytes(kind);
    raw.identity = bytes(identity);
    raw.document = bytes(document);
    raw.scope = bytes(scope);
    raw.version = bytes(version);
    return emit_raw(raw);
}

inline bool Results::next_page(std::string_view page) {
    holdfast_result raw = blank(HOLDFAST_CALL, Outcome::done);
    const std::string detail = "{\"next\":" + quote(page) + "}";
    raw.detail = bytes(detail);
    return emit_raw(raw);
}

inline bool Results::scope_version(std::string_view version) {
    holdfast_result raw = blank(HOLDFAST_SCOPE, Outcome::done);
    raw.version = bytes(version);
    return emit_raw(raw);
}

inline bool Results::about_call(const Diagnostics& diagnostics, std::string_view document,
                                std::string_view detail) {
    holdfast_result raw = blank(HOLDFAST_CALL, diagnostics.empty() ? Outcome::done : Outcome::failed);
    const std::string text = diagnostics.empty() ? std::string() : to_json(diagnostics);
    raw.document = bytes(document);
    raw.detail = bytes(detail);
    raw.diagnostics = bytes(text);
    return emit_raw(raw);
}

namespace detail {

// The exception being handled as a diagnostic.
inline Diagnostic caught(const char* plugin) {
    Diagnostic out;
    out.code = std::string(plugin) + ".exception";
    out.hint = "this is a defect of the plugin: report it to its authors";
    try {
        throw;
    } catch (const Error& error) {
        return error.diagnostic();
    } catch (const std::exception& error) {
        out.message = std::string("the plugin threw an exception: ") + error.what();
    } catch (...) {
        out.message = "the plugin threw something that is no std::exception";
    }
    return out;
}

} // namespace detail

namespace detail {

// A call about one object inside another call: what it answers is kept.
struct HealthQuestion {
    const holdfast_call* outer;
    std::string detail;

    static int cancelled(const holdfast_call* call) {
        const holdfast_call* const outer = static_cast<HealthQuestion*>(call->context)->outer;
        return outer->cancelled ? outer->cancelled(outer) : 0;
    }
    static int emit(const holdfast_call* call, const holdfast_result* result) {
        if (result->outcome == HOLDFAST_DONE)
            static_cast<HealthQuestion*>(call->context)->detail = view(result->detail);
        return 1;
    }
};

// The health of what was just written; empty where the provider does not tell it.
inline std::string health_of(Health& health, const Scope& scope, const Change& change,
                             const Result& written) {
    holdfast_item item{};
    item.kind = change.raw()->kind;
    item.identity = change.raw()->identity;
    item.observed = bytes(written.document);
    item.version = bytes(written.version);
    item.private_data = bytes(written.private_data);
    HealthQuestion question{scope.raw(), {}};
    holdfast_call call = *scope.raw();
    call.items = &item;
    call.item_count = 1;
    call.item_size = sizeof item;
    call.context = &question;
    call.cancelled = &HealthQuestion::cancelled;
    call.emit = &HealthQuestion::emit;
    Results results(&call, "", true);
    try {
        health.health(Scope(&call), Items(&call), results);
    } catch (...) {
        return {}; // the write stands; the engine asks again, and hears the reason
    }
    return std::move(question.detail);
}

} // namespace detail

inline void Provider::apply(const Scope& scope, Items changes, Results& results) {
    for (const Change& change : changes) {
        if (!results.listening() || scope.should_stop()) return;
        if (results.holds_back(change)) {
            results.skipped(change);
            continue;
        }
        try {
            Result result = apply_one(scope, change);
            tell_health(scope, change, result);
            results.emit(change, result);
        } catch (const Error& error) {
            results.failed(change, error.diagnostic());
        } catch (...) {
            Result unknown;
            unknown.outcome = Outcome::unknown;
            unknown.diagnostics.push_back(detail::caught(results.plugin()));
            results.emit(change, unknown);
        }
    }
}

inline void Provider::tell_health(const Scope& scope, const Change& change, Result& result) {
    auto* health = dynamic_cast<Health*>(this);
    const bool has_succeeded = result.outcome == Outcome::done || result.outcome == Outcome::unchanged;
    if (health && change.wants_health() && has_succeeded && result.detail.empty())
        result.detail = detail::health_of(*health, scope, change, result);
}

inline Result Provider::apply_one(const Scope&, const Change&) {
    throw std::logic_error("the provider overrides neither apply nor apply_one");
}

namespace detail {

// True where T leaves apply() to the base class, which honours what apply_one() need not know of.
template <typename T, typename = void>
struct AppliesOneByOne : std::false_type {};
template <typename T>
struct AppliesOneByOne<T, std::void_t<decltype(&T::apply)>>
    : std::is_same<decltype(&T::apply), decltype(&Provider::apply)> {};

inline std::string with_ordered(std::string description) {
    const bool is_decided =
        MemberReader(description).find("ordered") || MemberReader(description).is_true("atomic");
    const std::size_t end = description.find_last_of('}');
    if (!is_decided && end != std::string::npos && MemberReader(description).find("name"))
        description.insert(end, ",\"ordered\":true");
    return description;
}

// The functions of the C table for one provider class: unwrap, call, guard, wrap.
template <typename T>
class Border {
    static_assert(std::is_base_of<Provider, T>::value,
                  "a plugin's class derives from holdfast::sdk::Provider");

public:
    static constexpr holdfast_plugin table() {
        holdfast_plugin plugin{};
        plugin.size = sizeof plugin;
        plugin.minor = HOLDFAST_ABI_MINOR;
        plugin.name = T::plugin_name;
        plugin.version = T::plugin_version;
        plugin.describe = &describe;
        plugin.open = &open;
        plugin.close = &close;
        plugin.validate = &validate;
        plugin.observe = &observe;
        plugin.list = &list;
        plugin.apply = &apply;
        if constexpr (std::is_base_of<Upgrade, T>::value) plugin.upgrade = &upgrade;
        plugin.extension = &extension;
        return plugin;
    }

private:
    // What an item without an answer means once the provider's function has returned.
    enum class Silence { allowed, means_done, means_failed, means_unknown };

    static T& self(void* instance) { return *static_cast<T*>(instance); }

    template <typename Body>
    static holdfast_status guarded(const holdfast_call* call, Silence silence, Body body) noexcept {
        try {
            Results results(call, T::plugin_name, silence != Silence::allowed);
            try {
                body(results);
            } catch (...) {
                return after_exception(call, silence, results);
            }
            return after_return(call, silence, results);
        } catch (...) { // no memory even for the diagnostic
            return HOLDFAST_FAILED;
        }
    }

    static holdfast_status after_return(const holdfast_call* call, Silence silence, Results& results) {
        if (results.complete()) return HOLDFAST_OK;
        if (silence != Silence::means_done && (!results.listening() || Call(call).should_stop()))
            return HOLDFAST_CANCELLED;
        Result missing;
        if (silence != Silence::means_done) {
            missing.outcome = silence == Silence::means_unknown ? Outcome::unknown : Outcome::failed;
            Diagnostic why;
            why.code = std::string(T::plugin_name) + ".no-result";
            why.message = "the plugin gave no result for this item";
            why.hint = "this is a defect of the plugin: report it to its authors";
            missing.diagnostics.push_back(why);
        }
        answer_rest(call, results, missing);
        return HOLDFAST_OK;
    }

    // An Error out of `apply` promises that the items without an answer were not touched; of any other
    // exception nobody knows how far the provider had come.
    static holdfast_status after_exception(const holdfast_call* call, Silence silence, Results& results) {
        const Diagnostic why = caught(T::plugin_name);
        bool promised = false;
        try {
            throw;
        } catch (const Error&) {
            promised = true;
        } catch (...) {
        }
        if (silence == Silence::means_unknown && !promised) {
            Result unknown;
            unknown.outcome = Outcome::unknown;
            unknown.diagnostics.push_back(why);
            answer_rest(call, results, unknown);
        }
        results.about_call({why});
        return HOLDFAST_FAILED;
    }

    static void answer_rest(const holdfast_call* call, Results& results, const Result& result) {
        for (const Item& item : Items(call))
            if (!results.has(item)) results.emit(item, result);
    }

    static holdfast_status describe(const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed, [](Results& results) {
            std::string description = T::describe();
            if (AppliesOneByOne<T>::value) description = with_ordered(std::move(description));
            results.about_call({}, description);
        });
    }

    static holdfast_status open(const holdfast_call* call, void** instance) noexcept {
        *instance = nullptr;
        return guarded(call, Silence::allowed, [&](Results& results) {
            const Call wrapped(call);
            auto made = std::make_unique<T>(wrapped, wrapped.options());
            const std::string detail = "{\"target\":" + quote(made->target()) + "}";
            results.about_call({}, {}, detail);
            *instance = made.release();
        });
    }

    static void close(void* instance) noexcept { delete static_cast<T*>(instance); }

    static holdfast_status validate(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_done,
                       [&](Results& results) { self(instance).validate(Call(call), Items(call), results); });
    }

    static holdfast_status observe(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed,
                       [&](Results& results) { self(instance).observe(Scope(call), Items(call), results); });
    }

    static holdfast_status list(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed, [&](Results& results) {
            const std::string_view options = view(call->options);
            const ListRequest request{text_member(options, "kind").value_or(""),
                                      text_member(options, "page").value_or("")};
            self(instance).list(Scope(call), request, results);
        });
    }

    static holdfast_status apply(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_unknown,
                       [&](Results& results) { self(instance).apply(Scope(call), Items(call), results); });
    }

    static holdfast_status upgrade(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed, [&](Results& results) {
            const std::string from = text_member(view(call->options), "fromVersion").value_or("");
            self(instance).upgrade(Call(call), from, Items(call), results);
        });
    }

    static holdfast_status compile(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed,
                       [&](Results& results) { self(instance).compile(Call(call), Items(call), results); });
    }

    static holdfast_status canonicalize(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed, [&](Results& results) {
            const Items items(call);
            if constexpr (std::is_base_of<Review, T>::value) {
                if (text_member(view(call->options), "call") == "review")
                    return self(instance).review(Scope(call), items, results);
            }
            self(instance).canonicalize(Scope(call), items, results);
        });
    }

    static holdfast_status watch(void* instance, const holdfast_call* call,
                                 const holdfast_watch_sink* sink) noexcept {
        return guarded(call, Silence::allowed,
                       [&](Results&) { self(instance).watch(Scope(call), Items(call), Hints(sink)); });
    }

    static void stop(void* instance) noexcept { self(instance).unwatch(); }

    static holdfast_status snapshot(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed, [&](Results& results) {
            const std::string taken = self(instance).snapshot(Scope(call));
            holdfast_result raw{};
            raw.item = HOLDFAST_SCOPE;
            raw.private_data = bytes(taken);
            results.emit_raw(raw);
        });
    }

    static holdfast_status restore(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed,
                       [&](Results&) { self(instance).restore(Scope(call), view(call->options)); });
    }

    static holdfast_status health(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed,
                       [&](Results& results) { self(instance).health(Scope(call), Items(call), results); });
    }

    static holdfast_status order(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_done,
                       [&](Results& results) { self(instance).order(Call(call), Items(call), results); });
    }

    // Only what T's base classes really offer.
    static const void* extension(const char* id) noexcept {
        const std::string_view wanted = id ? id : "";
        if constexpr (std::is_base_of<Compile, T>::value) {
            static const holdfast_compile table{sizeof(holdfast_compile), &compile};
            if (wanted == HOLDFAST_EXT_COMPILE) return &table;
        }
        if constexpr (std::is_base_of<Canonicalize, T>::value) {
            static const holdfast_canonicalize table{sizeof(holdfast_canonicalize), &canonicalize};
            if (wanted == HOLDFAST_EXT_CANONICALIZE) return &table;
        }
        if constexpr (std::is_base_of<Watch, T>::value) {
            static const holdfast_watch table{sizeof(holdfast_watch), &watch, &stop};
            if (wanted == HOLDFAST_EXT_WATCH) return &table;
        }
        if constexpr (std::is_base_of<Checkpoint, T>::value) {
            static const holdfast_checkpoint table{sizeof(holdfast_checkpoint), &snapshot, &restore};
            if (wanted == HOLDFAST_EXT_CHECKPOINT) return &table;
        }
        if constexpr (std::is_base_of<Health, T>::value) {
            static const holdfast_health table{sizeof(holdfast_health), &health};
            if (wanted == HOLDFAST_EXT_HEALTH) return &table;
        }
        if constexpr (std::is_base_of<Order, T>::value) {
            static const holdfast_order table{sizeof(holdfast_order), &order};
            if (wanted == HOLDFAST_EXT_ORDER) return &table;
        }
        return nullptr;
    }
};

} // namespace detail

} // namespace holdfast::sdk
