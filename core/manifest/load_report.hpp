#pragma once
// What a load has to say besides its resources: problems, and what the caller may not conclude from them.
// Private to manifest.

#include <string>
#include <string_view>

#include "manifest/load.hpp"

namespace holdfast {

// Writes into `out`, which outlives it, as does `stack`.
class LoadReport {
public:
    LoadReport(LoadedStack& out, const StackDocument& stack) : out_(out), stack_(stack) {}

    void only_whole(std::string why);
    // The id of the stack's own folder says everything of what is in it, so only others are kept.
    void take_in(const std::string& path, const std::string& id);

    Diagnostic& error(std::string_view code, const std::string& path, std::string message, std::string hint);
    Diagnostic& add(Diagnostic problem) { return out_.problems.add(std::move(problem)); }
    void block_prunes(const std::string& path);
    void no_tree(Diagnostic problem);
    void unreadable(const std::string& path, Diagnostic problem);
    void submodule(const std::string& path);

private:
    LoadedStack& out_;
    const StackDocument& stack_;
};

} // namespace holdfast
