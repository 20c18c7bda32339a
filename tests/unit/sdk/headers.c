#include <holdfast/provider.h>

const holdfast_item* sdk_header_is_c11(const holdfast_call* call);
const holdfast_item* sdk_header_is_c11(const holdfast_call* call) { return holdfast_item_at(call, 0); }
