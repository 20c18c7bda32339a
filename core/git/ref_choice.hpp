#pragma once
// Which ref of a remote a SourceRef means; private to core/git.

#include <string>
#include <vector>

#include "git/upload_pack.hpp"
#include "model/stack.hpp"

namespace holdfast::git {

// What to ask the remote for; empty with `commit`.
std::string wanted_name(const SourceRef& ref);
// Error: `source.no-ref`, without a suggestion.
Result<RemoteRef> choose_ref(const SourceRef& ref, const std::vector<RemoteRef>& refs, const RemoteUrl& url);
// The same error with the nearest of all refs, of which `names_below` says which to ask for.
std::string names_below(const SourceRef& ref);
Diagnostic suggest(Diagnostic no_ref, const SourceRef& ref, const std::vector<RemoteRef>& all);

} // namespace holdfast::git
