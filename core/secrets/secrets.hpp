#pragma once
// Secret references -> values, from the sources of the operator's configuration, each read once a pass.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "log/masker.hpp"
#include "manifest/operator_config.hpp"

namespace holdfast {

// One pass's view of the secrets. Every value that it hands out is registered with the masker first.
// One thread at a time.
class Secrets {
public:
    Secrets(const OperatorConfig& config, Masker& masker);

    // `user` is "stack:NAME" or "provider:NAME": who asks. `path` is the key, and for a file with nested maps
    // the keys below it. Errors: `secret.unknown` (with a suggestion), `secret.no-key`, `secret.not-allowed`,
    // `secret.unsafe-file` (readable by group or world, or owned by somebody else), `secret.unreadable`,
    // `secret.no-variable`.
    // "credential:NAME" is the operator's own configuration, which may have all of its own secrets.
    Result<Value> value(const std::string& name, const std::vector<std::string>& path, std::string_view user);
    // The text of a file that the operator's configuration names for `user`, checked and masked as above.
    Result<std::string> file(const std::string& user, const std::string& path);

private:
    // A map that has `key`, or the whole file of keys, or an empty one.
    Result<Value> load(const SecretSource& source, const std::string& key);

    Result<Value> load_once(const std::string& place, const std::function<Result<Value>()>& read);

    const OperatorConfig& config_;
    Masker& masker_;
    std::map<std::string, Value> loaded_; // by where it came from: "file:PATH", "env:NAME", "keys:PATH"
};

} // namespace holdfast
