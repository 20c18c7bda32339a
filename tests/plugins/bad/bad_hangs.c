/* Never comes back from some calls, whatever it is told. */
#define BAD_NAME "bad-hangs"
#include "bad.h"
#include <unistd.h>
static holdfast_status act(void* instance, const holdfast_call* call) {
    (void)instance;
    for (uint32_t i = 0; i < call->item_count; ++i) {
        if (memcmp(holdfast_item_at(call, i)->identity.data, "\"hang", 5) == 0)
            for (;;) pause();
        answer_well(call, i);
    }
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
