/* Its table lacks a function that every plugin has. */
#define BAD_NAME "bad-hole"
#include "bad.h"
BAD_EXPORT const holdfast_plugin holdfast_plugin_v1 = {sizeof(holdfast_plugin),
                                                       HOLDFAST_ABI_MINOR,
                                                       BAD_NAME,
                                                       "1.0.0",
                                                       describe_well,
                                                       open_well,
                                                       close_well,
                                                       all_well,
                                                       NULL,
                                                       all_well,
                                                       NULL,
                                                       NULL,
                                                       NULL};
