#include "sys/environment.hpp"

#include <cstdlib>
#include <vector>

#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace holdfast {

namespace {

struct Account {
    std::string name, home;
};

// Empty members for a user id that no database knows, as is common in containers.
Account account_of(uid_t user) {
    std::vector<char> buffer(16384);
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || !found) return {};
    return {found->pw_name, found->pw_dir};
}

std::string home_directory() {
    if (auto home = environment("HOME"); home && home->front() == '/') return *home;
    const std::string home = account_of(geteuid()).home;
    return home.empty() ? "/" : home;
}

// The specification says to ignore values that are not absolute.
std::string base_directory(const std::string& variable, const std::string& below_home) {
    if (auto set = environment(variable); set && set->front() == '/') return *set;
    const std::string home = home_directory();
    return (home == "/" ? "" : home) + "/" + below_home;
}

} // namespace

std::optional<std::string> environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (!value || !*value) return std::nullopt;
    return value;
}

std::string state_directory() {
    if (geteuid() == 0 && !environment("XDG_STATE_HOME")) return "/var/lib/holdfast";
    return base_directory("XDG_STATE_HOME", ".local/state") + "/holdfast";
}

std::string config_directory() { return base_directory("XDG_CONFIG_HOME", ".config") + "/holdfast"; }

std::string executable_path() {
    std::string path(256, '\0');
    for (;;) {
        const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
        if (length < 0) return {};
        if (static_cast<std::size_t>(length) < path.size()) {
            path.resize(static_cast<std::size_t>(length));
            return path;
        }
        path.resize(path.size() * 2);
    }
}

std::string actor() {
    utsname names{};
    uname(&names);
    const auto caller = geteuid() == 0 ? environment("SUDO_USER") : std::nullopt;
    std::string name = caller ? *caller : account_of(geteuid()).name;
    if (name.empty()) name = "uid-" + std::to_string(geteuid());
    return name + "@" + names.nodename;
}

} // namespace holdfast
