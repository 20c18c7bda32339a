/* A shared library, but no plugin. */
#include <holdfast/provider.h>
HOLDFAST_EXPORT int something_else(void);
int something_else(void) { return 1; }
