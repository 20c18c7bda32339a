#include "daemon/startup.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>

#include <sys/signalfd.h>
#include <unistd.h>

#include <fmt/core.h>

#include "control/message.hpp"
#include "daemon/daemon.hpp"
#include "daemon/session_reconciler.hpp"
#include "reconcile/run.hpp"
#include "sys/environment.hpp"
#include "sys/process.hpp"

namespace holdfast {

namespace {

constexpr int exit_usage = 64; // EX_USAGE of sysexits.h

constexpr std::string_view usage = R"(Usage: holdfastd [--config FILE] [--once | --check]

Keeps the stacks of a repository holding fast to what it declares.

  --config FILE  the operator's configuration (default: $HOLDFAST_CONFIG,
                 $XDG_CONFIG_HOME/holdfast/config.yaml, /etc/holdfast/config.yaml)
  --once         one pass of every stack, then end: 0 done, 1 failed, 3 parked
  --check        check configuration, repository and stacks; change nothing
  --version      print the version
  --help         print this

SIGTERM and SIGINT stop it within 5 seconds, SIGHUP reads the configuration again.
)";

struct Arguments {
    std::string config;
    bool once = false, check = false;
};

struct Parsed {
    Arguments arguments;
    std::optional<int> exit_code; // nothing more is to be done
};

Parsed parse(const std::vector<std::string>& words) {
    Parsed parsed;
    const auto wrong = [&](const std::string& why) {
        std::cerr << "holdfastd: " << why << "\n" << usage;
        parsed.exit_code = exit_usage;
    };
    for (std::size_t i = 0; i < words.size() && !parsed.exit_code; ++i) {
        const std::string& word = words[i];
        if (word == "--once") {
            parsed.arguments.once = true;
        } else if (word == "--check") {
            parsed.arguments.check = true;
        } else if (word == "--config" && i + 1 < words.size()) {
            parsed.arguments.config = words[++i];
        } else if (word.starts_with("--config=")) {
            parsed.arguments.config = word.substr(9);
        } else if (word == "--help" || word == "-h") {
            std::cout << usage;
            parsed.exit_code = 0;
        } else if (word == "--version") {
            std::cout << "holdfastd " HOLDFAST_VERSION "\n";
            parsed.exit_code = 0;
        } else {
            wrong(word == "--config" ? "--config needs a file" : "there is no option " + word);
        }
    }
    if (parsed.arguments.once && parsed.arguments.check) wrong("--once and --check exclude each other");
    return parsed;
}

// Diagnostics for who starts it by hand, and for the journal, whole.
void report(const Diagnostics& problems) {
    for (const Diagnostic& problem : problems) std::cerr << render(problem);
}
int fail(const Diagnostic& problem) {
    std::cerr << render(problem);
    return 1;
}

std::shared_ptr<const OperatorConfig> load(const std::string& path, Diagnostics& problems) {
    auto config = std::make_shared<OperatorConfig>(path.empty() ? load_operator_config(problems)
                                                                : load_operator_config(path, problems));
    if (config->daemon.repository.empty() && !problems.has_errors()) {
        Diagnostic& problem =
            problems.error("daemon.no-repository", "the configuration names no repository to follow");
        problem.span.file = config->path;
        problem.hint = "add daemon.repository.path; docs/daemon.md has an example";
    }
    return config;
}

// From here on the signals come through a descriptor; threads and the loop inherit the mask.
int take_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Isolation isolation_of_environment() {
    return environment("HOLDFAST_ISOLATION").value_or("") == "in-process" ? Isolation::in_process
                                                                          : Isolation::worker;
}

SessionOptions session_options(std::shared_ptr<const OperatorConfig> config, bool read_only) {
    SessionOptions options{.directory = config->daemon.repository, .revision = config->daemon.revision};
    options.isolation = isolation_of_environment();
    options.read_only = read_only;
    options.operator_config = std::move(config);
    return options;
}

int check(std::shared_ptr<const OperatorConfig> config) {
    SystemClock clock;
    Masker masker;
    Log log(LogLevel::warning, LogFormat::text, masker);
    Result<std::unique_ptr<Session>> session =
        Session::open(session_options(config, true), clock, masker, log);
    if (!session) return fail(session.error());
    Diagnostics problems = (*session)->problems();
    if (!problems.has_errors()) {
        const RunOutcome outcome = run(**session, {.mode = Mode::validate});
        problems.append(outcome.problems);
        for (const StackOutcome& stack : outcome.stacks) problems.append(stack.problems);
    }
    report(problems);
    if (problems.has_errors()) return 1;
    std::cout << fmt::format(
        "{}: good; {} of {} at {}; store {}\n", config->path.empty() ? "defaults" : config->path,
        (*session)->project().stacks.size() == 1
            ? "1 stack"
            : fmt::format("{} stacks", (*session)->project().stacks.size()),
        config->daemon.repository, (*session)->commit().id.substr(0, 10), (*session)->store_directory());
    return 0;
}

