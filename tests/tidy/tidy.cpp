// Style as a unit test: `tidy ROOT` reads the tree's sources as text and prints each violation of the
// rules in docs/architecture.md as "file:line: what is wrong". Exits 1 if there is one.

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_columns = 110;
constexpr std::size_t max_function_lines = 70;

struct Source {
    std::string path; // relative to the root
    std::vector<std::string> lines;

    bool is_under(std::string_view folder) const { return path.starts_with(folder); }
    bool is_header() const {
        return path.ends_with(".hpp") || path.ends_with(".ipp") || path.ends_with(".h");
    }
    bool is_code() const { return is_header() || path.ends_with(".cpp") || path.ends_with(".c"); }
};

int violations = 0;

void report(const Source& source, std::size_t line, const std::string& what) {
    std::cout << source.path << ':' << line << ": " << what << '\n';
    ++violations;
}

bool is_text(const std::string& bytes) { return bytes.find('\0') == std::string::npos; }

std::vector<Source> read_tree(const fs::path& root) {
    std::vector<Source> sources;
    for (auto entry = fs::recursive_directory_iterator(root); entry != fs::end(entry); ++entry) {
        const std::string name = entry->path().filename().string();
        if (entry->is_directory()) {
            const bool is_generated = name == ".git" || name == ".cache" || name.starts_with("build");
            if (is_generated) entry.disable_recursion_pending();
            continue;
        }
        if (!entry->is_regular_file() || name == ".git") continue;
        std::ostringstream bytes;
        bytes << std::ifstream(entry->path(), std::ios::binary).rdbuf();
        if (!is_text(bytes.str())) continue;
        Source source{fs::relative(entry->path(), root).generic_string(), {}};
        std::istringstream text(bytes.str());
        for (std::string line; std::getline(text, line);) source.lines.push_back(line);
        sources.push_back(std::move(source));
    }
    std::sort(sources.begin(), sources.end(), [](auto& a, auto& b) { return a.path < b.path; });
    return sources;
}

std::size_t columns(std::string_view line) {
    const auto is_continuation = [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
    };
    return line.size() - static_cast<std::size_t>(std::count_if(line.begin(), line.end(), is_continuation));
}

// `#include "x"` -> "x, `#include <x>` -> <x; anything else -> empty.
std::string_view included(std::string_view line) {
    if (!line.starts_with("#include")) return {};
    const std::size_t start = line.find_first_of("\"<");
    const std::size_t end = start == line.npos ? line.npos : line.find_first_of("\">", start + 1);
    return end == line.npos ? std::string_view() : line.substr(start, end - start);
}

// ---- layers ----

// The order stands once, in core/CMakeLists.txt: foreach(folder base sys ...).
std::vector<std::string> core_folders(const std::vector<Source>& sources) {
    std::vector<std::string> folders;
    for (const Source& source : sources) {
        if (source.path != "core/CMakeLists.txt") continue;
        for (const std::string& line : source.lines) {
            if (!line.starts_with("foreach(folder ")) continue;
            std::istringstream words(line.substr(15, line.size() - 16));
            for (std::string word; words >> word;) folders.push_back(word);
        }
    }
    return folders;
}

// Where a library's headers may be included: core folders, or "*" for all of them.
const std::map<std::string_view, std::vector<std::string_view>>& homes_of_libraries() {
    static const std::map<std::string_view, std::vector<std::string_view>> homes{
        {"<fmt/", {"*"}},
        {"<nlohmann/", {"base", "manifest"}},
        {"<openssl/", {"base"}},
        {"<curl/", {"sys"}},
        {"<spdlog/", {"log"}},
        {"<yaml-cpp/", {"manifest"}},
        {"<valijson/", {"manifest"}},
        {"<git2", {"git"}},
        {"<SQLiteCpp/", {"store"}},
        {"<sqlite3.h", {"store"}},
        {"<boost/dll", {"provider"}},
        {"<boost/beast", {"http"}},
        {"<boost/asio", {"http"}},
        {"<semver.h", {"base"}},
        {"<CLI/", {"cli"}},
        {"<regex", {"manifest"}}, // 2.5 s of compile time; JSON Schema has patterns
    };
    return homes;
}

void check_core_include(const Source& source, std::size_t line, std::string_view target,
                        const std::vector<std::string>& folders) {
    const std::string own = source.path.substr(5, source.path.find('/', 5) - 5);
    for (const auto& [library, homes] : homes_of_libraries()) {
        if (!target.starts_with(library)) continue;
        const bool is_home = std::any_of(homes.begin(), homes.end(),
                                         [&](std::string_view home) { return home == "*" || home == own; });
        if (!is_home) report(source, line, "core/" + own + " may not include " + std::string(target) + ">");
    }
    if (target[0] != '"') return;
    const std::string theirs(target.substr(1, target.find('/') - 1));
    const auto rank = [&](const std::string& folder) {
        return std::find(folders.begin(), folders.end(), folder);
    };
    if (rank(own) == folders.end()) {
        report(source, line, "core/" + own + " is not in the list of core/CMakeLists.txt");
    } else if (rank(theirs) == folders.end()) {
        report(source, line, "include \"folder/file.hpp\", not " + std::string(target) + "\"");
    } else if (own == "cli" && theirs == "daemon") {
        report(source, line, "cli and daemon do not see each other: what both need stands in core/control");
    } else if (rank(theirs) > rank(own)) {
        report(source, line, "core/" + own + " is below core/" + theirs + " and may not include it");
    }
}

