#include "levels.hpp"

namespace holdfast::conformance {

const std::vector<Level>& levels() {
    static const std::vector<Level> all{
        {"load", "loads, and exports its table alone", Reach::plugin, level_load},
        {"schema", "describes its kinds correctly", Reach::plugin, level_schema},
        {"open", "opens, and names one target for ever", Reach::plugin, level_open},
        {"validate", "accepts what is valid, refuses what is not", Reach::kind, level_validate},
        {"create", "creates; the second plan is empty", Reach::kind, level_create},
        {"update", "updates each field that can be changed", Reach::kind, level_update},
        {"replace", "immutable means replace", Reach::kind, level_replace},
        {"delete", "deletes; again is harmless", Reach::kind, level_delete},
        {"drift", "sees and corrects changes from outside", Reach::kind, level_drift},
        {"foreign", "leaves foreign objects alone", Reach::kind, level_foreign},
        {"import", "lists; what is imported needs no change", Reach::kind, level_import},
        {"batch", "takes no item and many", Reach::kind, level_batch},
        {"failure", "one item that fails spares the rest", Reach::kind, level_failure},
        {"conflict", "overwrites nothing that it has not seen", Reach::kind, level_conflict},
        {"cancel", "stops at a cancel and at a deadline", Reach::kind, level_cancel},
        {"lost-reply", "a create that is repeated doubles nothing", Reach::kind, level_lost_reply},
        {"ordered", "keeps the order of a chain", Reach::kind, level_ordered},
        {"health", "tells health in the engine's words", Reach::kind, level_health},
        {"checkpoint", "restores what it snapshot", Reach::kind, level_checkpoint},
        {"watch", "hints in time, and not after stop", Reach::kind, level_watch},
        {"compile", "compiles to leaves, purely", Reach::kind, level_compile},
        {"upgrade", "reads what it recorded itself", Reach::kind, level_upgrade},
        {"unreadable", "what cannot be read is not absent", Reach::kind, level_unreadable},
        {"secrets", "lets out no secret", Reach::kind, level_secrets},
    };
    return all;
}

} // namespace holdfast::conformance
