#pragma once
// Documents to test with: the author's samples with their placeholders filled in, and changes of single
// fields that are made from the kind's schema.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/value.hpp"
#include "manifest/load.hpp"
#include "model/kind.hpp"
#include "settings.hpp"

namespace holdfast::conformance {

using Words = std::map<std::string, std::string>; // "name" -> what $name stands for

// "$name" and "${name}" in all strings, keys included; what is not in `words` stays as it is. A value that is
// nothing but "$number" becomes a number.
std::string fill_text(std::string_view text, const Words& words);
Value fill_in(const Value& value, const Words& words);

// JSON merge patch, RFC 7396.
Value merge_patch(const Value& target, const Value& patch);
// The pointers of what a patch sets or removes.
std::vector<std::string> touched_by(const Value& patch);

// A document that differs from another one in one field, or by one of the author's patches.
struct Edit {
    std::string pointer; // of the field; for what lies inside a list, the list's; empty: the whole patch
    std::string what;    // "/spec/mode: \"0640\" -> \"0641\""
    Value document;
    bool is_given = false;     // by the author
    bool unsets = false;       // the field is no longer declared
    bool must_replace = false; // the author says so
    bool only_adds = false;    // an element to a list in which foreign elements are nobody's business
};

// What the schema of a kind says, also where it refers to its own definitions. Null: nothing is said.
const Value* schema_at(const Value& schema, std::string_view pointer);
enum class InSchema { yes, open, no };
// `open`: the schema does not say what may stand there. "*" stands for any key or index.
InSchema find_in_schema(const Value& schema, std::string_view pointer);

class EditMaker {
public:
    using IsValid = std::function<bool(const Value& document)>;
    // `is_valid` asks schema and plugin.
    EditMaker(const KindInfo& kind, const KindSettings& settings, IsValid is_valid)
        : kind_(kind), settings_(settings), is_valid_(std::move(is_valid)) {}

    // One for each field of `document` that can be changed, the author's patches (with `words`) among them.
    std::vector<Edit> edits_of(const Value& document, const Words& words);
    // Fields for which no valid change was found.
    const std::vector<std::string>& unchangeable() const { return unchangeable_; }
    // Fields that the schema names, but neither the sample nor a patch sets.
    std::vector<std::string> untouched(const Value& document) const;

private:
    void walk(const Value& document, const std::string& pointer, const std::string& shown);
    void scalar(const Value& document, const std::string& pointer, const std::string& shown);
    void list(const Value& document, const std::string& pointer, const std::string& shown);
    void unset(const Value& document, const std::string& pointer);
    bool is_subset_list(const std::string& pointer) const;
    bool try_value(const Value& document, const std::string& pointer, const std::string& shown,
                   const Value& value);
    bool is_fixed(std::string_view pointer) const;

    const KindInfo& kind_;
    const KindSettings& settings_;
    IsValid is_valid_;
    std::vector<std::string> given_; // pointers that the author's patches touch
    std::vector<Edit> edits_;
    std::vector<std::string> unchangeable_;
};

// Other values of the same type that may be valid, the likelier first.
std::vector<Value> variants_of(const Value& value, const Value* schema);

} // namespace holdfast::conformance
