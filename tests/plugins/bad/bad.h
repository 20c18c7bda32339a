/* What every badly behaved plugin has in common: it describes itself, opens, and answers each item well.
 * Each file then does one thing wrong. Plain C against provider.h: no wrapper that would prevent it. */
#ifndef HOLDFAST_TESTS_BAD_H
#define HOLDFAST_TESTS_BAD_H

#include <holdfast/provider.h>
#include <string.h>

#ifdef __cplusplus
#define BAD_UNUSED [[maybe_unused]]
#else
#define BAD_UNUSED __attribute__((unused))
#endif

#ifndef BAD_EXTRA
#define BAD_EXTRA ""
#endif
#define BAD_DESCRIPTION(name)                                                                                \
    "{\"name\":\"" name "\",\"version\":\"1.0.0\",\"groups\":[\"bad.holdfast.dev\"]," BAD_EXTRA              \
    "\"kinds\":[{\"apiVersion\":\"bad.holdfast.dev/v1\",\"kind\":\"Thing\",\"identity\":[\"/metadata/"       \
    "name\"]}]}"

BAD_UNUSED static holdfast_bytes bytes(const char* text) {
    holdfast_bytes out = {text, strlen(text)};
    return out;
}
BAD_UNUSED static int answer(const holdfast_call* call, uint32_t item, uint32_t outcome, const char* document,
                             const char* detail, const char* diagnostics) {
    holdfast_result result;
    memset(&result, 0, sizeof result);
    result.size = sizeof result;
    result.item = item;
    result.outcome = outcome;
    result.document = bytes(document);
    result.detail = bytes(detail);
    result.diagnostics = bytes(diagnostics);
    return call->emit(call, &result);
}
BAD_UNUSED static int answer_well(const holdfast_call* call, uint32_t item) {
    return answer(call, item, HOLDFAST_DONE, "{\"a\":1}", "", "");
}
BAD_UNUSED static holdfast_status all_well(void* instance, const holdfast_call* call) {
    (void)instance;
    for (uint32_t i = 0; i < call->item_count; ++i) answer_well(call, i);
    return HOLDFAST_OK;
}
BAD_UNUSED static holdfast_status describe_well(const holdfast_call* call) {
    answer(call, HOLDFAST_CALL, HOLDFAST_DONE, BAD_DESCRIPTION(BAD_NAME), "", "");
    return HOLDFAST_OK;
}
BAD_UNUSED static holdfast_status open_well(const holdfast_call* call, void** instance) {
    *instance = NULL;
    answer(call, HOLDFAST_CALL, HOLDFAST_DONE, "", "{\"target\":\"bad\"}", "");
    return HOLDFAST_OK;
}
BAD_UNUSED static void close_well(void* instance) { (void)instance; }
/* True when the items' text holds this: tests say by an identity what is to happen. */
BAD_UNUSED static int is_asked(const holdfast_call* call, const char* word) {
    for (size_t i = 0; i < call->item_count; ++i) {
        const holdfast_item* item = holdfast_item_at(call, i);
        if (item->identity.size == strlen(word) &&
            memcmp(item->identity.data, word, item->identity.size) == 0)
            return 1;
    }
    return 0;
}

#ifdef __cplusplus
#define BAD_EXPORT                                                                                           \
    extern "C" {                                                                                             \
    HOLDFAST_EXPORT extern const holdfast_plugin holdfast_plugin_v1;                                         \
    }
#else
#define BAD_EXPORT HOLDFAST_EXPORT extern const holdfast_plugin holdfast_plugin_v1;
#endif
/* observe and apply are the functions in which most of them misbehave. */
#define BAD_PLUGIN(describe, open, observe, apply)                                                           \
    BAD_EXPORT const holdfast_plugin holdfast_plugin_v1 = {sizeof(holdfast_plugin),                          \
                                                           HOLDFAST_ABI_MINOR,                               \
                                                           BAD_NAME,                                         \
                                                           "1.0.0",                                          \
                                                           describe,                                         \
                                                           open,                                             \
                                                           close_well,                                       \
                                                           all_well,                                         \
                                                           observe,                                          \
                                                           all_well,                                         \
                                                           apply,                                            \
                                                           NULL,                                             \
                                                           NULL}

#endif
