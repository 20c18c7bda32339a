#pragma once
// Faults that a test wrote into a file for calls to come: a JSON list of
//   {"call": "create", "kind": "Object", "name": "a", "effect": "fail", "code": "memory.busy",
//    "message": "...", "retry": "after", "times": 2}
// A fault that was taken is taken out of the file, so that it hits once however many processes die. The file
// is replaced as a whole, by the plugin and by who writes faults, so that no death leaves half of it; whoever
// writes while passes run holds a ScriptLock.

#include <optional>
#include <string>
#include <string_view>

namespace memory {

struct Fault {
    std::string call; // observe, list, create, update, delete, refresh, watch
    std::string kind; // the last part of a kind's id
    std::string name; // as in metadata.name; "*": any. Of `list` and `watch`: empty
    // fail; of observe: stale (the object as it was before its last write); of writes: kill-before,
    // kill-after, lose-reply, slow; of watch: drop (one hint is not given).
    std::string effect;
    std::string code, message, retry;
    int ms = 0; // of slow
};

class Script {
public:
    explicit Script(std::string path) : path_(std::move(path)) {}

    // The first fault of that call with one of two effects. `kind_id` and `identity` as the engine writes
    // them.
    std::optional<Fault> take(std::string_view call, std::string_view kind_id, std::string_view identity,
                              std::string_view effect, std::string_view other_effect = {}) const;

private:
    std::string path_; // empty, or of a file that does not exist: no faults
};

// "Object/a" of ".../Object" and "\"a\"".
std::string short_name(std::string_view kind_id, std::string_view identity);

} // namespace memory