void check_includes(const Source& source, const std::vector<std::string>& folders) {
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
        const std::string_view target = included(source.lines[i]);
        if (target.empty()) continue;
        if (source.is_under("core/")) check_core_include(source, i + 1, target, folders);
        const bool is_kit = source.is_under("sdk/conformance/");
        const bool is_plugin = !is_kit && (source.is_under("plugins/") || source.is_under("sdk/"));
        const std::string first(target.substr(1, target.find('/') - 1));
        const bool is_core = std::find(folders.begin(), folders.end(), first) != folders.end();
        if (is_plugin && target[0] == '"' && (is_core || target.find("..") != target.npos))
            report(source, i + 1,
                   "plugins and the SDK see only <holdfast/...>, not " + std::string(target) + "\"");
        static const std::set<std::string> for_kit{"base", "sys",      "log",     "model",
                                                   "plan", "manifest", "provider"};
        if (is_kit && target[0] == '"' && is_core && !for_kit.contains(first))
            report(source, i + 1, "the conformance kit may not include " + std::string(target) + "\"");
        if (target.starts_with("<catch2/") && source.path.find("tests/support/catch") != 0)
            report(source, i + 1, "tests include \"support/catch.hpp\", which knows both versions of Catch2");
    }
}

// ---- form ----

void check_form(const Source& source) {
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
        const bool can_be_broken = source.lines[i].find("R\"") == std::string::npos; // not a raw string
        if (columns(source.lines[i]) > max_columns && can_be_broken)
            report(source, i + 1, "longer than " + std::to_string(max_columns) + " columns");
        if (source.lines[i].ends_with(' ') || source.lines[i].ends_with('\r'))
            report(source, i + 1, "blank at the end of the line");
    }
    if (!source.path.ends_with(".hpp") || source.lines.empty()) return;
    if (source.lines[0] != "#pragma once") report(source, 1, "a header begins with #pragma once");
    const bool says_purpose = source.lines.size() > 1 && source.lines[1].starts_with("//");
    if (!says_purpose && !source.is_under("tests/")) report(source, 2, "a header says first what it is for");
}

std::size_t indent_of(const std::string& line) { return std::min(line.find_first_not_of(' '), line.size()); }

// clang-format has been here: a function's body opens with a line that ends in "{" and closes with "}" in
// the same column. Bodies stand in column 0, or in column 4 inside a class.
bool opens_function(const std::string& line) {
    const std::size_t indent = indent_of(line);
    if ((indent != 0 && indent != 4) || !line.ends_with("{") || line.find('(') == line.npos) return false;
    static const std::set<std::string> others{"namespace", "class", "struct", "enum",   "union", "extern",
                                              "if",        "for",   "while",  "switch", "do",    "else",
                                              "try",       "case",  "return", "}"};
    const std::string word = line.substr(indent, line.find_first_of(" ({", indent) - indent);
    return !others.contains(word);
}

void check_function_length(const Source& source) {
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
        if (!opens_function(source.lines[i])) continue;
        const std::string close = std::string(indent_of(source.lines[i]), ' ') + "}";
        std::size_t end = i + 1;
        while (end < source.lines.size() && !source.lines[end].starts_with(close)) ++end;
        if (end - i + 1 > max_function_lines)
            report(source, i + 1,
                   "a function of " + std::to_string(end - i + 1) + " lines; " +
                       std::to_string(max_function_lines) + " is the limit");
        if (indent_of(source.lines[i]) == 0) i = end;
    }
}

// Written in pieces, so that this file does not accuse itself.
void check_machine_paths(const Source& source) {
    static const std::vector<std::string> foreign{std::string("/wo") + "rk/", std::string("/var/") + "tmp/",
                                                  std::string("/tmp/") + "bash_jobs"};
    for (std::size_t i = 0; i < source.lines.size(); ++i)
        for (const std::string& path : foreign)
            if (source.lines[i].find(path) != std::string::npos)
                report(source, i + 1, "names a machine's path, " + path);
}

// ---- diagnostic codes ----

bool is_code_character(char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0 ||
           std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-';
}

// "folder.what-is-wrong"
bool is_dotted(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == text.npos || dot == 0 || dot + 1 == text.size() || text[0] == '-') return false;
    const std::string_view prefix = text.substr(0, dot), rest = text.substr(dot + 1);
    return std::all_of(prefix.begin(), prefix.end(), is_code_character) &&
           std::all_of(rest.begin(), rest.end(), is_code_character);
}

