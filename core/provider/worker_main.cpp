// holdfast-provider: runs one plugin for the process that started it, and ends with it.
//
// Two threads. The main thread runs the plugin's calls; the reader waits for frames, so that a cancel gets
// through while the plugin works, and the end of the engine ends the worker whatever the plugin does.

#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <mutex>
#include <new>
#include <optional>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <thread>
#include <unistd.h>

#include "provider/frame.hpp"
#include "provider/invoke.hpp"
#include "provider/library.hpp"
#include "provider/services.hpp"
#include "sys/memory.hpp"

namespace holdfast {
namespace {

constexpr std::chrono::milliseconds apply_flush_interval{2};

// Writes whole frames; logs and hints come from any thread.
class Line {
public:
    void send(FrameType type, std::uint32_t call, std::string_view head, std::string_view tail = {}) {
        FrameHeader header{
            .type = type, .call = call, .size = static_cast<std::uint32_t>(head.size() + tail.size())};
        iovec parts[] = {{&header, sizeof header},
                         {const_cast<char*>(head.data()), head.size()},
                         {const_cast<char*>(tail.data()), tail.size()}};
        std::lock_guard lock(mutex_);
        write_parts(parts, std::size(parts));
    }

private:
    static void write_parts(iovec* parts, std::size_t count) {
        while (count > 0) {
            const ssize_t written = writev(worker_socket_fd, parts, static_cast<int>(count));
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) _exit(0); // the engine is gone
            auto rest = static_cast<std::size_t>(written);
            while (count > 0 && rest >= parts->iov_len) {
                rest -= parts->iov_len;
                ++parts;
                --count;
            }
            if (count == 0) return;
            parts->iov_base = static_cast<char*>(parts->iov_base) + rest;
            parts->iov_len -= rest;
        }
    }

    std::mutex mutex_;
};

// Gathers a call's results in the outbox.
class Results final : public ResultSink {
public:
    Results(Line& line, Outbox& outbox) : line_(line), outbox_(outbox) {}

    void begin(std::uint32_t call, bool is_apply) {
        outbox_.used.store(0, std::memory_order_release);
        outbox_.call = call;
        outbox_.first = 0;
        outbox_.count = 0;
        is_apply_ = is_apply;
        last_flush_ = std::chrono::steady_clock::now();
    }

    bool take(const RawResult& result) override {
        const std::size_t size = size_of(result);
        std::uint32_t used = outbox_.used.load(std::memory_order_relaxed);
        if (used + size > Outbox::capacity) {
            flush();
            used = 0;
        }
        if (size > Outbox::capacity) return send_alone(result, size), true;
        write_result(outbox_.bytes + used, result);
        ++outbox_.count;
        outbox_.used.store(used + static_cast<std::uint32_t>(size), std::memory_order_release);
        if (is_apply_ && std::chrono::steady_clock::now() - last_flush_ >= apply_flush_interval) flush();
        return true;
    }

    void flush() {
        const std::uint32_t used = outbox_.used.load(std::memory_order_relaxed);
        if (used == 0) return;
        send({outbox_.bytes, used}, outbox_.count);
        // In this order: a worker that dies in between leaves results that the engine has already counted.
        outbox_.used.store(0, std::memory_order_release);
        outbox_.first += outbox_.count;
        outbox_.count = 0;
        last_flush_ = std::chrono::steady_clock::now();
    }

private:
    void send_alone(const RawResult& result, std::size_t size) {
        large_.resize(size);
        write_result(large_.data(), result);
        send(large_, 1);
        ++outbox_.first;
    }

    void send(std::string_view results, std::uint32_t count) {
        head_.clear();
        FrameWriter writer(head_);
        writer.add(outbox_.first);
        writer.add(count);
        line_.send(FrameType::results, outbox_.call, head_, results);
    }

    Line& line_;
    Outbox& outbox_;
    std::string head_, large_;
    bool is_apply_ = false;
    std::chrono::steady_clock::time_point last_flush_;
};

// Frames from the engine, handed from the reader to the main thread.
class Mail {
public:
    struct Letter {
        FrameType type = FrameType::call;
        std::uint32_t call = 0;
        std::string body;
    };

    // Runs on the reader's thread until the engine closes its end.
    void read() {
        FrameHeader header;
        while (receive(&header, sizeof header)) {
            if (header.magic != FrameHeader::expected_magic) _exit(1);
            std::string body = spare();
            body.resize(header.size);
            if (!receive(body.data(), body.size())) break;
            if (header.type == FrameType::cancel) {
                cancelled_call_ = header.call;
                continue;
            }
            std::lock_guard lock(mutex_);
            letter_ = Letter{header.type, header.call, std::move(body)};
            arrived_.notify_one();
        }
        end();
    }

    // Nothing once the engine is gone.
    std::optional<Letter> next() {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [&] { return letter_ || is_over_; });
        auto letter = std::exchange(letter_, std::nullopt);
        is_busy_ = letter.has_value();
        return letter;
    }

    void recycle(std::string body) {
        if (body.capacity() > kept_buffer) {
            std::string().swap(body);
            give_back_memory(); // that of the plugin as well
        }
        std::lock_guard lock(mutex_);
        spare_ = std::move(body);
        is_busy_ = false;
    }

