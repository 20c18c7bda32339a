#include "git/upload_pack.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast::git {

namespace {

constexpr std::string_view agent = "agent=holdfast";

bool is_id(std::string_view text) {
    return text.size() == 40 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isdigit(c) || (c >= 'a' && c <= 'f');
           });
}

Diagnostic bad_answer(const RemoteUrl& url, std::string_view what) {
    return failure("source.bad-answer", fmt::format("{} answers as no Git server does: {}", url.text(), what),
                   "is it the address of a repository? A proxy between may answer in its place");
}

// "ERR ..." in any place of any answer.
std::optional<Diagnostic> server_error(const RemoteUrl& url, std::string_view line) {
    if (!line.starts_with("ERR ")) return std::nullopt;
    const std::string text(trim(line.substr(4)));
    const bool is_unserved = text.find("not our ref") != text.npos || text.find("unadvertised") != text.npos;
    return failure(is_unserved ? "source.no-commit" : "source.server-error",
                   fmt::format("{} says: {}", url.text(), text),
                   is_unserved
                       ? "the commit does not exist there, or the server gives out only what a branch "
                         "or tag points at"
                       : "");
}

bool has_prefix(const std::string& name, const std::vector<std::string>& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& p) { return name.starts_with(p); });
}

} // namespace

bool UploadPack::fail(Diagnostic why) {
    if (!problem_) problem_ = std::move(why);
    return false;
}

// An answer that ended well on the wire, but not in full, broke off.
Status UploadPack::receive_whole(const Status& answered) const {
    if (!answered) return answered;
    if (problem_) return *problem_;
    if (!is_whole_) return interrupted(url_, "the answer ended before its end");
    return Ok{};
}

Status UploadPack::open() {
    PacketReader reader;
    bool is_first = true, was_service = false;
    const auto take = [&](Packet kind, std::string_view payload) {
        const std::string_view line = chomp(payload);
        if (kind == Packet::data && is_first && line.starts_with("# service=")) {
            was_service = true;
            is_first = false;
            return true;
        }
        if (kind == Packet::flush && was_service) return was_service = false, true;
        is_first = false;
        if (kind == Packet::flush) return is_whole_ = true, false;
        return kind == Packet::data ? take_greeting_line(line) : fail(bad_answer(url_, "an odd packet"));
    };
    const Status answered = conversation_.greeting([&](std::string_view bytes) {
        const auto state = reader.feed(bytes, take);
        if (state == PacketReader::State::malformed) return fail(bad_answer(url_, "no packet begins here"));
        return state == PacketReader::State::more;
    });
    Status whole = receive_whole(answered);
    if (whole && has_capability("object-format=sha256"))
        return failure("source.bad-answer",
                       fmt::format("{} has SHA-256 ids, which are not supported yet", url_.text()));
    return whole;
}

bool UploadPack::take_greeting_line(std::string_view line) {
    if (auto why = server_error(url_, line)) return fail(*std::move(why));
    if (!is_greeted_) {
        is_greeted_ = true;
        if (line == "version 2") return version_ = Version::v2, true;
        if (line == "version 1") return true;
    }
    if (version_ == Version::v2)
        capabilities_.emplace_back(line);
    else
        take_advertised(line);
    return !problem_;
}

// "<id> <name>[\0<capabilities>]"; an annotated tag is followed by "<id> <name>^{}".
void UploadPack::take_advertised(std::string_view line) {
    const std::size_t zero = line.find('\0');
    if (zero != line.npos) {
        for (std::string_view word : split(line.substr(zero + 1), ' '))
            if (!word.empty()) capabilities_.emplace_back(word);
        line = line.substr(0, zero);
    }
    if (line.starts_with("shallow ")) return;
    if (line.size() < 42 || line[40] != ' ' || !is_id(line.substr(0, 40))) {
        fail(bad_answer(url_, "a line that names no ref"));
        return;
    }
    const std::string name(line.substr(41));
    if (name.ends_with("^{}")) return;
    advertised_.push_back({name, std::string(line.substr(0, 40)), {}});
    constexpr std::string_view head = "symref=HEAD:";
    if (name == "HEAD")
        for (const std::string& capability : capabilities_)
            if (capability.starts_with(head)) advertised_.back().target = capability.substr(head.size());
}

bool UploadPack::has_capability(std::string_view name) const {
    return std::find(capabilities_.begin(), capabilities_.end(), name) != capabilities_.end();
}

bool UploadPack::serves_any_commit() const {
    return version_ == Version::v2 || has_capability("allow-any-sha1-in-want") ||
           has_capability("allow-reachable-sha1-in-want");
}

