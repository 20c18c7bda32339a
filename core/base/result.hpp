#pragma once
// The three kinds of error (see docs/architecture.md): `Result` for what a user or a server can cause,
// `Error` for what ends the operation, `assert` for what only a programmer can cause.

#include <cassert>
#include <exception>
#include <string>
#include <utility>
#include <variant>

#include "base/diagnostic.hpp"

namespace holdfast {

// Either a T or the Diagnostic that says why there is none.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Result(Diagnostic why) : content_(std::in_place_index<1>, std::move(why)) {}

    bool ok() const { return content_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & {
        assert(ok());
        return *std::get_if<0>(&content_);
    }
    const T& value() const& {
        assert(ok());
        return *std::get_if<0>(&content_);
    }
    T&& value() && {
        assert(ok());
        return std::move(*std::get_if<0>(&content_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Diagnostic& error() const {
        assert(!ok());
        return *std::get_if<1>(&content_);
    }
    Diagnostic& error() {
        assert(!ok());
        return *std::get_if<1>(&content_);
    }

private:
    std::variant<T, Diagnostic> content_;
};

// Nothing, or why not.
struct Ok {};
using Status = Result<Ok>;

// A Diagnostic for the common case: an error with a code and a message.
inline Diagnostic failure(std::string_view code, std::string message, std::string hint = {}) {
    return {.severity = Severity::error,
            .code = std::string(code),
            .message = std::move(message),
            .hint = std::move(hint)};
}

// Ends an operation: disk full, database corrupt. Caught only in `main`, the pass and the plugin guard.
class Error : public std::exception {
public:
    explicit Error(Diagnostic diagnostic) : diagnostic_(std::move(diagnostic)) {}
    Error(std::string_view code, std::string message, std::string hint = {})
        : diagnostic_(failure(code, std::move(message), std::move(hint))) {}

    const Diagnostic& diagnostic() const { return diagnostic_; }
    // Adds "while <doing>"; to be called while the exception passes through.
    void add_context(std::string doing) { diagnostic_.context.push_back(std::move(doing)); }
    const char* what() const noexcept override { return diagnostic_.message.c_str(); }

private:
    Diagnostic diagnostic_;
};

} // namespace holdfast
