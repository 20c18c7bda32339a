#include "errors.hpp"

#include <cerrno>
#include <system_error>

#include "path.hpp"

namespace holdfast::host {

namespace {

struct Advice {
    const char* code;
    const char* hint;
    sdk::Retry retry = sdk::Retry::never;
};

Advice advice_on(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT:
            return {"host.no-space",
                    "free some space or inodes, or raise the quota; nothing half-written was left",
                    sdk::Retry::after};
        case EROFS:
            return {"host.read-only",
                    "the file system is mounted read-only: see the kernel log, then remount it"};
        case EPERM:
        case EACCES:
            return {"host.permission",
                    "run as a user who may do this, and check for immutable flags (lsattr), ACLs and "
                    "security modules"};
        case ELOOP:
            return {"host.too-many-links", "the path runs through a loop of symbolic links: see namei -l"};
        case ENAMETOOLONG:
            return {"host.name-too-long", "most file systems allow 255 bytes for a name and 4095 for a path"};
        case EXDEV:
            return {"host.escapes-root",
                    "a symbolic link on the way leaves the provider's root: remove the link, or "
                    "declare the real path"};
        case ENOTDIR:
            return {"host.parent-not-directory", "something that is no directory stands on the way"};
        case ETXTBSY:
        case EBUSY: return {"host.busy", "it is in use, or a mount point: see findmnt", sdk::Retry::after};
        case EMFILE:
        case ENFILE:
            return {"host.io", "too many open files: raise the limit (ulimit -n)", sdk::Retry::after};
        default: return {"host.io", "see the kernel log of the host", sdk::Retry::after};
    }
}

} // namespace

std::string error_text(int error_number) { return std::generic_category().message(error_number); }

sdk::Diagnostic system_diagnostic(int error_number, std::string_view doing, std::string_view path) {
    const Advice advice = advice_on(error_number);
    sdk::Diagnostic out;
    out.code = advice.code;
    out.message = "cannot " + std::string(doing) + " " + std::string(path) + ": " + error_text(error_number);
    out.hint = advice.hint;
    out.retry = advice.retry;
    return out;
}

sdk::Diagnostic parent_diagnostic(int error_number, std::string_view path) {
    sdk::Diagnostic out = system_diagnostic(error_number, "enter the directory of", path);
    if (error_number != ENOENT) return out;
    out.code = "host.no-parent";
    out.message = "the directory " + std::string(parent_of(path)) + " does not exist, which " +
                  std::string(path) + " is to be in";
    out.hint = "declare a Directory with path " + std::string(parent_of(path)) + ", or create it by hand";
    out.retry = sdk::Retry::never;
    return out;
}

sdk::Diagnostic conflict(std::string_view path, std::string_view what_happened) {
    sdk::Diagnostic out;
    out.code = "host.conflict";
    out.message =
        std::string(path) + " " + std::string(what_happened) + " after it was observed; nothing was written";
    out.hint = "plan again: the plan will show what is there now";
    out.retry = sdk::Retry::conflict;
    return out;
}

void throw_system(int error_number, std::string_view doing, std::string_view path) {
    throw sdk::Error(system_diagnostic(error_number, doing, path));
}

} // namespace holdfast::host
