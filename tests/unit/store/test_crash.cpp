#include <csignal>
#include <filesystem>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.hpp"
#include "sys/file.hpp"

using namespace holdfast;

namespace {

constexpr std::size_t entries_per_batch = 20;

StoreBatch batch_number(std::size_t number) {
    StoreBatch batch;
    for (std::size_t i = 0; i < entries_per_batch; ++i) {
        const std::string name = "b" + std::to_string(number) + "-" + std::to_string(i);
        batch.upserts.push_back(entry_of("web", name));
        batch.steps.push_back(
            step_of("P1", batch.upserts.back().address, Action::create, StepState::intended));
    }
    return batch;
}

// How many batches are there; fails the test where one is there in part, or with a gap before it.
std::size_t whole_batches(Store& store) {
    const std::size_t count = store.all_entries(Detail::full).size();
    const std::size_t batches = count / entries_per_batch;
    CHECK(count % entries_per_batch == 0);
    CHECK(store.open_steps("web").size() == count);
    if (batches > 0) CHECK(store.entry(batch_number(batches - 1).upserts.back().address).has_value());
    const auto codes = codes_of(store.check());
    CHECK(codes == (count > 0 ? std::vector<std::string>{"store.open-steps"} : std::vector<std::string>{}));
    return batches;
}

// A child that commits batch after batch and tells each one through the pipe once it has returned.
[[noreturn]] void commit_for_ever(const std::string& path, int tell) {
    auto store = open_store({.path = path});
    if (!store) _exit(1);
    (*store)->begin_pass(pass_of("P1", "web"));
    for (std::size_t i = 0;; ++i) {
        (*store)->commit(batch_number(i));
        if (write(tell, "c", 1) != 1) _exit(1);
    }
}

} // namespace

TEST_CASE("killed in the middle of commits, the store has every batch that returned, and each one whole") {
    const std::size_t kill_after = GENERATE(0U, 1U, 2U, 5U, 17U, 40U);
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) commit_for_ever(path, ends[1]);
    close(ends[1]);
    std::size_t told = 0;
    char byte;
    while (told < kill_after && read(ends[0], &byte, 1) == 1) ++told;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (read(ends[0], &byte, 1) == 1) ++told;
    close(ends[0]);
    REQUIRE(told >= kill_after);
    auto store = opened(path);
    const std::size_t batches = whole_batches(*store);
    CHECK(batches >= told);
    CHECK(batches <= told + 1);
}

TEST_CASE("a log that was cut off gives a prefix of the batches") {
    TempFolder folder;
    std::filesystem::create_directory(folder / "copy");
    auto store = opened(folder / "holdfast.db");
    store->begin_pass(pass_of("P1", "web"));
    for (std::size_t i = 0; i < 6; ++i) store->commit(batch_number(i));
    const std::string file = *read_file(folder / "holdfast.db"), log = *read_file(folder / "holdfast.db-wal");
    REQUIRE(log.size() > 100'000);
    std::size_t last = 0;
    for (std::size_t eighth = 0; eighth <= 8; ++eighth) {
        const std::string path = folder / ("copy/" + std::to_string(eighth) + ".db");
        REQUIRE(write_file_atomically(path, file));
        REQUIRE(write_file_atomically(path + "-wal", std::string_view(log).substr(0, log.size() * eighth / 8),
                                      0600));
        // Where even the pass is cut off there are no tables yet: they are made anew.
        auto copy = opened(path);
        std::filesystem::permissions(path, std::filesystem::perms(0600));
        const std::size_t batches = whole_batches(*copy);
        CHECK(batches >= last);
        last = batches;
    }
    CHECK(last == 6);
}

TEST_CASE("two processes write to one store, and neither loses anything") {
    TempFolder folder;
    const std::string path = folder / "holdfast.db";
    std::vector<pid_t> children;
    for (const char* stack : {"one", "two"}) {
        children.push_back(fork());
        if (children.back() != 0) continue;
        auto store = open_store({.path = path}); // both make it at the same moment
        if (!store) _exit(1);
        for (int i = 0; i < 60; ++i) (*store)->commit({.upserts = {entry_of(stack, std::to_string(i))}});
        _exit(0);
    }
    for (const pid_t child : children) {
        int status = -1;
        waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    auto store = opened(path);
    CHECK(store->entries("one", Detail::brief).size() == 60);
    CHECK(store->entries("two", Detail::brief).size() == 60);
}
