#pragma once
// What is in a file: short text is compared as it is, everything else by its SHA-256.

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::host {

constexpr std::size_t max_inline_bytes = 64U << 10;

struct Content {
    bool is_inline = false;
    std::string text;   // where inline
    std::string sha256; // where not inline
    std::uint64_t size = 0;

    // By value: the same bytes always get the same form.
    bool operator==(const Content&) const = default;
};
Content content_of(std::string_view bytes);

// Reads a regular file from its start; `size` is what fstat said. False with errno.
bool read_content(int fd, std::uint64_t size, Content& out);

// Both return 0 or an errno.
int write_all(int fd, std::string_view bytes);
// Copies to the end, and says what went through: its size and SHA-256.
int copy_all(int from, int to, Content& copied);

} // namespace holdfast::host
