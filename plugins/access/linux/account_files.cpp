#include "account_files.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include <fcntl.h>

#include "access/names.hpp"

namespace holdfast::access {

namespace {

constexpr auto longest_wait = std::chrono::seconds(15);
constexpr const char* lock_names[] = {"passwd", "shadow", "group", "gshadow"};

bool is_alive(const std::string& pid_text) {
    const auto pid = number_of(pid_text);
    if (!pid || *pid <= 0) return true; // who knows; shadow-utils leave it as well
    return ::kill(static_cast<pid_t>(*pid), 0) == 0 || errno != ESRCH;
}

void set_member(Table& table, const std::string& group, const std::string& login, bool is_in) {
    const Row* found = table.find(group);
    if (!found) return;
    Row row = *found;
    std::vector<std::string> members = split(row[GroupField::members], ',');
    members.erase(std::remove(members.begin(), members.end(), login), members.end());
    if (is_in) members.push_back(login);
    row[GroupField::members] = joined(members, ',');
    table.set(row);
}

} // namespace

// ---- locking

AccountLock::AccountLock(const Root& root, const sdk::Call& call) {
    etc_ = root.open("etc", O_RDONLY | O_DIRECTORY);
    if (!etc_) throw_system(errno, "open", root.path() + "/etc");
    file_ = Fd(::openat(etc_.get(), ".pwd.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_) throw_system(errno, "lock", root.path() + "/etc/.pwd.lock");
    const auto until = std::chrono::steady_clock::now() + longest_wait;
    while (!try_all()) {
        if (std::chrono::steady_clock::now() < until && !call.should_stop()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            continue;
        }
        sdk::Diagnostic why =
            problem("access.locked", "the accounts below " + root.path() + " are being changed by " + holder_,
                    "it is tried again; if nothing runs there any more, remove what its "
                    "crash left in etc: passwd.lock, shadow.lock, group.lock, gshadow.lock");
        why.retry = sdk::Retry::after;
        throw sdk::Error(std::move(why));
    }
}

AccountLock::~AccountLock() { release(); }

bool AccountLock::try_all() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(file_.get(), F_OFD_SETLK, &lock) != 0) {
        holder_ = "a program that holds .pwd.lock";
        return false;
    }
    try {
        for (const char* name : lock_names) {
            if (try_one(name)) {
                held_.emplace_back(name);
                continue;
            }
            release();
            return false;
        }
    } catch (...) { // a full disk must not leave locks of a process that lives
        release();
        throw;
    }
    return true;
}

bool AccountLock::try_one(const std::string& name) {
    const std::string link = name + ".lock", own = name + "." + std::to_string(::getpid());
    {
        (void)::unlinkat(etc_.get(), own.c_str(), 0);
        const Fd file(::openat(etc_.get(), own.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file) throw_system(errno, "lock by a file", own);
        const std::string pid = std::to_string(::getpid());
        if (::write(file.get(), pid.c_str(), pid.size() + 1) < 0) {
            const int error = errno;
            (void)::unlinkat(etc_.get(), own.c_str(), 0);
            throw_system(error, "lock by a file", own);
        }
    }
    bool is_ours = ::linkat(etc_.get(), own.c_str(), etc_.get(), link.c_str(), 0) == 0;
    if (!is_ours && errno == EEXIST) {
        const Fd other(::openat(etc_.get(), link.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        std::string pid(other ? read_all(other, link) : std::string());
        pid = pid.substr(0, pid.find('\0'));
        holder_ = pid.empty() ? "a program that left no number" : "process " + pid;
        if (!is_alive(pid) && ::unlinkat(etc_.get(), link.c_str(), 0) == 0)
            is_ours = ::linkat(etc_.get(), own.c_str(), etc_.get(), link.c_str(), 0) == 0;
    }
    (void)::unlinkat(etc_.get(), own.c_str(), 0);
    return is_ours;
}

void AccountLock::release() {
    for (const std::string& name : held_) (void)::unlinkat(etc_.get(), (name + ".lock").c_str(), 0);
    held_.clear();
    struct flock lock {};
    lock.l_type = F_UNLCK;
    lock.l_whence = SEEK_SET;
    (void)::fcntl(file_.get(), F_OFD_SETLK, &lock);
}

// ---- reading and writing

void AccountFiles::read(const Root& root) {
    for (Table* table : {&passwd, &shadow, &group, &gshadow}) table->read(root.read("etc/" + table->name()));
    if (passwd.exists() && group.exists() && shadow.exists()) return;
    throw sdk::Error("access.no-accounts",
                     "below " + root.path() + " there is no etc/passwd, etc/group or etc/shadow",
                     "see that the root is right; `pwconv` makes the shadow file");
}

void AccountFiles::write(const Root& root) {
    const Fd etc = root.open("etc", O_RDONLY | O_DIRECTORY);
    if (!etc) throw_system(errno, "open", root.path() + "/etc");
    std::vector<Table*> changed;
    // Groups before who is in them, and a password entry before the account that looks for it.
    for (Table* table : {&group, &gshadow, &shadow, &passwd})
        if (table->is_changed()) changed.push_back(table);
    std::vector<std::string> staged;
    try {
        for (const Table* table : changed) {
            const std::string path = root.path() + "/etc/" + table->name();
            struct stat status {};
            if (::fstatat(etc.get(), table->name().c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
                throw_system(errno, "look at", path);
            if (!S_ISREG(status.st_mode)) throw_system(EINVAL, "replace what is no ordinary file,", path);
            const FileAccess access{status.st_uid, status.st_gid, status.st_mode & 07777U};
            stage_file(etc, table->name() + "+", table->text(), access, path);
            staged.push_back(table->name() + "+");
            replace_file(etc, table->name() + "-", table->name() + "-+", table->text_before(), access,
                         path + "-");
        }
    } catch (...) {
        for (const std::string& name : staged) (void)::unlinkat(etc.get(), name.c_str(), 0);
        throw;
    }
    for (const Table* table : changed)
        put_in_place(etc, table->name() + "+", table->name(), root.path() + "/etc/" + table->name());
    if (::fsync(etc.get()) != 0) throw_system(errno, "sync", root.path() + "/etc");
}

// ---- groups

void AccountFiles::set_groups(const std::string& login, const std::set<std::string>& groups) {
    for (Table* table : {&group, &gshadow}) {
        const std::set<std::string> has = table->with_member(login);
        for (const std::string& name : has)
            if (!groups.count(name)) set_member(*table, name, login, false);
        for (const std::string& name : groups)
            if (!has.count(name)) set_member(*table, name, login, true);
    }
}

void AccountFiles::add_group(const std::string& name, std::int64_t gid) {
    group.set({name, "x", std::to_string(gid), ""});
    if (gshadow.exists()) gshadow.set({name, "!", "", ""});
}

void AccountFiles::remove_group(const std::string& name) {
    group.erase(name);
    gshadow.erase(name);
}

} // namespace holdfast::access
