#include <fmt/core.h>

#include "cli/commands.hpp"
#include "cli/version.hpp"

namespace holdfast {

int run_version(const VersionOptions&, Context& context) {
    if (context.json())
        context.print_json(Value::map(
            {{"format", "holdfast.version/1"}, {"version", version_number}, {"plugin_contract", 1}}));
    else
        context.print(version_text);
    return exit_done;
}

} // namespace holdfast
