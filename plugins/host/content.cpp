#include "content.hpp"

#include <cerrno>
#include <vector>

#include <unistd.h>

#include <holdfast/sha256.hpp>

namespace holdfast::host {

namespace {

constexpr std::size_t chunk_bytes = 256U << 10;

// As much as there is, up to `size`; -1 with errno.
ssize_t read_up_to(int fd, char* buffer, std::size_t size) {
    for (;;) {
        const ssize_t got = ::read(fd, buffer, size);
        if (got >= 0 || errno != EINTR) return got;
    }
}

bool read_hashed(int fd, std::string_view start, std::vector<char>& buffer, Content& out) {
    sdk::Sha256 hash;
    hash.add(start);
    out.size = start.size();
    for (;;) {
        const ssize_t got = read_up_to(fd, buffer.data(), buffer.size());
        if (got < 0) return false;
        if (got == 0) break;
        hash.add({buffer.data(), static_cast<std::size_t>(got)});
        out.size += static_cast<std::size_t>(got);
    }
    out.sha256 = sdk::to_hex(hash.finish());
    return true;
}

} // namespace

Content content_of(std::string_view bytes) {
    Content out;
    out.size = bytes.size();
    out.is_inline = bytes.size() <= max_inline_bytes && sdk::is_text(bytes);
    if (out.is_inline)
        out.text = bytes;
    else
        out.sha256 = sdk::sha256_hex(bytes);
    return out;
}

// A short file takes one read: of a regular file, fewer bytes than asked for means that this was all.
bool read_content(int fd, std::uint64_t size, Content& out) {
    thread_local std::vector<char> buffer(chunk_bytes);
    thread_local std::vector<char> more(chunk_bytes);
    out = {};
    std::size_t have = 0;
    for (;;) {
        const ssize_t got = read_up_to(fd, buffer.data() + have, buffer.size() - have);
        if (got < 0) return false;
        have += static_cast<std::size_t>(got);
        if (got == 0 || (have >= size && have < buffer.size())) break;
        if (have == buffer.size()) return read_hashed(fd, {buffer.data(), have}, more, out);
    }
    out = content_of({buffer.data(), have});
    return true;
}

int write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

int copy_all(int from, int to, Content& copied) {
    std::vector<char> buffer(chunk_bytes);
    sdk::Sha256 hash;
    copied = {};
    for (;;) {
        const ssize_t got = read_up_to(from, buffer.data(), buffer.size());
        if (got < 0) return errno;
        if (got == 0) break;
        const std::string_view chunk(buffer.data(), static_cast<std::size_t>(got));
        hash.add(chunk);
        copied.size += chunk.size();
        if (const int error = write_all(to, chunk)) return error;
    }
    copied.sha256 = sdk::to_hex(hash.finish());
    return 0;
}

} // namespace holdfast::host
