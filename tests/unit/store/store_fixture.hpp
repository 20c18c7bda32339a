#pragma once
// What the tests of the store share: entries, steps, and stores that are opened or fail the test.

#include <memory>
#include <string>
#include <vector>

#include "store/store.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace holdfast {

inline std::unique_ptr<Store> opened(const std::string& path, bool read_only = false) {
    Result<std::unique_ptr<Store>> store = open_store({.path = path, .read_only = read_only});
    if (!store) FAIL(render(store.error()));
    return *std::move(store);
}

inline Address address_of(const std::string& stack, const std::string& name) {
    return {stack, {"host.holdfast.dev", "File", "", name, ""}};
}

inline LedgerEntry entry_of(const std::string& stack, const std::string& name) {
    LedgerEntry e;
    e.address = address_of(stack, name);
    e.provider = "files";
    e.api_version = "host.holdfast.dev/v1alpha1";
    e.object = {"machine-1", "etc", "host.holdfast.dev/File", "\"etc/" + name + "\""};
    e.declared = R"({"spec":{"path":"etc/)" + name + "\"}}";
    e.observed = R"({"spec":{"mode":"0644"}})";
    e.declared_hash = sha256(e.declared);
    e.settled = sha256("settled " + name);
    e.version = "inode 17";
    e.private_data = std::string("\0\xff\x80", 3);
    e.refreshed = "r";
    e.protect = true;
    e.deletion = Deletion::orphan;
    e.after = {address_of(stack, "10:\n"), {stack, {"dns", "Zone", "shop", "org", "www/A#:2"}}};
    e.wave = -3;
    e.plugin_version = "host 0.1";
    e.commit = "3f2a91c";
    e.author = "Ana Souza <ana@example.org>";
    e.file = "web/motd.yaml";
    e.line = 12;
    e.pass = "01J";
    e.applied_at_ms = 1'795'377'056'999;
    return e;
}

inline PassRecord pass_of(const std::string& id, const std::string& stack) {
    return {.id = id,
            .stack = stack,
            .command = "apply",
            .actor = "ana@edge-1",
            .commit = "3f2a91c",
            .commit_subject = "Open 443",
            .commit_author = "Ana Souza",
            .plan_hash = "9d41c0",
            .started_ms = 1000};
}

inline JournalStep step_of(const std::string& pass, const Address& address, Action action, StepState state) {
    return {.pass = pass,
            .address = address,
            .action = action,
            .state = state,
            .commit = "3f2a91c",
            .changes = R"([{"pointer":"/spec/mode"}])",
            .message = "",
            .at_ms = 1001};
}

// Everything that is recorded of an entry, as one text to compare.
inline std::string text_of(const LedgerEntry& e) {
    std::string text;
    for (const std::string& part : std::vector<std::string>{to_string(e.address),
                                                            e.provider,
                                                            e.api_version,
                                                            e.object.target,
                                                            e.object.scope,
                                                            e.object.kind,
                                                            e.object.identity,
                                                            std::string(to_string(e.state)),
                                                            to_hex(e.declared_hash),
                                                            to_hex(e.settled),
                                                            e.declared,
                                                            e.observed,
                                                            e.version,
                                                            e.private_data,
                                                            e.refreshed,
                                                            std::to_string(e.protect),
                                                            std::string(to_string(e.deletion)),
                                                            e.plugin_version,
                                                            e.commit,
                                                            e.author,
                                                            e.file,
                                                            std::to_string(e.line),
                                                            e.pass,
                                                            std::to_string(e.applied_at_ms),
                                                            std::to_string(e.wave)})
        text += part + "|";
    for (const Address& before : e.after) text += to_string(before) + "|";
    return text;
}

inline std::vector<std::string> names_of(const std::vector<LedgerEntry>& entries) {
    std::vector<std::string> names;
    for (const LedgerEntry& entry : entries) names.push_back(to_string(entry.address));
    return names;
}

inline std::vector<std::string> codes_of(const Diagnostics& problems) {
    std::vector<std::string> codes;
    for (const Diagnostic& problem : problems) codes.push_back(problem.code);
    return codes;
}

} // namespace holdfast
