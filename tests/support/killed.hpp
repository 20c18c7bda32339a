#pragma once

namespace holdfast {

// Thrown by fakes where the process would have died. Nothing catches it but the test.
struct Killed {};

} // namespace holdfast
