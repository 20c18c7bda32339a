#pragma once
// What most providers need somewhere: diagnostics in one line, bytes in hex, and a descriptor that wakes a
// thread which polls.

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include <holdfast/provider.hpp>

namespace holdfast::sdk {

inline Diagnostic problem(const char* code, std::string message, std::string hint = {},
                          Retry retry = Retry::never) {
    Diagnostic out;
    out.code = code;
    out.message = std::move(message);
    out.hint = std::move(hint);
    out.retry = retry;
    return out;
}

// Runs `body`; an Error that it throws becomes a problem at `pointer`, and the answer false.
template <typename Body>
bool attempt(Diagnostics& problems, const std::string& pointer, Body body) {
    try {
        body();
        return true;
    } catch (const Error& error) {
        Diagnostic why = error.diagnostic();
        why.pointer = pointer;
        problems.push_back(std::move(why));
        return false;
    }
}

// In small letters.
// Valid UTF-8 without null bytes.
inline bool is_text(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t length = bytes[at] == '\0' ? 0 : detail::utf8_sequence(bytes.substr(at));
        if (length == 0) return false;
        at += length;
    }
    return true;
}

inline std::string to_hex(std::string_view bytes) {
    static const char* const digits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        out += digits[static_cast<unsigned char>(c) >> 4U];
        out += digits[static_cast<unsigned char>(c) & 15U];
    }
    return out;
}

// A thread polls fd() for POLLIN beside what it waits for; wake() from any other makes it look up. Once it
// has been read with clear(), the next wake() counts.
class Wake {
public:
    // Throws std::system_error.
    Wake() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    ~Wake() { close(fd_); }
    Wake(const Wake&) = delete;
    Wake& operator=(const Wake&) = delete;

    int fd() const { return fd_; }
    // A counter that is full wakes as well, so no failure is left that means anything.
    void wake() const { eventfd_write(fd_, 1); }
    void clear() const {
        eventfd_t count = 0;
        eventfd_read(fd_, &count);
    }

private:
    int fd_;
};

} // namespace holdfast::sdk
