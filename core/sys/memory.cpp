#include "sys/memory.hpp"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace holdfast {

void give_back_memory() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void share_memory_pools() {
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 2);
#endif
}

} // namespace holdfast
