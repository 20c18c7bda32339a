#pragma once
// Work that is mostly waiting for the server, on a few threads at once.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace holdfast::kubernetes {

// Runs work(0) ... work(count - 1), each once, in no particular order. What one throws first is thrown here,
// after all have ended.
template <typename Work>
void in_parallel(std::size_t count, std::size_t most_threads, Work work) {
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
        for (std::size_t i = 1; i < std::min(count, most_threads); ++i) threads.emplace_back(run);
        run();
        for (std::thread& thread : threads) thread.join();
    }
    if (thrown) std::rethrow_exception(thrown);
}

} // namespace holdfast::kubernetes
