// The plugin's border. Apart from the rest, so that unit tests reach that.

#include "access.hpp"

HOLDFAST_PLUGIN(holdfast::access::AccessProvider);
