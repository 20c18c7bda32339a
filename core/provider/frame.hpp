#pragma once
// What the engine and a worker say to each other over their socket pair: frames of a 16-byte header and a
// body, in the machine's own byte order (both ends run on it). No JSON around documents, nothing escaped,
// nothing copied more often than the socket demands.
//
//   engine -> worker   setup (once), call (one at a time), cancel (of the call that runs)
//   worker -> engine   hello (once), results, end (of a call), and at any time log and hint

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/provider.h>

#include "provider/channel.hpp"

namespace holdfast {

enum class FrameType : std::uint32_t { setup = 1, call, cancel, hello, results, end, log, hint };

struct FrameHeader {
    static constexpr std::uint32_t expected_magic = 0x54464C48; // "HLFT"
    std::uint32_t magic = expected_magic;
    FrameType type = FrameType::log;
    std::uint32_t call = 0; // number of the call it belongs to; 0: none
    std::uint32_t size = 0; // of the body
};
static_assert(sizeof(FrameHeader) == 16);

// Descriptors that a worker finds open.
constexpr int worker_socket_fd = 3;
constexpr int worker_plugin_fd = 4;
constexpr int worker_outbox_fd = 5;

// Results gather in memory that both processes map, and go through the socket when it is full, at the end
// of the call, and for apply every few milliseconds. What lies there when the worker dies is not lost: the
// engine reads it, so that it knows of every item whose result the plugin had handed over.
struct Outbox {
    static constexpr std::uint32_t capacity = 64U << 10;
    std::atomic<std::uint32_t> used; // bytes of whole results; stored last
    std::uint32_t call;
    std::uint32_t first; // running number, within the call, of the first result here
    std::uint32_t count;
    char bytes[capacity];
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

// A buffer of frames that has grown beyond this, some 16 MiB where a call has very many items, is given back
// once it was sent or answered.
constexpr std::size_t kept_buffer = 1U << 20;
constexpr std::size_t kept_items = 1U << 14; // the same of a call's items, which take 200 bytes each

// Appends plain data and texts to a buffer that is used again and again.
class FrameWriter {
public:
    explicit FrameWriter(std::string& out) : out_(out) {}
    template <typename T>
    void add(T number) {
        static_assert(std::is_trivially_copyable_v<T>);
        out_.append(reinterpret_cast<const char*>(&number), sizeof number);
    }
    void add_text(std::string_view text) {
        add(static_cast<std::uint32_t>(text.size()));
        out_.append(text);
    }

private:
    std::string& out_;
};

// Takes them out again. After the first thing that does not fit, everything is empty and ok() is false.
class FrameReader {
public:
    explicit FrameReader(std::string_view body) : rest_(body) {}
    template <typename T>
    T take() {
        T number{};
        if (rest_.size() < sizeof number) return fail(), number;
        std::memcpy(&number, rest_.data(), sizeof number);
        rest_.remove_prefix(sizeof number);
        return number;
    }
    std::string_view take_bytes(std::size_t size) {
        if (rest_.size() < size) return fail(), std::string_view{};
        const std::string_view bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return bytes;
    }
    std::string_view take_text() { return take_bytes(take<std::uint32_t>()); }
    bool ok() const { return ok_; }
    bool at_end() const { return rest_.empty(); }

private:
    void fail() {
        ok_ = false;
        rest_ = {};
    }
    std::string_view rest_;
    bool ok_ = true;
};

// A call's body. Texts and items of what was read point into the frame.
struct CallFrame {
    Operation operation = Operation::observe;
    std::int64_t deadline_ns = 0;
    std::string_view scope, scope_version, options;
    std::vector<holdfast_item> items;
    std::vector<std::uint32_t> after; // of all items, one behind the other; those of what was read
};
void write_call(std::string& out, Operation operation, const Call& call);
bool read_call(std::string_view body, CallFrame& out); // reuses out.items and out.after

// One result, as it stands in a results frame and in the outbox.
std::size_t size_of(const RawResult& result);
char* write_result(char* to, const RawResult& result); // `to` has room for size_of(result)
bool read_result(FrameReader& from, RawResult& out);

void write_hint(std::string& out, const holdfast_hint& hint);
bool read_hint(std::string_view body, Hint& out);

// What the worker must know before it loads the plugin.
struct Setup {
    std::string_view plugin, path, blob_directory;
    std::uint64_t max_document_bytes = 0;
};
void write_setup(std::string& out, const Setup& setup);
bool read_setup(std::string_view body, Setup& out);

holdfast_item abi_item(const Item& item);
constexpr holdfast_bytes abi_bytes(std::string_view text) { return {text.data(), text.size()}; }
constexpr std::string_view text_of(const holdfast_bytes& bytes) {
    return bytes.data ? std::string_view{bytes.data, bytes.size} : std::string_view{};
}

} // namespace holdfast
