#include <array>
#include <cstdint>

#include "access.hpp"

namespace holdfast::kubernetes {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

} // namespace

std::string encode_base64(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k)
            group = group << 8U | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k)
            out += i + k > bytes.size() ? '=' : alphabet[(group >> (18U - 6U * k)) & 63U];
    }
    return out;
}

std::string decode_base64(std::string_view text, bool* is_fine) {
    std::string out;
    std::uint32_t bits = 0, count = 0;
    if (is_fine) *is_fine = true;
    for (const char c : text) {
        if (c == '\n' || c == '\r' || c == '=' || c == ' ') continue;
        const std::size_t value = alphabet.find(c);
        if (value == std::string_view::npos) {
            if (is_fine) *is_fine = false;
            return {};
        }
        bits = bits << 6U | static_cast<std::uint32_t>(value);
        if (++count % 4 == 1) continue;
        const std::uint32_t left = (count % 4 == 2) ? 4 : (count % 4 == 3) ? 2 : 0;
        out += static_cast<char>(static_cast<unsigned char>(bits >> left & 255U));
    }
    return out;
}

} // namespace holdfast::kubernetes
