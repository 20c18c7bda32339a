/* Its table says that it is smaller than any version ever was. */
#define BAD_NAME "bad-table"
#include "bad.h"
BAD_EXPORT const holdfast_plugin holdfast_plugin_v1 = {
    16,       HOLDFAST_ABI_MINOR, BAD_NAME, "1.0.0",  describe_well, open_well, close_well,
    all_well, all_well,           all_well, all_well, NULL,          NULL};
