// What passes cost a process that holds its session and its providers, as the daemon does: CPU of this
// process and its workers, by the kernel's own accounting. Prints "NAME VALUE LIMIT" in milliseconds. Every
// figure is of passes whose result was checked; what is wrong ends the program.
//
//   held_session objects|files REPOSITORY STORE DATA

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/core.h>

#include "reconcile/run.hpp"

namespace fs = std::filesystem;
using namespace holdfast;
using Looked = StackOutcome::Looked;

namespace {

[[noreturn]] void fail(const std::string& why) {
    fmt::print(stderr, "held_session: {}\n", why);
    std::exit(1);
}

// Nanoseconds on a CPU, of all threads.
std::int64_t cpu_of(const std::string& process) {
    std::int64_t sum = 0;
    std::error_code gone;
    for (const auto& task : fs::directory_iterator("/proc/" + process + "/task", gone)) {
        std::int64_t ran = 0;
        std::ifstream(task.path() / "schedstat") >> ran;
        sum += ran;
    }
    return sum;
}

// Of this process and its children; workers have none of their own.
std::int64_t cpu_of_tree() {
    std::int64_t sum = cpu_of("self");
    std::ifstream children(fmt::format("/proc/self/task/{}/children", ::getpid()));
    for (std::string child; children >> child;) sum += cpu_of(child);
    return sum;
}

struct Held {
    SystemClock clock;
    Masker masker;
    Log log{LogLevel::error, LogFormat::text, masker};
    std::unique_ptr<Session> session;
    double cpu_ms = 0; // of the last pass

    StackOutcome pass(Reach reach, std::vector<Touched> touched = {}) {
        const std::int64_t before = cpu_of_tree();
        if (Status moved = session->move_to(); !moved) fail(render(moved.error()));
        RunOutcome outcome =
            run(*session, {.mode = Mode::apply, .reach = reach, .touched = std::move(touched)});
        cpu_ms = static_cast<double>(cpu_of_tree() - before) / 1e6;
        if (outcome.stacks.size() != 1) fail("no pass");
        for (const Diagnostic& problem : outcome.stacks.front().problems) fail(render(problem));
        return std::move(outcome.stacks.front());
    }
    void expect(const StackOutcome& outcome, Looked looked, std::size_t changes) const {
        const std::size_t made = outcome.plan() ? outcome.plan()->changes.size() : 0;
        if (outcome.looked == looked && made == changes) return;
        fail(fmt::format("looked {}, {} changes instead of {}; {}", static_cast<int>(outcome.looked), made,
                         changes, outcome.why_everything));
    }
};

void print_median(const std::string& name, std::vector<double> values, double limit) {
    std::sort(values.begin(), values.end());
    fmt::print("{} {:.2f} {}\n", name, values[values.size() / 2], limit);
}

// A commit that replaces a word of one file.
void commit_change(const std::string& repository, const std::string& file, const std::string& from,
                   const std::string& to) {
    const std::string command =
        fmt::format("cd '{0}' && git show 'HEAD:{1}' | sed 's/{2}/{3}/' >.git/changed && "
                    "export GIT_INDEX_FILE=.git/bench-index && git read-tree HEAD && "
                    "git update-index --cacheinfo 100644,$(git hash-object -w .git/changed),'{1}' && "
                    "git -c user.name=b -c user.email=b@example.org commit -qm change",
                    repository, file, from, to);
    if (std::system(command.c_str()) != 0) fail("git commit");
}

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// In place, of the same size.
void overwrite(const std::string& path, const std::string& from, const std::string& to) {
    const std::size_t at = read(path).rfind(from);
    if (at == std::string::npos) fail("nothing to change in " + path);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << to;
}

void objects(Held& held, const std::string& repository, const std::string& data) {
    std::vector<double> nothing, one, touched;
    for (int i = 0; i < 15; ++i) {
        held.expect(held.pass(Reach::changed), Looked::at_nothing, 0);
        nothing.push_back(held.cpu_ms);
    }
    for (int i = 0; i < 7; ++i) {
        const std::string file = fmt::format("stack/d000/o{:06}.yaml", 100 + i);
        commit_change(repository, file, "enabled: true", "enabled: false");
        held.expect(held.pass(Reach::changed), Looked::at_part, 1);
        one.push_back(held.cpu_ms);
    }
    const std::string text = "reconciles 300 of them", by_hand = "reconcileZ 300 of them";
    for (int i = 0; i < 7; ++i) {
        overwrite(data, text, by_hand);
        held.expect(held.pass(Reach::changed), Looked::at_nothing, 0); // nobody told
        held.expect(held.pass(Reach::changed, {{"target",
                                                {.reach = Hint::Reach::item,
                                                 .scope = "",
                                                 .kind = "memory.holdfast.dev/v1alpha1/Object",
                                                 .identity = "\"object-000300\""}}}),
                    Looked::at_part, 1);
        touched.push_back(held.cpu_ms);
    }
    print_median("pass_with_nothing_new,_CPU", nothing, 5);
    print_median("pass_after_one_document_changed,_CPU", one, 50);
    print_median("pass_after_a_hint_of_one_object,_CPU", touched, 50);
    overwrite(data, text, by_hand);
    held.expect(held.pass(Reach::everything), Looked::at_everything, 1);
    fmt::print("for_comparison:_pass_over_everything,_CPU {:.2f} 1000000\n", held.cpu_ms);
}

// From the write by hand to the managed file as it was, through watch, queue and pass.
void files(Held& held, const std::string& root) {
    TouchedQueue queue;
    const Diagnostics problems =
        held.session->watch({"bench"}, [&](const Touched& touched) { queue.add(touched); });
    for (const Diagnostic& problem : problems) fail(render(problem));
    std::vector<double> walls;
    for (int i = 0; i < 15; ++i) {
        const std::string path = fmt::format("{}/f{:06}.conf", root, 10 + i), before = read(path);
        // What our own last write led to is no part of it.
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        queue.take();
        const auto start = std::chrono::steady_clock::now();
        std::ofstream(path) << "quick fix\n";
        while (queue.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        const StackOutcome outcome = held.pass(Reach::changed, queue.take());
        walls.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
        held.expect(outcome, Looked::at_part, 1);
        if (read(path) != before) fail(path + " was not corrected");
    }
    print_median("hand_edit_to_corrected,_wall", walls, 100);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) fail("held_session objects|files REPOSITORY STORE DATA");
    const std::string what = argv[1], repository = argv[2], data = argv[4];
    ::setenv("HOLDFAST_WORKER", HOLDFAST_BINARY_DIR "/bin/holdfast-provider", 0);
    Held held;
    Result<std::unique_ptr<Session>> opened = Session::open(
        {.directory = repository,
         .store = argv[3],
         .plugin_paths = {HOLDFAST_BINARY_DIR "/tests/plugins", HOLDFAST_BINARY_DIR "/plugins"}},
        held.clock, held.masker, held.log);
    if (!opened) fail(render(opened.error()));
    held.session = *std::move(opened);
    held.pass(Reach::everything); // makes all of it
    held.expect(held.pass(Reach::everything), Looked::at_everything, 0);
    if (what == "objects")
        objects(held, repository, data);
    else
        files(held, data);
}
