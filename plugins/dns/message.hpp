#pragma once
// DNS messages as bytes (RFC 1035 section 4): what is sent is put together here, what comes is taken apart
// with every length checked.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "names.hpp"
#include "rdata.hpp"

namespace holdfast::dns {

constexpr std::size_t header_size = 12;
constexpr std::uint16_t class_in = 1, class_none = 254, class_any = 255;

namespace rcode {
constexpr unsigned noerror = 0, servfail = 2, nxdomain = 3, notimp = 4, refused = 5, yxdomain = 6,
                   yxrrset = 7, nxrrset = 8, notauth = 9, notzone = 10;
}
std::string rcode_text(unsigned code);

void append16(std::string& out, std::uint16_t value);
void append32(std::string& out, std::uint32_t value);
std::uint16_t get16(std::string_view bytes, std::size_t at);
std::uint32_t get32(std::string_view bytes, std::size_t at);
void set16(std::string& bytes, std::size_t at, std::uint16_t value);

void append_record(std::string& out, std::string_view owner, TypeNumber type, std::uint16_t klass,
                   std::uint32_t ttl, std::string_view rdata);

enum class Opcode : unsigned { query = 0, notify = 4, update = 5 };
// A header with a random id, and one question (an UPDATE's zone).
std::string new_message(Opcode opcode, std::string_view name, TypeNumber type,
                        std::uint16_t klass = class_in);

// Walks over a message. Throws `dns.bad-answer` where it ends too early.
class Reader {
public:
    explicit Reader(std::string_view message, std::size_t at = 0) : message_(message), at_(at) {}
    std::size_t at() const { return at_; }
    std::uint16_t number16();
    std::uint32_t number32();
    std::string_view bytes(std::size_t count);
    void skip(std::size_t count) { bytes(count); }
    Wire name() { return expand_name(message_, at_); }
    void skip_name();

private:
    std::string_view message_;
    std::size_t at_;
};

struct RecordView {
    std::size_t start = 0; // where its owner begins
    TypeNumber type = 0;
    std::uint16_t klass = 0;
    std::uint32_t ttl = 0;
    std::size_t rdata = 0, size = 0;
};

struct MessageView {
    std::uint16_t id = 0, flags = 0;
    std::size_t question = 0; // where the first one begins; 0: there is none
    TypeNumber question_type = 0;
    std::vector<RecordView> answer;
    std::size_t tsig_at = 0; // 0: not signed

    unsigned rcode() const { return flags & 15U; }
    unsigned opcode() const { return flags >> 11U & 15U; }
    bool is_response() const { return (flags & 0x8000U) != 0; }
};
MessageView parse_message(std::string_view message);

} // namespace holdfast::dns
