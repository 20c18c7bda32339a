#pragma once
// New files and links on their way to their names: written where nobody sees them, then put in place at
// once. What is not put in place disappears with the object.

#include <sys/stat.h>

#include <string>

#include <holdfast/files.hpp>

namespace holdfast::host {

using sdk::Fd;

enum class Placed { yes, name_is_taken, not_what_was_expected, gone };

class Staged {
public:
    // A file without a name (O_TMPFILE) or, on file systems that have no such thing, with a temporary one.
    // Both throw sdk::Error with `path` in its message.
    static Staged file(const Fd& directory, const std::string& name, const std::string& path);
    static Staged symlink(const Fd& directory, const std::string& name, const std::string& target,
                          const std::string& path);
    ~Staged();
    Staged(Staged&& other) noexcept;
    Staged& operator=(Staged&&) = delete;

    const Fd& fd() const { return fd_; }

    // Where nothing may stand yet: atomic, even against others who create the same name.
    Placed place_new();
    // Instead of what is `expected` there. The two change places, and only then is looked at what came
    // out: if somebody else was quicker they change back.
    Placed place_over(const struct stat& expected);

private:
    Staged(const Fd& directory, std::string name, std::string path);
    void give_name();
    [[noreturn]] void fail(int error) const;

    const Fd& directory_;
    std::string name_, path_, temporary_;
    bool has_temporary_ = false;
    Fd fd_;
};

} // namespace holdfast::host
