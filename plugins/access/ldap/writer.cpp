#include "writer.hpp"

#include <algorithm>
#include <deque>

#include "access/keys.hpp"
#include "access/linux/account_files.hpp"

namespace holdfast::access {

namespace {

bool has_class(const Entry& entry, const char* name) {
    const Values& classes = entry.all("objectclass");
    return std::any_of(classes.begin(), classes.end(),
                       [&](const std::string& one) { return lower_case(one) == lower_case(name); });
}

std::string surname_of(const std::string& full_name) {
    const std::size_t blank = full_name.rfind(' ');
    return blank == std::string::npos || blank + 1 == full_name.size() ? full_name
                                                                       : full_name.substr(blank + 1);
}

Values in_order(const std::set<std::string>& texts) { return {texts.begin(), texts.end()}; }

} // namespace

// ---- the order of things

void LdapWriter::apply(sdk::Items changes) {
    steps_ = read_steps(changes);
    for (const Step& step : steps_) {
        if (step.kind == Kind::group) groups_.insert(step.name);
        if (step.kind != Kind::account) continue;
        accounts_.insert(step.name);
        for (const std::string& group : texts_of(step.want, "groups")) groups_.insert(group);
    }
    read_again();
    for (Step& step : steps_) {
        step.is_over = scope_.should_stop(); // without a result, it counts as not tried
        if (!step.is_over) look(step);
    }
    give_numbers();
    write_each(Kind::group, false, [&](const Step& step) { return put_group(step); });
    write_each(Kind::account, false, [&](const Step& step) { return put_account(step); });
    note_all_groups();
    write_members();
    is_past_start_ = true;
    write_each(Kind::account, true, [&](const Step& step) { return remove_entry(step); });
    write_each(Kind::group, true, [&](const Step& step) { return remove_entry(step); });
    finish_all();
}

void LdapWriter::read_again() { directory_.read(connection_, accounts_, groups_); }

template <typename Body>
void LdapWriter::attempt(Step& step, Body body) {
    try {
        body();
    } catch (const sdk::Error& error) {
        if (error.diagnostic().code == "access.server-down") lost_ = error.diagnostic();
        fail(step, error.diagnostic());
    } catch (const NoAnswer& error) {
        lose(error);
        step.is_touched = true;
        give_up(step);
    }
}

void LdapWriter::lose(const NoAnswer& error) {
    lost_ = problem("access.server-down", error.what(), "it is looked at again");
    lost_->retry = sdk::Retry::after;
}

// Without trying: every one of them would wait for a server that does not answer.
void LdapWriter::give_up(Step& step) {
    if (!step.is_touched) return fail(step, *lost_);
    step.is_over = true;
    sdk::Result unknown;
    unknown.outcome = sdk::Outcome::unknown;
    unknown.diagnostics.push_back(*lost_);
    results_.emit(step.change, unknown);
}

template <typename Body>
void LdapWriter::each(Kind kind, bool removes, Body body) {
    for (Step& step : steps_) {
        if (step.is_over || step.kind != kind || step.removes() != removes) continue;
        if (lost_)
            give_up(step);
        else if (scope_.should_stop())
            stop(step);
        else
            attempt(step, [&] { body(step); });
    }
}

// Up to a window of writes are under way at a time; a server does several of them at once.
template <typename Body>
void LdapWriter::write_each(Kind kind, bool removes, Body body) {
    constexpr std::size_t window = 32;
    std::deque<std::pair<Step*, LdapWrite>> under_way;
    const auto finish_first = [&] {
        const auto [step, write] = std::move(under_way.front());
        under_way.pop_front();
        attempt(*step, [&] { connection_.finish(write); });
    };
    each(kind, removes, [&](Step& step) {
        std::optional<LdapWrite> write = body(step);
        if (!write) return;
        step.is_touched = true;
        under_way.emplace_back(&step, *std::move(write));
        if (under_way.size() >= window) finish_first();
    });
    while (!under_way.empty()) finish_first();
}

// Whoever has been taken out of groups already is half removed; the rest was not tried.
void LdapWriter::stop(Step& step) {
    step.is_over = true;
    if (!is_past_start_ || step.kind != Kind::account) return;
    sdk::Result result;
    result.outcome = sdk::Outcome::partial;
    result.diagnostics.push_back(problem("access.stopped",
                                         "the call was ended after " + step.name +
                                             " was taken out of groups and before the entry was removed",
                                         "the next pass removes it"));
    results_.emit(step.change, result);
}

void LdapWriter::fail(Step& step, sdk::Diagnostic why) {
    step.is_over = true;
    results_.failed(step.change, std::move(why));
}

void LdapWriter::look(Step& step) {
    try {
        step.before = directory_.spec(step.kind, step.name);
        if (is_so_already(step)) {
            step.is_over = true;
            const std::string document =
                step.removes() ? "" : sdk::dump_json(document_of(step.kind, step.before));
            results_.unchanged(step.change, document, version_of(document));
            return;
        }
        check(step);
    } catch (const sdk::Error& error) {
        fail(step, error.diagnostic());
    }
}

void LdapWriter::check(const Step& step) const {
    if (std::find(settings_.leave.begin(), settings_.leave.end(), step.name) != settings_.leave.end())
        throw sdk::Error("access.left", step.name + " is left to others by the provider's \"leave\"",
                         "take it out of there, or out of Git");
    const bool ends = step.removes() || step.want.value("state", "active") != "active";
    if (step.kind == Kind::account && ends &&
        normal_dn(directory_.dn_of(step.kind, step.name)) == normal_dn(settings_.bind_dn))
        throw sdk::Error("access.self",
                         "this would end the account " + step.name + ", which Holdfast itself binds with",
                         "give the provider another bindDn first");
    if (step.kind == Kind::account && !step.removes())
        for (const std::string& group : texts_of(step.want, "groups")) {
            const bool is_made = std::any_of(steps_.begin(), steps_.end(), [&](const Step& other) {
                return other.kind == Kind::group && other.name == group && !other.removes();
            });
            if (!directory_.group(group) && !is_made)
                throw sdk::Error(
                    "access.no-group", "there is no group " + group + " below " + settings_.groups,
                    "declare it as the group of a Role, or make it; memberOf names groups that exist");
        }
}

// What stands there now, once everything is written.
void LdapWriter::finish_all() {
    if (std::all_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.is_over; })) return;
    try {
        read_again();
    } catch (const sdk::Error&) { // the engine looks again
        for (Step& step : steps_) {
            sdk::Result unknown;
            unknown.outcome = sdk::Outcome::unknown;
            if (!step.is_over) results_.emit(step.change, unknown);
        }
        return;
    }
    for (Step& step : steps_) {
        if (step.is_over) continue;
        sdk::Result result;
        for (const std::string& group : texts_of(step.want, "groups"))
            if (const auto failed = failed_groups_.find(group); failed != failed_groups_.end()) {
                result.outcome = sdk::Outcome::partial;
                result.diagnostics.push_back(failed->second);
            }
        const Json spec = step.removes() ? Json(nullptr) : directory_.spec(step.kind, step.name);
        if (!spec.is_null()) result.document = sdk::dump_json(document_of(step.kind, spec));
        result.version = version_of(result.document);
        results_.emit(step.change, result);
    }
}

