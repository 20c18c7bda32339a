/* Opens badly: without a target, or with a reason why not. */
#define BAD_NAME "bad-open"
#include "bad.h"
static holdfast_status open(const holdfast_call* call, void** instance) {
    *instance = NULL;
    if (call->options.size > 2) {
        answer(call, HOLDFAST_CALL, HOLDFAST_ITEM_FAILED, "", "",
               "[{\"severity\":\"error\",\"code\":\"bad-open.refused\",\"message\":\"wrong "
               "password\",\"hint\":\"try another\"}]");
        return HOLDFAST_FAILED;
    }
    answer(call, HOLDFAST_CALL, HOLDFAST_DONE, "", "{}", "");
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open, all_well, all_well);
