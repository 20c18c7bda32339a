// Debian's fmt 9 is built by GCC, and clang writes the name of this one function otherwise: so it is made
// here.

#include <fmt/format.h>

#if FMT_VERSION < 100000
namespace fmt::detail {
template void vformat_to<char>(buffer<char>&, basic_string_view<char>,
                               basic_format_args<FMT_BUFFER_CONTEXT(type_identity_t<char>)>, locale_ref);
}
#endif
