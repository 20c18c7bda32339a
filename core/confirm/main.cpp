// holdfast-supervisor: holds a change until it is confirmed, and takes it back otherwise. Started by the
// engine; outlives it.
//
//   holdfast-supervisor DIRECTORY          wait for the verdict on this checkpoint
//   holdfast-supervisor --now DIRECTORY    take it back now, unless it was confirmed
//   holdfast-supervisor --boot STATE...    the same for all checkpoints of stores in these folders
//   holdfast-supervisor --boot-early STATE...   the same, before there is a network: each scope is tried once
//   holdfast-supervisor --restore DIRECTORY INDEX   one scope, in this process

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <fmt/core.h>

#include "confirm/files.hpp"
#include "confirm/restore.hpp"
#include "confirm/supervise.hpp"
#include "provider/services.hpp"
#include "sys/clock.hpp"

using namespace holdfast;

namespace {

using Restore = std::function<Reverted(const Checkpoint&)>;

Reverted restore(const Checkpoint& checkpoint) { return restore_all(checkpoint); }

// What needs interfaces or a network fails here, and has its turn with --boot.
Reverted restore_once(Checkpoint checkpoint) {
    checkpoint.restore_limit_ms = 0;
    return restore_all(checkpoint, {.attempt_limit = std::chrono::seconds(15)});
}

void say(std::string_view line) { (void)!write(STDOUT_FILENO, line.data(), line.size()); }

int complain(const std::string& what) {
    std::fputs(("holdfast-supervisor: " + what + "\n").c_str(), stderr);
    return EXIT_FAILURE;
}

// A terminal that closes, the daemon's group that is told to end: none of it is about us.
void stand_apart() {
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTTOU, SIGTTIN, SIGTSTP})
        std::signal(signal, SIG_IGN);
    // Taken up by supervise(); a restore that has begun goes on to its end.
    sigset_t terminate;
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, nullptr);
    if (chdir("/") != 0) complain("cannot leave the folder");
}

// Ours by now is the only process that may end this checkpoint.
struct Held {
    Result<Checkpoint> checkpoint;
    Fd lock;
};
Held hold(const std::string& directory) {
    Held held{read_checkpoint(directory), {}};
    if (held.checkpoint) held.lock = lock_file(directory + "/lock");
    return held;
}

// The engine waits for the parent and is rid of it; "armed" goes out once the lock is held.
int run_supervisor(const std::string& directory, bool now) {
    stand_apart();
    if (!isatty(STDIN_FILENO)) {
        const pid_t child = fork();
        if (child < 0) return complain("cannot fork");
        if (child > 0) _exit(EXIT_SUCCESS);
        setsid();
    }
    const Held held = hold(directory);
    if (!held.checkpoint) return complain(held.checkpoint.error().message);
    if (!held.lock) return complain("another supervisor holds " + directory);
    say("armed\n");
    close(STDOUT_FILENO);
    if (!now) return supervise(*held.checkpoint, STDIN_FILENO, restore) ? EXIT_SUCCESS : EXIT_FAILURE;
    const GivenVerdict revert{.verdict = Verdict::revert,
                              .why = "the process that would have had it confirmed was gone",
                              .at_ms = SystemClock().now_ms()};
    return end_checkpoint(*held.checkpoint, revert, restore) ? EXIT_SUCCESS : EXIT_FAILURE;
}

// A store lies in one of these folders, or is one of them.
std::vector<std::string> stores_in(const std::string& state) {
    std::vector<std::string> stores{state};
    for (const std::string& name : names_in(state)) stores.push_back(state + "/" + name);
    return stores;
}

int run_boot(const std::vector<std::string>& states, const Restore& restore_scopes) {
    bool is_good = true;
    for (const std::string& state : states)
        for (const std::string& store : stores_in(state))
            for (const std::string& directory : checkpoints_in(store)) {
                const Held held = hold(directory);
                if (!held.checkpoint) {
                    complain(held.checkpoint.error().message);
                    is_good = false;
                }
                if (!held.lock) continue; // a supervisor lives
                const GivenVerdict revert{.verdict = Verdict::revert,
                                          .why = "the machine was started anew before anybody confirmed",
                                          .at_ms = SystemClock().now_ms()};
                const bool is_done = end_checkpoint(*held.checkpoint, revert, restore_scopes);
                std::printf("%s: %s\n", directory.c_str(), is_done ? "ended" : "could not be restored");
                is_good &= is_done;
            }
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run_restore(const std::string& directory, const std::string& index) {
    const Result<Checkpoint> checkpoint = read_checkpoint(directory);
    const std::string problem =
        checkpoint ? restore_scope(*checkpoint, std::strtoul(index.c_str(), nullptr, 10), http_extension())
                   : checkpoint.error().message;
    say(problem);
    // The plugin is not unloaded and its threads are not waited for: what counts is done.
    _exit(problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE);
}

} // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    const std::string first = arguments.empty() ? "" : arguments.front();
    if (first == "--restore" && arguments.size() == 3) return run_restore(arguments[1], arguments[2]);
    const bool has_states = arguments.size() >= 2;
    const std::vector<std::string> states(arguments.begin() + (has_states ? 1 : 0), arguments.end());
    if (first == "--boot" && has_states) return run_boot(states, restore);
    if (first == "--boot-early" && has_states) return run_boot(states, restore_once);
    if (first == "--now" && arguments.size() == 2) return run_supervisor(arguments[1], true);
    if (!first.empty() && first.front() != '-' && arguments.size() == 1) return run_supervisor(first, false);
    complain("it is started by holdfast; by hand: holdfast-supervisor --now DIRECTORY, or --boot STATE");
    return 2;
}
