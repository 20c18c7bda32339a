#pragma once
// What the functions of provider.hpp do. A part of it.

namespace holdfast::sdk {

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

namespace detail {

// The host's table, of which the first function is enough.
inline const holdfast_http* http_client(const Host& host) {
    return host.extension<holdfast_http>(HOLDFAST_EXT_HTTP, offsetof(holdfast_http, perform_all));
}

// Points into the request and `headers`.
inline holdfast_http_request raw_request(const HttpRequest& request, std::vector<holdfast_bytes>& headers) {
    for (const std::string& header : request.headers) headers.push_back(bytes(header));
    holdfast_http_request raw{};
    raw.size = sizeof raw;
    raw.header_count = static_cast<std::uint32_t>(headers.size());
    raw.method = bytes(request.method);
    raw.url = bytes(request.url);
    raw.headers = headers.data();
    raw.body = bytes(request.body);
    raw.options = bytes(request.options);
    return raw;
}

// Requests that the host works at; exceptions wait here until all have ended.
struct TransferBatch {
    struct One {
        TransferBatch& batch;
        std::size_t number;
        HttpRequest request;
        std::list<One>::iterator self{};
        std::vector<holdfast_bytes> headers{};
        holdfast_http_request raw{};
    };
    const HttpBatch& given;
    std::list<One> open{};
    std::size_t count = 0;
    std::exception_ptr thrown{};

    static const holdfast_http_request* next(void* context) noexcept {
        auto& self = *static_cast<TransferBatch*>(context);
        try {
            std::optional<HttpRequest> request = self.thrown ? std::nullopt : self.given.next();
            if (!request) return nullptr;
            One& one = self.open.emplace_back(One{self, self.count, *std::move(request)});
            one.self = std::prev(self.open.end());
            one.raw = raw_request(one.request, one.headers);
            one.raw.context = &one;
            if (one.request.on_body) one.raw.on_body = &TransferBatch::on_body;
            one.raw.on_response = &TransferBatch::on_response;
            ++self.count;
            return &one.raw;
        } catch (...) {
            self.thrown = std::current_exception();
            return nullptr;
        }
    }
    static int on_body(void* context, holdfast_bytes chunk) noexcept {
        auto& one = *static_cast<One*>(context);
        Transfer transfer{one.request, {}, nullptr};
        const int goes_on = Transfer::on_body(&transfer, chunk);
        if (transfer.thrown) one.batch.thrown = transfer.thrown;
        return goes_on;
    }
    static void on_response(void* context, const holdfast_http_response* response) noexcept {
        auto& one = *static_cast<One*>(context);
        TransferBatch& self = one.batch;
        Transfer transfer{one.request, {}, nullptr};
        Transfer::on_response(&transfer, response);
        try {
            if (transfer.thrown) std::rethrow_exception(transfer.thrown);
            if (!self.thrown) self.given.take(one.number, std::move(transfer.response));
        } catch (...) {
            self.thrown = std::current_exception();
        }
        self.open.erase(one.self);
    }
    // Where the host itself has failed: they may have been sent.
    void answer_rest() {
        static constexpr const char* why = "the host's HTTP client gave no answer";
        holdfast_http_response none{};
        none.size = sizeof none;
        none.error = bytes(why);
        while (!open.empty()) on_response(&open.front(), &none);
    }
};

} // namespace detail

inline HttpResponse Call::http(const HttpRequest& request) const {
    HttpResponse none;
    const holdfast_http* client = detail::http_client(host());
    if (!client) return none.error = "this host offers no HTTP client (holdfast.http/1)", none;
    std::vector<holdfast_bytes> headers;
    holdfast_http_request raw = detail::raw_request(request, headers);
    detail::Transfer transfer{request, {}, nullptr};
    raw.context = &transfer;
    if (request.on_body) raw.on_body = &detail::Transfer::on_body;
    raw.on_response = &detail::Transfer::on_response;
    const holdfast_status status = client->perform(raw_, &raw);
    if (transfer.thrown) std::rethrow_exception(transfer.thrown);
    if (status != HOLDFAST_OK && transfer.response.status == 0 && transfer.response.error.empty())
        transfer.response.error = "the host's HTTP client refused the request";
    return std::move(transfer.response);
}

inline void Call::http_all(const HttpBatch& batch) const {
    const holdfast_http* client = detail::http_client(host());
    if (client && client->size >= sizeof *client) {
        detail::TransferBatch transfers{batch};
        holdfast_http_batch raw{};
        raw.size = sizeof raw;
        raw.most_at_once = static_cast<std::uint32_t>(batch.most_at_once);
        raw.context = &transfers;
        raw.next = &detail::TransferBatch::next;
        const holdfast_status status = client->perform_all(raw_, &raw);
        transfers.answer_rest();
        if (transfers.thrown) std::rethrow_exception(transfers.thrown);
        if (status != HOLDFAST_UNSUPPORTED) return;
    }
    std::size_t number = 0;
    while (!should_stop()) {
        const std::optional<HttpRequest> request = batch.next();
        if (!request) return;
        batch.take(number++, http(*request));
    }
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

} // namespace holdfast::sdk
