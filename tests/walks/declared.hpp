#pragma once
// What a walk's repository declares: objects with their fields, places and policies, and the files that
// they make.

#include <map>
#include <set>
#include <string>

#include "steps.hpp"

namespace holdfast::walks {

// Names an object on a target as the call log of the test provider does.
struct TargetName {
    bool is_atomic = false; // on the target of memory-atomic
    std::string kind, scope, name;

    auto operator<=>(const TargetName&) const = default;
};
std::string to_string(const TargetName& name); // "Object/o1@left"

class Declared {
public:
    // False where the step is none of Git's.
    bool take(const Step& step);
    // Takes away whatever keeps a pass from doing all that is declared: broken documents, bad health,
    // policies that leave things as they are.
    void heal();

    // Path -> text, of both stacks' folders.
    std::map<std::string, std::string> files() const;
    bool is_declared(const TargetName& name) const;
    // As it is declared, or was.
    TargetName target_name(const std::string& object) const;
    std::size_t secret() const { return secret_; }
    std::size_t variable() const { return variable_; }

    // Objects whose documents have said `deletion: orphan`: they may stay although nothing declares them.
    const std::set<std::string>& ever_orphaned() const { return ever_orphaned_; }
    // The values that fields have had of which a change means another object: field -> values, by object.
    std::size_t identities_of(const TargetName& name) const;
    void note_identity(const TargetName& name, const Value& spec);

private:
    struct Object {
        bool is_declared = false, is_bundled = false, is_atomic = false;
        std::string kind = "Object", scope, file;
        Map spec;
        std::map<std::string, std::string> annotations;
        std::string depends_on, refreshes_on, takes_from;
    };

    Object& object(const std::string& name);
    const Object* find(const std::string& name) const;
    bool take_edit(Object& object, const Step& step);
    static std::string stack_of(const Object& object);
    static bool is_in_bundle(const Object& object) { return object.is_bundled && object.is_declared; }
    std::string id_of(const std::string& name, const Object& object) const;
    // The id, with its stack where that is another one, or nothing where `from` must not name it.
    std::string reference(const std::string& from, const std::string& to) const;
    int wave_of(const std::string& name) const;
    Value document(const std::string& name) const;
    Value bundle(const std::string& stack) const;
    void note_identities();

    std::map<std::string, Object> objects_;
    std::set<std::string> comments_, damaged_, ever_orphaned_;
    std::map<TargetName, std::set<std::string>> identities_;
    std::size_t secret_ = 0, variable_ = 0;
};

} // namespace holdfast::walks