// A file or a host, to judge by its ending, or an extended attribute.
bool is_name_of_something(std::string_view text) {
    static const std::set<std::string_view> endings{"yaml", "yml",  "json",   "so",  "db",    "txt",
                                                    "md",   "sock", "lock",   "dev", "toml",  "log",
                                                    "com",  "org",  "sqlite", "net", "local", "git"};
    if (text.starts_with("security.") || text.starts_with("user.") || text.starts_with("trusted."))
        return true;
    return text.starts_with("holdfast.") || endings.contains(text.substr(text.find('.') + 1));
}

// The string literals of a line, without escapes; comments are left out.
std::vector<std::string> literals(const std::string& line) {
    std::vector<std::string> found;
    if (line.starts_with(" *") || line.starts_with("/*")) return found;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line.compare(i, 2, "//") == 0) break;
        if (line[i] == '\'') { // a character, perhaps a quote
            i += line.compare(i + 1, 1, "\\") == 0 ? 3 : 2;
            continue;
        }
        if (line[i] != '"') continue;
        std::string text;
        for (++i; i < line.size() && line[i] != '"'; ++i) {
            if (line[i] == '\\') ++i;
            if (i < line.size()) text += line[i];
        }
        found.push_back(std::move(text));
    }
    return found;
}

// The name that a line of a core header defines a class of, in the one namespace.
std::string defined_class(const std::string& line) {
    std::istringstream words(line);
    std::string keyword, name;
    words >> keyword >> name;
    const bool is_class = line.starts_with("class ") || line.starts_with("struct ");
    const bool is_elsewhere = name.find("::") != name.npos; // std::hash<Address>, Repository::State
    return is_class && line.ends_with('{') && name != "{" && !is_elsewhere ? name : "";
}

// Two classes of one name make one program of two destructors, whichever the linker meets first.
void check_class_names(const std::vector<Source>& sources) {
    std::map<std::string, std::string> known;
    for (const Source& source : sources) {
        if (!source.path.starts_with("core/") || !source.path.ends_with(".hpp")) continue;
        for (std::size_t i = 0; i < source.lines.size(); ++i) {
            const std::string name = defined_class(source.lines[i]);
            if (name.empty()) continue;
            const auto [first, is_new] = known.emplace(name, source.path);
            if (!is_new)
                report(source, i + 1, "there is a class " + name + " in " + first->second + " as well");
        }
    }
}

struct Place {
    const Source* source;
    std::size_t line;
};

// docs/diagnostics.d/*.txt hold "code: explanation" per line; docs/diagnostics.md is made from them.
std::map<std::string, Place> listed_codes(const std::vector<Source>& sources) {
    std::map<std::string, Place> listed;
    for (const Source& source : sources) {
        if (!source.is_under("docs/diagnostics.d/")) continue;
        for (std::size_t i = 0; i < source.lines.size(); ++i) {
            const std::string& line = source.lines[i];
            const std::size_t colon = line.find(": ");
            if (line.empty() || line[0] == '#') continue;
            const std::string code = line.substr(0, std::min(colon, line.size()));
            if (colon == line.npos || !is_dotted(code)) {
                report(source, i + 1, "not \"code: explanation\"");
            } else if (const auto [first, is_new] = listed.emplace(code, Place{&source, i + 1}); !is_new) {
                report(source, i + 1, code + " is listed in " + first->second.source->path + " as well");
            }
        }
    }
    return listed;
}

void check_codes(const std::vector<Source>& sources) {
    const std::map<std::string, Place> listed = listed_codes(sources);
    std::set<std::string> used;
    for (const Source& source : sources) {
        const bool is_ours =
            source.is_under("core/") || source.is_under("plugins/") || source.is_under("sdk/");
        if (!is_ours || !source.is_code()) continue;
        for (std::size_t i = 0; i < source.lines.size(); ++i) {
            const bool is_include = !included(source.lines[i]).empty();
            if (is_include || source.lines[i].find("tidy: not a code") != std::string::npos) continue;
            for (const std::string& text : literals(source.lines[i])) {
                used.insert(text);
                if (is_dotted(text) && !is_name_of_something(text) && !listed.contains(text))
                    report(source, i + 1,
                           text + " is not explained in docs/diagnostics.d (or say \"tidy: not a code\")");
            }
        }
    }
    // The SDK makes some from the plugin's name: T::plugin_name + ".exception".
    const auto is_used = [&](const std::string& code) {
        return used.contains(code) || used.contains(code.substr(code.find('.')));
    };
    for (const auto& [code, place] : listed)
        if (!is_used(code)) report(*place.source, place.line, code + " is used nowhere");
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2 || !fs::is_directory(argv[1])) {
        std::cerr << "usage: tidy ROOT\n";
        return 2;
    }
    const std::vector<Source> sources = read_tree(argv[1]);
    const std::vector<std::string> folders = core_folders(sources);
    if (folders.empty()) {
        std::cerr << "tidy: no list of folders in core/CMakeLists.txt\n";
        return 2;
    }
    for (const Source& source : sources) {
        check_machine_paths(source);
        if (!source.is_code()) continue;
        check_includes(source, folders);
        check_form(source);
        if (!source.is_under("tests/")) check_function_length(source);
    }
    check_class_names(sources);
    check_codes(sources);
    std::cout << violations << " violations in " << sources.size() << " files\n";
    return violations == 0 ? 0 : 1;
}
