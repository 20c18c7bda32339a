#pragma once
// Points in time as people write them: "2026-12-31" and "2026-12-31T18:00:00Z".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::access {

// Milliseconds since 1970, UTC. A day stands for its end: who has access until the 31st has it on the 31st.
// A time has its zone, "Z" or "+02:00" (RFC 3339). Nothing where the text is neither.
std::optional<std::int64_t> parse_moment(std::string_view text);
std::string to_text(std::int64_t at_ms); // "2026-12-31T18:00:00Z"

} // namespace holdfast::access