    bool is_cancelled(std::uint32_t call) const {
        return cancelled_call_.load(std::memory_order_relaxed) == call;
    }

private:
    static bool receive(void* to, std::size_t size) {
        auto* at = static_cast<char*>(to);
        while (size > 0) {
            const ssize_t got = recv(worker_socket_fd, at, size, MSG_WAITALL);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return false;
            at += got;
            size -= static_cast<std::size_t>(got);
        }
        return true;
    }

    std::string spare() {
        std::lock_guard lock(mutex_);
        return std::move(spare_);
    }

    // The engine is gone or wants us to close. A worker that is in a call has nobody to answer to.
    void end() {
        std::lock_guard lock(mutex_);
        if (is_busy_ && !is_closing_) _exit(0);
        is_over_ = true;
        arrived_.notify_one();
    }

public:
    void closing() {
        std::lock_guard lock(mutex_);
        is_closing_ = true;
    }

private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::optional<Letter> letter_;
    std::string spare_;
    bool is_over_ = false, is_busy_ = false, is_closing_ = false;
    std::atomic<std::uint32_t> cancelled_call_{0};
};

// Dies with the engine's thread that watches over it, keeps its descriptors from the plugin's children,
// and leaves no core file: the instance's credentials are in its memory.
bool settle_in(const char* parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (std::to_string(getppid()) != parent) return false;
    for (int fd : {worker_socket_fd, worker_plugin_fd, worker_outbox_fd}) fcntl(fd, F_SETFD, FD_CLOEXEC);
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGPIPE, SIG_IGN);
    return true;
}

class Worker {
public:
    explicit Worker(Outbox& outbox) : results_(line_, outbox) {}

    int run() {
        std::thread([this] { mail_.read(); }).detach();
        auto letter = mail_.next();
        Setup setup;
        if (!letter || letter->type != FrameType::setup || !read_setup(letter->body, setup)) return 1;
        HostServices services(service_options(setup));
        auto table = load_plugin(worker_plugin_fd, std::string(setup.plugin), std::string(setup.path));
        greet(table);
        if (!table) return 1;
        PluginInstance instance(**table, services.host(), setup.max_document_bytes);
        mail_.recycle({});
        while (auto call = mail_.next()) {
            if (!read_call(call->body, frame_)) return 1;
            if (frame_.operation == Operation::close) break;
            answer(instance, call->call);
            if (frame_.items.capacity() > kept_items) frame_ = {};
            mail_.recycle(std::move(call->body));
        }
        mail_.closing();
        instance.close();
        return 0;
    }

private:
    ServiceOptions service_options(const Setup& setup) {
        ServiceOptions options;
        options.blob_directory = setup.blob_directory;
        options.http = http_extension();
        options.log = [this](int level, std::string_view message) {
            std::string body;
            FrameWriter writer(body);
            writer.add(static_cast<std::uint32_t>(level));
            writer.add_text(message);
            line_.send(FrameType::log, 0, body);
        };
        return options;
    }

    void greet(const Result<const holdfast_plugin*>& table) {
        std::string body;
        FrameWriter writer(body);
        const Diagnostic why = table ? Diagnostic{} : table.error();
        for (const std::string* text : {&why.code, &why.message, &why.hint}) writer.add_text(*text);
        line_.send(FrameType::hello, 0, body);
    }

    void answer(PluginInstance& instance, std::uint32_t call) {
        results_.begin(call, frame_.operation == Operation::apply);
        const IsCancelled is_cancelled = [this, call] { return mail_.is_cancelled(call); };
        InvokeEnd end;
        if (frame_.operation == Operation::watch) {
            end = instance.watch(frame_, is_cancelled, results_, [this](const holdfast_hint& hint) {
                std::string body;
                write_hint(body, hint);
                line_.send(FrameType::hint, 0, body);
            });
        } else if (frame_.operation == Operation::unwatch) {
            instance.unwatch();
        } else {
            end = instance.invoke(frame_, is_cancelled, results_);
        }
        results_.flush();
        constexpr std::size_t many_items = 5000;
        const bool is_rare = frame_.operation == Operation::apply || frame_.operation == Operation::watch;
        const bool was_large = is_rare && frame_.items.size() >= many_items;
        std::string body;
        FrameWriter writer(body);
        writer.add(end.status);
        writer.add(static_cast<std::uint32_t>(end.threw));
        writer.add_text(end.exception);
        line_.send(FrameType::end, call, body);
        if (was_large) give_back_memory();
    }

    Line line_;
    Mail mail_;
    Results results_;
    CallFrame frame_;
};

int worker_main(int argc, char** argv) {
    const bool is_child =
        argc == 3 && fcntl(worker_socket_fd, F_GETFD) >= 0 && fcntl(worker_outbox_fd, F_GETFD) >= 0;
    if (!is_child) {
        std::fputs("holdfast-provider runs one plugin for holdfast or holdfastd, which start it themselves\n",
                   stderr);
        return 1;
    }
    if (!settle_in(argv[2])) return 1;
    void* memory = mmap(nullptr, sizeof(Outbox), PROT_READ | PROT_WRITE, MAP_SHARED, worker_outbox_fd, 0);
    if (memory == MAP_FAILED) return 1;
    // Never destroyed: the reader's thread uses it until the process is gone.
    auto* worker = new Worker(*static_cast<Outbox*>(memory));
    return worker->run();
}

} // namespace
} // namespace holdfast

int main(int argc, char** argv) {
    const int status = holdfast::worker_main(argc, argv);
    // Not exit(): other threads, the plugin's among them, still run.
    std::fflush(nullptr);
    _exit(status);
}
