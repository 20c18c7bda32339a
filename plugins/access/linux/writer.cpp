#include "writer.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <pwd.h>

#include "authorized_keys.hpp"
#include "sudoers.hpp"

namespace holdfast::access {

namespace {

// Whoever runs this, also behind sudo and su.
std::set<std::string> names_of_ours() {
    std::set<std::int64_t> uids{static_cast<std::int64_t>(::getuid())};
    std::int64_t login = -1;
    if (std::ifstream("/proc/self/loginuid") >> login && login != 4294967295) uids.insert(login);
    if (const char* sudo = std::getenv("SUDO_UID"))
        if (const auto uid = number_of(sudo)) uids.insert(*uid);
    std::set<std::string> out;
    for (const std::int64_t uid : uids)
        if (const passwd* entry = ::getpwuid(static_cast<uid_t>(uid))) out.insert(entry->pw_name);
    return out;
}

std::string days_now() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::to_string(std::chrono::duration_cast<std::chrono::hours>(now).count() / 24);
}

} // namespace

// ---- the order of things

void LinuxWriter::apply(sdk::Items changes) {
    steps_ = read_steps(changes);
    const AccountLock lock(root_, scope_);
    files_.read(root_);
    uids_.read(root_);
    for (Step& step : steps_) {
        step.is_over = scope_.should_stop(); // without a result, it counts as not tried
        if (!step.is_over) look(step);
    }
    // Groups before who is in them; what is given before what is taken.
    const auto unless_stopped = [&](auto change) {
        return [this, change](Step& step) {
            step.is_over = scope_.should_stop();
            if (!step.is_over) (this->*change)(step);
        };
    };
    each(Kind::group, false, unless_stopped(&LinuxWriter::put_group));
    each(Kind::account, false, unless_stopped(&LinuxWriter::put_account));
    each(Kind::account, true, unless_stopped(&LinuxWriter::remove_account));
    each(Kind::group, true, unless_stopped(&LinuxWriter::remove_group));
    if (scope_.should_stop()) return;
    write_files();
    if (has_failed_) return;
    for (const bool removes : {false, true}) {
        each(Kind::sudoers, removes, [&](Step& step) { settle_sudoers(step); });
        each(Kind::account, removes, [&](Step& step) { settle_account(step); });
        each(Kind::group, removes, [&](Step& step) { finish(step, sdk::Outcome::done); });
    }
}

template <typename Body>
void LinuxWriter::each(Kind kind, bool removes, Body body) {
    for (Step& step : steps_) {
        if (step.is_over || step.kind != kind || step.want.is_null() != removes) continue;
        try {
            body(step);
        } catch (const sdk::Error& error) {
            fail(step, error.diagnostic());
        }
    }
}

void LinuxWriter::fail(Step& step, sdk::Diagnostic why) {
    step.is_over = true;
    results_.failed(step.change, std::move(why));
}

void LinuxWriter::finish(Step& step, sdk::Outcome outcome, sdk::Diagnostics why) {
    step.is_over = true;
    sdk::Result result;
    result.outcome = outcome;
    result.diagnostics = std::move(why);
    if (!step.want.is_null()) {
        Json spec = view_.spec(step.kind, step.name);
        if (!spec.is_null()) result.document = sdk::dump_json(document_of(step.kind, std::move(spec)));
        result.version = version_of(result.document);
    }
    results_.emit(step.change, result);
}

// Compares with what was observed, under the lock. What is so already is done.
void LinuxWriter::look(Step& step) {
    try {
        step.before = view_.spec(step.kind, step.name);
        if (is_so_already(step)) return finish(step, sdk::Outcome::unchanged);
        check(step);
    } catch (const sdk::Error& error) {
        fail(step, error.diagnostic());
    }
}

