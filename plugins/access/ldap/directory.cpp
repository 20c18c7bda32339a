#include "directory.hpp"

#include <algorithm>
#include <chrono>

#include "access/keys.hpp"
#include "access/linux/account_files.hpp"

namespace holdfast::access {

namespace {

constexpr std::size_t most_at_once = 100; // more names than that, and all entries are read

std::string any_of(const char* attribute, const std::set<std::string>& values) {
    std::string out = "(|";
    for (const std::string& value : values)
        out += std::string("(") + attribute + "=" + in_filter(value) + ")";
    return out + ")";
}

// Nothing else: a directory may hold photographs.
std::vector<const char*> attributes_of_people(const LdapSettings& settings) {
    std::vector<const char*> out{"objectClass",   "uid",  "cn",           "uidNumber",    "loginShell",
                                 "homeDirectory", "mail", "shadowExpire", "userPassword", "entryCSN"};
    if (!settings.keys_attribute.empty()) out.push_back(settings.keys_attribute.c_str());
    return out;
}

} // namespace

bool is_expired(const Entry& person) {
    const auto day = number_of(person.first("shadowexpire"));
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return day && *day >= 0 && *day <= std::chrono::duration_cast<std::chrono::hours>(now).count() / 24;
}

bool is_locked(const Entry& person) {
    const Values& passwords = person.all("userpassword");
    return std::all_of(passwords.begin(), passwords.end(),
                       [](const std::string& password) { return password.rfind(lock_prefix, 0) == 0; });
}

void Directory::read(LdapConnection& connection) {
    people_.clear();
    connection.search(settings_.people, LdapConnection::Reach::below, "(uid=*)",
                      attributes_of_people(settings_),
                      [&](Entry entry) { people_[lower_case(entry.first("uid"))] = std::move(entry); });
    take_groups(connection, settings_.has_names ? "(objectClass=groupOfNames)" : "(objectClass=posixGroup)");
}

void Directory::read(LdapConnection& connection, const std::set<std::string>& accounts,
                     const std::set<std::string>& groups) {
    if (accounts.size() + groups.size() > most_at_once) return read(connection);
    people_.clear();
    groups_.clear();
    groups_by_member_.clear();
    std::string filter;
    if (!accounts.empty()) {
        connection.search(settings_.people, LdapConnection::Reach::below, any_of("uid", accounts),
                          attributes_of_people(settings_),
                          [&](Entry entry) { people_[lower_case(entry.first("uid"))] = std::move(entry); });
        std::set<std::string> members;
        for (const std::string& name : accounts) members.insert(member_value(name));
        filter += any_of(member_attribute(), members);
    }
    if (!groups.empty()) filter += any_of("cn", groups);
    if (!filter.empty())
        take_groups(connection, std::string("(&(objectClass=") +
                                    (settings_.has_names ? "groupOfNames" : "posixGroup") + ")(|" + filter +
                                    "))");
}

void Directory::take_groups(LdapConnection& connection, const std::string& filter) {
    groups_.clear();
    groups_by_member_.clear();
    connection.search(
        settings_.groups, LdapConnection::Reach::below, filter,
        {"cn", "gidNumber", member_attribute(), "entryCSN"}, [&](Entry entry) {
            const std::string name = lower_case(entry.first("cn"));
            for (const std::string& member : entry.all(settings_.has_names ? "member" : "memberuid"))
                groups_by_member_[settings_.has_names ? normal_dn(member) : member].insert(name);
            groups_[name] = std::move(entry);
        });
}

const Entry* Directory::person(const std::string& name) const {
    const auto found = people_.find(name);
    return found == people_.end() ? nullptr : &found->second;
}

const Entry* Directory::group(const std::string& name) const {
    const auto found = groups_.find(name);
    return found == groups_.end() ? nullptr : &found->second;
}

std::string Directory::dn_of(Kind kind, const std::string& name) const {
    if (const Entry* entry = kind == Kind::account ? person(name) : group(name)) return entry->dn;
    return kind == Kind::account ? "uid=" + in_dn(name) + "," + settings_.people
                                 : "cn=" + in_dn(name) + "," + settings_.groups;
}

std::string Directory::member_value(const std::string& name) const {
    return settings_.has_names ? dn_of(Kind::account, name) : name;
}

std::set<std::string> Directory::groups_of(const std::string& name) const {
    const std::string value = member_value(name);
    const auto found = groups_by_member_.find(settings_.has_names ? normal_dn(value) : value);
    return found == groups_by_member_.end() ? std::set<std::string>() : found->second;
}

Json Directory::account(const Entry& entry, const std::string& name) const {
    Json spec{{"name", name}, {"groups", groups_of(name)}};
    spec["state"] = !is_expired(entry) ? "active" : is_locked(entry) ? "suspended" : "expired but not locked";
    if (const std::string full = entry.first("cn"); !full.empty()) spec["fullName"] = full;
    if (const auto uid = number_of(entry.first("uidnumber"))) spec["uid"] = *uid;
    if (const std::string shell = entry.first("loginshell"); !shell.empty()) spec["shell"] = shell;
    if (const std::string home = entry.first("homedirectory"); !home.empty()) spec["home"] = home;
    std::set<std::string> emails;
    for (const std::string& mail : entry.all("mail")) emails.insert(lower_case(mail));
    spec["emails"] = emails;
    if (settings_.keys_attribute.empty()) return spec;
    std::set<std::string> keys;
    for (const std::string& key : entry.all(lower_case(settings_.keys_attribute)))
        keys.insert(parse_key(key).value_or("unreadable: " + key.substr(0, 40)));
    spec["keys"] = keys;
    return spec;
}

Json Directory::spec(Kind kind, const std::string& name) const {
    if (kind == Kind::account) {
        const Entry* entry = person(name);
        return entry ? account(*entry, name) : Json(nullptr);
    }
    const Entry* entry = kind == Kind::group ? group(name) : nullptr;
    if (!entry) return nullptr;
    Json spec{{"name", name}};
    if (const auto gid = number_of(entry->first("gidnumber"))) spec["gid"] = *gid;
    return spec;
}

std::vector<std::string> Directory::names(Kind kind) const {
    std::vector<std::string> out;
    if (kind == Kind::sudoers || kind == Kind::none) return out;
    for (const auto& [name, entry] : kind == Kind::account ? people_ : groups_)
        if (std::find(settings_.leave.begin(), settings_.leave.end(), name) == settings_.leave.end())
            out.push_back(name);
    return out;
}

} // namespace holdfast::access
