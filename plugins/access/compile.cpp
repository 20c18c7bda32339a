#include "compile.hpp"

#include <algorithm>

namespace holdfast::access {

namespace {

class Renderer {
public:
    Renderer(const Model& model, const Target& target, std::int64_t now_ms, Problems& problems)
        : model_(model), target_(target), now_ms_(now_ms), problems_(problems) {}

    Rendered render() {
        for (const auto& [name, grant] : model_.grants)
            if (reaches_target(grant)) take(grant);
        check_required();
        check_admins();
        for (const auto& [name, held] : held_) account(model_.people.at(name), held);
        for (const std::string& name : roles_) group(model_.roles.at(name));
        return std::move(out_);
    }

private:
    // What a person's grants on this target come to.
    struct Held {
        std::set<std::string> roles;     // by grants that are not over
        std::set<std::string> unlimited; // of these, by grants that never are
    };

    bool reaches_target(const Grant& grant) const {
        return grant.targets.empty() ||
               std::any_of(grant.targets.begin(), grant.targets.end(),
                           [&](const std::string& glob) { return fits_glob(glob, target_.name); });
    }

    // True while it lasts; remembers when that ends.
    bool lasts(std::int64_t until_ms) {
        if (until_ms == 0) return true;
        if (until_ms <= now_ms_) return false;
        if (out_.until_ms == 0 || until_ms < out_.until_ms) out_.until_ms = until_ms;
        return true;
    }

    void take(const Grant& grant) {
        roles_.insert(grant.role);
        const bool is_good = lasts(grant.until_ms);
        for (const std::string& name : model_.people_of(grant)) {
            Held& held = held_[name];
            if (!is_good) continue;
            held.roles.insert(grant.role);
            if (grant.until_ms == 0) held.unlimited.insert(grant.role);
        }
    }

    void account(const Person& person, const Held& held) {
        const bool is_active =
            person.state == State::active && lasts(person.expires_ms) && !held.roles.empty();
        Json spec{{"name", person.login}, {"state", is_active ? "active" : "suspended"}};
        std::set<std::string> groups;
        for (const std::string& role : is_active ? held.roles : std::set<std::string>()) {
            groups.insert(model_.roles.at(role).group);
            if (const auto more = model_.roles.at(role).member_of.find(target_.adapter);
                more != model_.roles.at(role).member_of.end())
                groups.insert(more->second.begin(), more->second.end());
        }
        spec["groups"] = groups;
        if (target_.adapter != "postgres") add_person(spec, person, is_active);
        if (target_.adapter == "linux" && person.state == State::gone) spec["sessions"] = "ended";
        out_.leaves.push_back({person.document, Kind::account, person.login, "account", "/spec",
                               document_of(Kind::account, std::move(spec))});
    }

    void add_person(Json& spec, const Person& person, bool is_active) const {
        if (!person.full_name.empty()) spec["fullName"] = person.full_name;
        if (person.uid) spec["uid"] = *person.uid;
        if (!person.shell.empty()) spec["shell"] = person.shell;
        if (person.says_keys || !is_active) {
            std::vector<std::string> keys = is_active ? person.keys : std::vector<std::string>();
            std::sort(keys.begin(), keys.end());
            spec["keys"] = keys;
        }
        if (target_.adapter == "ldap" && !person.emails.empty()) spec["emails"] = person.emails;
    }

    void group(const Role& role) {
        Json spec{{"name", role.group}};
        if (role.gid && target_.adapter != "postgres") spec["gid"] = *role.gid;
        if (target_.adapter == "postgres" && !role.privileges.empty()) spec["privileges"] = role.privileges;
        out_.leaves.push_back({role.document, Kind::group, role.group, "group", "/spec",
                               document_of(Kind::group, std::move(spec))});
        if (target_.adapter != "linux" || role.sudo.empty()) return;
        Json lines = Json::array();
        for (const std::string& line : role.sudo) lines.push_back("%" + role.group + " " + line);
        out_.leaves.push_back(
            {role.document, Kind::sudoers, role.group, "sudoers", "/spec/linux/sudo",
             document_of(Kind::sudoers, {{"name", role.group}, {"lines", std::move(lines)}})});
    }

    // ---- what must never happen

    void complain(const std::string& person, const char* code, std::string message, std::string hint) {
        const auto known = model_.people.find(person);
        problems_.emplace_back(known == model_.people.end() ? 0 : known->second.document,
                               problem(code, std::move(message), std::move(hint)));
    }

    bool stays(const std::string& name) const {
        const auto person = model_.people.find(name);
        const auto held = held_.find(name);
        return person != model_.people.end() && person->second.state == State::active &&
               person->second.expires_ms == 0 && held != held_.end() && !held->second.unlimited.empty();
    }

    void check_required() {
        for (const std::string& name : target_.required)
            if (!stays(name))
                complain(name, "access.required",
                         name + " is required on " + target_.name +
                             " by its provider's config, and would have no lasting access there",
                         "grant " + name + " a role there without \"until\", or take the name out of " +
                             "\"required\" of the provider's config");
    }

    void check_admins() {
        if (target_.min_admins == 0) return;
        std::size_t count = 0;
        for (const auto& [name, held] : held_)
            if (stays(name) && held.unlimited.count(target_.admin_role)) ++count;
        if (count >= target_.min_admins) return;
        complain("", "access.min-admins",
                 "role " + target_.admin_role + " would be held by " + std::to_string(count) + " on " +
                     target_.name + " for ever, and its provider's config asks for " +
                     std::to_string(target_.min_admins),
                 "grant the role to more people, without \"until\"; or lower minAdmins in the config");
    }

    const Model& model_;
    const Target& target_;
    const std::int64_t now_ms_;
    Problems& problems_;
    std::map<std::string, Held> held_;
    std::set<std::string> roles_;
    Rendered out_;
};

} // namespace

Rendered render(const std::vector<Json>& documents, const Target& target, std::int64_t now_ms,
                Problems& problems) {
    const Model model = read_model(documents, problems);
    if (!problems.empty()) return {};
    Rendered out = Renderer(model, target, now_ms, problems).render();
    if (!problems.empty()) out.leaves.clear();
    return out;
}

} // namespace holdfast::access
