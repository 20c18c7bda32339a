#pragma once
// libcurl's handles between two uses. They keep what they have allocated, and connections.

#include <memory>
#include <type_traits>
#include <vector>

#include "base/locked.hpp"
#include "sys/http/curl.hpp"

namespace holdfast {

struct EasyHandles {
    static constexpr std::size_t most_idle = 64;
    static CURL* make() { return curl().easy_init(); }
    // Nothing of the request may stay: it holds pointers and credentials.
    static void clear(CURL* handle) { curl().easy_reset(handle); }
    static void destroy(CURL* handle) { curl().easy_cleanup(handle); }
};

struct MultiHandles {
    static constexpr std::size_t most_idle = 4;
    static CURLM* make() { return curl().multi_init(); }
    static void clear(CURLM*) {} // it is empty by now
    static void destroy(CURLM* handle) { curl().multi_cleanup(handle); }
};

// Thread-safe. Outlives what was taken out of it.
template <typename Kind>
class HandlePool {
    using Handle = std::remove_pointer_t<decltype(Kind::make())>;
    struct GiveBack {
        HandlePool* pool;
        void operator()(Handle* handle) const { pool->give_back(handle); }
    };

public:
    using Taken = std::unique_ptr<Handle, GiveBack>;

    HandlePool() = default;
    HandlePool(const HandlePool&) = delete;
    HandlePool& operator=(const HandlePool&) = delete;
    ~HandlePool() {
        idle_.with([](std::vector<Handle*>& handles) {
            for (Handle* handle : handles) Kind::destroy(handle);
        });
    }

    Taken take() {
        // Last used first out: its connections are the likeliest to be still open.
        Handle* handle = idle_.with([](std::vector<Handle*>& handles) -> Handle* {
            if (handles.empty()) return nullptr;
            Handle* last = handles.back();
            handles.pop_back();
            return last;
        });
        return Taken(handle ? handle : Kind::make(), GiveBack{this});
    }

private:
    void give_back(Handle* handle) {
        Kind::clear(handle);
        const bool is_kept = idle_.with([&](std::vector<Handle*>& handles) {
            if (handles.size() >= Kind::most_idle) return false;
            handles.push_back(handle);
            return true;
        });
        if (!is_kept) Kind::destroy(handle);
    }

    Locked<std::vector<Handle*>> idle_;
};

} // namespace holdfast
