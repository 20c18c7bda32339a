#pragma once
// Git's wire framing: four hexadecimal digits of length, then the payload; private to core/git.
// https://git-scm.com/docs/protocol-common

#include <functional>
#include <string>
#include <string_view>

namespace holdfast::git {

enum class Packet { data, flush, delimiter, response_end };

// Appends one line; its payload has at most 65516 bytes.
void append_packet(std::string& out, std::string_view payload);
inline void append_flush(std::string& out) { out += "0000"; }
inline void append_delimiter(std::string& out) { out += "0001"; }

// Takes bytes as they come and gives whole packets.
class PacketReader {
public:
    // False ends the reading; what follows is not looked at.
    using Consumer = std::function<bool(Packet kind, std::string_view payload)>;

    enum class State { more, ended, malformed };
    State feed(std::string_view bytes, const Consumer& consume);
    // Whether a packet has begun that has not come in full.
    bool is_inside() const { return !pending_.empty(); }

private:
    std::string pending_;
};

// Without the newline that most lines end in.
inline std::string_view chomp(std::string_view line) {
    return line.ends_with('\n') ? line.substr(0, line.size() - 1) : line;
}

} // namespace holdfast::git
