#include "sudoers.hpp"

#include <algorithm>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>

#include <holdfast/program.hpp>

#include "access/names.hpp"
#include "table.hpp"

namespace holdfast::access {

namespace {

constexpr const char* folder = "etc/sudoers.d";
constexpr std::string_view prefix = "holdfast-";
constexpr const char* head = "# Holdfast writes this file: a change made here is taken back.\n";

std::string file_of(const std::string& name) { return std::string(prefix) + name; }

std::string visudo() {
    for (const char* path : {"/usr/sbin/visudo", "/usr/bin/visudo", "/sbin/visudo"})
        if (::access(path, X_OK) == 0) return path;
    throw sdk::Error("access.no-visudo", "there is no visudo to check a sudoers fragment with",
                     "install sudo; without a check nothing is written, since an error there can lock sudo");
}

// On a file of our own outside of sudoers.d, since sudo would read it there.
void check(const sdk::Call& call, const std::string& name, const std::string& text) {
    char path[] = "/tmp/holdfast-sudoers-XXXXXX";
    const Fd file(::mkstemp(path));
    if (!file) throw_system(errno, "write", "/tmp");
    struct Removed {
        const char* path;
        ~Removed() { ::unlink(path); }
    } const removed{path};
    if (::fchmod(file.get(), 0440) != 0 || ::write(file.get(), text.data(), text.size()) < 0)
        throw_system(errno, "write", path);
    const sdk::ProgramResult result =
        sdk::run_program(call, {visudo(), "-cf", path}, std::chrono::seconds(10));
    if (result.exit_code == 0) return;
    std::string words = sdk::in_one_line(result.output);
    for (std::size_t at = words.find(path); at != std::string::npos; at = words.find(path))
        words.replace(at, sizeof path - 1, name);
    throw sdk::Error("access.sudoers", "visudo refuses the fragment " + name + ": " + words,
                     "correct the lines: what stands there is as in sudoers(5), without who");
}

} // namespace

std::optional<std::vector<std::string>> read_fragment(const Root& root, const std::string& name) {
    const auto text = root.read(std::string(folder) + "/" + file_of(name));
    if (!text) return std::nullopt;
    std::vector<std::string> out;
    for (const std::string& line : split(*text, '\n')) {
        const std::size_t first = line.find_first_not_of(" \t");
        if (first == std::string::npos) continue;
        // "#includedir" and "#1000" are no comments to sudo.
        const bool is_comment = line[first] == '#' && (first + 1 == line.size() || line[first + 1] == ' ' ||
                                                       line[first + 1] == '#');
        if (!is_comment) out.push_back(line);
    }
    return out;
}

void write_fragment(const Root& root, const sdk::Call& call, const std::string& name,
                    const std::vector<std::string>& lines) {
    const std::string text = head + joined(lines, '\n') + "\n";
    check(call, file_of(name), text);
    const Fd directory = root.make_directory(folder, 0750);
    // sudo reads no file with a dot in its name.
    replace_file(directory, file_of(name), file_of(name) + ".new", text, {::geteuid(), ::getegid(), 0440},
                 root.path() + "/" + folder + "/" + file_of(name));
}

void remove_fragment(const Root& root, const std::string& name) {
    const Fd directory = root.open(folder, O_RDONLY | O_DIRECTORY);
    if (!directory) return;
    if (::unlinkat(directory.get(), file_of(name).c_str(), 0) != 0 && errno != ENOENT)
        throw_system(errno, "remove", file_of(name));
    (void)::fsync(directory.get());
}

std::vector<std::string> fragments(const Root& root) {
    std::vector<std::string> out;
    Fd directory = root.open(folder, O_RDONLY | O_DIRECTORY);
    DIR* listing = directory ? ::fdopendir(::dup(directory.get())) : nullptr;
    if (!listing) return out;
    while (const dirent* entry = ::readdir(listing)) {
        const std::string_view name = entry->d_name;
        if (name.substr(0, prefix.size()) == prefix && name.find('.') == std::string_view::npos)
            out.emplace_back(name.substr(prefix.size()));
    }
    ::closedir(listing);
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace holdfast::access
