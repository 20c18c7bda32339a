#pragma once
// The operator's own configuration: what documents in Git may name but never contain (law 14). Read from
// $HOLDFAST_CONFIG, $XDG_CONFIG_HOME/holdfast/config.yaml or /etc/holdfast/config.yaml, the first that
// exists.

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

struct OperatorConfig {
    std::string path; // the file it came from; empty: defaults
    std::vector<std::string> plugin_paths;
    std::map<std::string, Hash> plugin_pins;
    bool demand_pins = false;
    std::vector<SecretSource> secrets;
    std::string store; // folder; empty: the default

    const SecretSource* secret(const std::string& name) const;
};

// Problems: `config.*`, also where the file can be written by others than its owner.
OperatorConfig load_operator_config(Diagnostics& problems);
OperatorConfig parse_operator_config(const std::string& text, const std::string& path, Diagnostics& problems);

} // namespace holdfast
