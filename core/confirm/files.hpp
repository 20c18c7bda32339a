#pragma once
// Files that have to be on disk before the next thing happens, and a lock that others can ask about without
// taking it.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sys/file.hpp"

namespace holdfast {

// A new file, mode 0600, that is on disk when this returns. Error: `file.unwritable`.
Status write_durably(const std::string& path, std::string_view bytes);
// The names in a folder are on disk. Error: `file.unwritable`.
Status sync_directory(const std::string& path);
// Names, sorted; none where it cannot be read.
std::vector<std::string> names_in(const std::string& directory);
// As far as it goes; what is gone already is fine.
void remove_directory(const std::string& path);

// An exclusive lock on the file (fcntl(2), open file description locks): it belongs to the descriptor, also
// after a fork. An invalid Fd where somebody else holds it or there is no such file.
Fd lock_file(const std::string& path);
bool is_locked(const std::string& path);

} // namespace holdfast
