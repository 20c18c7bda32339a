// Lets C++ exceptions out.
#define BAD_NAME "bad-throws"
#include "bad.h"
#include <stdexcept>
static holdfast_status observe(void*, const holdfast_call* call) {
    if (is_asked(call, "\"int\"")) throw 42;
    if (is_asked(call, "\"bad\"")) throw std::runtime_error("out of the plugin");
    return all_well(nullptr, call);
}
BAD_PLUGIN(describe_well, open_well, observe, all_well);
