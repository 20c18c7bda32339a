/* Takes two items at a time, all or nothing. */
#define BAD_NAME "bad-atomic"
#define BAD_EXTRA "\"maxItems\":2,\"atomic\":true,"
#include "bad.h"
BAD_PLUGIN(describe_well, open_well, all_well, all_well);
