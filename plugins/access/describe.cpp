#include "access.hpp"

namespace holdfast::access {

namespace {

constexpr const char* login_pattern = R"json("type":"string","pattern":"^[a-z_][a-z0-9_-]{0,30}$")json";

std::string kind(const char* name, const char* members, const std::string& spec) {
    return std::string(R"({"apiVersion":"access.holdfast.dev/v1alpha1","kind":")") + name + "\"," + members +
           R"json("schema":{"type":"object","required":["apiVersion","kind","metadata","spec"],"properties":{
        "apiVersion":{"const":"access.holdfast.dev/v1alpha1"},"kind":{"type":"string"},
        "metadata":{"type":"object"},"status":{"type":"object"},
        "spec":{"type":"object","additionalProperties":false,)json" +
           spec + "}}}}";
}

std::string person() {
    return kind("Person", R"json("compiles":true,)json",
                std::string(R"json("properties":{
        "login":{)json") +
                    login_pattern +
                    R"json(,"description":"the account's name on targets; metadata.name where not set"},
        "fullName":{"type":"string","pattern":"^[^:\\n]*$","description":"as people write it"},
        "uid":{"type":"integer","minimum":1,"maximum":4294967293,
            "description":"the number of the account, the same everywhere; where not set, the next free one"},
        "keys":{"type":"array","items":{"type":"string","minLength":1},
            "description":"public keys of OpenSSH with their options; all that the account has"},
        "emails":{"type":"array","items":{"type":"string","minLength":3}},
        "shell":{"type":"string","pattern":"^/[^:\\n]*$","description":"the login shell"},
        "state":{"enum":["active","suspended","gone"],"default":"active",
            "description":"suspended: locked everywhere, to come back; gone: that, and sessions are ended"},
        "expires":{"type":"string","examples":["2026-12-31","2026-12-31T18:00:00Z"],
            "description":"from then on as if suspended; a day counts to its end (UTC)"}})json");
}

std::string team() {
    return kind("Team", R"json("compiles":true,)json", R"json("properties":{
        "members":{"type":"array","items":{"type":"string","minLength":1},"examples":[["ana"]],
            "description":"names of Persons"},
        "teams":{"type":"array","items":{"type":"string","minLength":1},
            "description":"names of Teams whose members are members too"}})json");
}

std::string role() {
    return kind(
        "Role", R"json("compiles":true,)json",
        std::string(R"json("properties":{
        "group":{)json") +
            login_pattern +
            R"json(,"description":"the group that stands for it on targets; metadata.name where not set"},
        "gid":{"type":"integer","minimum":1,"maximum":4294967293,"description":"the number of that group"},
        "linux":{"type":"object","additionalProperties":false,"properties":{
            "memberOf":{"type":"array","items":{"type":"string","minLength":1},"examples":[["docker"]],
                "description":"groups that exist already, which its holders are members of too"},
            "sudo":{"type":"array","items":{"type":"string","minLength":1},
                "examples":[["ALL=(root) NOPASSWD: /usr/bin/systemctl restart nginx"]],
                "description":"what its holders may do by sudo: lines of sudoers without who"}}},
        "ldap":{"type":"object","additionalProperties":false,"properties":{
            "memberOf":{"type":"array","items":{"type":"string","minLength":1},
                "description":"groups that exist already"}}},
        "postgres":{"type":"object","additionalProperties":false,"properties":{
            "memberOf":{"type":"array","items":{"type":"string","minLength":1},
                "examples":[["pg_read_all_data"]],"description":"roles that exist already"},
            "privileges":{"type":"array","items":{"type":"string","minLength":1},
                "examples":[["SELECT ON TABLES IN SCHEMA public"]],
                "description":"what its holders may do"}}}})json");
}

std::string grant() {
    return kind("Grant", R"json("compiles":true,)json", R"json("required":["role"],"properties":{
        "role":{"type":"string","minLength":1,"description":"the name of a Role"},
        "people":{"type":"array","items":{"type":"string","minLength":1},"description":"names of Persons"},
        "teams":{"type":"array","items":{"type":"string","minLength":1},"description":"names of Teams"},
        "targets":{"type":"array","items":{"type":"string","minLength":1},"examples":[["web-*"]],
            "description":"names of targets, with * and ?; not set, all"},
        "until":{"type":"string","examples":["2026-12-31","2026-12-31T18:00:00Z"],
            "description":"when it ends; a day counts to its end (UTC)"},
        "reason":{"type":"string","description":"for people"}})json");
}

