/* Ends its process in several ways, after having answered the items before. */
#define BAD_NAME "bad-crashes"
#include "bad.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static holdfast_status act(void* instance, const holdfast_call* call) {
    (void)instance;
    for (uint32_t i = 0; i < call->item_count; ++i) {
        const holdfast_item* item = holdfast_item_at(call, i);
        const char* word = item->identity.data;
        if (memcmp(word, "\"segv", 5) == 0) {
            signal(SIGSEGV, SIG_DFL); // sanitizers have a handler of their own
            raise(SIGSEGV);
        }
        if (memcmp(word, "\"abrt", 5) == 0) fputs("this is why\n", stderr), abort();
        if (memcmp(word, "\"exit", 5) == 0) exit(0);
        if (memcmp(word, "\"_exi", 5) == 0) _exit(7);
        answer_well(call, i);
    }
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
