#pragma once
// Documents as people write them to leaves in canonical form. Pure.

#include <optional>
#include <vector>

#include <holdfast/json.hpp>

#include "names.hpp"

namespace holdfast::monitoring {

struct Compiled {
    Key key;
    const char* scope = scope::rules;
    std::string part;    // empty: the leaf is the document
    std::string pointer; // where in the document it stands
    sdk::Json document;
};

// What compiling has to know of the provider's config.
struct Surroundings {
    // What a kubernetes_sd_configs entry says of the API; nothing: there is none.
    std::optional<sdk::Json> kubernetes;
};

// All leaves of a document, and everything that is wrong with it, with pointers. With errors the leaves do
// not count.
std::vector<Compiled> compile_document(std::string_view document, sdk::Diagnostics& problems,
                                       const Surroundings& around = {});

// ---- one kind each; `document` has a spec that is an object ----

void compile_rule_group(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_prometheus_rule(const sdk::Json& document, std::vector<Compiled>& out,
                             sdk::Diagnostics& problems);
void compile_slo(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);

void compile_alertmanager_config(const sdk::Json& document, std::vector<Compiled>& out,
                                 sdk::Diagnostics& problems);
void compile_receiver(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_route(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_silence(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);

void compile_scrape_job(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_probe(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_service_monitor(const sdk::Json& document, const Surroundings& around,
                             std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_pod_monitor(const sdk::Json& document, const Surroundings& around, std::vector<Compiled>& out,
                         sdk::Diagnostics& problems);
void compile_operator_probe(const sdk::Json& document, std::vector<Compiled>& out,
                            sdk::Diagnostics& problems);

void compile_folder(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_data_source(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);
void compile_dashboard(const sdk::Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems);

// `job` is in the words of Prometheus' configuration.
Compiled job_leaf(const sdk::Json& job, const std::string& pointer);
// Complains where the field is there and no time.
void check_duration(const sdk::Json& from, const char* key, const std::string& pointer,
                    sdk::Diagnostics& problems);
// A group's leaf, and what is wrong with the group. `spec` is in the words of a rule file.
Compiled rule_group_leaf(const std::string& file, sdk::Json spec, const std::string& pointer,
                         sdk::Diagnostics& problems);
void complain(sdk::Diagnostics& problems, std::string code, std::string pointer, std::string message,
              std::string hint = {});

} // namespace holdfast::monitoring
