/* Answers items that nobody asked about, one twice, or one not at all; and a result of no size. */
#define BAD_NAME "bad-items"
#include "bad.h"
static holdfast_status act(void* instance, const holdfast_call* call) {
    (void)instance;
    for (uint32_t i = 0; i < call->item_count; ++i) {
        const char* word = holdfast_item_at(call, i)->identity.data;
        if (memcmp(word, "\"miss", 5) == 0) continue;
        answer_well(call, i);
        if (memcmp(word, "\"twic", 5) == 0) answer(call, i, HOLDFAST_DONE, "{\"second\":1}", "", "");
        if (memcmp(word, "\"more", 5) == 0) answer_well(call, 1000000);
        if (memcmp(word, "\"void", 5) == 0) {
            holdfast_result result;
            memset(&result, 0, sizeof result);
            call->emit(call, &result);
        }
    }
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
