#pragma once
// Work that is mostly waiting for the server: on a few threads at once, or many requests on one.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "client.hpp"

namespace holdfast::kubernetes {

// Each has a connection of its own.
constexpr std::size_t most_threads = 8;

// Runs work(0) ... work(count - 1), each once, in no particular order. What one throws first is thrown here,
// after all have ended.
template <typename Work>
void in_parallel(std::size_t count, std::size_t most_at_once, Work work) {
    std::atomic<std::size_t> next{0};
    std::exception_ptr thrown;
    std::mutex mutex;
    const auto run = [&] {
        for (std::size_t i = next++; i < count; i = next++) {
            try {
                work(i);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!thrown) thrown = std::current_exception();
            }
        }
    };
    {
        std::vector<std::thread> threads;
        for (std::size_t i = 1; i < std::min({count, most_at_once, most_threads}); ++i)
            threads.emplace_back(run);
        run();
        for (std::thread& thread : threads) thread.join();
    }
    if (thrown) std::rethrow_exception(thrown);
}

// The first requests of many things, on this thread and a few at the same time. `question` says what one of
// them asks, if anything, and `take` gets its answer. What throws is left to whoever asks one by one and says
// why.
template <typename Thing, typename Question, typename Take>
void ask_together(const Client& client, const sdk::Call& call, std::size_t most_at_once,
                  std::vector<Thing>& things, Question question, Take take) {
    std::size_t at = 0;
    std::vector<Thing*> asked;
    const auto next = [&]() -> std::optional<Request> {
        while (at < things.size()) {
            Thing& thing = things[at++];
            try {
                if (std::optional<Request> request = question(thing)) return asked.push_back(&thing), request;
            } catch (const std::exception&) { // it throws again
            }
        }
        return std::nullopt;
    };
    client.send_all(call, most_at_once, next,
                    [&](std::size_t number, Reply reply) { take(*asked[number], std::move(reply)); });
}

} // namespace holdfast::kubernetes
