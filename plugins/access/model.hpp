#pragma once
// People, teams, roles and grants as documents say them, and what is wrong between them. Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <holdfast/json.hpp>

#include "names.hpp"

namespace holdfast::access {

enum class State { active, suspended, gone };

// Names of people, teams, roles and grants are those of their documents: metadata.name.
struct Person {
    std::size_t document = 0; // its index among the documents
    std::string name, login;  // login: spec.login, or the name
    std::string full_name, shell;
    std::optional<std::int64_t> uid;
    std::vector<std::string> keys, emails;
    bool says_keys = false;
    State state = State::active;
    std::int64_t expires_ms = 0; // 0: never
};

struct Team {
    std::size_t document = 0;
    std::vector<std::string> members, teams;
};

struct Role {
    std::size_t document = 0;
    std::string name, group;
    std::optional<std::int64_t> gid;
    std::map<std::string, std::vector<std::string>> member_of; // by adapter
    std::vector<std::string> sudo;
    Json privileges = Json::array(); // of postgres
};

struct Grant {
    std::size_t document = 0;
    std::string name, role, reason;
    std::vector<std::string> people, teams, targets; // targets: globs; empty: all
    std::int64_t until_ms = 0;                       // 0: for ever
};

// Problems by document.
using Problems = std::vector<std::pair<std::size_t, sdk::Diagnostic>>;

struct Model {
    std::map<std::string, Person> people;
    std::map<std::string, Team> teams;
    std::map<std::string, Role> roles;
    std::map<std::string, Grant> grants;

    // Everybody in a team and in the teams in it. Rings are harmless here.
    std::set<std::string> members_of(const std::string& team) const;
    std::set<std::string> people_of(const Grant& grant) const;
};

// Reads all documents of a stack and looks for what cannot be: unknown names, rings of teams, two people with
// one login or uid, keys that are none, times that are none.
Model read_model(const std::vector<Json>& documents, Problems& problems);

// "*" stands for any text, "?" for one letter.
bool fits_glob(std::string_view pattern, std::string_view text);

} // namespace holdfast::access
