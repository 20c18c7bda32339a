#include "base/position.hpp"

namespace holdfast {

std::string to_string(const Span& span) {
    if (span.file.empty() || !span.position.is_known()) return span.file;
    return span.file + ":" + std::to_string(span.position.line) + ":" + std::to_string(span.position.column);
}

} // namespace holdfast
