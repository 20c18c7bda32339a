#pragma once
// The levels of conformance, in the order in which they run.

#include <string_view>
#include <vector>

#include "stage.hpp"

namespace holdfast::conformance {

enum class Reach { plugin, kind }; // run once, or for each kind with a sample

struct Level {
    std::string_view name, summary;
    Reach reach = Reach::kind;
    void (*run)(Stage& stage) = nullptr;
};

const std::vector<Level>& levels();

// levels_plugin.cpp: what the plugin is, before any object is touched.
void level_load(Stage& stage);
void level_schema(Stage& stage);
void level_open(Stage& stage);
void level_validate(Stage& stage);
void level_compile(Stage& stage);
void level_upgrade(Stage& stage);
// levels_objects.cpp: the life of one object.
void level_create(Stage& stage);
void level_update(Stage& stage);
void level_replace(Stage& stage);
void level_delete(Stage& stage);
void level_drift(Stage& stage);
void level_foreign(Stage& stage);
void level_import(Stage& stage);
// levels_batches.cpp: many objects, and calls that go wrong.
void level_batch(Stage& stage);
void level_failure(Stage& stage);
void level_conflict(Stage& stage);
void level_cancel(Stage& stage);
void level_lost_reply(Stage& stage);
void level_ordered(Stage& stage);
// levels_extensions.cpp
void level_health(Stage& stage);
void level_checkpoint(Stage& stage);
void level_watch(Stage& stage);
void level_unreadable(Stage& stage);
void level_secrets(Stage& stage);

// An update of an object that the target refuses: by `refused` of conformance.yaml, or by a version that is
// not the object's any more. Not offered where there is neither.
Wanted make_refused(Stage& stage, Object& object);

} // namespace holdfast::conformance
