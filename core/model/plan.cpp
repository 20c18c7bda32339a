#include "model/plan.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace holdfast {

namespace {

constexpr std::array<std::pair<Action, std::string_view>, 10> action_words{{
    {Action::none, "none"},
    {Action::create, "create"},
    {Action::update, "update"},
    {Action::replace, "replace"},
    {Action::remove, "delete"},
    {Action::refresh, "refresh"},
    {Action::adopt, "adopt"},
    {Action::move, "move"},
    {Action::forget, "forget"},
    {Action::wait, "wait"},
}};

} // namespace

std::string_view to_string(Action action) { return action_words[static_cast<std::size_t>(action)].second; }

std::optional<Action> action_from(std::string_view word) {
    auto it = std::find_if(action_words.begin(), action_words.end(),
                           [&](const auto& w) { return w.second == word; });
    if (it == action_words.end()) return std::nullopt;
    return it->first;
}

std::string_view to_string(Readiness readiness) {
    switch (readiness) {
        case Readiness::ready: return "ready";
        case Readiness::parked: return "parked";
        case Readiness::blocked: return "blocked";
    }
    return "ready";
}

bool Plan::is_empty() const {
    return std::none_of(changes.begin(), changes.end(), [](const Change& change) {
        return change.action != Action::none || change.readiness == Readiness::blocked;
    });
}

} // namespace holdfast
