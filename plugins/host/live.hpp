#pragma once
// What stands at a path now, its document, and the version by which it is recognised later.

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "content.hpp"
#include "document.hpp"

#include <holdfast/files.hpp>

namespace holdfast::host {

using sdk::Fd;

class Names;

struct Live {
    Type type = Type::none; // none: there is nothing
    struct stat status {};
    Content content;    // file
    std::string target; // symlink
    Fd fd;              // file: still open for reading
};

// Looks at `name` in an open directory, never through a symbolic link. A file is opened once, and read
// where `wanted` is file; for another wanted type its content does not matter. Returns 0 or an errno.
int look(const Fd& directory, const std::string& name, Type wanted, Live& out);
// Only what stat says.
int look_at_status(const Fd& directory, const std::string& name, Live& out);
Type type_of_mode(mode_t mode);

// Documents are written by hand in canonical form (keys in order, no blanks): this is the path that every
// leaf takes in every pass.
void append_document(std::string& out, const Live& live, std::string_view path, Names& names);

// Versions. A file is recognised by device, inode, times and size. The clock behind the times ticks every
// few milliseconds, so for a file that changed just before it was looked at the content's hash is added:
// a second change within the same tick would show the same times.
std::string version_of(const Live& live);
bool is_about_content(std::string_view version);
// `live` was read with its content, at least where the version is about that.
bool is_version(const Live& live, std::string_view version);

} // namespace holdfast::host
