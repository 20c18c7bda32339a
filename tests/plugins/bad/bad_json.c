/* Says things that are not JSON, or not what the contract wants. */
#define BAD_NAME "bad-json"
#include "bad.h"
static holdfast_status act(void* instance, const holdfast_call* call) {
    (void)instance;
    for (uint32_t i = 0; i < call->item_count; ++i) {
        const char* word = holdfast_item_at(call, i)->identity.data;
        if (memcmp(word, "\"docu", 5) == 0)
            answer(call, i, HOLDFAST_DONE, "hello", "", "");
        else if (memcmp(word, "\"deta", 5) == 0)
            answer(call, i, HOLDFAST_DONE, "{}", "{\"a\":", "");
        else if (memcmp(word, "\"diag", 5) == 0)
            answer(call, i, HOLDFAST_ITEM_FAILED, "", "", "[{\"code\": 1}]");
        else if (memcmp(word, "\"warn", 5) == 0)
            answer(call, i, HOLDFAST_DONE, "{}", "", "not json");
        else if (memcmp(word, "\"utf8", 5) == 0)
            answer(call, i, HOLDFAST_ITEM_FAILED, "", "", "[{\"code\":\"bad-json.x\",\"message\":\"\xff\"}]");
        else
            answer_well(call, i);
    }
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
