#pragma once
// The operator's own configuration: what documents in Git may name but never contain (law 14). Read from
// $HOLDFAST_CONFIG, $XDG_CONFIG_HOME/holdfast/config.yaml or /etc/holdfast/config.yaml, the first that
// exists.

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/hash.hpp"

namespace holdfast {

// Where a secret comes from and who may have it.
struct SecretSource {
    std::string name;
    std::string file;                         // a YAML map of keys, or with `key` one value
    std::map<std::string, std::string> files; // key -> file that holds just the value
    std::map<std::string, std::string> env;   // key -> environment variable
    std::vector<std::string> stacks;          // globs; empty: all
    std::vector<std::string> providers;       // globs of Provider names whose config may use it; empty: all
};

// How holdfastd works. Durations are those of stacks that say none of their own.
struct DaemonConfig {
    std::string repository = "";                 // path of the repository that holds holdfast.yaml
    std::string revision = "HEAD";               // branch, tag or commit that it follows
    std::chrono::milliseconds poll{15'000};      // between looks for a new commit
    std::chrono::milliseconds interval{300'000}; // between passes of a stack where nothing is new
    std::chrono::milliseconds resync{3'600'000}; // between looks at everything, where targets are watched
    std::chrono::milliseconds retry_interval{10'000}; // after the first failure; doubles, up to max_retry
    std::chrono::milliseconds max_retry{600'000};
    std::chrono::milliseconds timeout{1'800'000}; // of one pass
    double jitter = 0.1;                          // share of an interval by which it varies
    std::size_t concurrency = 4;                  // passes at the same time
    std::string socket;                           // path of the control socket; empty: in the store's folder
    unsigned socket_mode = 0600;                  // 0600 or 0660
    std::string socket_group;                     // that owns the socket; empty: as it comes
    std::string log_format = "text";              // "text", "json"
    std::string log_level = "info";               // "debug", "info", "warning", "error"

    bool operator==(const DaemonConfig&) const = default;
};

// A command that documents may name: to probe with, after a change.
struct NamedCommand {
    std::string name;
    std::vector<std::string> run; // the program, by its absolute path, and its arguments; no shell
    std::chrono::milliseconds timeout{10'000};
    std::vector<std::string> stacks;    // globs of whose documents may name it; empty: all
    std::vector<std::string> providers; // globs of whose config may name it; empty: all
};

// A program that Stacks may have rendered with, and what it may use up.
struct Renderer {
    std::string program; // absolute path; empty: the first of its name in the system's folders
    std::chrono::milliseconds timeout{60'000};
    std::size_t memory_max_bytes = std::size_t{4} << 30; // of address space
    std::size_t output_max_bytes = 64U << 20;
};

// Where one secret text comes from: a file that holds just it, or a key of one of `secrets`.
struct SecretPlace {
    std::string file;
    std::string secret;           // name of a SecretSource
    std::vector<std::string> key; // in it
    bool empty() const { return file.empty() && secret.empty(); }
};

// How repositories are reached, and which: Source documents only name it.
struct GitCredential {
    std::string name;
    std::vector<std::string> urls;             // what it may be sent to; see covers() in git/remote_url.hpp
    std::vector<std::string> sources, stacks;  // globs of who may use it; empty: all
    std::string user;                          // https: basic, with `password`
    SecretPlace password, token, passphrase;   // passphrase: of key_file
    std::string ca_file, proxy;                // https
    std::string key_file;                      // ssh
    bool agent = false;                        // ssh
    std::string known_hosts_file, config_file; // ssh
};

struct OperatorConfig {
    std::string path; // the file it came from; empty: defaults
    std::vector<std::string> plugin_paths;
    std::map<std::string, Hash> plugin_pins;
    bool demand_pins = false;
    std::vector<SecretSource> secrets;
    std::vector<GitCredential> git_credentials;
    std::size_t fetch_max_bytes = 1U << 30; // of one fetch
    std::string store;                      // folder; empty: the default
    DaemonConfig daemon;
    std::vector<NamedCommand> commands;
    Renderer kustomize, helm;

    const NamedCommand* command(const std::string& name) const;
    const SecretSource* secret(const std::string& name) const;
    const GitCredential* git_credential(const std::string& name) const;
};

// Problems: `config.*`, also where the file can be written by others than its owner.
OperatorConfig load_operator_config(Diagnostics& problems);
OperatorConfig load_operator_config(const std::string& path, Diagnostics& problems);
OperatorConfig parse_operator_config(const std::string& text, const std::string& path, Diagnostics& problems);

} // namespace holdfast
