#pragma once
// What a walk does, made from its seed before anything is done: a step means the same whatever stands
// before it, so that steps can be left out, and one that makes no sense any more does nothing.

#include <string>
#include <vector>

#include "model/kind.hpp"
#include "samples.hpp"

namespace holdfast::walks {

enum class Verb {
    // what Git declares, from the next commit on
    declare, // `object` of kind `text` ("Object", "Volume", "atomic") in `file`, scope `other`, spec `value`
    undeclare, // `object`
    set,       // /spec/`text` of `object` to `value`; null takes it away
    move,      // `object` to `file`
    bundle,    // `object` into its stack's Bundle, or out of it
    rescope,   // `object` to scope `text`
    annotate,  // holdfast.dev/`text` to `value`; null takes it away
    depend,    // `object` on `other`, or no longer
    refresh,   // `object` on changes of `other`, or no longer
    take,      // an output of `other`, or no longer
    rotate,    // the secret gets another value
    vary,      // the variable gets another value
    comment,   // a comment in `file`, or no longer
    damage,    // a document in `file` that cannot be read, or no longer
    commit,
    // what somebody else does with the target; `is_heard`: a hint tells of it
    hand_set,  // /spec/`text` of `object` to `value`; null takes it away
    hand_make, // `object` anew, with spec `value`
    hand_delete,
    hint, // of `object`, although nothing happened
    // what goes wrong
    fault,      // `value` for tests/plugins/memory/script.hpp
    lose_store, // ledger, journal, all that is recorded
    // the engine's turn, on stack `text`, or all
    pass,        // after which `number` changes it is stopped; 0: never
    killed_pass, // at the `number`-th write to a file, or in a program after so many tenths of milliseconds
    worker_dies, // a pass whose worker is killed after `number` tenths of milliseconds
};

struct Step {
    Verb verb{};
    std::string object, other, text, file;
    Value value;
    std::size_t number = 0;
    bool is_heard = true; // of a pass: it looks at everything
};
std::string to_string(const Step& step);

// What walks a world: the engine in this process, its commands, or the daemon.
enum class Mode { engine, commands, daemon };

// All files that objects may be declared in, and their stacks ("app/a.yaml" is of "app").
const std::vector<std::string>& files();
const std::vector<std::string>& object_names();

std::vector<Step> steps_of(unsigned seed, Mode mode, const KindInfo& kind);

} // namespace holdfast::walks
