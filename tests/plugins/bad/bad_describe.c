/* Describes itself wrongly; built once per way to do so. */
#include <holdfast/provider.h>
#ifndef BAD_TEXT
#define BAD_TEXT BAD_DESCRIPTION(BAD_NAME)
#endif
#ifndef BAD_COUNT
#define BAD_COUNT 1
#endif
#include "bad.h"
static holdfast_status describe(const holdfast_call* call) {
    for (int i = 0; i < BAD_COUNT; ++i) answer(call, HOLDFAST_CALL, HOLDFAST_DONE, BAD_TEXT, "", "");
    return HOLDFAST_OK;
}
BAD_PLUGIN(describe, open_well, all_well, all_well);
