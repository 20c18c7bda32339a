/* Takes two items at a time; says which batches it got in its log. */
#define BAD_NAME "bad-small"
#define BAD_EXTRA "\"maxItems\":2,"
#include "bad.h"
#include <stdio.h>
static holdfast_status act(void* instance, const holdfast_call* call) {
    char text[200];
    snprintf(text, sizeof text, "%zu items, scope version %.*s", call->item_count,
             (int)call->scope_version.size, call->scope_version.size ? call->scope_version.data : "");
    call->host->log(call->host, HOLDFAST_LOG_INFO, bytes(text));
    if (is_asked(call, "\"lose\"")) return HOLDFAST_FAILED;
    all_well(instance, call);
    holdfast_result result;
    memset(&result, 0, sizeof result);
    result.size = sizeof result;
    result.item = HOLDFAST_SCOPE;
    const uint64_t first = (uint64_t)holdfast_item_at(call, 0)->identity.data[1];
    snprintf(text, sizeof text, "after-%c", (char)first);
    result.version = bytes(text);
    call->emit(call, &result);
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe_well, open_well, act, act);
