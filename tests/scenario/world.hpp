#pragma once
// Where a scenario happens: a Git repository, a target of the provider `memory`, a store and a clock in one
// temporary folder. Each command of holdfast runs in a child process of its own, so that it can be killed,
// with plugins in that process, so that the kill hits both.

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "story.hpp"
#include "support/git_repository.hpp"
#include "support/temp_folder.hpp"

namespace holdfast::scenario {

struct Printed {
    std::string result; // done, changes, parked, error, killed, or how else the process ended
    std::string out, err;
};

class World {
public:
    // `repository`: the files of the first commit; may not exist.
    World(const std::string& repository, const Map& outside);

    // One step that is no command. Throws std::runtime_error with the reason where it makes no sense.
    void act(const Step& step);
    // One command of holdfast by its words.
    Printed command(std::vector<std::string> words);
    // The approvals that the last command asked for; the hashes as they really are.
    const std::vector<std::string>& asked_approvals() const { return asked_approvals_; }

    // What the provider was told, and what the journal says of it, since it was asked last.
    std::string new_calls();
    std::string new_journal();
    std::string store_problems() const;
    // The objects of the target, one a line, sorted.
    std::string target() const;
    // With hashes of commits and plans, which differ from build to build, numbered instead.
    std::string stable(const std::string& text);

    // Every step takes this long, so that no two things happen at the same time.
    void pass_time() { elapsed_ += std::chrono::minutes(10); }

private:
    void commit(const Value& argument);
    void commit_all(const std::string& message);
    void live(const Value& argument);
    void put(const std::string& name, const Value& spec, bool over_present);
    void add_fault(const std::string& call, Map fault);
    void write_holdfast_yaml();
    [[noreturn]] void run_child(const std::vector<std::string>& words) const;
    std::string file(const std::string& name) const { return folder_ / name; }

    TempFolder folder_;
    test::GitRepository repository_;
    std::chrono::milliseconds elapsed_{};
    std::vector<std::string> commits_, plans_, passes_, asked_approvals_;
    std::size_t calls_seen_ = 0;
    std::set<std::string> journal_seen_;
};

} // namespace holdfast::scenario
