#pragma once
// libldns, and owners for what it hands out.

#include <memory>

#include <ldns/ldns.h>
// ldns/common.h makes macros of these where stdbool.h did not come first, and so breaks <optional>.
#undef bool
#undef false
#undef true

namespace holdfast::dns {

template <auto release>
struct Releaser {
    template <typename T>
    void operator()(T* object) const {
        release(object);
    }
};
using Rr = std::unique_ptr<ldns_rr, Releaser<ldns_rr_free>>;
using Buffer = std::unique_ptr<ldns_buffer, Releaser<ldns_buffer_free>>;

} // namespace holdfast::dns