// ---- groups

std::optional<LdapWrite> LdapWriter::put_group(const Step& step) {
    const std::string dn = directory_.dn_of(Kind::group, step.name);
    if (!step.creates()) {
        if (settings_.has_names || !step.want.contains("gid")) return std::nullopt;
        return connection_.modify(dn, {{Modify::replace, "gidNumber", {step.want["gid"].dump()}}},
                                  same_entry(*directory_.group(step.name)));
    }
    std::vector<Modification> attributes{{Modify::add, "cn", {step.name}}};
    if (settings_.has_names) {
        attributes.push_back({Modify::add, "objectClass", {"groupOfNames"}});
        attributes.push_back({Modify::add, "member", {dn}}); // it has to have one; see member_changes()
    } else {
        attributes.push_back({Modify::add, "objectClass", {"posixGroup"}});
        attributes.push_back({Modify::add, "gidNumber", {given_number(step)}});
    }
    return connection_.add(dn, attributes);
}

// Between accounts and deletes, so that nobody is in a group before they are somebody, and nobody is gone
// while they are in one.
void LdapWriter::note_groups(const Step& step) {
    const std::set<std::string> have = directory_.groups_of(step.name),
                                want =
                                    step.removes() ? std::set<std::string>() : wanted_texts(step, "groups");
    for (const std::string& group : want)
        if (!have.count(group)) members_[group].added.insert(step.name);
    for (const std::string& group : have)
        if (!want.count(group)) members_[group].removed.insert(step.name);
}

void LdapWriter::note_all_groups() {
    for (Step& step : steps_) {
        if (step.is_over || step.kind != Kind::account) continue;
        if (lost_)
            give_up(step);
        else if (step.removes() && scope_.should_stop())
            stop(step);
        else
            note_groups(step);
    }
}

void LdapWriter::write_members() {
    if (members_.empty()) return;
    const std::map<std::string, Members> all = std::move(members_);
    members_.clear();
    for (const auto& [group, unused] : all) groups_.insert(group);
    read_again(); // groups that were just made, and the entries' new versions
    for (const auto& [group, members] : all) {
        try {
            if (!lost_) write_members_of(group, members);
        } catch (const sdk::Error& error) {
            failed_groups_[group] = error.diagnostic();
            if (error.diagnostic().code == "access.server-down") lost_ = error.diagnostic();
        } catch (const NoAnswer& error) {
            lose(error);
        }
        if (lost_) failed_groups_.emplace(group, *lost_);
    }
}