std::string account() {
    return kind("Account", R"json("identity":["/spec/name"],"rank":1,"health":false,
        "lists":[{"pointer":"/spec/keys","type":"set","exclusive":true},
            {"pointer":"/spec/groups","type":"set","exclusive":true},
            {"pointer":"/spec/emails","type":"set","exclusive":true}],)json",
                std::string(R"json("required":["name"],"properties":{
        "name":{)json") +
                    login_pattern +
                    R"json(,"description":"the login"},
        "state":{"enum":["active","suspended"],"description":"suspended: nobody can log in by it"},
        "uid":{"type":"integer","minimum":1,"maximum":4294967293,"description":"its number"},
        "fullName":{"type":"string","pattern":"^[^:,\\n]*$","description":"as people write it"},
        "shell":{"type":"string","pattern":"^/[^:\\n]*$","description":"the login shell"},
        "home":{"type":"string","pattern":"^/[^:\\n]*$","description":"the home directory"},
        "keys":{"type":"array","items":{"type":"string","minLength":1},
            "description":"all keys that open it; not declared, they are others'"},
        "groups":{"type":"array","items":{"type":"string","minLength":1},
            "description":"all groups that it is in besides its own; not declared, they are others'"},
        "emails":{"type":"array","items":{"type":"string","minLength":3},"description":"of ldap"},
        "sessions":{"enum":["ended"],"description":"of linux: nothing runs as this user any more"}})json");
}

std::string group() {
    return kind("Group", R"json("identity":["/spec/name"],"rank":0,"health":false,
        "lists":[{"pointer":"/spec/privileges","type":"set","exclusive":true}],)json",
                std::string(R"json("required":["name"],"properties":{
        "name":{)json") +
                    login_pattern +
                    R"json(,"description":"as the target names it"},
        "gid":{"type":"integer","minimum":1,"maximum":4294967293,"description":"its number"},
        "privileges":{"type":"array","items":{"type":"string","minLength":1},
            "description":"of postgres: all that it may do"}})json");
}

std::string sudoers() {
    return kind("Sudoers", R"json("identity":["/spec/name"],"rank":1,"health":false,)json",
                R"json("required":["name","lines"],"properties":{
        "name":{"type":"string","pattern":"^[A-Za-z0-9_-]{1,60}$",
            "description":"of the fragment: /etc/sudoers.d/holdfast-NAME"},
        "lines":{"type":"array","items":{"type":"string","minLength":1,"pattern":"^[^\\n#][^\\n]*$"},
            "examples":[["%ops ALL=(root) NOPASSWD: /usr/bin/systemctl"]],
            "description":"as in sudoers(5)"}})json");
}

