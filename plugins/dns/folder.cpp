// A folder of zone files, one for each zone, which a name server reads. A file is replaced by rename, so
// that there is always a whole one; between read and rename nobody else may have changed it.
//
// Where the server is told by a reload, a change is done only once it serves the new file. Until then the old
// text lies beside it, marked with the hash of the new one, and is what read() tells: so whoever is killed
// before the reload, or sees it fail, plans the same change again, and no reload is forgotten.

#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <holdfast/sha256.hpp>

#include "backend.hpp"
#include "hash.hpp"
#include "reload.hpp"
#include "zonefile.hpp"

namespace holdfast::dns {

namespace {

using sdk::Json;

constexpr std::size_t max_file = 1U << 30U;

struct Fd {
    int number;
    explicit Fd(int n) : number(n) {}
    ~Fd() {
        if (number >= 0) close(number);
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
};

sdk::Diagnostic system_problem(const std::string& doing, const std::string& path, int error) {
    sdk::Diagnostic why = problem("dns.file", "cannot " + doing + " " + path + ": " + std::strerror(error),
                                  "nothing was changed; check the path, its owner and mode");
    if (error == ENOSPC || error == EDQUOT) {
        why.hint = "free some space or raise the quota; the file is as it was";
        why.retry = sdk::Retry::after;
    }
    return why;
}

[[noreturn]] void fail_with(const std::string& doing, const std::string& path, int error) {
    throw sdk::Error(system_problem(doing, path, error));
}

std::string read_whole(int fd, const std::string& path) {
    std::string out;
    char buffer[65536];
    for (;;) {
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_with("read", path, errno);
        if (n == 0) return out;
        out.append(buffer, static_cast<std::size_t>(n));
        if (out.size() > max_file) fail_with("read", path, EFBIG);
    }
}

// Removes what it was told of, unless it became the file.
class Temporary {
public:
    explicit Temporary(std::string path) : path_(std::move(path)) {}
    ~Temporary() {
        if (!path_.empty()) unlink(path_.c_str());
    }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    const std::string& path() const { return path_; }
    void keep() { path_.clear(); }

private:
    std::string path_;
};

class Folder final : public Backend {
public:
    explicit Folder(const Json& config)
        : directory_(sdk::text_at(config, "/directory")),
          pattern_(sdk::text_at(config, "/file", "%s.zone")),
          reload_(config) {
        const std::string serial = sdk::text_at(config, "/serial", "increment");
        policy_ = serial == "date"       ? SerialPolicy::date
                  : serial == "unixtime" ? SerialPolicy::unixtime
                                         : SerialPolicy::increment;
        const std::size_t at = pattern_.find("%s");
        if (directory_.empty() || directory_.front() != '/' || at == std::string::npos ||
            pattern_.find('/') != std::string::npos)
            throw sdk::Error("dns.config",
                             "zonefile needs an absolute directory, and a file name with %s in it",
                             "write directory: /etc/bind/zones, and file: \"db.%s\" if they are called so");
        before_ = pattern_.substr(0, at);
        behind_ = pattern_.substr(at + 2);
    }

    // The directory itself, however it is called.
    std::string target(const sdk::Call&) override {
        struct stat status {};
        if (stat(directory_.c_str(), &status) != 0) fail_with("enter", directory_, errno);
        const Fd fd(open("/etc/machine-id", O_RDONLY | O_CLOEXEC));
        std::string machine = fd.number >= 0 ? read_whole(fd.number, "/etc/machine-id") : "";
        while (!machine.empty() && machine.back() == '\n') machine.pop_back();
        return "zonefile:" + machine + ":" + std::to_string(status.st_dev) + ":" +
               std::to_string(status.st_ino);
    }

    ZoneData read(const sdk::Call&, const Wire& origin) override {
        const std::string path = path_of(origin);
        text_ = load(path, read_);
        ZoneData zone = parse_zone_file(text_, origin, path);
        zone.version = sdk::sha256_hex(text_);
        if (const std::optional<std::string> served = owed_reload(path)) {
            zone.sets = parse_zone_file(*served, origin, path).sets;
            zone.version += " not loaded";
        }
        return zone;
    }

