#pragma once
// What a mirror remembers beside its objects: holdfast.json in its folder; private to core/git.

#include <string>
#include <vector>

#include "git/mirror.hpp"

namespace holdfast::git {

struct MirrorRecord {
    std::vector<MirroredRef> refs;

    const MirroredRef* find(const SourceRef& ref) const;
    // Takes the place of what was known of the same SourceRef.
    void put(MirroredRef ref);
};

// A record that is not there, or that nobody can read, is an empty one: everything is fetched anew then.
MirrorRecord read_record(const std::string& path);
Status write_record(const std::string& path, const RemoteUrl& url, const MirrorRecord& record);

} // namespace holdfast::git
