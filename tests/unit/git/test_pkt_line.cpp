#include "git/pkt_line.hpp"
#include "support/catch.hpp"

using namespace holdfast::git;

namespace {

// "data:hello", "flush"; fed in pieces of `piece` bytes.
std::vector<std::string> read(const std::string& bytes, std::size_t piece, PacketReader::State& state) {
    std::vector<std::string> lines;
    PacketReader reader;
    state = PacketReader::State::more;
    for (std::size_t at = 0; at < bytes.size() && state == PacketReader::State::more; at += piece)
        state = reader.feed(std::string_view(bytes).substr(at, piece),
                            [&](Packet kind, std::string_view payload) {
                                lines.push_back(kind == Packet::data    ? "data:" + std::string(payload)
                                                : kind == Packet::flush ? "flush"
                                                                        : "other");
                                return lines.back() != "data:stop";
                            });
    return lines;
}

} // namespace

TEST_CASE("packets are read whole, however the bytes come") {
    std::string bytes;
    append_packet(bytes, "hello\n");
    append_packet(bytes, "");
    append_delimiter(bytes);
    append_packet(bytes, std::string(65516, 'x'));
    append_flush(bytes);
    const std::size_t piece = GENERATE(1U, 3U, 4096U, 1U << 20);
    PacketReader::State state{};
    const auto lines = read(bytes, piece, state);
    CHECK(state == PacketReader::State::more);
    REQUIRE(lines.size() == 5);
    CHECK(lines[0] == "data:hello\n");
    CHECK(lines[1] == "data:");
    CHECK(lines[2] == "other");
    CHECK(lines[3].size() == 5 + 65516);
    CHECK(lines[4] == "flush");
}

TEST_CASE("what is no packet is malformed, and a reader that has enough is left alone") {
    PacketReader::State state{};
    const std::string bad = GENERATE("<htm", "0003", "ffff", "-001", " 12a");
    read(bad, 4, state);
    CHECK(state == PacketReader::State::malformed);
    CHECK(read("0008stop<html>", 100, state) == std::vector<std::string>{"data:stop"});
    CHECK(state == PacketReader::State::ended);
}