// Others change groups too; what they write elsewhere in it is no conflict with ours.
void LdapWriter::write_members_of(const std::string& group, const Members& members) {
    for (int attempt = 0;; ++attempt) {
        const Entry* entry = directory_.group(group);
        if (!entry) throw sdk::Error(conflict("Group " + group, "was removed"));
        const std::vector<Modification> changes = member_changes(*entry, members);
        if (changes.empty()) return;
        try {
            return connection_.finish(connection_.modify(entry->dn, changes, same_entry(*entry)));
        } catch (const sdk::Error& error) {
            if (error.diagnostic().retry != sdk::Retry::conflict || attempt == 4) throw;
            read_again();
        }
    }
}

// A groupOfNames always has a member: with nobody in it, itself (RFC 4519 section 3.5 wants one).
std::vector<Modification> LdapWriter::member_changes(const Entry& group, const Members& members) const {
    const std::string attribute = lower_case(directory_.member_attribute());
    std::map<std::string, std::string> now; // by normal form
    for (const std::string& value : group.all(attribute))
        now[settings_.has_names ? normal_dn(value) : value] = value;
    const auto key_of = [&](const std::string& name) {
        const std::string value = directory_.member_value(name);
        return std::pair(settings_.has_names ? normal_dn(value) : value, value);
    };
    Values added, removed;
    std::size_t count = now.size();
    const std::string self = normal_dn(group.dn);
    const bool has_self = settings_.has_names && now.count(self) != 0;
    for (const std::string& name : members.added)
        if (const auto [key, value] = key_of(name); !now.count(key)) added.push_back(value);
    for (const std::string& name : members.removed)
        if (const auto [key, value] = key_of(name); now.count(key)) removed.push_back(now.at(key));
    if (added.empty() && removed.empty()) return {};
    count = count + added.size() - removed.size() - (has_self ? 1 : 0);
    if (settings_.has_names && count == 0 && !has_self) added.push_back(group.dn);
    if (has_self && count > 0) removed.push_back(now.at(self));
    std::vector<Modification> out;
    if (!added.empty()) out.push_back({Modify::add, directory_.member_attribute(), added});
    if (!removed.empty()) out.push_back({Modify::remove, directory_.member_attribute(), removed});
    return out;
}

// ---- accounts

std::optional<LdapWrite> LdapWriter::put_account(const Step& step) {
    return step.creates() ? add_account(step) : modify_account(step);
}

LdapWrite LdapWriter::add_account(const Step& step) {
    const std::string full = step.want.value("fullName", step.name);
    Values classes{"inetOrgPerson", "shadowAccount"};
    std::vector<Modification> attributes{{Modify::add, "uid", {step.name}},
                                         {Modify::add, "cn", {full}},
                                         {Modify::add, "sn", {surname_of(full)}}};
    if (settings_.is_posix) {
        classes.emplace_back("posixAccount");
        attributes.push_back({Modify::add, "uidNumber", {given_number(step)}});
        attributes.push_back({Modify::add, "gidNumber", {std::to_string(settings_.gid)}});
        attributes.push_back(
            {Modify::add, "homeDirectory", {step.want.value("home", settings_.homes + "/" + step.name)}});
        attributes.push_back({Modify::add, "loginShell", {step.want.value("shell", settings_.shell)}});
    }
    const std::set<std::string> keys = texts_of(step.want, "keys"), emails = texts_of(step.want, "emails");
    if (!settings_.keys_attribute.empty() && !keys.empty()) {
        if (!settings_.keys_class.empty()) classes.push_back(settings_.keys_class);
        attributes.push_back({Modify::add, settings_.keys_attribute, in_order(keys)});
    }
    if (!emails.empty()) attributes.push_back({Modify::add, "mail", in_order(emails)});
    if (step.want.value("state", "active") == "suspended")
        attributes.push_back({Modify::add, "shadowExpire", {"1"}});
    attributes.push_back({Modify::add, "objectClass", classes});
    return connection_.add(directory_.dn_of(Kind::account, step.name), attributes);
}

