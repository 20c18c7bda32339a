#pragma once
// The allocator keeps what was freed. A process that lives for long gives it back after large work, or it
// stays as large as it ever was.

namespace holdfast {

// Costs a walk over the free memory: some milliseconds a hundred MiB. Any thread.
void give_back_memory();

} // namespace holdfast