    Mark mark(const sdk::Call&, const Wire& origin) const override {
        struct stat status {};
        return {sdk::sha256_hex(load(path_of(origin), status)), 0};
    }

    int events() const override {
        const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        const std::uint32_t mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
        if (fd >= 0 && inotify_add_watch(fd, directory_.c_str(), mask | IN_ONLYDIR) >= 0) return fd;
        const int error = errno;
        if (fd >= 0) close(fd);
        fail_with("watch", directory_, error);
    }

    Written write(const sdk::Call& call, const ZoneData& before,
                  const std::vector<Change>& changes) override {
        ZoneData after = before;
        for (const Change& change : changes)
            if (change.after)
                after.sets[change.key] = *change.after;
            else
                after.sets.erase(change.key);
        set_serial(after.soa, next_serial(before.soa.serial(), policy_, std::time(nullptr)));
        Written out;
        out.concerned = changes.size();
        try {
            const std::string path = path_of(before.origin), text = print_zone_file(after);
            if (reload_.is_wanted()) note_owed(path, text);
            replace(path, text);
            if (reload_.is_wanted()) reload(call, path, after, out);
            if (out.end == Written::End::done) {
                out.count = changes.size();
                out.concerned = 0;
            }
        } catch (const sdk::Error& error) {
            out.why = error.diagnostic();
            out.end = out.why.retry == sdk::Retry::conflict ? Written::End::conflict : Written::End::refused;
        }
        return out;
    }

    std::vector<Wire> zones(const sdk::Call&) override {
        const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(directory_.c_str()), &closedir);
        if (!directory) fail_with("list", directory_, errno);
        std::vector<Wire> out;
        while (const dirent* entry = readdir(directory.get())) {
            const std::string name = entry->d_name;
            const std::size_t around = before_.size() + behind_.size();
            if (name.size() <= around || name.compare(0, before_.size(), before_) != 0 ||
                name.compare(name.size() - behind_.size(), behind_.size(), behind_) != 0)
                continue;
            try {
                out.push_back(parse_zone(name.substr(before_.size(), name.size() - around)));
            } catch (const sdk::Error&) {
                continue; // a file of another purpose
            }
        }
        return out;
    }

    void check_type(TypeNumber type) const override {
        if (type == type::alias)
            throw sdk::Error("dns.type", "ALIAS is a type of PowerDNS alone, which zone files do not have",
                             "use A and AAAA, or a CNAME where the name holds nothing else");
    }
    bool compares() const override { return false; }

private:
    static std::string load(const std::string& path, struct stat& status) {
        const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (fd.number < 0 || fstat(fd.number, &status) != 0) fail_with("read", path, errno);
        return read_whole(fd.number, path);
    }

    // The root's file is called "root"; a "/" in a name would lead elsewhere.
    std::string path_of(const Wire& origin) const {
        const std::string name = origin.size() == 1 ? "root" : zone_text(origin);
        if (name.find('/') != std::string::npos || name.front() == '.')
            throw sdk::Error("dns.name", "zone " + name + " cannot be the name of a file");
        return directory_ + "/" + before_ + name + behind_;
    }

    // ---- reloads that are owed ----

    static std::string path_of_owed(const std::string& path) { return path + ".holdfast-served"; }
    static std::string first_line_of_owed(const std::string& text) {
        return "; served until sha256 " + sdk::sha256_hex(text) + " is loaded\n";
    }

    // What the server still serves, where the file that lies there now is ours and was never loaded.
    std::optional<std::string> owed_reload(const std::string& path) const {
        if (!reload_.is_wanted() || access(path_of_owed(path).c_str(), F_OK) != 0) return std::nullopt;
        struct stat status {};
        std::string text = load(path_of_owed(path), status);
        const std::string line = first_line_of_owed(text_);
        if (text.rfind(line, 0) != 0) return std::nullopt; // the file has been changed since
        return text.substr(line.size());
    }