constexpr const char* config_schema = R"json({"type":"object","additionalProperties":false,
    "required":["name","adapter"],"properties":{
    "name":{"type":"string","minLength":1,"examples":["web-1"],"description":"as grants name the target"},
    "adapter":{"enum":["linux","ldap","postgres"],"description":"what the target is"},
    "required":{"type":"array","items":{"type":"string"},
        "description":"people who must have lasting access here; a list without them is refused"},
    "minAdmins":{"type":"object","additionalProperties":false,"required":["role","count"],"properties":{
        "role":{"type":"string","minLength":1,"description":"the name of a Role"},
        "count":{"type":"integer","minimum":1,"description":"how many people must hold it here, for ever"}}},
    "linux":{"type":"object","additionalProperties":false,"properties":{
        "root":{"type":"string","format":"path","default":"/",
            "description":"the directory that /etc and homes lie beneath"},
        "shell":{"type":"string","default":"/bin/bash","description":"of accounts that say none"},
        "homes":{"type":"string","default":"/home","description":"where home directories are made"},
        "idRange":{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":2,"default":[1000,60000],
            "description":"first and last number of people's accounts and groups; others are never touched"},
        "leave":{"type":"array","items":{"type":"string"},"examples":[["deploy"]],
            "description":"accounts and groups that are never touched, not even in exclusive"}}},
    "ldap":{"type":"object","additionalProperties":false,"required":["uri","people","groups"],"properties":{
        "uri":{"type":"string","minLength":7,"examples":["ldaps://ldap.example.org"],
            "description":"ldap://, ldaps:// or ldapi://"},
        "bindDn":{"type":"string",
            "description":"whose rights are used; not set with ldapi://, SASL EXTERNAL"},
        "password":{"type":"string","description":"of bindDn"},
        "identity":{"type":"string","minLength":1,
            "description":"what the ledger knows the directory by; set it before the uri changes"},
        "caFile":{"type":"string","format":"path","description":"trusted certificates"},
        "startTls":{"type":"boolean","default":false,
            "description":"TLS on an ldap:// connection, or nothing"},
        "people":{"type":"string","minLength":3,"examples":["ou=people,dc=example,dc=org"],
            "description":"where accounts lie"},
        "groups":{"type":"string","minLength":3,"examples":["ou=groups,dc=example,dc=org"],
            "description":"where groups lie"},
        "groupKind":{"enum":["posixGroup","groupOfNames"],"default":"posixGroup",
            "description":"by memberUid, or by member"},
        "posix":{"type":"boolean","default":true,
            "description":"accounts are posixAccount too; needs numbers"},
        "gid":{"type":"integer","minimum":1,"default":100,"description":"primary group of accounts"},
        "homes":{"type":"string","default":"/home","description":"of homeDirectory"},
        "shell":{"type":"string","default":"/bin/bash","description":"of accounts that say none"},
        "idRange":{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":2,
            "default":[10000,60000],
            "description":"first and last number that is given to accounts and groups that say none"},
        "keysAttribute":{"type":"string","examples":["sshPublicKey"],
            "description":"where keys are kept; not set, they are not. The server's schema must know it"},
        "keysClass":{"type":"string","examples":["ldapPublicKey"],
            "description":"the object class that allows it"},
        "leave":{"type":"array","items":{"type":"string"},"description":"names that are never touched"}}},
    "postgres":{"type":"object","additionalProperties":false,"required":["connection"],"properties":{
        "connection":{"type":"string","examples":["host=db.example.org user=holdfast dbname=shop"],
            "description":"as libpq writes it, without the password"},
        "password":{"type":"string","description":"of that user"},
        "identity":{"type":"string","minLength":1,
            "description":"what the ledger knows the database by, instead of host, port and name"},
        "poll":{"type":"integer","minimum":1,"default":10,
            "description":"seconds between looks: roles tell nobody of changes"},
        "leave":{"type":"array","items":{"type":"string"},
            "description":"roles that are never touched"}}}}})json";

} // namespace

std::string AccessProvider::describe() {
    return std::string(R"({"name":"access","version":")") + plugin_version +
           R"(","groups":["access.holdfast.dev"],"config":)" + config_schema +
           R"(,"sensitiveConfig":["/ldap/password","/postgres/password"],
        "ownership":["owned","additive","exclusive","observe"],"atomic":false,"cas":"recheck",
        "maxItems":20000,"maxBytes":67108864,
        "extensions":["holdfast.compile/1","holdfast.compile-all/1","holdfast.canonicalize/1",
            "holdfast.watch/1"],"kinds":[)" +
           group() + "," + account() + "," + sudoers() + "," + person() + "," + team() + "," + role() + "," +
           grant() + "]}";
}

} // namespace holdfast::access
