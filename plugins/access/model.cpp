#include "model.hpp"

#include <algorithm>

#include "keys.hpp"
#include "moment.hpp"

namespace holdfast::access {

namespace {

std::string lower(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

std::vector<std::string> texts_in(const Json& from, const char* key) {
    std::vector<std::string> out;
    const auto found = from.find(key);
    if (found == from.end()) return out;
    if (found->is_string()) out.push_back(found->get<std::string>());
    if (found->is_array())
        for (const Json& item : *found)
            if (item.is_string()) out.push_back(item.get<std::string>());
    return out;
}

std::string text_in(const Json& from, const char* key, std::string otherwise = {}) {
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? found->get<std::string>() : std::move(otherwise);
}

std::optional<std::int64_t> number_in(const Json& from, const char* key) {
    const auto found = from.find(key);
    if (found == from.end() || !found->is_number_integer()) return std::nullopt;
    return found->get<std::int64_t>();
}

class Reader {
public:
    explicit Reader(Problems& problems) : problems_(problems) {}

    Model read(const std::vector<Json>& documents) {
        for (at_ = 0; at_ < documents.size(); ++at_) {
            const std::string kind = sdk::text_at(documents[at_], "/kind"),
                              name = sdk::text_at(documents[at_], "/metadata/name");
            const Json* spec = sdk::find(documents[at_], "/spec");
            if (!spec || !spec->is_object()) continue; // the schema has said so
            if (kind == "Person") person(name, *spec);
            if (kind == "Team")
                model_.teams[name] = {at_, texts_in(*spec, "members"), texts_in(*spec, "teams")};
            if (kind == "Role") role(name, *spec);
            if (kind == "Grant") grant(name, *spec);
        }
        check_people();
        check_teams();
        check_roles();
        check_grants();
        return std::move(model_);
    }

private:
    void complain(std::size_t document, std::string code, std::string message, std::string hint,
                  std::string pointer) {
        problems_.emplace_back(
            document, problem(std::move(code), std::move(message), std::move(hint), std::move(pointer)));
    }

    std::int64_t moment_in(const Json& spec, const char* key) {
        const std::string text = text_in(spec, key);
        if (text.empty()) return 0;
        if (const auto moment = parse_moment(text)) return *moment;
        complain(at_, "access.time", "\"" + text + "\" is no day and no time",
                 "write 2026-12-31 for the end of that day (UTC), or 2026-12-31T18:00:00Z",
                 std::string("/spec/") + key);
        return 0;
    }

    void person(const std::string& name, const Json& spec) {
        Person person;
        person.document = at_;
        person.name = name;
        person.login = text_in(spec, "login", name);
        person.full_name = text_in(spec, "fullName");
        person.shell = text_in(spec, "shell");
        person.uid = number_in(spec, "uid");
        person.emails = texts_in(spec, "emails");
        person.says_keys = spec.contains("keys");
        const std::string state = text_in(spec, "state", "active");
        person.state = state == "gone"        ? State::gone
                       : state == "suspended" ? State::suspended
                                              : State::active;
        person.expires_ms = moment_in(spec, "expires");
        const std::vector<std::string> keys = texts_in(spec, "keys");
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const std::string pointer = "/spec/keys/" + std::to_string(i);
            const auto key = parse_key(keys[i]);
            if (!key)
                complain(at_, "access.key", "this is no public key as OpenSSH writes it",
                         "paste the line of the .pub file, options before it where there are any", pointer);
            else if (std::find(person.keys.begin(), person.keys.end(), *key) != person.keys.end())
                complain(at_, "access.duplicate", "this key stands there twice", "remove one of the two",
                         pointer);
            else
                person.keys.push_back(*key);
        }
        model_.people[name] = std::move(person);
    }

    void role(const std::string& name, const Json& spec) {
        Role role;
        role.document = at_;
        role.name = name;
        role.group = text_in(spec, "group", name);
        role.gid = number_in(spec, "gid");
        for (const char* adapter : {"linux", "ldap", "postgres"})
            if (const auto section = spec.find(adapter); section != spec.end() && section->is_object())
                role.member_of[adapter] = texts_in(*section, "memberOf");
        if (const Json* sudo = sdk::find(spec, "/linux/sudo"); sudo)
            role.sudo = texts_in(spec.at("linux"), "sudo");
        if (const Json* privileges = sdk::find(spec, "/postgres/privileges"); privileges)
            role.privileges = *privileges;
        for (std::size_t i = 0; i < role.sudo.size(); ++i)
            if (role.sudo[i].find('\n') != std::string::npos)
                complain(at_, "access.sudo-line", "a line for sudoers has a line break in it",
                         "write one element for each line", "/spec/linux/sudo/" + std::to_string(i));
        model_.roles[name] = std::move(role);
    }

    void grant(const std::string& name, const Json& spec) {
        Grant grant;
        grant.document = at_;
        grant.name = name;
        grant.role = text_in(spec, "role");
        grant.reason = text_in(spec, "reason");
        grant.people = texts_in(spec, "people");
        grant.teams = texts_in(spec, "teams");
        grant.targets = texts_in(spec, "targets");
        grant.until_ms = moment_in(spec, "until");
        model_.grants[name] = std::move(grant);
    }

    // "Alice" and "alice" are two accounts to Linux and one to LDAP and to people.
    void check_people() {
        std::map<std::string, std::string> logins;
        std::map<std::int64_t, std::string> uids;
        for (const auto& [name, person] : model_.people) {
            const auto [login, is_new] = logins.emplace(lower(person.login), name);
            if (!is_new)
                complain(person.document, "access.same-login",
                         name + " and " + login->second + " have the login " + person.login +
                             " (capitals do not count)",
                         "give one of them another login", "/spec/login");
            if (!person.uid) continue;
            const auto [uid, is_free] = uids.emplace(*person.uid, name);
            if (!is_free)
                complain(person.document, "access.same-uid",
                         name + " and " + uid->second + " have the uid " + std::to_string(*person.uid),
                         "give one of them another; the files of the one would be the other's", "/spec/uid");
        }
    }

    template <typename Known>
    void check_names(std::size_t document, const std::vector<std::string>& names, const Known& known,
                     const char* noun, const std::string& pointer) {
        for (std::size_t i = 0; i < names.size(); ++i)
            if (!known.count(names[i]))
                complain(document, "access.unknown",
                         "no " + std::string(noun) + " " + names[i] + " is declared in this stack",
                         "declare it, or correct the name: it is metadata.name of its document",
                         pointer + "/" + std::to_string(i));
    }

    void check_teams() {
        for (const auto& [name, team] : model_.teams) {
            check_names(team.document, team.members, model_.people, "Person", "/spec/members");
            check_names(team.document, team.teams, model_.teams, "Team", "/spec/teams");
        }
        std::set<std::string> closed;
        std::vector<std::string> path;
        for (const auto& [name, team] : model_.teams) find_ring(name, path, closed);
    }

    // Depth-first; each ring is reported once, at the team that is first in it.
    void find_ring(const std::string& name, std::vector<std::string>& path, std::set<std::string>& closed) {
        const auto open = std::find(path.begin(), path.end(), name);
        if (open != path.end()) {
            std::string way;
            for (auto at = open; at != path.end(); ++at) way += *at + " -> ";
            complain(model_.teams.at(name).document, "access.ring",
                     "teams hold each other in a ring: " + way + name,
                     "take one of them out of the other; who is in the ring would be in all of them",
                     "/spec/teams");
            return;
        }
        const auto team = model_.teams.find(name);
        if (team == model_.teams.end() || closed.count(name)) return;
        path.push_back(name);
        for (const std::string& nested : team->second.teams) find_ring(nested, path, closed);
        path.pop_back();
        closed.insert(name);
    }

    void check_roles() {
        std::map<std::string, std::string> groups;
        for (const auto& [name, role] : model_.roles) {
            const auto [group, is_new] = groups.emplace(lower(role.group), name);
            if (!is_new)
                complain(role.document, "access.same-group",
                         "roles " + name + " and " + group->second + " have the group " + role.group,
                         "give one of them another group", "/spec/group");
        }
    }

    void check_grants() {
        for (const auto& [name, grant] : model_.grants) {
            check_names(grant.document, grant.people, model_.people, "Person", "/spec/people");
            check_names(grant.document, grant.teams, model_.teams, "Team", "/spec/teams");
            if (!model_.roles.count(grant.role))
                complain(
                    grant.document, "access.unknown", "no Role " + grant.role + " is declared in this stack",
                    "declare it, or correct the name: it is metadata.name of its document", "/spec/role");
            if (grant.people.empty() && grant.teams.empty())
                complain(grant.document, "access.nobody", "the grant names nobody",
                         "name people or teams, or remove the document", "/spec");
        }
    }

    Problems& problems_;
    Model model_;
    std::size_t at_ = 0;
};

} // namespace

std::set<std::string> Model::members_of(const std::string& name) const {
    std::set<std::string> found, seen;
    std::vector<std::string> open{name};
    while (!open.empty()) {
        const std::string next = std::move(open.back());
        open.pop_back();
        const auto team = teams.find(next);
        if (team == teams.end() || !seen.insert(next).second) continue;
        found.insert(team->second.members.begin(), team->second.members.end());
        open.insert(open.end(), team->second.teams.begin(), team->second.teams.end());
    }
    return found;
}

std::set<std::string> Model::people_of(const Grant& grant) const {
    std::set<std::string> out(grant.people.begin(), grant.people.end());
    for (const std::string& team : grant.teams) out.merge(members_of(team));
    return out;
}

Model read_model(const std::vector<Json>& documents, Problems& problems) {
    return Reader(problems).read(documents);
}

bool fits_glob(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = std::string_view::npos, from = 0;
    while (t < text.size()) {
        if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
            ++p, ++t;
        } else if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            from = t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

} // namespace holdfast::access
