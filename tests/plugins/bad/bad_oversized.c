/* Answers one item with more than anybody wants, and one with a length but no bytes. */
#define BAD_NAME "bad-oversized"
#include "bad.h"
#include <stdlib.h>
static holdfast_status act(void* instance, const holdfast_call* call) {
    (void)instance;
    for (uint32_t i = 0; i < call->item_count; ++i) {
        const char* word = holdfast_item_at(call, i)->identity.data;
        holdfast_result result;
        memset(&result, 0, sizeof result);
        result.size = sizeof result;
        result.item = i;
        if (memcmp(word, "\"huge", 5) == 0) {
            const size_t size = (size_t)32 << 20;
            char* text = malloc(size);
            memset(text, 32, size);
            text[0] = 123;
            text[size - 1] = 125;
            result.document.data = text;
            result.document.size = size;
            call->emit(call, &result);
            free(text);
        } else if (memcmp(word, "\"null", 5) == 0) {
            result.document.size = 100;
            call->emit(call, &result);
        } else {
            answer_well(call, i);
        }
    }
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