std::optional<LdapWrite> LdapWriter::modify_account(const Step& step) {
    const Entry& entry = *directory_.person(step.name);
    std::vector<Modification> changes;
    const auto differs = [&](const char* key) {
        return step.want.contains(key) && (!step.before.contains(key) || step.before[key] != step.want[key]);
    };
    if (differs("uid") && step.before.contains("uid"))
        throw sdk::Error("access.uid-change",
                         step.name + " has uid " + step.before["uid"].dump() + ", and " +
                             step.want["uid"].dump() + " is declared: the files it owns would be nobody's",
                         "declare the uid that it has");
    if (differs("fullName"))
        changes.push_back({Modify::replace, "cn", {step.want["fullName"].get<std::string>()}});
    if (settings_.is_posix && differs("shell"))
        changes.push_back({Modify::replace, "loginShell", {step.want["shell"].get<std::string>()}});
    if (settings_.is_posix && differs("home"))
        changes.push_back({Modify::replace, "homeDirectory", {step.want["home"].get<std::string>()}});
    put_state(step, entry, changes);
    put_lists(step, entry, changes);
    if (changes.empty()) return std::nullopt;
    return connection_.modify(entry.dn, changes, same_entry(entry));
}

void LdapWriter::put_state(const Step& step, const Entry& entry, std::vector<Modification>& changes) const {
    if (!step.want.contains("state") || step.before["state"] == step.want["state"]) return;
    const bool is_active = step.want["state"] == "active";
    if (!is_active && !has_class(entry, "shadowAccount"))
        changes.push_back({Modify::add, "objectClass", {"shadowAccount"}});
    changes.push_back({Modify::replace, "shadowExpire", is_active ? Values() : Values{"1"}});
    Values passwords = entry.all("userpassword");
    if (passwords.empty()) return;
    for (std::string& password : passwords) {
        const bool is_locked_one = password.rfind(lock_prefix, 0) == 0;
        if (is_active && is_locked_one) password.erase(0, std::string_view(lock_prefix).size());
        if (!is_active && !is_locked_one) password.insert(0, lock_prefix);
    }
    changes.push_back({Modify::replace, "userPassword", passwords});
}

void LdapWriter::put_lists(const Step& step, const Entry& entry, std::vector<Modification>& changes) const {
    const auto put = [&](const char* key, const std::string& attribute) {
        if (attribute.empty() || (!step.want.contains(key) && !step.recorded.contains(key))) return;
        const std::set<std::string> want = wanted_texts(step, key);
        if (want == texts_of(step.before, key)) return;
        const bool is_key = attribute == settings_.keys_attribute;
        if (is_key && !want.empty() && !settings_.keys_class.empty() &&
            !has_class(entry, settings_.keys_class.c_str()))
            changes.push_back({Modify::add, "objectClass", {settings_.keys_class}});
        changes.push_back({Modify::replace, attribute, in_order(want)});
    };
    put("keys", settings_.keys_attribute);
    put("emails", "mail");
}

std::optional<LdapWrite> LdapWriter::remove_entry(const Step& step) {
    const Entry* entry =
        step.kind == Kind::account ? directory_.person(step.name) : directory_.group(step.name);
    if (!entry) return std::nullopt; // somebody else was quicker
    return connection_.remove(entry->dn, same_entry(*entry));
}

// ---- numbers

bool LdapWriter::needs_number(const Step& step) const {
    if (step.is_over || !(step.creates() || step.removes())) return false;
    if (step.kind == Kind::account) return settings_.is_posix;
    return step.kind == Kind::group && !settings_.has_names;
}

void LdapWriter::give_numbers() {
    constexpr int most_attempts = 30; // each of which somebody else has won
    try {
        for (int attempt = 0; attempt < most_attempts; ++attempt)
            if (try_numbers()) return;
        throw sdk::Error(conflict("the entry of numbers", "was changed by somebody else again and again"));
    } catch (const sdk::Error& error) {
        if (error.diagnostic().code == "access.server-down") lost_ = error.diagnostic();
        for (Step& step : steps_)
            if (needs_number(step)) fail(step, error.diagnostic());
    } catch (const NoAnswer& error) { // nobody has a number yet
        lose(error);
    }
}

std::string LdapWriter::given_number(const Step& step) const {
    return std::to_string(given_.at({step.kind, step.name}));
}

bool LdapWriter::try_numbers() {
    LdapNumbers numbers(settings_, connection_);
    given_.clear();
    const auto declared = [](const Json& spec, const char* key) {
        const auto found = spec.find(key);
        return found == spec.end() ? std::nullopt : std::optional(found->get<std::int64_t>());
    };
    for (const Kind kind : {Kind::group, Kind::account}) {
        const char* const key = kind == Kind::group ? "gid" : "uid";
        each(kind, false, [&](const Step& step) {
            const auto number = declared(step.want, key);
            if (!needs_number(step)) return;
            // Groups may share one, if somebody says so.
            const bool is_free = kind == Kind::group && number;
            given_[{kind, step.name}] = is_free ? *number : numbers.take(kind, step.name, number);
        });
        each(kind, true, [&](const Step& step) {
            const auto number = declared(step.before, key);
            if (needs_number(step) && number) numbers.remember(kind, step.name, *number);
        });
    }
    return lost_ || numbers.write();
}

} // namespace holdfast::access
