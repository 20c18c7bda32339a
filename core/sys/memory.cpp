#include "sys/memory.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace holdfast {

std::size_t resident_memory() {
    std::FILE* file = std::fopen("/proc/self/statm", "re");
    if (!file) return 0;
    unsigned long all = 0, resident = 0;
    const bool is_read = std::fscanf(file, "%lu %lu", &all, &resident) == 2;
    std::fclose(file);
    return is_read ? resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

void give_back_memory() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void share_memory_pool() {
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 1);
#endif
}

} // namespace holdfast
