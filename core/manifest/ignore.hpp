#pragma once
// .holdfastignore: which files of a stack's folder are no manifests. gitignore's syntax: comments, "!"
// takes a file back in, a trailing "/" means folders only, a "/" elsewhere anchors, and *, **, ?.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

class IgnoreRules {
public:
    // The rules of the file in `folder` ("" is the root), which apply below it.
    void add(std::string_view folder, std::string_view text);
    bool empty() const { return rules_.empty(); }
    // For the path of a file. What is in an ignored folder is ignored, as Git does it.
    bool ignores(std::string_view path);

private:
    struct Rule {
        std::string pattern;
        bool negated = false;
        bool folders_only = false;
        bool anchored = false;
    };
    bool last_match(std::string_view path, bool is_folder) const;
    bool folder_is_ignored(std::string_view folder);

    std::map<std::string, std::vector<Rule>, std::less<>> rules_; // by folder
    std::map<std::string, bool, std::less<>> folders_;            // answers given
};

} // namespace holdfast
