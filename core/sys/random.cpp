#include "sys/random.hpp"

#include <cerrno>

#include <sys/random.h>

#include "base/result.hpp"
#include "sys/file.hpp"

namespace holdfast {

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (std::size_t filled = 0; filled < count;) {
        const ssize_t got = getrandom(bytes.data() + filled, count - filled, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            throw Error("system.no-randomness", "the kernel gives no random bytes: " + error_text(errno),
                        "getrandom(2) must be allowed: look at the container's seccomp profile");
        filled += static_cast<std::size_t>(got);
    }
    return bytes;
}

} // namespace holdfast
