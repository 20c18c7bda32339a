/* Leaves a mark as soon as it is loaded: a plugin that was refused must not have been. */
#define BAD_NAME "bad-constructor"
#include "bad.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void leave_mark(void) {
    const char* path = getenv("HOLDFAST_TEST_MARK");
    if (path) close(open(path, O_CREAT | O_WRONLY, 0600));
}
BAD_PLUGIN(describe_well, open_well, all_well, all_well);