// Where the store is, as any command would find it from that repository.
Result<std::string> find_store(std::shared_ptr<const OperatorConfig> config, Clock& clock, Masker& masker,
                               Log& log) {
    if (!config->store.empty() && config->store.starts_with('/')) return config->store;
    Result<std::unique_ptr<Session>> session =
        Session::open(session_options(config, true), clock, masker, log);
    if (!session) return session.error();
    return (*session)->store_directory();
}

Diagnostic already_running(const Diagnostic& locked, const std::string& store) {
    if (locked.code != "store.locked") return locked;
    Diagnostic why = failure("daemon.already-running",
                             fmt::format("another daemon keeps the store {}: {}", store, locked.message),
                             "stop that one first, or give this one a store of its own");
    why.subject = store;
    return why;
}

Result<std::unique_ptr<ControlServer>> open_server(const OperatorConfig& config, const std::string& store) {
    const ProcessIdentity self = this_process();
    ControlServerOptions options;
    options.path = config.daemon.socket.empty() ? store + "/control.sock" : config.daemon.socket;
    options.mode = config.daemon.socket_mode;
    options.group = config.daemon.socket_group;
    options.hello = Value::map({{"holdfast", control_version},
                                {"version", HOLDFAST_VERSION},
                                {"pid", self.pid},
                                {"host", self.host},
                                {"store", store}});
    Result<std::unique_ptr<ControlServer>> server = ControlServer::open(std::move(options));
    if (!server) return server;
    const DaemonAddress address{
        .socket = (*server)->path(), .host = self.host, .version = HOLDFAST_VERSION, .pid = self.pid};
    if (Status written = write_daemon_address(store, address); !written) return written.error();
    return server;
}

int serve(const Arguments& arguments, std::shared_ptr<const OperatorConfig> config, ServiceNotify& notify) {
    SystemClock clock;
    Masker masker;
    Log log(log_level_from(config->daemon.log_level),
            config->daemon.log_format == "json" ? LogFormat::json : LogFormat::text, masker);
    const int signals = take_signals();
    const Result<std::string> folder = find_store(config, clock, masker, log);
    if (!folder) return fail(folder.error());
    Result<std::unique_ptr<Store>> store = open_store({.path = *folder + "/store.db"});
    if (!store) return fail(store.error());
    Result<std::unique_ptr<ScopeLock>> lock = (*store)->lock("daemon", actor());
    if (!lock) return fail(already_running(lock.error(), *folder));
    std::unique_ptr<ControlServer> server;
    if (!arguments.once) {
        Result<std::unique_ptr<ControlServer>> opened = open_server(*config, *folder);
        if (!opened) return fail(opened.error());
        server = *std::move(opened);
        log.info("holdfastd " HOLDFAST_VERSION " begins",
                 {{"repository", config->daemon.repository}, {"store", *folder}, {"socket", server->path()}});
    }
    SessionReconciler reconciler(config, *folder, isolation_of_environment(), clock, masker, log);
    const bool has_server = server != nullptr;
    int code = 0;
    {
        Daemon daemon({.config = config,
                       .store_directory = *folder,
                       .store = **store,
                       .reconciler = reconciler,
                       .clock = clock,
                       .log = log,
                       .notify = notify,
                       .server = std::move(server),
                       .signals = signals,
                       .reload = [&](Diagnostics& problems) { return load(arguments.config, problems); },
                       .once = arguments.once});
        code = daemon.run();
    }
    if (has_server) {
        remove_daemon_address(*folder);
        log.info("holdfastd ends");
    }
    return code;
}

} // namespace

int run_holdfastd(const std::vector<std::string>& words) {
    const Parsed parsed = parse(words);
    if (parsed.exit_code) return *parsed.exit_code;
    try {
        ServiceNotify notify = ServiceNotify::from_environment();
        // Sessions look the configuration up in the environment where nobody hands it to them.
        Diagnostics problems;
        const std::shared_ptr<const OperatorConfig> config = load(parsed.arguments.config, problems);
        report(problems);
        if (problems.has_errors()) return 1;
        return parsed.arguments.check ? check(config) : serve(parsed.arguments, config, notify);
    } catch (const Error& error) {
        return fail(error.diagnostic());
    }
}

} // namespace holdfast
