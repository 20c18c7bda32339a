#include "cli/commands/asking.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"

namespace holdfast {

SessionOptions read_only_session() { return {.read_only = true}; }

TextView text_view(Context& context) {
    return {.width = context.terminal.width, .colour = context.terminal.colour, .now_s = context.now_s()};
}

std::optional<Diagnostic> check_stacks(const std::vector<std::string>& wanted,
                                       const std::vector<std::string>& known) {
    for (const std::string& name : wanted) {
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        const std::optional<std::string> near = closest(name, known);
        return failure("cli.unknown-stack", fmt::format("there is no stack \"{}\"", name),
                       near ? fmt::format("did you mean \"{}\"?", *near)
                            : fmt::format("known stacks: {}", known.empty() ? "none" : join(known, ", ")));
    }
    return std::nullopt;
}

std::vector<std::string> declared_stacks(Context& context) {
    std::vector<std::string> names;
    for (const StackDocument& stack : context.engine().project().stacks) names.push_back(stack.name);
    return names;
}

std::vector<std::string> chosen_stacks(Context& context, const std::vector<std::string>& wanted) {
    return wanted.empty() ? declared_stacks(context) : wanted;
}

} // namespace holdfast
