#include "world.hpp"

#include <algorithm>
#include <fstream>

#include <sys/stat.h>

#include <fmt/core.h>

#include "base/json.hpp"

namespace holdfast::walks {

World::World(WorldOptions options) : target(folder_.path()), options_(std::move(options)) {}

std::string World::project(const Declared& declared) const {
    List lies;
    for (const std::string& name : options_.lies) lies.emplace_back("\"" + name + "\"");
    std::string text;
    for (const bool is_atomic : {false, true}) {
        const std::string name = is_atomic ? "memory-atomic" : "memory";
        text += fmt::format(
            "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {{name: {0}}}\n"
            "spec:\n  plugin: {0}\n  confirm: {{enabled: false}}\n  config: {{file: {1}, callLog: {2}, "
            "script: {3}, target: {0}, lies: {4}}}\n---\n",
            name, target.objects_file(is_atomic), target.calls_file(is_atomic), target.faults_file(),
            to_json(Value(lies)));
    }
    const char* limits = options_.has_wide_limits
                             ? ", limits: {maxShare: 1.0, shareFrom: 1000, allFrom: 1000, maxLeaves: 1000}"
                             : "";
    for (const char* stack : {"app", "db"})
        text += fmt::format(
            "{4}apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {{name: {0}}}\n"
            "spec: {{path: {0}, adopt: always, vars: {{zone: zone{1}}}, providers: "
            "{{memory.holdfast.dev: memory, memory-atomic.holdfast.dev: memory-atomic}}{2}{3}}}\n",
            stack, declared.variable(), limits, ", interval: 1s", stack == std::string("db") ? "---\n" : "");
    return text;
}

void World::write_operator_file(const Declared& declared) const {
    std::ofstream(file("keys.yaml")) << "token: secret-number-" << declared.secret() << "\n";
    ::chmod(file("keys.yaml").c_str(), 0600);
}

void World::commit(const Declared& declared) {
    write_operator_file(declared);
    std::map<std::string, std::string> files = declared.files();
    files["holdfast.yaml"] = project(declared);
    for (const std::string& path : written_)
        if (!files.contains(path)) repository_.remove(path);
    written_.clear();
    for (const auto& [path, text] : files) {
        repository_.write(path, text);
        written_.insert(path);
    }
    head_ = repository_.commit("Change");
}

std::vector<std::string> ledger_of(Store& store) {
    std::vector<std::string> lines;
    for (const LedgerEntry& e : store.all_entries(Detail::full)) {
        std::vector<std::string> after;
        for (const Address& address : e.after) after.push_back(to_string(address));
        std::sort(after.begin(), after.end());
        std::string line = fmt::format("{} on {}, {} in \"{}\", {}, wave {}, {}, after", to_string(e.address),
                                       e.object.target, e.object.identity, e.object.scope, to_string(e.state),
                                       e.wave, to_string(e.deletion));
        for (const std::string& address : after) line += " " + address;
        // Masks of secrets are keyed by store.
        if (e.declared.find("password") == std::string::npos) line += " " + e.declared;
        lines.push_back(std::move(line));
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::string problems_of(Store& store) {
    std::string text;
    for (const Diagnostic& problem : store.check()) text += render(problem);
    for (const JournalStep& step : store.open_steps(""))
        text += "a step is open: " + to_string(step.address) + "\n";
    return text;
}

} // namespace holdfast::walks
