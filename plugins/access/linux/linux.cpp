#include "linux.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <dirent.h>

#include "access/keys.hpp"
#include "authorized_keys.hpp"
#include "sudoers.hpp"
#include "watcher.hpp"
#include "writer.hpp"

namespace holdfast::access {

// ---- what stands there

std::map<std::int64_t, std::vector<pid_t>> processes_by_user(const Root& root) {
    std::map<std::int64_t, std::vector<pid_t>> out;
    DIR* listing = root.is_whole_system() ? ::opendir("/proc") : nullptr;
    if (!listing) return out;
    while (const dirent* entry = ::readdir(listing)) {
        const auto pid = number_of(entry->d_name);
        struct stat status {};
        if (pid && ::fstatat(::dirfd(listing), entry->d_name, &status, 0) == 0)
            out[status.st_uid].push_back(static_cast<pid_t>(*pid));
    }
    ::closedir(listing);
    return out;
}

namespace {

std::int64_t today() {
    return std::chrono::duration_cast<std::chrono::hours>(std::chrono::system_clock::now().time_since_epoch())
               .count() /
           24;
}

// Suspended is locked and expired, both: sshd lets keys in past a locked password, and su does past an expiry
// that is only the password's. What is one of the two is neither, and is mended.
std::string state_of(const Row* shadow) {
    if (!shadow) return "without an entry in shadow";
    const auto expires = number_of((*shadow)[ShadowField::expires]);
    const bool is_expired = expires && *expires <= today();
    const std::string& password = (*shadow)[ShadowField::password];
    if (!is_expired) return "active";
    return !password.empty() && password[0] == '!' ? "suspended" : "expired but not locked";
}

} // namespace

Json LinuxView::account(const std::string& name) const {
    const Row* row = files_.passwd.find(name);
    if (!row) return nullptr;
    const auto uid = number_of((*row)[PasswdField::uid]), gid = number_of((*row)[PasswdField::gid]);
    if (!uid || !gid) return nullptr;
    const std::string& gecos = (*row)[PasswdField::gecos];
    Json spec{{"name", name},
              {"state", state_of(files_.shadow.find(name))},
              {"uid", *uid},
              {"shell", (*row)[PasswdField::shell]},
              {"home", (*row)[PasswdField::home]},
              {"groups", files_.group.with_member(name)}};
    if (const std::string full = gecos.substr(0, gecos.find(',')); !full.empty()) spec["fullName"] = full;
    const Home home{(*row)[PasswdField::home], static_cast<uid_t>(*uid), static_cast<gid_t>(*gid), name};
    // System accounts have homes that are no homes ("/", "/usr/sbin").
    spec["keys"] = settings_.is_persons(*uid) ? read_keys(root_, home) : std::set<std::string>();
    if (!has_processes(*uid)) spec["sessions"] = "ended";
    return spec;
}

bool LinuxView::has_processes(std::int64_t uid) const {
    if (!processes_) processes_ = processes_by_user(root_);
    return processes_->count(uid) != 0;
}

Json LinuxView::group(const std::string& name) const {
    const Row* row = files_.group.find(name);
    const auto gid = row ? number_of((*row)[GroupField::gid]) : std::nullopt;
    return gid ? Json{{"name", name}, {"gid", *gid}} : Json(nullptr);
}

Json LinuxView::sudoers(const std::string& name) const {
    const auto lines = read_fragment(root_, name);
    return lines ? Json{{"name", name}, {"lines", *lines}} : Json(nullptr);
}

Json LinuxView::spec(Kind kind, const std::string& name) const {
    return kind == Kind::account ? account(name) : kind == Kind::group ? group(name) : sudoers(name);
}

std::vector<std::string> LinuxView::names(Kind kind) const {
    std::vector<std::string> out;
    if (kind == Kind::sudoers) return fragments(root_);
    const auto is_left = [&](const std::string& name) { return settings_.leave.count(name) != 0; };
    if (kind == Kind::account)
        files_.passwd.each([&](const Row& row) {
            const auto uid = number_of(row[PasswdField::uid]);
            if (uid && settings_.is_persons(*uid) && !is_left(row[0])) out.push_back(row[0]);
        });
    // A group of an account's name and its primary one belongs to the account.
    if (kind == Kind::group)
        files_.group.each([&](const Row& row) {
            const auto gid = number_of(row[GroupField::gid]);
            const Row* user = files_.passwd.find(row[0]);
            const bool is_private = user && (*user)[PasswdField::gid] == row[GroupField::gid];
            if (gid && settings_.is_persons(*gid) && !is_left(row[0]) && !is_private) out.push_back(row[0]);
        });
    std::sort(out.begin(), out.end());
    return out;
}

// ---- the adapter

namespace {

LinuxSettings read_settings(const Json& config) {
    LinuxSettings out;
    out.root = config.value("root", out.root);
    out.shell = config.value("shell", out.shell);
    out.homes = config.value("homes", out.homes);
    if (const auto range = config.find("idRange"); range != config.end() && range->size() == 2) {
        out.first_id = (*range)[0].get<std::int64_t>();
        out.last_id = (*range)[1].get<std::int64_t>();
    }
    for (const Json& name : config.value("leave", Json::array())) out.leave.insert(name.get<std::string>());
    if (out.first_id < 1 || out.last_id < out.first_id)
        throw sdk::Error("access.config", "idRange is no range of numbers",
                         "write [first, last], as [1000, 60000]");
    return out;
}

class LinuxAdapter final : public Adapter {
public:
    explicit LinuxAdapter(const Json& config) : settings_(read_settings(config)), root_(settings_.root) {}

