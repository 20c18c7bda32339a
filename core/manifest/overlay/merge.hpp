#pragma once
// Strategic merge patches, as kustomize applies them. Private to manifest.

#include "base/diagnostic.hpp"
#include "base/value.hpp"
#include "manifest/overlay/merge_keys.hpp"

namespace holdfast {

// Merges `patch` into `document`; values keep the places where they were written. False where the patch
// deletes the whole document. Problems, with positions: `overlay.bad-patch`.
bool strategic_merge(Value& document, const Value& patch, const MergeRules& rules, Diagnostics& problems);

} // namespace holdfast
