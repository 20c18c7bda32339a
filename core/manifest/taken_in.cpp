#include "manifest/taken_in.hpp"

#include <algorithm>

#include "manifest/paths.hpp"

namespace holdfast {

bool is_in_folder(std::string_view path, std::string_view folder) {
    return folder.empty() ||
           (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/');
}

void condense(TakenIn& taken_in, const Tree& tree, std::string_view own_folder) {
    constexpr std::size_t few = 8;
    std::map<std::string, std::size_t, std::less<>> counts;
    for (const auto& [path, id] : taken_in) ++counts[std::string(folder_of(path))];
    std::erase_if(counts, [&](const auto& folder) {
        return folder.second <= few || folder.first.empty() || folder.first == own_folder ||
               is_in_folder(own_folder, folder.first);
    });
    std::erase_if(taken_in, [&](const auto& file) { return counts.contains(folder_of(file.first)); });
    for (const auto& [folder, count] : counts) taken_in.emplace(folder + "/", tree.id_of(folder));
}

bool is_same(const Tree& tree, const TakenIn& taken_in) {
    return std::all_of(taken_in.begin(), taken_in.end(), [&](const auto& before) {
        const auto& [path, id] = before;
        if (path.ends_with('/')) return tree.id_of(std::string_view(path).substr(0, path.size() - 1)) == id;
        const std::optional<TreeFile> file = tree.find(path);
        return (file ? file->blob : "") == id;
    });
}

} // namespace holdfast
