#pragma once
// A mirror that is fetched into for years would collect a file for every object: now and then they become one
// pack. Private to core/git.

#include <cstddef>
#include <string>

#include "git/libgit2.hpp"

namespace holdfast::git {

// Puts all loose objects of the mirror into one pack where there are so many; what is packed is removed only
// once the pack is durable. `folder`: on the same file system, for what is half done. Whoever reads
// meanwhile, in any process, finds each object all the time. The caller holds the mirror's lock. Errors leave
// everything as it was, or the objects twice: `source.cannot-write`.
Status pack_if_many_are_loose(git_repository& mirror, const std::string& folder, std::size_t many = 4096);

} // namespace holdfast::git
