#include "cli/commands/daemon_link.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands/asking.hpp"
#include "cli/commands/running.hpp"
#include "cli/render/daemon_text.hpp"
#include "cli/render/plan_json.hpp"
#include "control/message.hpp"
#include "manifest/operator_config.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

// The folder, where it is known without a look into a repository.
std::string store_without_repository(Context& context, const OperatorConfig& config) {
    if (!context.global.store.empty()) return context.global.store;
    return config.store.starts_with('/') ? config.store : "";
}

std::string configured_socket() {
    Diagnostics ignored; // whoever opens a session hears of them
    return load_operator_config(ignored).daemon.socket;
}

DaemonLink connected(Context& context, Result<std::unique_ptr<ControlClient>> client, DaemonNeed need) {
    if (client) return {.client = *std::move(client)};
    if (need == DaemonNeed::if_there && client.error().code == "control.no-daemon") return {};
    context.fail(client.error());
    return {.failed = true};
}

} // namespace

DaemonLink link_to_daemon(Context& context, DaemonNeed need) {
    Diagnostics problems;
    const OperatorConfig config = load_operator_config(problems);
    std::string store = store_without_repository(context, config);
    if (store.empty() && config.daemon.socket.empty()) {
        if (!context.open(read_only_session())) return {.failed = true};
        store = context.engine().store_directory();
    }
    return connected(context, connect_to_daemon_of(store, config.daemon.socket), need);
}

namespace {

// The configuration may name the socket of a daemon that keeps another store: that one is none of ours.
Result<std::unique_ptr<ControlClient>> connect_to_keeper(const std::string& store) {
    if (read_daemon_address(store)) return connect_to_daemon_of(store);
    Result<std::unique_ptr<ControlClient>> client = connect_to_daemon_of(store, configured_socket());
    if (client && (*client)->hello().text_at("store") != absolute_path(store))
        return failure("control.no-daemon", "the daemon that is configured keeps another store");
    return client;
}

} // namespace

Answerer daemon_or_store(Context& context) {
    Diagnostics ignored; // whoever opens a session hears of them
    std::string store = store_without_repository(context, load_operator_config(ignored));
    if (store.empty()) {
        if (!context.open(read_only_session())) return {.failed = true};
        store = context.engine().store_directory();
    }
    Result<std::unique_ptr<ControlClient>> client = connect_to_keeper(store);
    if (client) return {.daemon = *std::move(client)};
    return {.failed = !context.is_open() && !context.open(read_only_session())};
}

DaemonLink link_to_daemon_of_session(Context& context) {
    return connected(context, connect_to_keeper(context.engine().store_directory()), DaemonNeed::if_there);
}

void say_whom(Context& context, const ControlClient& client) {
    if (context.json()) return;
    const Value& hello = client.hello();
    const Value* pid = hello.find("pid");
    context.print_error(fmt::format("Asking holdfastd (pid {}) on {}, which keeps {}.\n",
                                    pid && pid->if_integer() ? *pid->if_integer() : 0,
                                    printable(hello.text_at("host")), printable(hello.text_at("store"))));
}

Map request_about(std::string_view what, const std::string& stack) {
    Map request;
    request.set("request", what);
    request.set("stacks", Value::list({stack}));
    return request;
}

Result<Value> ask_about_leaf(ControlClient& client, Context& context, std::string_view what,
                             const std::string& leaf, std::size_t limit) {
    Map request;
    request.set("request", what);
    request.set("leaf", leaf);
    request.set("limit", static_cast<std::int64_t>(limit));
    return client.ask(std::move(request), answer_timeout, context.stop);
}

std::optional<Value> ask_daemon(Context& context, ControlClient& client, Map request) {
    Result<Value> answer = client.ask(std::move(request), answer_timeout, context.stop);
    if (answer) return *std::move(answer);
    context.fail(answer.error());
    return std::nullopt;
}

int show_synced(Context& context, const Value& result) {
    if (context.json())
        context.print_json(result);
    else
        context.print(render_synced(result, text_view(context)));
    Diagnostics problems;
    if (const Value* source = result.find("source_problem")) problems.add(diagnostic_from_message(*source));
    bool has_failed = problems.has_errors(), is_parked = false, is_reverted = false;
    const Value* stacks = result.find("stacks");
    for (const Value& stack : stacks && stacks->if_list() ? *stacks->if_list() : List{}) {
        const std::string_view word = stack.text_at("result");
        has_failed |= word == "failed" || word == "invalid" || word == "stopped";
        is_parked |= word == "parked";
        is_reverted |= word == "reverted";
        problems.append(diagnostics_from_message(stack.find("problems")));
    }
    context.report(problems);
    return is_reverted ? exit_reverted : has_failed ? exit_error : is_parked ? exit_parked : exit_done;
}

int sync_through(Context& context, ControlClient& client, const Syncing& syncing) {
    List stacks;
    for (const std::string& name : syncing.stacks) stacks.emplace_back(name);
    Map request;
    request.set("request", "sync");
    request.set("stacks", std::move(stacks));
    request.set("wait", syncing.wait);
    ProgressLine progress(context);
    std::size_t ended = 0;
    const Result<Value> result =
        client.ask(std::move(request), syncing.timeout, context.stop, [&](const Value& event) {
            ended += event.text_at("event") == "ended";
            progress.show("waiting for the daemon: passes ended", ended, 0, event.text_at("stack"));
        });
    progress.erase();
    if (!result) return context.fail(result.error());
    if (syncing.wait) return show_synced(context, *result);
    if (context.json()) {
        context.print_json(*result);
    } else {
        const Value* named = result->find("stacks");
        const std::size_t count = named && named->if_list() ? named->if_list()->size() : 0;
        context.print(fmt::format("{} asked for; `holdfast status` shows how they end, and --wait waits.\n",
                                  count == 1 ? "A pass of 1 stack was"
                                             : fmt::format("Passes of {} stacks were", count)));
    }
    return exit_done;
}

std::optional<std::vector<std::string>> stacks_kept_by(Context& context, ControlClient& client,
                                                       const std::vector<std::string>& wanted) {
    Map request;
    request.set("request", "status");
    const std::optional<Value> status = ask_daemon(context, client, std::move(request));
    if (!status) return std::nullopt;
    std::vector<std::string> kept;
    const Value* stacks = status->find("stacks");
    for (const Value& stack : stacks && stacks->if_list() ? *stacks->if_list() : List{}) {
        const std::string name(stack.text_at("stack"));
        const bool is_wanted =
            wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
        if (is_wanted && stack.text_at("state") != "suspended") kept.push_back(name);
    }
    return kept;
}

} // namespace holdfast
