#include "message.hpp"

#include <sys/random.h>

#include <holdfast/provider.hpp>

namespace holdfast::dns {

std::string rcode_text(unsigned code) {
    static constexpr const char* const words[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                                  "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                                  "NXRRSET", "NOTAUTH", "NOTZONE"};
    return code < std::size(words) ? words[code] : "response code " + std::to_string(code);
}

void append16(std::string& out, std::uint16_t value) {
    out += static_cast<char>(value >> 8U);
    out += static_cast<char>(value & 255U);
}

void append32(std::string& out, std::uint32_t value) {
    append16(out, static_cast<std::uint16_t>(value >> 16U));
    append16(out, static_cast<std::uint16_t>(value & 0xFFFFU));
}

std::uint16_t get16(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8U |
                                      static_cast<unsigned char>(bytes[at + 1]));
}

std::uint32_t get32(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint32_t>(get16(bytes, at)) << 16U | get16(bytes, at + 2);
}

void set16(std::string& bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<char>(value >> 8U);
    bytes[at + 1] = static_cast<char>(value & 255U);
}

void append_record(std::string& out, std::string_view owner, TypeNumber type, std::uint16_t klass,
                   std::uint32_t ttl, std::string_view rdata) {
    out += owner;
    append16(out, type);
    append16(out, klass);
    append32(out, ttl);
    append16(out, static_cast<std::uint16_t>(rdata.size()));
    out += rdata;
}

std::string new_message(Opcode opcode, std::string_view name, TypeNumber type, std::uint16_t klass) {
    std::string out(header_size, '\0');
    if (getrandom(out.data(), 2, 0) != 2)
        throw sdk::Error("dns.random", "the kernel gave no random number for a message",
                         "allow getrandom(2) in the container's seccomp profile");
    out[2] = static_cast<char>(static_cast<unsigned>(opcode) << 3U);
    set16(out, 4, 1);
    out += name;
    append16(out, type);
    append16(out, klass);
    return out;
}

std::string_view Reader::bytes(std::size_t count) {
    if (count > message_.size() - at_)
        throw sdk::Error("dns.bad-answer", "the server sent a message that ends too early");
    const std::string_view out = message_.substr(at_, count);
    at_ += count;
    return out;
}

std::uint16_t Reader::number16() { return get16(bytes(2), 0); }
std::uint32_t Reader::number32() { return get32(bytes(4), 0); }

void Reader::skip_name() {
    for (;;) {
        const auto length = static_cast<unsigned char>(bytes(1)[0]);
        if (length >= 0xC0) return skip(1);
        if (length == 0) return;
        skip(length);
    }
}

MessageView parse_message(std::string_view message) {
    Reader read(message);
    MessageView out;
    out.id = read.number16();
    out.flags = read.number16();
    const unsigned questions = read.number16(), answers = read.number16();
    const unsigned others = read.number16() + 0U, additional = read.number16();
    for (unsigned i = 0; i < questions; ++i) {
        if (i == 0) out.question = read.at();
        read.skip_name();
        const TypeNumber type = read.number16();
        if (i == 0) out.question_type = type;
        read.skip(2);
    }
    out.answer.reserve(answers);
    for (unsigned i = 0; i < answers + others + additional; ++i) {
        RecordView record;
        record.start = read.at();
        read.skip_name();
        record.type = read.number16();
        record.klass = read.number16();
        record.ttl = read.number32();
        record.size = read.number16();
        record.rdata = read.at();
        read.skip(record.size);
        if (i < answers) out.answer.push_back(record);
        const bool is_last = i + 1 == answers + others + additional;
        if (is_last && additional > 0 && record.type == type::tsig) out.tsig_at = record.start;
    }
    return out;
}

} // namespace holdfast::dns
