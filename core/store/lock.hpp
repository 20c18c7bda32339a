#pragma once
// Locks on files beside the database, so that the kernel frees them with their process, however it died.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "store/store.hpp"

namespace holdfast {

class LockFolder {
public:
    virtual ~LockFolder() = default;
    // Errors: `store.locked`, and `store.lock` where the file cannot be made.
    virtual Result<std::unique_ptr<ScopeLock>> lock(std::string_view name, std::string_view actor) = 0;
};

// In `folder`, which is made at the first lock. Holds between processes, and between stores of one.
std::unique_ptr<LockFolder> make_lock_folder(std::string folder);
// Within this object only, for a store in memory.
std::unique_ptr<LockFolder> make_memory_locks();

// Waits for an exclusive lock on `path`, which it makes; for the moments in which a store is made or
// migrated. Throws `store.lock`.
std::unique_ptr<ScopeLock> wait_for_file_lock(const std::string& path);

} // namespace holdfast
