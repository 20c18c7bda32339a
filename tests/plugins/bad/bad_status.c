/* Says something else of the call than what happened, and outcomes that the call cannot have. */
#define BAD_NAME "bad-status"
#include "bad.h"
static holdfast_status act(void* instance, const holdfast_call* call) {
    (void)instance;
    if (is_asked(call, "\"silent failure\"")) return HOLDFAST_FAILED;
    if (is_asked(call, "\"never cancelled\"")) return HOLDFAST_CANCELLED;
    if (is_asked(call, "\"no such status\"")) return (holdfast_status)77;
    if (is_asked(call, "\"unsupported\"")) return HOLDFAST_UNSUPPORTED;
    if (is_asked(call, "\"failed but ok\"")) {
        all_well(instance, call);
        answer(call, HOLDFAST_CALL, HOLDFAST_ITEM_FAILED, "", "",
               "[{\"severity\":\"error\",\"code\":\"bad-status.no\",\"message\":\"it failed\"}]");
        return HOLDFAST_OK;
    }
    for (uint32_t i = 0; i < call->item_count; ++i) {
        const char* word = holdfast_item_at(call, i)->identity.data;
        if (memcmp(word, "\"outc", 5) == 0)
            answer(call, i, HOLDFAST_MUST_REPLACE, "{}", "", "");
        else if (memcmp(word, "\"numb", 5) == 0)
            answer(call, i, 4242, "{}", "", "");
        else if (memcmp(word, "\"why?", 5) == 0)
            answer(call, i, HOLDFAST_ITEM_FAILED, "", "", "");
        else
            answer_well(call, i);
    }
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