    std::string target(const sdk::Call&) override { return root_.target(); }

    sdk::Diagnostics problems_of(Kind kind, const Json& spec) const override {
        sdk::Diagnostics out;
        const std::string name = spec.value("name", "");
        if (kind != Kind::sudoers && settings_.leave.count(name))
            out.push_back(problem("access.left", name + " is left to others by the provider's \"leave\"",
                                  "take it out of there, or out of Git", "/spec/name"));
        if (kind == Kind::account && spec.contains("emails"))
            out.push_back(problem("access.not-here", "a Linux account has no emails",
                                  "declare them of a Person, or of an account in LDAP", "/spec/emails"));
        if (kind == Kind::group && spec.contains("privileges"))
            out.push_back(problem("access.not-here", "a group of Linux has no privileges",
                                  "write a Sudoers document", "/spec/privileges"));
        const char* const number = kind == Kind::account ? "uid" : "gid";
        if (const auto id = spec.find(number);
            id != spec.end() && id->is_number_integer() && !settings_.is_persons(id->get<std::int64_t>()))
            out.push_back(problem("access.system-id",
                                  std::string(number) + " " + id->dump() + " is one of the system's own",
                                  "people have " + std::to_string(settings_.first_id) + " to " +
                                      std::to_string(settings_.last_id) + " here (idRange)",
                                  std::string("/spec/") + number));
        const Json keys = spec.value("keys", Json::array());
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (!parse_key(keys[i].get<std::string>()))
                out.push_back(problem("access.key", "this is no public key as OpenSSH writes it",
                                      "paste the line of the .pub file", "/spec/keys/" + std::to_string(i)));
        return out;
    }

    void canonicalize(Kind kind, Json& spec) const override {
        if (kind != Kind::account || !spec.contains("keys")) return;
        std::set<std::string> keys;
        for (const Json& key : spec["keys"]) keys.insert(parse_key(key.get<std::string>()).value_or(key));
        spec["keys"] = keys;
    }

    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override {
        AccountFiles files;
        files.read(root_);
        const LinuxView view(settings_, root_, files);
        for (const sdk::Item& item : items) {
            if (!results.listening() || scope.should_stop()) return;
            try {
                const Kind kind = kind_of(item.kind());
                Json spec = view.spec(kind, name_in(item.identity()));
                if (spec.is_null()) {
                    results.absent(item);
                    continue;
                }
                const std::string document = sdk::dump_json(document_of(kind, std::move(spec)));
                results.done(item, document, version_of(document));
            } catch (const sdk::Error& error) {
                results.failed(item, error.diagnostic());
            }
        }
    }

    void list(const sdk::Scope&, const sdk::ListRequest& request, sdk::Results& results) override {
        AccountFiles files;
        files.read(root_);
        const LinuxView view(settings_, root_, files);
        const Kind kind = kind_of(request.kind);
        if (kind == Kind::none) return;
        for (const std::string& name : view.names(kind)) {
            const std::string document = sdk::dump_json(document_of(kind, view.spec(kind, name)));
            results.object(request.kind, sdk::quote(name), document, {}, version_of(document));
        }
    }

    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override {
        LinuxWriter(settings_, root_, scope, results).apply(changes);
    }

    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override {
        std::set<std::string> accounts;
        for (const sdk::Item& item : items)
            if (kind_of(item.kind()) == Kind::account) accounts.insert(name_in(item.identity()));
        if (!watcher_) watcher_ = std::make_unique<LinuxWatcher>(root_, scope.host());
        watcher_->watch(items.empty() ? std::nullopt : std::optional(accounts), hints);
    }
    void unwatch() override { watcher_.reset(); }

private:
    LinuxSettings settings_;
    Root root_;
    std::unique_ptr<LinuxWatcher> watcher_;
};

} // namespace

std::unique_ptr<Adapter> make_linux(const Json& config) { return std::make_unique<LinuxAdapter>(config); }

} // namespace holdfast::access
