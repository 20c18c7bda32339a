#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

#include "git/mirror.hpp"
#include "git/mirror_pack.hpp"
#include "git/tree_changes.hpp"
#include "support/catch.hpp"
#include "support/fake_clock.hpp"
#include "support/git_repository.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using test::GitRepository;

namespace {

using Kind = SourceRef::Kind;

// A remote in a folder, and the mirror of it.
struct Remote {
    GitRepository made;
    TempFolder store;
    SystemClock clock;
    TransferLimits limits;
    std::unique_ptr<Mirror> mirror;

    Remote() { mirror = open(); }
    std::unique_ptr<Mirror> open() {
        auto opened = Mirror::open(store / "mirrors", *parse_remote_url(made.path()));
        if (!opened) FAIL(opened.error().message);
        return *std::move(opened);
    }
    std::string commit(const std::string& content) {
        made.write("a.yaml", content);
        return made.commit("Set " + content);
    }
    void tag(const std::string& name, bool annotated = false) {
        git_object* head = nullptr;
        git_oid id;
        git_signature* who = nullptr;
        GitRepository::must(git_revparse_single(&head, made.get(), "HEAD"));
        GitRepository::must(git_signature_new(&who, "Li Wei", "li@example.org", 1'700'000'000, 0));
        GitRepository::must(annotated ? git_tag_create(&id, made.get(), name.c_str(), head, who, "a tag\n", 1)
                                      : git_tag_create_lightweight(&id, made.get(), name.c_str(), head, 1));
        git_signature_free(who);
        git_object_free(head);
    }
    std::string branch() {
        git_reference* head = nullptr;
        GitRepository::must(git_repository_head(&head, made.get()));
        const std::string name = git_reference_shorthand(head);
        git_reference_free(head);
        return name;
    }
    MirroredRef fetch(const SourceRef& ref) {
        return mirror->fetch(std::vector<SourceRef>{ref}, {}, limits, clock).front();
    }
    std::string content(const std::string& commit, const std::string& path = "a.yaml") {
        const auto tree = mirror->repository().at(commit);
        if (!tree) return tree.error().message;
        const auto file = (*tree)->find(path);
        return file ? *(*tree)->read(*file, 1U << 20) : "no " + path;
    }
};

} // namespace

TEST_CASE("each sort of ref is found, and an annotated tag is the commit behind it") {
    Remote remote;
    std::vector<std::string> ids{remote.commit("1")};
    remote.tag("v1.2.0", true);
    ids.push_back(remote.commit("2"));
    for (const char* name : {"v1.10.0", "v2.0.0-rc.1", "nightly"}) remote.tag(name);
    ids.push_back(remote.commit("3"));
    auto [kind, value, which, name] = GENERATE(table<Kind, std::string, std::size_t, std::string>(
        {{Kind::head, "", 2, "refs/heads/BRANCH"},
         {Kind::branch, "BRANCH", 2, "refs/heads/BRANCH"},
         {Kind::tag, "v1.2.0", 0, "refs/tags/v1.2.0"},
         {Kind::semver, "^1.2", 1, "refs/tags/v1.10.0"},
         {Kind::semver, "~1.2", 0, "refs/tags/v1.2.0"},
         {Kind::semver, ">=2.0.0-0", 1, "refs/tags/v2.0.0-rc.1"},
         {Kind::name, "refs/tags/nightly", 1, "refs/tags/nightly"},
         {Kind::commit, "FIRST", 0, ""}}));
    for (std::string* text : {&value, &name})
        if (const std::size_t at = text->find("BRANCH"); at != text->npos)
            text->replace(at, 6, remote.branch());
    if (value == "FIRST") value = ids[0];
    CAPTURE(value);
    const SourceRef ref{kind, value};
    const MirroredRef found = remote.fetch(ref);
    if (found.problem) FAIL(found.problem->message);
    CHECK(found.commit == ids[which]);
    CHECK(found.name == name);
    CHECK(remote.content(found.commit) == std::to_string(which + 1));
    CHECK(remote.mirror->find(ref)->commit == found.commit);
}

TEST_CASE("a ref that is not there is an error with the nearest that is, and its neighbours are fetched") {
    Remote remote;
    const std::string id = remote.commit("1");
    remote.tag("release");
    const std::vector<SourceRef> refs{{Kind::tag, "relaese"},
                                      {Kind::head, ""},
                                      {Kind::semver, "^3"},
                                      {Kind::commit, std::string(40, '7')},
                                      {Kind::tag, "release"}};
    const auto found = remote.mirror->fetch(refs, {}, remote.limits, remote.clock);
    REQUIRE(found.size() == 5);
    REQUIRE(found[0].problem);
    CHECK(found[0].problem->code == "source.no-ref");
    CHECK(found[0].problem->hint == "did you mean \"release\"?");
    CHECK(found[1].commit == id);
    CHECK(found[2].problem->code == "source.no-ref");
    CHECK(found[3].problem->code == "source.no-commit");
    CHECK(found[4].commit == id);
}

TEST_CASE("what was fetched last stays when the remote is away, with the reason") {
    Remote remote;
    const std::string id = remote.commit("1");
    REQUIRE_FALSE(remote.fetch({}).problem);
    std::filesystem::rename(remote.made.path(), remote.made.path() + "-away");
    const MirroredRef away = remote.fetch({});
    std::filesystem::rename(remote.made.path() + "-away", remote.made.path());
    REQUIRE(away.problem);
    CHECK(away.problem->code == "source.not-found");
    CHECK(away.commit == id);
    CHECK(remote.content(away.commit) == "1");
    // Another process reads the same.
    const auto other = remote.open()->find({});
    REQUIRE(other);
    CHECK(other->commit == id);
    CHECK(other->problem->code == "source.not-found");
    CHECK_FALSE(remote.fetch({}).problem);
}

TEST_CASE("history that goes on is forward, and history that was rewritten or went back is not") {
    Remote remote;
    const std::string first = remote.commit("1");
    remote.fetch({});
    const std::string second = remote.commit("2");
    MirroredRef now = remote.fetch({});
    CHECK(remote.mirror->movement(now, first) == Movement::forward);
    CHECK(remote.mirror->movement(now, second) == Movement::forward);
    CHECK(remote.mirror->movement(now, std::string(40, 'a')) == Movement::unrelated);

    remote.made.reset(first);
    now = remote.fetch({});
    CHECK(now.commit == first);
    CHECK(remote.mirror->movement(now, second) == Movement::rewritten);
    CHECK(remote.mirror->movement(now, first) == Movement::forward);

    const std::string other = remote.commit("another second");
    now = remote.fetch({});
    CHECK(now.commit == other);
    CHECK(remote.mirror->movement(now, second) == Movement::rewritten);
    CHECK(remote.mirror->movement(now, first) == Movement::forward);
    CHECK(remote.content(second) == "2"); // kept, so that what is applied can still be read
}

TEST_CASE("a range of versions goes forward with the version, whatever branch it is on") {
    Remote remote;
    const std::string base = remote.commit("base");
    const std::string fix = remote.commit("fix");
    remote.tag("v1.2.5");
    const SourceRef range{Kind::semver, "^1"};
    remote.fetch(range);
    remote.made.reset(base);
    const std::string next = remote.commit("next");
    remote.tag("v1.3.0");
    MirroredRef now = remote.fetch(range);
    CHECK(now.commit == next);
    CHECK(remote.mirror->movement(now, fix) == Movement::forward);

    remote.made.reset(base);
    const std::string moved = remote.commit("the same version once more");
    remote.tag("v1.3.0");
    now = remote.fetch(range);
    CHECK(now.commit == moved);
    CHECK(remote.mirror->movement(now, next) == Movement::rewritten);

    GitRepository::must(git_tag_delete(remote.made.get(), "v1.3.0"));
    now = remote.fetch(range);
    CHECK(now.commit == fix);
    CHECK(remote.mirror->movement(now, next) == Movement::rewritten);
}

TEST_CASE("one more commit is taken in without looking at the rest of the repository") {
    Remote remote;
    for (int i = 0; i < 1200; ++i)
        remote.made.write("d" + std::to_string(i % 20) + "/f" + std::to_string(i), std::to_string(i));
    const std::string first = remote.commit("1");
    const MirroredRef before = remote.fetch({});
    REQUIRE_FALSE(before.problem);
    std::size_t packs = 0;
    for (const auto& file : std::filesystem::directory_iterator(remote.mirror->path() + "/objects/pack"))
        packs += file.path().extension() == ".pack";
    CHECK(packs == 1); // more than a thousand objects come as one pack, the next few as loose ones
    const std::string second = remote.commit("2");
    // An old blob of the remote is lost: who would look at it again fails.
    const std::string blob =
        (*Repository::open(remote.made.path()).value()->at(first).value()).find("d3/f3")->blob;
    std::filesystem::remove(remote.made.path() + "/.git/objects/" + blob.substr(0, 2) + "/" + blob.substr(2));
    const MirroredRef after = remote.fetch({});
    if (after.problem) FAIL(after.problem->message);
    CHECK(remote.content(after.commit) == "2");
    CHECK(remote.content(after.commit, "d3/f3") == "3");
    const auto changes =
        tree_changes(**remote.mirror->repository().at(first), **remote.mirror->repository().at(second), "");
    REQUIRE(changes.ok());
    CHECK(changes->size() == 1);
}

TEST_CASE("a transfer over the limit, past its deadline or cancelled leaves what was there") {
    Remote remote;
    const std::string first = remote.commit("1");
    remote.fetch({});
    remote.commit(std::string(100'000, 'x'));
    std::stop_source stop;
    const std::string why = GENERATE("too-large", "deadline", "cancelled");
    if (why == "too-large") remote.limits.max_bytes = 50'000;
    if (why == "deadline") remote.limits.deadline = std::chrono::steady_clock::now();
    if (why == "cancelled") remote.limits.stop = (stop.request_stop(), stop.get_token());
    const MirroredRef found = remote.fetch({});
    REQUIRE(found.problem);
    CHECK(found.problem->code == "source." + why);
    CHECK(found.commit == first);
    remote.limits = {};
    CHECK(remote.fetch({}).commit != first);
}

TEST_CASE("a mirror that was half made, or is damaged, says what to do; a lost record is fetched anew") {
    Remote remote;
    const std::string id = remote.commit("1");
    remote.fetch({});
    std::ofstream(remote.mirror->path() + "/holdfast.json") << "{\"refs\": [{";
    CHECK_FALSE(remote.open()->find({}));
    CHECK(remote.fetch({}).commit == id);
    std::filesystem::create_directories(remote.mirror->path() + "/holdfast-incoming/rest");
    CHECK_FALSE(remote.fetch({}).problem);
    std::filesystem::remove(remote.mirror->path() + "/HEAD");
    const auto damaged = Mirror::open(remote.store / "mirrors", remote.mirror->url());
    REQUIRE_FALSE(damaged.ok());
    CHECK(damaged.error().code == "source.bad-mirror");
    CHECK_THAT(damaged.error().hint, ContainsSubstring("remove the folder"));
}

// ---- several processes, and many fetches

namespace {

// Files of their own folder, so that each commit is as many objects.
std::string commit_files(Remote& remote, const std::string& folder, int count) {
    for (int i = 0; i < count; ++i)
        remote.made.write(folder + "/" + std::to_string(i), folder + " " + std::to_string(i));
    return remote.made.commit("Add " + folder);
}

std::size_t loose_objects(const Mirror& mirror) {
    std::size_t count = 0;
    for (const auto& folder : std::filesystem::directory_iterator(mirror.path() + "/objects"))
        if (folder.path().filename().string().size() == 2)
            for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder.path()))
                ++count;
    return count;
}

std::size_t packs(const Mirror& mirror) {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(mirror.path() + "/objects/pack"))
        count += file.path().extension() == ".idx";
    return count;
}

} // namespace

TEST_CASE("processes that fetch one remote at once all get it, and leave one mirror") {
    Remote remote;
    const std::string id = commit_files(remote, "many", 1500);
    remote.mirror.reset();
    std::filesystem::remove_all(remote.store / "mirrors"); // they also make it at once
    std::vector<pid_t> children;
    for (int i = 0; i < 3; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            const auto mirror = remote.open();
            const MirroredRef found =
                mirror->fetch(std::vector<SourceRef>{{}}, {}, remote.limits, remote.clock).front();
            ::_exit(!found.problem && found.commit == id ? 0 : 1);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    remote.mirror = remote.open();
    CHECK(remote.mirror->find({})->commit == id);
    CHECK(remote.content(id, "many/1499") == "many 1499");
    CHECK(packs(*remote.mirror) == 1);
}

TEST_CASE("of a fetch that is killed nothing is left that the next one would stumble over") {
    Remote remote;
    const std::string first = remote.commit("1");
    REQUIRE(remote.fetch({}).commit == first);
    const int files = GENERATE(100, 1500); // kept loose, and as a pack
    const std::string second = commit_files(remote, "many", files);
    const auto at = GENERATE(1U, 1000U);
    CAPTURE(files, at);
    const pid_t child = ::fork();
    if (child == 0) {
        unsigned calls = 0;
        remote.limits.progress = [&](std::size_t, std::size_t, std::size_t) {
            if (++calls >= at) ::raise(SIGKILL);
        };
        const auto mirror = remote.open();
        mirror->fetch(std::vector<SourceRef>{{}}, {}, remote.limits, remote.clock);
        ::raise(SIGKILL); // at the latest
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(remote.content(first) == "1");
    const MirroredRef found = remote.fetch({});
    if (found.problem) FAIL(found.problem->message);
    CHECK(found.commit == second);
    CHECK(remote.content(second, "many/7") == "many 7");
    CHECK(std::filesystem::is_empty(remote.mirror->path() + "/holdfast-incoming"));
}

TEST_CASE("objects of many small fetches become a pack, under the eyes of who reads") {
    Remote remote;
    std::vector<std::string> ids;
    const auto reader = remote.open();
    for (int i = 0; i < 4; ++i) {
        ids.push_back(commit_files(remote, "f" + std::to_string(i), 50));
        REQUIRE(remote.fetch({}).commit == ids.back());
        REQUIRE(reader->repository().at(ids.back()));
    }
    const std::size_t loose = loose_objects(*remote.mirror);
    CHECK(loose >= 200); // they are kept loose at first
    git_repository* repository = nullptr;
    GitRepository::must(git_repository_open_bare(&repository, remote.mirror->path().c_str()));
    const std::string folder = remote.mirror->path() + "/holdfast-incoming";
    CHECK(git::pack_if_many_are_loose(*repository, folder, loose + 1));
    CHECK(loose_objects(*remote.mirror) == loose);
    const Status packed = git::pack_if_many_are_loose(*repository, folder, loose);
    git_repository_free(repository);
    if (!packed) FAIL(packed.error().message);
    CHECK(loose_objects(*remote.mirror) == 0);
    CHECK(packs(*remote.mirror) == 1);
    CHECK(std::filesystem::is_empty(folder));

    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::string below = "f" + std::to_string(i);
        const auto tree = reader->repository().at(ids[i]);
        REQUIRE(tree);
        const auto file = (*tree)->find(below + "/49");
        REQUIRE(file);
        CHECK(*(*tree)->read(*file, 100) == below + " 49");
    }
    ids.push_back(commit_files(remote, "later", 1));
    CHECK(remote.fetch({}).commit == ids.back());
    CHECK(remote.mirror->movement(*remote.mirror->find({}), ids.front()) == Movement::forward);
}
