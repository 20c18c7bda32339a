#include "live.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

#include <holdfast/sha256.hpp>

#include "names.hpp"

namespace holdfast::host {

namespace {

constexpr std::int64_t racy_ns =
    50'000'000; // more than the coarsest tick (10 ms) and than clock steps of NTP

std::int64_t nanoseconds(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void append_number(std::string& out, std::uint64_t number) {
    if (!out.empty() && out.back() != ':') out += ':';
    out += std::to_string(number);
}

// Device, inode, and what of the rest belongs to the object itself: a directory's times and size change
// with its entries.
std::string plain_version_of(const Live& live) {
    const struct stat& status = live.status;
    std::string out;
    append_number(out, status.st_dev);
    append_number(out, status.st_ino);
    if (live.type == Type::directory) {
        append_number(out, status.st_mode);
        append_number(out, status.st_uid);
        append_number(out, status.st_gid);
        return out;
    }
    append_number(out, static_cast<std::uint64_t>(nanoseconds(status.st_mtim)));
    append_number(out, static_cast<std::uint64_t>(nanoseconds(status.st_ctim)));
    append_number(out, static_cast<std::uint64_t>(status.st_size));
    return out;
}

std::string content_mark(const Live& live) {
    if (live.type == Type::symlink) return sdk::sha256_hex(live.target).substr(0, 16);
    return (live.content.is_inline ? sdk::sha256_hex(live.content.text) : live.content.sha256).substr(0, 16);
}

void append_member(std::string& out, const char* key_and_colon, std::string_view value) {
    if (out.back() != '{') out += ',';
    out += key_and_colon;
    sdk::append_quoted(out, value);
}

int read_link(const Fd& directory, const std::string& name, std::string& target) {
    char buffer[4096];
    const ssize_t size = ::readlinkat(directory.get(), name.c_str(), buffer, sizeof buffer);
    if (size < 0) return errno;
    target.assign(buffer, static_cast<std::size_t>(size));
    return 0;
}

// O_NONBLOCK: a pipe must not make us wait for its writer.
int look_at_file(const Fd& directory, const std::string& name, Live& out) {
    out.fd = Fd(
        ::openat(directory.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    // A link is ELOOP, a socket ENXIO. What may not be opened may still be no file at all.
    if (!out.fd) {
        const int error = errno;
        if (const int failed = look_at_status(directory, name, out)) return failed;
        return out.type == Type::file ? error : 0;
    }
    if (::fstat(out.fd.get(), &out.status) != 0) return errno;
    out.type = type_of_mode(out.status.st_mode);
    if (out.type != Type::file) return 0;
    // The status is older than the content: a write in between makes the version wrong, not the content
    // stale.
    return read_content(out.fd.get(), static_cast<std::uint64_t>(out.status.st_size), out.content) ? 0
                                                                                                   : errno;
}

} // namespace

Type type_of_mode(mode_t mode) {
    if (S_ISREG(mode)) return Type::file;
    if (S_ISDIR(mode)) return Type::directory;
    if (S_ISLNK(mode)) return Type::symlink;
    return Type::other;
}

int look_at_status(const Fd& directory, const std::string& name, Live& out) {
    if (::fstatat(directory.get(), name.c_str(), &out.status, AT_SYMLINK_NOFOLLOW) != 0) {
        out.type = Type::none;
        return errno == ENOENT ? 0 : errno;
    }
    out.type = type_of_mode(out.status.st_mode);
    return 0;
}

int look(const Fd& directory, const std::string& name, Type wanted, Live& out) {
    out = {};
    if (wanted == Type::file) return look_at_file(directory, name, out);
    if (const int error = look_at_status(directory, name, out)) return error;
    return out.type == Type::symlink ? read_link(directory, name, out.target) : 0;
}

void append_document(std::string& out, const Live& live, std::string_view path, Names& names) {
    out += R"({"apiVersion":")";
    out += api_version;
    out += R"(","kind":")";
    out += kind_of(live.type);
    out += R"(","spec":{)";
    if (live.type == Type::file && live.content.is_inline)
        append_member(out, R"("content":)", live.content.text);
    if (live.type != Type::symlink) {
        append_member(out, R"("group":)", names.group_name(live.status.st_gid));
        append_member(out, R"("mode":)", mode_text(live.status.st_mode));
        append_member(out, R"("owner":)", names.user_name(live.status.st_uid));
    }
    append_member(out, R"("path":)", path);
    if (live.type == Type::file && !live.content.is_inline) {
        append_member(out, R"("source":{"sha256":)", live.content.sha256);
        out += ",\"size\":" + std::to_string(live.content.size) + "}";
    }
    if (live.type == Type::symlink) append_member(out, R"("target":)", live.target);
    out += "}}";
}

std::string version_of(const Live& live) {
    std::string out = plain_version_of(live);
    if (live.type == Type::directory) return out;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    if (nanoseconds(live.status.st_ctim) > nanoseconds(now) - racy_ns) out += ":" + content_mark(live);
    return out;
}

bool is_about_content(std::string_view version) {
    return std::count(version.begin(), version.end(), ':') == 5;
}

bool is_version(const Live& live, std::string_view version) {
    const std::string plain = plain_version_of(live);
    if (version.substr(0, plain.size()) != plain) return false;
    version.remove_prefix(plain.size());
    return version.empty() || (version.front() == ':' && version.substr(1) == content_mark(live));
}

} // namespace holdfast::host
