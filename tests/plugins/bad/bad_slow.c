/* Takes its time, but listens. */
#define _GNU_SOURCE
#define BAD_NAME "bad-slow"
#include "bad.h"
#include <unistd.h>
static holdfast_status act(void* instance, const holdfast_call* call) {
    (void)instance;
    for (uint32_t i = 0; i < call->item_count; ++i) {
        while (memcmp(holdfast_item_at(call, i)->identity.data, "\"slow", 5) == 0) {
            if (call->cancelled(call)) return HOLDFAST_CANCELLED;
            usleep(1000);
        }
        answer_well(call, i);
    }
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
