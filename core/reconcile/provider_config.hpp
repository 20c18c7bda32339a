#pragma once
// From the config that a Provider document declares to what its plugin is opened with: checked against the
// plugin's schema, paths absolute, names of commands replaced by what the operator says they are.

#include "base/result.hpp"
#include "git/repository.hpp"
#include "manifest/operator_config.hpp"
#include "model/kind.hpp"
#include "model/stack.hpp"

namespace holdfast {

struct ConfigPlaces {
    const Tree& tree;                // that the Provider document is in
    const OperatorConfig& operators; // whose commands they are
    std::string root;                // of relative paths; empty: there is no working directory
};

// `config` is the document's with its references resolved, so problems have to be masked. A text that the
// schema calls {"format": "path"} is made absolute; one with {"format": "command"} becomes {"name":
// "reload-bind", "run": ["/usr/sbin/rndc", "reload"], "timeoutMs": 10000}: what is run never stands in Git
// (law 14). Problems: what the schema says, `provider.relative-path`, `provider.unknown-command`, each with
// its place.
Result<Value> complete_config(const ProviderDocument& document, const Description& description, Value config,
                              const ConfigPlaces& places);

} // namespace holdfast
