#pragma once
// Asks a plugin as the engine does, and keeps the answers. What the integration tests of providers
// are written with.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "provider/host.hpp"

namespace holdfast::test {

// An Item that owns its text.
struct Ask {
    std::string kind, identity;
    std::string declared, observed, version;
    ItemAction action = ItemAction::none;
    std::string private_data = {};
};

struct Answer {
    Outcome outcome = Outcome::failed;
    std::string kind, identity, document, version, private_data, detail;
    Diagnostics diagnostics;
};

struct Answers {
    CallEnd end;
    std::map<std::uint32_t, Answer> items;
    Answer scope, call;

    const Answer& operator[](std::uint32_t item) const { return items.at(item); }
    // "done done failed(dns.cname)", for tests to compare.
    std::string summary() const;
};

class PluginDriver {
public:
    // `plugin` as in libholdfast-<plugin>.so, from the folder of test plugins. Throws Error.
    PluginDriver(const std::string& plugin, const std::string& config,
                 Isolation isolation = Isolation::in_process);
    ~PluginDriver();

    const Description& description() const;
    Provider& provider(); // for what is no call: watching
    Answers ask(Method method, std::string_view scope, const std::vector<Ask>& items,
                std::string_view options = {}, std::string_view scope_version = {});

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace holdfast::test
