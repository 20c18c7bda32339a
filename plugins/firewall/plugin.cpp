// The plugin's border. Apart from the rest, so that unit tests reach that.

#include "firewall.hpp"

HOLDFAST_PLUGIN(holdfast::firewall::FirewallProvider);
