#include "support/shell.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace holdfast::test {

namespace {

std::optional<std::string> read_from(const std::string& command, const char* errors) {
    FILE* pipe = popen(("PATH=$PATH:/usr/sbin:/sbin; { " + command + "\n} 2>" + errors).c_str(), "re");
    if (!pipe) return std::nullopt;
    std::array<char, 4096> buffer{};
    std::string text;
    for (std::size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        text.append(buffer.data(), n);
    return pclose(pipe) == 0 ? std::optional(text) : std::nullopt;
}

} // namespace

std::optional<std::string> output_of(const std::string& command) { return read_from(command, "/dev/null"); }
std::optional<std::string> output_and_errors_of(const std::string& command) {
    return read_from(command, "&1");
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (file.fail()) throw std::runtime_error("cannot write " + path);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace holdfast::test
