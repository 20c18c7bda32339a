#include "store/lock.hpp"

#include <cerrno>
#include <map>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/hash.hpp"
#include "base/json.hpp"
#include "base/locked.hpp"
#include "sys/clock.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace holdfast {

namespace {

// Who holds a lock: the content of its file, for the message that others get.
struct Holder {
    std::string name, actor;
    ProcessIdentity process;
    std::int64_t since_ms = 0;
};

std::string to_text(const Holder& holder) {
    return to_json(Value::map({{"name", holder.name},
                               {"actor", holder.actor},
                               {"pid", holder.process.pid},
                               {"host", holder.process.host},
                               {"boot", holder.process.boot_id},
                               {"since_ms", holder.since_ms}})) +
           "\n";
}

std::string describe_holder(std::string_view actor, const ProcessIdentity& process, std::int64_t since_ms) {
    const std::string where = process.host == this_process().host ? "" : " on " + process.host;
    return fmt::format("held by {} (pid {}{}) since {}", actor, process.pid, where, utc_time(since_ms));
}

// The holder writes its name just after it got the lock: in between there is nothing to read.
std::string describe_holder(int fd) {
    std::string text(4096, '\0');
    const ssize_t length = pread(fd, text.data(), text.size(), 0);
    text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    const Result<Value> value = parse_json(text);
    auto number = [&](std::string_view key) {
        const Value* found = value->find(key);
        return found && found->if_integer() ? *found->if_integer() : 0;
    };
    if (!value || !value->is_map()) return "held by another process";
    const ProcessIdentity process{number("pid"), std::string(value->text_at("host")), {}};
    return describe_holder(value->text_at("actor"), process, number("since_ms"));
}

Diagnostic locked(std::string_view name, const std::string& holder) {
    Diagnostic why = failure("store.locked", fmt::format("{} is {}", name, holder),
                             "wait until it has ended, or stop that process: its death frees the lock");
    why.subject = name;
    why.retry = Retry::after;
    return why;
}

Diagnostic cannot_lock(const std::string& path, int error_number) {
    Diagnostic why = failure("store.lock", fmt::format("cannot lock {}: {}", path, error_text(error_number)),
                             "look at the owner, mode and free space of the store's folder");
    why.subject = path;
    return why;
}

// flock belongs to the open file, so two stores in one process exclude each other as two processes do.
class FileLock final : public ScopeLock {
public:
    explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
    // The file stays: removing it would let a third process lock a new one while a second waits on this.
    ~FileLock() override {
        if (fd_ && ftruncate(fd_.get(), 0) != 0) return; // the name in it is for people only
    }

private:
    Fd fd_;
};

class FileLocks final : public LockFolder {
public:
    explicit FileLocks(std::string folder) : folder_(std::move(folder)) {}

    Result<std::unique_ptr<ScopeLock>> lock(std::string_view name, std::string_view actor) override {
        if (Status made = make_directories(folder_, 0700); !made) return made.error();
        const std::string path = folder_ + "/" + to_hex(sha256(name)) + ".lock";
        Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!fd) return cannot_lock(path, errno);
        if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK) return cannot_lock(path, errno);
            return locked(name, describe_holder(fd.get()));
        }
        const std::string text =
            to_text({std::string(name.substr(0, 500)), std::string(actor), this_process(), SystemClock().now_ms()});
        const bool is_written =
            ftruncate(fd.get(), 0) == 0 && pwrite(fd.get(), text.data(), text.size(), 0) >= 0;
        if (!is_written) return cannot_lock(path, errno);
        return std::unique_ptr<ScopeLock>(std::make_unique<FileLock>(std::move(fd)));
    }

private:
    std::string folder_;
};

using HoldersByName = Locked<std::map<std::string, std::string, std::less<>>>;

class MemoryLock final : public ScopeLock {
public:
    MemoryLock(std::shared_ptr<HoldersByName> holders, std::string name)
        : holders_(std::move(holders)), name_(std::move(name)) {}
    ~MemoryLock() override {
        holders_->with([&](auto& holders) { holders.erase(name_); });
    }

private:
    std::shared_ptr<HoldersByName> holders_; // shared, so that a lock may outlive its store
    std::string name_;
};

class MemoryLocks final : public LockFolder {
public:
    Result<std::unique_ptr<ScopeLock>> lock(std::string_view name, std::string_view actor) override {
        const std::string holder = describe_holder(actor, this_process(), SystemClock().now_ms());
        std::string taken_by;
        holders_->with([&](auto& holders) {
            const auto [place, is_new] = holders.emplace(std::string(name), holder);
            if (!is_new) taken_by = place->second;
        });
        if (!taken_by.empty()) return locked(name, taken_by);
        return std::unique_ptr<ScopeLock>(std::make_unique<MemoryLock>(holders_, std::string(name)));
    }

private:
    std::shared_ptr<HoldersByName> holders_ = std::make_shared<HoldersByName>();
};

} // namespace

std::unique_ptr<LockFolder> make_lock_folder(std::string folder) {
    return std::make_unique<FileLocks>(std::move(folder));
}

std::unique_ptr<LockFolder> make_memory_locks() { return std::make_unique<MemoryLocks>(); }

std::unique_ptr<ScopeLock> wait_for_file_lock(const std::string& path) {
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) throw Error(cannot_lock(path, errno));
    while (flock(fd.get(), LOCK_EX) != 0)
        if (errno != EINTR) throw Error(cannot_lock(path, errno));
    return std::make_unique<FileLock>(std::move(fd));
}

} // namespace holdfast