    void note_owed(const std::string& path, const std::string& text) const {
        const std::optional<std::string> still = owed_reload(path);
        put(path_of_owed(path), first_line_of_owed(text) + (still ? *still : text_));
    }

    // A server that does not take the new file gets the old one back.
    void reload(const sdk::Call& call, const std::string& path, const ZoneData& after, Written& out) {
        try {
            reload_.carry_out(call, after.origin, after.soa.serial());
        } catch (const sdk::Error& error) {
            out.why = error.diagnostic();
            out.end = call.should_stop() ? Written::End::unknown : Written::End::refused;
            if (call.should_stop()) return; // it stays owed
            give_back(call, path, after, out.why);
        }
        unlink(path_of_owed(path).c_str());
    }

    void give_back(const sdk::Call& call, const std::string& path, const ZoneData& after,
                   sdk::Diagnostic& why) {
        std::string then = "the file is as it was";
        try {
            load(path, read_);
            put(path, text_);
            const std::uint32_t serial = parse_zone_file(text_, after.origin, path).soa.serial();
            reload_.carry_out(call, after.origin, serial);
        } catch (const sdk::Error& error) {
            then = std::string("and giving it the old file back failed: ") + error.what();
        }
        why.message += "; " + then;
    }

    void check_unchanged(const std::string& path) const {
        struct stat now {};
        if (stat(path.c_str(), &now) != 0) fail_with("look at", path, errno);
        const bool is_same = now.st_ino == read_.st_ino && now.st_size == read_.st_size &&
                             now.st_mtim.tv_sec == read_.st_mtim.tv_sec &&
                             now.st_mtim.tv_nsec == read_.st_mtim.tv_nsec;
        if (!is_same)
            throw sdk::Error(problem("dns.conflict", path + " was changed after it was read",
                                     "it is planned again with what stands there now", sdk::Retry::conflict));
        // A server that takes dynamic updates keeps them there, and would write them over this file.
        if (access((path + ".jnl").c_str(), F_OK) == 0)
            throw sdk::Error("dns.journal",
                             "beside " + path + " lies a journal: the zone is updated dynamically",
                             "use rfc2136 for this zone, or freeze it and remove the journal");
    }

    void replace(const std::string& path, const std::string& text) const {
        check_unchanged(path);
        put(path, text, [&] { check_unchanged(path); });
    }

    // With owner and mode of the zone's file. `check` is called right before the file is there.
    void put(
        const std::string& path, const std::string& text, const std::function<void()>& check = [] {}) const {
        Temporary temporary(path + ".holdfast-new");
        unlink(temporary.path().c_str());
        const Fd fd(
            open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (fd.number < 0) fail_with("make", temporary.path(), errno);
        for (std::size_t at = 0; at < text.size();) {
            const ssize_t n = ::write(fd.number, text.data() + at, text.size() - at);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) fail_with("write", temporary.path(), n < 0 ? errno : ENOSPC);
            at += static_cast<std::size_t>(n);
        }
        const bool is_other_owner = read_.st_uid != geteuid() || read_.st_gid != getegid();
        if (is_other_owner && fchown(fd.number, read_.st_uid, read_.st_gid) != 0)
            fail_with("give to its owner", temporary.path(), errno);
        if (fchmod(fd.number, read_.st_mode & 07777U) != 0 || fsync(fd.number) != 0)
            fail_with("write", temporary.path(), errno);
        check();
        if (rename(temporary.path().c_str(), path.c_str()) != 0) fail_with("replace", path, errno);
        temporary.keep();
        const Fd directory(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (directory.number >= 0) fsync(directory.number);
    }

    std::string directory_, pattern_, before_, behind_;
    SerialPolicy policy_ = SerialPolicy::increment;
    Reload reload_;
    struct stat read_ {}; // the file that was read last
    std::string text_;    // and its text
};

} // namespace

std::unique_ptr<Backend> make_zonefile(const Json& config) { return std::make_unique<Folder>(config); }

} // namespace holdfast::dns
