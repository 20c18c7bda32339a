/* Writes into the socket of its worker, past everybody. */
#define BAD_NAME "bad-protocol"
#include "bad.h"
#include <unistd.h>
static holdfast_status act(void* instance, const holdfast_call* call) {
    if (is_asked(call, "\"noise\"") && write(3, "this is not a frame, it is only noise", 37) < 0)
        return HOLDFAST_FAILED;
    return all_well(instance, call);
}
BAD_PLUGIN(describe_well, open_well, act, act);
