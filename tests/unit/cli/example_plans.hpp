#pragma once
// Plans made by hand, as the planner would make them.

#include <string>
#include <vector>

#include "model/plan.hpp"

struct ExamplePlan {
    std::string name;
    holdfast::Plan plan;
};

// One for each thing that a plan can say.
std::vector<ExamplePlan> example_plans();
// `count` files to create and one zone with `count` records.
holdfast::Plan large_plan(std::size_t count);