// The system's own accounts and groups are nobody's business here, however they came into a document.
void LinuxWriter::check(const Step& step) const {
    if (step.kind == Kind::sudoers) return;
    if (settings_.leave.count(step.name))
        throw sdk::Error("access.left", step.name + " is left to others by the provider's \"leave\"",
                         "take it out of there, or out of Git");
    const char* const number = step.kind == Kind::account ? "uid" : "gid";
    if (!step.before.is_null() && !settings_.is_persons(step.before.at(number).get<std::int64_t>()))
        throw sdk::Error("access.system-id",
                         step.name + " is one of the system's own: its " + number + " is " +
                             step.before.at(number).dump(),
                         "give the person or role another name here; to be in a group that exists, name it "
                         "in memberOf");
    if (step.kind == Kind::account) check_not_self(step);
}

void LinuxWriter::check_not_self(const Step& step) const {
    const bool ends = step.want.is_null() || step.want.value("state", "active") != "active";
    if (!ends || !root_.is_whole_system() || !names_of_ours().count(step.name)) return;
    throw sdk::Error("access.self",
                     "this would end the account " + step.name + ", which Holdfast itself runs as or for",
                     "let somebody else do it, or the daemon under an account of its own");
}

void LinuxWriter::write_files() {
    try {
        uids_.write(root_); // before an account has the number
        files_.write(root_);
    } catch (const sdk::Error& error) {
        has_failed_ = true;
        for (Step& step : steps_)
            if (!step.is_over) fail(step, error.diagnostic());
    }
}

// ---- groups

std::int64_t LinuxWriter::free_id(bool is_for_group) const {
    const auto is_taken = [&](std::int64_t id) {
        if (is_for_group) return files_.group.with_id(id) != nullptr;
        return files_.passwd.with_id(id) != nullptr || !uids_.owner_of(id).empty() ||
               // Of LDAP or another source: its files must not become a stranger's.
               (root_.is_whole_system() && ::getpwuid(static_cast<uid_t>(id)) != nullptr);
    };
    const Table& table = is_for_group ? files_.group : files_.passwd;
    const std::int64_t highest =
        table.highest_id(settings_.first_id, settings_.last_id).value_or(settings_.first_id - 1);
    for (std::int64_t id = highest + 1; id <= settings_.last_id; ++id)
        if (!is_taken(id)) return id;
    for (std::int64_t id = settings_.first_id; id <= highest; ++id)
        if (!is_taken(id)) return id;
    throw sdk::Error("access.no-ids",
                     "no number is free between " + std::to_string(settings_.first_id) + " and " +
                         std::to_string(settings_.last_id),
                     "widen idRange; numbers of former accounts are never given again");
}

void LinuxWriter::put_group(const Step& step) {
    const auto declared = step.want.find("gid");
    const bool is_new = step.before.is_null();
    if (declared == step.want.end() && !is_new) return;
    const std::int64_t gid = declared == step.want.end() ? free_id(true) : declared->get<std::int64_t>();
    const Row* holder = files_.group.with_id(gid);
    if (holder && (*holder)[0] != step.name)
        throw sdk::Error("access.gid-taken",
                         "gid " + std::to_string(gid) + " is that of the group " + (*holder)[0],
                         "declare another, or none: then the next free one is taken");
    if (is_new) return files_.add_group(step.name, gid);
    // As groupmod does: who has it as primary group keeps the group, not the number.
    Row row = *files_.group.find(step.name);
    const std::string old = row[GroupField::gid];
    row[GroupField::gid] = std::to_string(gid);
    files_.group.set(row);
    std::vector<Row> users;
    files_.passwd.each([&](const Row& user) {
        if (user[PasswdField::gid] == old) users.push_back(user);
    });
    for (Row& user : users) {
        user[PasswdField::gid] = std::to_string(gid);
        files_.passwd.set(user);
    }
}

void LinuxWriter::remove_group(const Step& step) {
    const std::string gid = (*files_.group.find(step.name))[GroupField::gid];
    std::string user;
    files_.passwd.each([&](const Row& row) {
        if (user.empty() && row[PasswdField::gid] == gid) user = row[0];
    });
    if (!user.empty())
        throw sdk::Error("access.group-in-use", "the group " + step.name + " is the primary group of " + user,
                         "give that account another primary group, or remove it first");
    files_.remove_group(step.name);
}

