#pragma once
// The allocator keeps what was freed. A process that lives for long gives it back after large work, or it
// stays as large as it ever was.

#include <cstddef>

namespace holdfast {

// What this process holds of real memory now, in bytes; 0 where that cannot be read. Any thread.
std::size_t resident_memory();

// Costs a walk over the free memory: some milliseconds a hundred MiB. Any thread.
void give_back_memory();

// For a process with many threads that come and go: one pool instead of one for every thread, so that what
// one has freed is there for the next. To be called before the first thread.
void share_memory_pool();

} // namespace holdfast
