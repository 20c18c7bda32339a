#include "program.hpp"

#include <unistd.h>

namespace holdfast::routing {

std::optional<std::string> find_program(std::string_view name) {
    for (const char* folder : {"/usr/sbin", "/usr/bin", "/usr/lib/frr", "/usr/libexec/frr", "/sbin", "/bin",
                               "/usr/local/sbin", "/usr/local/bin"}) {
        std::string path = std::string(folder) + "/" + std::string(name);
        if (access(path.c_str(), X_OK) == 0) return path;
    }
    return std::nullopt;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = 0; !what.empty() && (at = text.find(what, at)) != std::string::npos;
         at += by.size())
        text.replace(at, what.size(), by);
    return text;
}

std::string trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
    return first == std::string_view::npos ? std::string()
                                           : std::string(text.substr(first, last - first + 1));
}

} // namespace holdfast::routing
