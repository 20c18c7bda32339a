#include "manifest/ignore.hpp"

#include "base/text.hpp"
#include "manifest/paths.hpp"

namespace holdfast {

std::optional<std::string> path_inside(std::string_view folder, std::string_view path) {
    if (path.starts_with('/') || path.find('\0') != path.npos) return std::nullopt;
    std::vector<std::string_view> segments;
    for (std::string_view part : {folder, path})
        for (std::string_view segment : split(part, '/')) {
            if (segment.empty() || segment == ".") continue;
            if (segment != "..")
                segments.push_back(segment);
            else if (segments.empty())
                return std::nullopt;
            else
                segments.pop_back();
        }
    std::string out;
    for (std::string_view segment : segments) out.append(out.empty() ? "" : "/").append(segment);
    return out;
}

std::string_view folder_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == path.npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view name_of_file(std::string_view path) { return path.substr(path.rfind('/') + 1); }

void IgnoreRules::add(std::string_view folder, std::string_view text) {
    std::vector<Rule>& rules = rules_[std::string(folder)];
    for (std::string_view line : split(text, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        while (line.ends_with(' ')) line.remove_suffix(1);
        if (line.empty() || line.front() == '#') continue;
        Rule rule;
        if (line.front() == '!') {
            rule.negated = true;
            line.remove_prefix(1);
        } else if (line.starts_with("\\#") || line.starts_with("\\!")) {
            line.remove_prefix(1);
        }
        if (line.ends_with('/')) {
            rule.folders_only = true;
            line.remove_suffix(1);
        }
        rule.anchored = line.find('/') != line.npos;
        if (line.starts_with('/')) line.remove_prefix(1);
        if (line.empty()) continue;
        rule.pattern = line;
        rules.push_back(std::move(rule));
    }
    folders_.clear();
}

// The last rule that matches decides, and files further down come after those further up.
bool IgnoreRules::last_match(std::string_view path, bool is_folder) const {
    bool ignored = false;
    for (const auto& [folder, rules] : rules_) { // "" before "a" before "a/b"
        const bool applies = folder.empty() || (path.starts_with(folder) && path.size() > folder.size() &&
                                                path[folder.size()] == '/');
        if (!applies) continue;
        const std::string_view below = folder.empty() ? path : path.substr(folder.size() + 1);
        for (const Rule& rule : rules) {
            if (rule.folders_only && !is_folder) continue;
            if (matches_glob(rule.pattern, rule.anchored ? below : name_of_file(below)))
                ignored = !rule.negated;
        }
    }
    return ignored;
}

bool IgnoreRules::folder_is_ignored(std::string_view folder) {
    if (folder.empty()) return false;
    if (auto known = folders_.find(folder); known != folders_.end()) return known->second;
    const bool ignored = folder_is_ignored(folder_of(folder)) || last_match(folder, true);
    folders_.emplace(folder, ignored);
    return ignored;
}

bool IgnoreRules::ignores(std::string_view path) {
    return !rules_.empty() && (folder_is_ignored(folder_of(path)) || last_match(path, false));
}

} // namespace holdfast
