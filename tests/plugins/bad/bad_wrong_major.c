/* Built for another major version of the contract. */
#include <holdfast/provider.h>
HOLDFAST_EXPORT extern const int holdfast_plugin_v2;
const int holdfast_plugin_v2 = 2;
