#include "content.hpp"

#include <cerrno>
#include <memory>
#include <vector>

#include <unistd.h>

#include <openssl/evp.h>

#include <holdfast/parts.hpp>

namespace holdfast::host {

namespace {

constexpr std::size_t chunk_bytes = 256U << 10;

class Sha256 {
public:
    Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
        if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
            throw std::bad_alloc();
    }
    void add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
    std::string hex() {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        EVP_DigestFinal_ex(context_.get(), digest, &size);
        return sdk::to_hex({reinterpret_cast<const char*>(digest), size});
    }

private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// As much as there is, up to `size`; -1 with errno.
ssize_t read_up_to(int fd, char* buffer, std::size_t size) {
    for (;;) {
        const ssize_t got = ::read(fd, buffer, size);
        if (got >= 0 || errno != EINTR) return got;
    }
}

bool read_hashed(int fd, std::string_view start, std::vector<char>& buffer, Content& out) {
    Sha256 hash;
    hash.add(start);
    out.size = start.size();
    for (;;) {
        const ssize_t got = read_up_to(fd, buffer.data(), buffer.size());
        if (got < 0) return false;
        if (got == 0) break;
        hash.add({buffer.data(), static_cast<std::size_t>(got)});
        out.size += static_cast<std::size_t>(got);
    }
    out.sha256 = hash.hex();
    return true;
}

} // namespace

bool is_text(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        if (bytes[at] == '\0') return false;
        const std::size_t length = sdk::detail::utf8_sequence(bytes.substr(at));
        if (length == 0) return false;
        at += length;
    }
    return true;
}

std::string sha256_hex(std::string_view bytes) {
    Sha256 hash;
    hash.add(bytes);
    return hash.hex();
}

Content content_of(std::string_view bytes) {
    Content out;
    out.size = bytes.size();
    out.is_inline = bytes.size() <= max_inline_bytes && is_text(bytes);
    if (out.is_inline)
        out.text = bytes;
    else
        out.sha256 = sha256_hex(bytes);
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
    Sha256 hash;
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
    copied.sha256 = hash.hex();
    return 0;
}

} // namespace holdfast::host
