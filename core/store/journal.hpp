#pragma once
// Passes, and the journal of their steps: what was intended before it was sent, and how it ended.

#include <functional>
#include <optional>
#include <vector>

#include "store/database.hpp"
#include "store/store.hpp"

namespace holdfast {

class JournalTable {
public:
    explicit JournalTable(Database& database) : database_(database) {}

    // The first five are to be called inside a transaction.
    void append(const JournalStep& step);
    void begin(const PassRecord& pass);
    void end(const PassRecord& pass);
    // Whoever begins a pass of a stack is its one writer: a pass that still runs by its record is dead.
    void mark_interrupted(const std::string& stack, std::int64_t at_ms);
    // As they were, with their sequence; for an import.
    void restore(const JournalStep& step, std::int64_t intent);

    std::vector<PassRecord> passes(std::string_view stack, std::size_t limit);
    std::vector<JournalStep> steps_of_pass(std::string_view pass);
    std::vector<JournalStep> steps_of(const Address& address, std::size_t limit);
    // An empty stack means all.
    std::vector<JournalStep> open_steps(std::string_view stack);

    // Oldest first.
    void for_each_pass(const std::function<void(const PassRecord&)>& visit);
    void for_each_step(const std::function<void(const JournalStep&, std::int64_t intent)>& visit);

private:
    void insert(std::int64_t sequence, const JournalStep& step, std::int64_t intent);
    void open(const JournalStep& step);
    void close(const JournalStep& step, std::int64_t intent);

    Database& database_;
};

// Nothing for a word that is none of theirs.
std::optional<PassState> pass_state_from(std::string_view word);
std::optional<StepState> step_state_from(std::string_view word);

} // namespace holdfast