// ---- accounts

std::int64_t LinuxWriter::uid_for(const Step& step) {
    const auto declared = step.want.find("uid");
    const auto former = uids_.of(step.name);
    if (declared == step.want.end()) {
        const bool is_free = former && !files_.passwd.with_id(*former);
        return is_free ? *former : free_id(false);
    }
    const auto uid = declared->get<std::int64_t>();
    if (const Row* holder = files_.passwd.with_id(uid))
        throw sdk::Error("access.uid-taken",
                         "uid " + std::to_string(uid) + " is that of the account " + (*holder)[0],
                         "declare another, or none: then the next free one is taken");
    if (const std::string owner = uids_.owner_of(uid); !owner.empty() && owner != step.name)
        throw sdk::Error("access.uid-reused",
                         "uid " + std::to_string(uid) + " was that of " + owner + ", whose files " +
                             step.name + " would own",
                         "declare another; numbers of former accounts stay theirs "
                         "(var/lib/holdfast/access-uids)");
    return uid;
}

std::set<std::string> LinuxWriter::wanted_groups(const Step& step) const {
    std::set<std::string> groups = wanted_texts(step, "groups");
    for (const std::string& group : groups)
        if (!files_.group.find(group))
            throw sdk::Error(
                "access.no-group", "there is no group " + group + " that " + step.name + " could be in",
                "declare it as the group of a Role, or make it; memberOf names groups that exist");
    return groups;
}

void LinuxWriter::put_account(const Step& step) {
    const std::set<std::string> groups = wanted_groups(step);
    const bool is_new = step.before.is_null();
    if (!is_new && step.want.contains("uid") && step.want["uid"] != step.before["uid"])
        throw sdk::Error("access.uid-change",
                         step.name + " has uid " + step.before["uid"].dump() + ", and " +
                             step.want["uid"].dump() + " is declared: the files it owns would be nobody's",
                         "declare the uid that it has; or change both by usermod -u, and the files' owner");
    // From here on nothing throws: what is half changed would be written with the others.
    if (is_new) create_account(step, uid_for(step));
    Row row = *files_.passwd.find(step.name);
    if (step.want.contains("fullName"))
        row[PasswdField::gecos] = step.want["fullName"].get<std::string>();
    else if (step.recorded.contains("fullName"))
        row[PasswdField::gecos].clear();
    if (step.want.contains("shell"))
        row[PasswdField::shell] = step.want["shell"].get<std::string>();
    else if (step.recorded.contains("shell"))
        row[PasswdField::shell] = settings_.shell;
    if (step.want.contains("home")) row[PasswdField::home] = step.want["home"].get<std::string>();
    files_.passwd.set(row);
    if (step.want.contains("state")) put_state(step.name, step.want["state"].get<std::string>());
    files_.set_groups(step.name, groups);
}

void LinuxWriter::create_account(const Step& step, std::int64_t uid) {
    const Row* own = files_.group.find(step.name);
    const std::int64_t gid = own                          ? number_of((*own)[GroupField::gid]).value_or(uid)
                             : !files_.group.with_id(uid) ? uid
                                                          : free_id(true);
    if (!own) files_.add_group(step.name, gid);
    files_.passwd.set({step.name, "x", std::to_string(uid), std::to_string(gid), "",
                       settings_.homes + "/" + step.name, settings_.shell});
    // No password that fits, and not locked: sshd lets no key into an account whose password begins with "!".
    files_.shadow.set({step.name, "*", days_now(), "0", "99999", "7", "", "", ""});
    uids_.remember(step.name, uid);
}

