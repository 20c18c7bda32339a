#pragma once
// The plugin under test: opens instances of it and asks as the engine does. Everything that it says passes
// here, so this is where secrets in it are noticed.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/locked.hpp"
#include "log/masker.hpp"
#include "provider/host.hpp"

namespace holdfast::conformance {

// An Item that owns its text.
struct Ask {
    ItemAction action = ItemAction::none;
    std::string kind, identity;
    std::string declared, recorded, observed;
    std::string version, private_data;
    std::vector<std::uint32_t> after;
    bool wants_health = false;
};

struct Answer {
    std::uint32_t item = no_item;
    bool is_given = false;
    Outcome outcome = Outcome::failed;
    std::string kind, identity, scope, part, pointer;
    std::string document, version, private_data, refreshed, detail;
    Diagnostics diagnostics;

    bool has_succeeded() const { return outcome == Outcome::done || outcome == Outcome::unchanged; }
    // "failed (dns.refused: the server said no)"
    std::string in_words() const;
};

struct Answers {
    CallEnd end;
    std::vector<Answer> items;   // one for each item
    std::vector<Answer> objects; // list, compile
    Answer scope, call;
    std::chrono::milliseconds took{0};

    // Why the call as a whole did not go well; empty where it did.
    std::string why() const;
    bool says(std::string_view code) const; // among the reasons of the call
};

// What a plugin let out that holds a secret.
struct Leak {
    std::string where;  // "the log", "a diagnostic of apply", "/spec/note of what observe returned"
    std::string advice; // what to do
    bool operator<(const Leak& other) const { return where < other.where; }
};

struct AskOptions {
    std::string options; // of the call
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    std::function<void(std::size_t answered)> on_answer; // while the call runs
    std::stop_token stop;
};

class Subject;

// One opened instance with what the engine would remember of it.
class Instance {
public:
    Instance(Subject& subject, std::unique_ptr<Provider> provider)
        : subject_(subject), provider_(std::move(provider)) {}

    Answers ask(Method method, const std::string& scope, const std::vector<Ask>& items,
                const AskOptions& options = {});
    const std::string& target() const { return provider_->target(); }
    Provider& provider() { return *provider_; }

private:
    Subject& subject_;
    std::unique_ptr<Provider> provider_;
    std::map<std::string, std::string> scope_versions_;
};

struct SubjectOptions {
    std::string plugin, folder; // libholdfast-<plugin>.so in <folder>
    std::string worker, blob_directory;
    Isolation isolation = Isolation::worker;
    std::chrono::milliseconds call_timeout{30'000}, stop_timeout{2'000};
};

class Subject {
public:
    explicit Subject(const SubjectOptions& options);

    Result<PluginFile> file() const { return host_->find(options_.plugin); }
    Result<std::shared_ptr<const Description>> describe();
    Result<std::unique_ptr<Instance>> open(const std::string& name, const std::string& config);

    // Where the text at `pointers` of a document may stand: taken out before it is searched for secrets.
    void set_description(std::shared_ptr<const Description> description) {
        description_ = std::move(description);
    }
    void add_secret(std::string_view secret) { secrets_.add(secret); }
    std::string mask(std::string_view text) const { return secrets_.mask(text); }
    std::vector<Leak> leaks() const;
    bool has_logged(std::string_view text) const;
    // "; its log ends with: ..."; empty where it logged nothing. May hold secrets.
    std::string last_words() const;
    const SubjectOptions& options() const { return options_; }

private:
    friend class Instance;
    void search(std::string_view method, const Answer& answer, std::string_view kind);
    void search_document(std::string_view method, const Answer& answer, std::string_view kind);
    void search_diagnostics(std::string_view method, const Diagnostics& diagnostics);
    void leaked(std::string where, std::string advice);

    SubjectOptions options_;
    Masker secrets_;
    Locked<std::vector<std::string>> log_;
    std::vector<Leak> leaks_;
    std::shared_ptr<const Description> description_;
    std::unique_ptr<PluginHost> host_;
};

} // namespace holdfast::conformance
