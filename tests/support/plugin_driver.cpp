#include "support/plugin_driver.hpp"

#include "provider/host.hpp"
#include "support/temp_folder.hpp"

namespace holdfast::test {

namespace {

HostOptions options_in(const std::string& folder) {
    HostOptions options;
    options.search_path = {HOLDFAST_TEST_PLUGIN_DIR};
    options.worker = HOLDFAST_WORKER;
    options.blob_directory = folder;
    return options;
}

Answer keep(const ItemResult& result) {
    return {.outcome = result.outcome,
            .kind = std::string(result.kind),
            .identity = std::string(result.identity),
            .document = std::string(result.document),
            .version = std::string(result.version),
            .private_data = std::string(result.private_data),
            .detail = std::string(result.detail),
            .diagnostics = result.diagnostics};
}

} // namespace

std::string Answers::summary() const {
    std::string text;
    for (const auto& [item, answer] : items) {
        text += (text.empty() ? "" : " ") + std::string(to_string(answer.outcome));
        if (!answer.diagnostics.empty()) text += "(" + answer.diagnostics.list().front().code + ")";
    }
    if (!end.ok) text += (text.empty() ? "" : " ") + std::string("call failed");
    return text;
}

struct PluginDriver::State {
    TempFolder folder;
    PluginHost host;
    std::unique_ptr<Provider> provider;

    State() : host(options_in(folder.path())) {}
};

PluginDriver::PluginDriver(const std::string& plugin, const std::string& config, Isolation isolation)
    : state_(std::make_unique<State>()) {
    auto opened =
        state_->host.open({.name = "test", .plugin = plugin, .config = config, .isolation = isolation});
    if (!opened) throw Error(opened.error());
    state_->provider = std::move(opened).value();
}

PluginDriver::~PluginDriver() = default;

const Description& PluginDriver::description() const { return state_->provider->description(); }

Provider& PluginDriver::provider() { return *state_->provider; }

Answers PluginDriver::ask(Method method, std::string_view scope, const std::vector<Ask>& asked,
                          std::string_view options, std::string_view scope_version) {
    std::vector<Item> items;
    for (const Ask& ask : asked)
        items.push_back({.action = ask.action,
                         .kind = ask.kind,
                         .identity = ask.identity,
                         .declared = ask.declared,
                         .observed = ask.observed,
                         .version = ask.version,
                         .private_data = ask.private_data});
    Answers answers;
    const Call call{.method = method,
                    .scope = scope,
                    .scope_version = scope_version,
                    .options = options,
                    .items = items,
                    .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30)};
    answers.end = state_->provider->call(call, [&](const ItemResult& result) {
        if (result.item == no_item)
            answers.call = keep(result);
        else if (result.item == scope_item)
            answers.scope = keep(result);
        else
            answers.items[result.item] = keep(result);
    });
    return answers;
}

} // namespace holdfast::test
