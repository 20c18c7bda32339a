#pragma once
// A repository, a store and the target of the test provider `memory`, with one session that lives through
// many passes, as the daemon's does.

#include <chrono>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "reconcile/run.hpp"
#include "support/git_repository.hpp"
#include "support/temp_folder.hpp"

namespace holdfast {

// Waiting takes no time, but the steady clock goes on from the machine's: plugins see deadlines by it.
class PartialClock final : public Clock {
public:
    std::int64_t now_ms() override { return 1'795'377'056'000 + elapsed_.count(); }
    std::chrono::steady_clock::time_point steady() override { return begin_ + elapsed_; }
    bool sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override {
        elapsed_ += duration;
        return !stop.stop_requested();
    }

private:
    std::chrono::milliseconds elapsed_{0};
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

class PartialWorld {
public:
    // Stacks "app" and "db" (folders of their names) on provider "memory".
    PartialWorld();

    void configure(const std::string& more_config = {}, const std::string& more_provider = {},
                   const std::string& more_stack = {});
    static std::string document(const std::string& name, const std::string& spec,
                                const std::string& annotations = {}, const std::string& kind = "Object");
    void write(const std::string& path, const std::string& text) { repository.write(path, text); }
    void remove(const std::string& path) { repository.remove(path); }
    void commit() { commits.push_back(repository.commit("Change")); }
    void secret(const std::string& value);

    // A pass over one stack at the newest commit.
    StackOutcome pass(Reach reach, const std::vector<Touched>& touched = {}, const std::string& stack = "app",
                      Mode mode = Mode::apply, std::stop_token stop = {});
    Session& session();

    // Somebody else writes; an empty text removes.
    void by_hand(const std::string& name, const std::string& spec);
    static Touched touched(const std::string& name);
    std::vector<std::string> new_calls();

    // Everything that can be compared with another world that saw the same edits.
    std::vector<std::string> target() const;
    std::vector<std::string> ledger();

    test::GitRepository repository;
    TempFolder folder;
    std::vector<std::string> commits;

private:
    PartialClock clock_;
    Masker masker_;
    Log log_{LogLevel::error, LogFormat::text, masker_};
    std::unique_ptr<Session> session_;
    std::size_t calls_seen_ = 0;
};

// The changes of all rounds, one line each, sorted.
std::vector<std::string> lines_of_changes(const StackOutcome& outcome);
std::string problems_of(const StackOutcome& outcome);

} // namespace holdfast
