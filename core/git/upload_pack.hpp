#pragma once
// What is said to `git upload-pack`, private to core/git: protocol version 2, in which only the refs that
// are asked for are told, and version 0 for servers that know no other.
// https://git-scm.com/docs/protocol-v2, https://git-scm.com/docs/pack-protocol

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "git/conversation.hpp"
#include "git/pkt_line.hpp"

namespace holdfast::git {

struct RemoteRef {
    std::string name;   // "refs/heads/main", "HEAD"
    std::string id;     // of what it points at, in hex: of the tag object for an annotated tag
    std::string target; // of a symbolic ref
};

// One fetch from one server.
class UploadPack {
public:
    UploadPack(Conversation& conversation, RemoteUrl url)
        : conversation_(conversation), url_(std::move(url)) {}

    Status open();
    // Refs whose names begin with one of these.
    Result<std::vector<RemoteRef>> refs(const std::vector<std::string>& prefixes);
    // Whether commits that no ref points at can be asked for by their id.
    bool serves_any_commit() const;

    // The bytes of a pack that has `wants` and what they need, less what `haves` imply.
    using PackReceiver = std::function<Status(std::string_view bytes)>;
    Status fetch(const std::vector<std::string>& wants, const std::vector<std::string>& haves,
                 const PackReceiver& receive);

private:
    enum class Version { v0, v2 };
    bool take_greeting_line(std::string_view line);
    void take_advertised(std::string_view line);
    bool has_capability(std::string_view name) const;
    std::string fetch_request_v0(const std::vector<std::string>& wants,
                                 const std::vector<std::string>& haves);
    std::string fetch_request_v2(const std::vector<std::string>& wants,
                                 const std::vector<std::string>& haves);
    bool take_pack_packet(Packet kind, std::string_view payload, const PackReceiver& receive);
    Status receive_whole(const Status& answered) const;
    bool fail(Diagnostic why);

    Conversation& conversation_;
    RemoteUrl url_;
    Version version_ = Version::v0;
    bool is_greeted_ = false;
    std::vector<std::string> capabilities_;
    std::vector<RemoteRef> advertised_; // version 0
    // Of the answer that is being read.
    bool is_in_pack_ = false, is_whole_ = false;
    std::optional<Diagnostic> problem_;
};

} // namespace holdfast::git