void LinuxWriter::put_state(const std::string& name, const std::string& state) {
    const Row* found = files_.shadow.find(name);
    Row row = found ? *found : Row{name, "*", days_now(), "0", "99999", "7", "", "", ""};
    std::string& password = row[ShadowField::password];
    const bool is_locked = !password.empty() && password[0] == '!';
    if (state == "active") {
        row[ShadowField::expires].clear();
        if (is_locked && password.size() > 1 && password[1] != '!') password.erase(0, 1);
    } else {
        row[ShadowField::expires] = "1"; // 1970-01-02, as usermod(8) advises: 0 is read as "never" by some
        if (!is_locked) password.insert(0, 1, '!');
    }
    files_.shadow.set(row);
}

void LinuxWriter::remove_account(const Step& step) {
    const Row row = *files_.passwd.find(step.name);
    if (const auto uid = number_of(row[PasswdField::uid])) uids_.remember(step.name, *uid);
    files_.set_groups(step.name, {});
    files_.passwd.erase(step.name);
    files_.shadow.erase(step.name);
    const Row* own = files_.group.find(step.name);
    if (!own || (*own)[GroupField::gid] != row[PasswdField::gid] || !(*own)[GroupField::members].empty())
        return;
    bool is_used = false;
    files_.passwd.each([&](const Row& user) { is_used |= user[PasswdField::gid] == row[PasswdField::gid]; });
    if (!is_used) files_.remove_group(step.name);
}

// ---- what lies outside of the account files

void LinuxWriter::settle_account(Step& step) {
    if (scope_.should_stop())
        return finish(
            step, sdk::Outcome::partial,
            {problem("access.stopped", "the call was ended before the keys of " + step.name + " were written",
                     "the next pass writes them")});
    const Row* row = files_.passwd.find(step.name);
    Home home{"", 0, 0, step.name};
    std::int64_t uid = 0;
    if (row) {
        uid = number_of((*row)[PasswdField::uid]).value_or(0);
        home = {(*row)[PasswdField::home], static_cast<uid_t>(uid),
                static_cast<gid_t>(number_of((*row)[PasswdField::gid]).value_or(0)), step.name};
    } else {
        uid = step.before["uid"].get<std::int64_t>();
        home = {step.before["home"].get<std::string>(), static_cast<uid_t>(uid), static_cast<gid_t>(uid),
                step.name};
    }
    try {
        const bool is_suspended = row && step.want.value("state", "active") == "suspended";
        std::set<std::string> keys;
        if (row && !is_suspended) keys = wanted_texts(step, "keys");
        const bool is_new = row && step.before.is_null();
        if (row && !is_suspended && (is_new || !keys.empty())) make_home(root_, home);
        if (!row || is_suspended || step.want.contains("keys") || step.recorded.contains("keys"))
            write_keys(root_, home, keys);
        if (!row || step.want.value("sessions", "") == "ended") end_sessions(step, uid);
        finish(step, sdk::Outcome::done);
    } catch (const sdk::Error& error) {
        finish(step, sdk::Outcome::partial, {error.diagnostic()});
    }
}

void LinuxWriter::settle_sudoers(Step& step) {
    step.is_over = scope_.should_stop();
    if (step.is_over) return;
    if (step.want.is_null()) {
        remove_fragment(root_, step.name);
    } else {
        std::vector<std::string> lines;
        for (const Json& line : step.want.at("lines")) lines.push_back(line.get<std::string>());
        write_fragment(root_, scope_, step.name, lines);
    }
    finish(step, sdk::Outcome::done);
}

// Whoever is logged in stays so, whatever becomes of the account; here they do not.
void LinuxWriter::end_sessions(const Step& step, std::int64_t uid) {
    if (!settings_.is_persons(uid)) return;
    for (int round = 0; round < 20 && !scope_.should_stop(); ++round) {
        view_.forget_processes();
        const auto left = processes_by_user(root_);
        const auto found = left.find(uid);
        if (found == left.end()) return;
        for (const pid_t pid : found->second) ::kill(pid, round < 5 ? SIGTERM : SIGKILL);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw sdk::Error("access.sessions", "processes of " + step.name + " go on, and cannot be ended",
                     "see what they wait for: ps -u " + step.name);
}

} // namespace holdfast::access
