#pragma once
// A kustomization file: read, and checked against what of kustomize's format is read natively. Private to
// manifest.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/overlay/files.hpp"

namespace holdfast {

struct Kustomization {
    std::string file, folder;
    Value tree; // of a shape that the schema allows, without nulls; positions of OverlayFiles::sources
    bool is_component = false;

    // The list at `key`, or an empty one.
    const List& list(std::string_view key) const;
    std::string text(std::string_view key) const { return text_in(tree, key); }

    // Text as kustomize takes it: numbers and booleans count as they are written. Empty where there is none.
    static std::string text_of(const Value& value);
    static std::string text_in(const Value& map, std::string_view key);
    static bool flag_in(const Value& map, std::string_view key);
};

// What the steps of a build share.
struct OverlayContext {
    OverlayFiles& files;
    Router& router;
    Diagnostics& problems; // positions are of files.sources()
    std::string stack;

    Diagnostic& error(std::string_view code, std::string message, const Value& at, std::string hint = {});
    // The same for a problem that has no place yet.
    Diagnostic& error(Diagnostic problem, const Value& at);
    // The path that `value` names, seen from the kustomization's folder. What is remote or leaves the
    // repository is reported.
    std::optional<std::string> path_of(const Value& value, const Kustomization& kustomization);
};

// Nothing where there are errors, which have been reported.
std::optional<Kustomization> read_kustomization(const std::string& file, OverlayContext& context);

} // namespace holdfast
