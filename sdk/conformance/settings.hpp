#pragma once
// What the author of a plugin says in conformance.yaml: how to open it, and for each kind what a document
// looks like. docs/providers.md explains every key.

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/value.hpp"

namespace holdfast::conformance {

struct KindSettings {
    Value sample;                  // a document, or the part of one that the kit cannot know
    std::string untested;          // why there is no sample
    std::vector<Value> changes;    // merge patches (RFC 7396) over the sample, all valid
    std::vector<Value> replaces;   // likewise; each of them has to end as a replace
    std::vector<Value> invalid;    // likewise; each of them has to be refused by schema or validate
    std::vector<std::string> keep; // JSON pointers that changes made from the schema leave alone
    Value refused;                 // merge patch: valid, but the target refuses it
    Value unhealthy;               // merge patch: an object that is not healthy
    std::string disturb, remove;   // shell commands that change or remove the object $name
};

struct Settings {
    std::string path; // of the file, for messages
    Value config;
    Value commands;                   // name -> words, for fields of the config whose format is "command"
    std::string prepare, cleanup;     // shell commands around every level
    std::string unreadable, readable; // shell commands: make the target fail reads, and mend that
    std::map<std::string, KindSettings> kinds; // by "Kind" or "group/version/Kind"
    std::size_t batch = 1000;
    std::chrono::milliseconds call_timeout{30'000};  // of one call
    std::chrono::milliseconds watch_timeout{10'000}; // in which a hint has to come; a busy machine takes long
    std::chrono::milliseconds stop_timeout{2'000};   // from a cancel or deadline to the end of the call
    std::chrono::milliseconds health_timeout{10'000};
    std::chrono::milliseconds command_timeout{60'000};
};

// Problems have places in the file. Codes: `conformance.*`, `yaml.*`, `manifest.*`.
Settings read_settings(const std::string& path, Diagnostics& problems);

} // namespace holdfast::conformance