Result<std::vector<RemoteRef>> UploadPack::refs(const std::vector<std::string>& prefixes) {
    std::vector<RemoteRef> found;
    if (version_ == Version::v0) {
        std::copy_if(advertised_.begin(), advertised_.end(), std::back_inserter(found),
                     [&](const RemoteRef& ref) { return has_prefix(ref.name, prefixes); });
        return found;
    }
    std::string request;
    append_packet(request, "command=ls-refs\n");
    append_packet(request, std::string(agent) + "\n");
    append_delimiter(request);
    append_packet(request, "symrefs\n");
    for (const std::string& prefix : prefixes) append_packet(request, "ref-prefix " + prefix + "\n");
    append_flush(request);

    is_whole_ = false;
    PacketReader reader;
    const auto take = [&](Packet kind, std::string_view payload) {
        const std::string_view line = chomp(payload);
        if (kind == Packet::flush) return is_whole_ = true, false;
        if (auto why = server_error(url_, line)) return fail(*std::move(why));
        const std::vector<std::string_view> words = split(line, ' ');
        if (words.size() < 2 || !is_id(words[0])) return fail(bad_answer(url_, "a line that names no ref"));
        RemoteRef ref{std::string(words[1]), std::string(words[0]), {}};
        for (std::string_view word : words)
            if (word.starts_with("symref-target:")) ref.target = word.substr(14);
        // A prefix is a wish only: servers may tell more.
        if (has_prefix(ref.name, prefixes)) found.push_back(std::move(ref));
        return true;
    };
    const Status answered = conversation_.ask(request, [&](std::string_view bytes) {
        const auto state = reader.feed(bytes, take);
        if (state == PacketReader::State::malformed) return fail(bad_answer(url_, "no packet begins here"));
        return state == PacketReader::State::more;
    });
    if (Status whole = receive_whole(answered); !whole) return whole.error();
    return found;
}

// Both ask for all at once and leave the server no turn to answer before "done": of what we have, the newest
// commits are told, and a server finds the common ones among them. A history that diverged by more than that
// costs bytes and nothing else.
std::string UploadPack::fetch_request_v2(const std::vector<std::string>& wants,
                                         const std::vector<std::string>& haves) {
    std::string request;
    append_packet(request, "command=fetch\n");
    append_packet(request, std::string(agent) + "\n");
    append_delimiter(request);
    append_packet(request, "ofs-delta\n");
    for (const std::string& id : wants) append_packet(request, "want " + id + "\n");
    for (const std::string& id : haves) append_packet(request, "have " + id + "\n");
    append_packet(request, "done\n");
    append_flush(request);
    return request;
}

std::string UploadPack::fetch_request_v0(const std::vector<std::string>& wants,
                                         const std::vector<std::string>& haves) {
    std::string request, words = " side-band-64k ofs-delta";
    for (std::size_t i = 0; i < wants.size(); ++i)
        append_packet(request, fmt::format("want {}{}\n", wants[i], i == 0 ? words : ""));
    append_flush(request);
    for (const std::string& id : haves) append_packet(request, "have " + id + "\n");
    append_packet(request, "done\n");
    return request;
}

bool UploadPack::take_pack_packet(Packet kind, std::string_view payload, const PackReceiver& receive) {
    if (kind == Packet::flush) {
        if (!is_in_pack_) return true;
        is_whole_ = true;
        return false;
    }
    if (kind != Packet::data) return true;
    if (!is_in_pack_) {
        const std::string_view line = chomp(payload);
        if (auto why = server_error(url_, line)) return fail(*std::move(why));
        if (version_ == Version::v2 ? line == "packfile" : line == "NAK" || line.starts_with("ACK ")) {
            is_in_pack_ = true;
            return true;
        }
        if (version_ == Version::v2) return true; // a section that was not asked for
        return fail(bad_answer(url_, "neither a pack nor an error"));
    }
    if (payload.empty()) return true;
    const std::string_view rest = payload.substr(1);
    if (payload[0] == 2) return true; // what the server is doing: a sign of life
    if (payload[0] == 3)
        return fail(failure("source.server-error", fmt::format("{} says: {}", url_.text(), trim(rest))));
    if (payload[0] != 1) {
        const bool is_another_ack = version_ == Version::v0 && payload.starts_with("ACK ");
        return is_another_ack || fail(bad_answer(url_, "a packet of no known band"));
    }
    if (Status taken = receive(rest); !taken) return fail(taken.error());
    return true;
}

Status UploadPack::fetch(const std::vector<std::string>& wants, const std::vector<std::string>& haves,
                         const PackReceiver& receive) {
    if (version_ == Version::v0 && !has_capability("side-band-64k"))
        return failure("source.bad-answer",
                       fmt::format("{} is too old a server: it lacks side-band-64k", url_.text()));
    const std::string request =
        version_ == Version::v2 ? fetch_request_v2(wants, haves) : fetch_request_v0(wants, haves);
    is_whole_ = is_in_pack_ = false;
    PacketReader reader;
    const Status answered = conversation_.ask(request, [&](std::string_view bytes) {
        const auto state = reader.feed(bytes, [&](Packet kind, std::string_view payload) {
            return take_pack_packet(kind, payload, receive);
        });
        if (state == PacketReader::State::malformed) return fail(bad_answer(url_, "no packet begins here"));
        return state == PacketReader::State::more;
    });
    // Our own reason to end counts more than how the line took it.
    if (problem_) return *problem_;
    return receive_whole(answered);
}

} // namespace holdfast::git
