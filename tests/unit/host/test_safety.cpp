#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "sandbox.hpp"

using namespace holdfast::testing;

TEST_CASE("no symbolic link leads out of the root, for reading, writing or deleting") {
    Sandbox box;
    fs::create_directory(box.base / "outside");
    std::ofstream(box.base / "outside/f") << "precious";
    const bool is_absolute = GENERATE(false, true);
    fs::create_directory_symlink(is_absolute ? box.base / "outside" : fs::path("../outside"),
                                 box.root / "way");
    fs::create_directory_symlink("way", box.root / "indirect");
    for (const std::string path : {"way/f", "indirect/f"}) {
        CHECK(box.observe("File", path).outcome == HOLDFAST_ITEM_FAILED);
        CHECK(box.observe("File", path).code() == "host.escapes-root");
        CHECK(box.create("File", {{"path", path}, {"content", "x"}}).code() == "host.escapes-root");
        CHECK(box.apply({Sandbox::item(HOLDFAST_DELETE, "File", {{"path", path}})}).at(0).code() ==
              "host.escapes-root");
    }
    std::ifstream file(box.base / "outside/f");
    CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "precious");
}

TEST_CASE("a symbolic link to a directory inside the root may be on the way") {
    Sandbox box;
    fs::create_directories(box.root / "a/real");
    fs::create_directory_symlink("a/real", box.root / "way");
    CHECK(box.create("File", {{"path", "way/f"}, {"content", "x"}}).outcome == HOLDFAST_DONE);
    CHECK(box.read("a/real/f") == "x");
}

TEST_CASE("a symbolic link in the place of a file is not written through") {
    Sandbox box;
    box.write("target", "precious");
    fs::create_symlink("target", box.root / "f");
    CHECK(box.create("File", {{"path", "f"}, {"content", "x"}}).code() == "host.wrong-type");
    RawItem update = Sandbox::item(HOLDFAST_UPDATE, "File", {{"path", "f"}, {"content", "x"}});
    CHECK(box.apply({update}).at(0).code() == "host.wrong-type");
    CHECK(box.read("target") == "precious");
    CHECK(fs::is_symlink(box.root / "f"));
}

TEST_CASE("a foreign edit between observe and apply is a conflict, and nothing is overwritten") {
    Sandbox box;
    box.write("f", "seen");
    const RawResult observed = box.observe("File", "f");
    const holdfast_action action = GENERATE(HOLDFAST_UPDATE, HOLDFAST_DELETE);
    std::string expected = "edit";
    SECTION("in place, same size, at once") { box.write("f", "edit"); }
    SECTION("with the time restored") {
        const auto time = fs::last_write_time(box.root / "f");
        box.write("f", "edit");
        fs::last_write_time(box.root / "f", time);
    }
    SECTION("by renaming over it") {
        box.write("g", "edit");
        fs::rename(box.root / "g", box.root / "f");
    }
    SECTION("of its mode alone") {
        REQUIRE(::usleep(20'000) == 0); // the mode is in the version through ctime, which ticks
        fs::permissions(box.root / "f", fs::perms::owner_all);
        expected = "seen";
    }
    const RawResult result = box.change(action, "File", {{"path", "f"}, {"content", "ours"}}, observed);
    CHECK(result.outcome == HOLDFAST_ITEM_FAILED);
    CHECK(result.code() == "host.conflict");
    CHECK(result.retry() == "conflict");
    CHECK(box.read("f") == expected);
    CHECK(box.names() == std::vector<std::string>{"f"});
}

TEST_CASE("a foreign edit while the new content is being written is a conflict, and stays") {
    Sandbox box;
    const std::string large(100'000, 'x');
    box.plugin.host.blobs[sha256(large)] = large;
    const Json spec{{"path", "f"}, {"source", {{"sha256", sha256(large)}, {"size", large.size()}}}};
    const bool is_create = GENERATE(false, true);
    if (!is_create) box.write("f", "old");
    std::vector<std::string> left{"f"};
    SECTION("renamed over, or created") {
        box.plugin.host.on_open_blob = [&] {
            box.write("g", "foreign");
            fs::rename(box.root / "g", box.root / "f");
        };
    }
    SECTION("written in place, or created") {
        box.plugin.host.on_open_blob = [&] { box.write("f", "foreign"); };
    }
    SECTION("deleted") {
        if (is_create) return;
        left.clear();
        box.plugin.host.on_open_blob = [&] { fs::remove(box.root / "f"); };
    }
    const RawResult result = is_create ? box.create("File", spec) : box.update("File", spec);
    CHECK(result.outcome == HOLDFAST_ITEM_FAILED);
    CHECK(result.code() == "host.conflict");
    CHECK(box.names() == left);
    if (!left.empty()) CHECK(box.read("f") == "foreign");
}

TEST_CASE("where times alone cannot tell two edits apart, the content's hash does") {
    Sandbox box;
    RawResult observed;
    // Only a file that has just changed carries the mark; a slow machine may need more than one try.
    for (int i = 0; i < 100 && std::count(observed.version.begin(), observed.version.end(), ':') != 5; ++i) {
        box.write("f", "seen");
        observed = box.observe("File", "f");
    }
    REQUIRE(std::count(observed.version.begin(), observed.version.end(), ':') == 5);
    RawResult other = observed; // as if the same times had belonged to other content
    other.version.back() = other.version.back() == '0' ? '1' : '0';
    const holdfast_action action = GENERATE(HOLDFAST_UPDATE, HOLDFAST_DELETE);
    const Json spec{{"path", "f"}, {"content", "ours"}};
    CHECK(box.change(action, "File", spec, other).code() == "host.conflict");
    CHECK(box.change(action, "File", spec, observed).outcome == HOLDFAST_DONE);
}

TEST_CASE("an edit that already is what is declared is no conflict") {
    Sandbox box;
    box.write("f", "seen");
    const RawResult observed = box.observe("File", "f");
    box.write("f", "ours");
    CHECK(box.change(HOLDFAST_UPDATE, "File", {{"path", "f"}, {"content", "ours"}}, observed).outcome ==
          HOLDFAST_UNCHANGED);
}

TEST_CASE("what appeared or disappeared since it was observed is a conflict") {
    Sandbox box;
    box.write("appeared", "foreign");
    fs::create_symlink("foreign", box.root / "link");
    fs::create_directory(box.root / "dir");
    CHECK(box.create("File", {{"path", "appeared"}, {"content", "ours"}}).code() == "host.conflict");
    CHECK(box.create("Symlink", {{"path", "link"}, {"target", "ours"}}).code() == "host.conflict");
    CHECK(box.create("Directory", {{"path", "dir"}, {"mode", "0700"}}).code() == "host.conflict");
    CHECK(box.read("appeared") == "foreign");
    CHECK(fs::read_symlink(box.root / "link") == "foreign");
    const RawResult observed = box.observe("File", "appeared");
    fs::remove(box.root / "appeared");
    CHECK(box.change(HOLDFAST_UPDATE, "File", {{"path", "appeared"}, {"content", "x"}}, observed).code() ==
          "host.conflict");
    CHECK_FALSE(fs::exists(box.root / "appeared"));
}

TEST_CASE("a new file in a directory is no change of the directory") {
    Sandbox box;
    fs::create_directory(box.root / "d");
    const RawResult observed = box.observe("Directory", "d");
    box.write("d/new", "");
    CHECK(box.change(HOLDFAST_UPDATE, "Directory", {{"path", "d"}, {"mode", "0700"}}, observed).outcome ==
          HOLDFAST_DONE);
}

TEST_CASE("another type in the place is never removed") {
    Sandbox box;
    fs::create_directory(box.root / "dir");
    box.write("file", "x");
    CHECK(box.create("File", {{"path", "dir"}, {"content", "x"}}).code() == "host.wrong-type");
    CHECK(box.create("Directory", {{"path", "file"}}).code() == "host.wrong-type");
    CHECK(box.create("Symlink", {{"path", "dir"}, {"target", "t"}}).code() == "host.wrong-type");
    CHECK(box.create("File", {{"path", "file/inside"}}).code() == "host.parent-not-directory");
    CHECK(box.names() == std::vector<std::string>{"dir", "file"});
}

TEST_CASE("unusual names live through create, update, list and delete") {
    Sandbox box;
    const std::string name =
        GENERATE(as<std::string>{}, "with space", "line\nbreak", "tab\there", "\"quoted\"", "back\\slash",
                 "gr\xC3\xBC\xC3\x9F", "-rf", "*", "\x01\x7f", "...", std::string(255, 'n'));
    CAPTURE(name);
    CHECK(box.create("File", {{"path", name}, {"content", "1"}}).outcome == HOLDFAST_DONE);
    CHECK(box.update("File", {{"path", name}, {"content", "2"}}).outcome == HOLDFAST_DONE);
    CHECK(box.read(name) == "2");
    const auto listed =
        box.plugin.call(box.plugin.table->list, {}, "", R"({"kind":"host.holdfast.dev/v1alpha1/File"})");
    REQUIRE(listed.size() == 1);
    CHECK(Json::parse(listed[0].identity) == name);
    CHECK(box.remove("File", name).outcome == HOLDFAST_DONE);
    CHECK(box.names().empty());
}

TEST_CASE("a name that is too long is refused with its path") {
    Sandbox box;
    const RawResult result = box.create("File", {{"path", std::string(256, 'n')}});
    CHECK(result.code() == "host.name-too-long");
    CHECK_THAT(result.message(), ContainsSubstring("nnnn"));
}

namespace {

// Runs `body` in a child with a mount namespace of its own and a small file system at the sandbox's root.
// -1 where that is not allowed, else the number of the check that failed, 0 for none.
template <typename Body>
int on_small_filesystem(Sandbox& box, const char* options, unsigned long flags, Body body) {
    box.plugin.close();
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            ::_exit(255);
        if (::mount("holdfast", box.root.c_str(), "tmpfs", 0, options) != 0) ::_exit(255);
        fs::create_directory(box.root / "d");
        box.write("f", "old");
        if (flags && ::mount("holdfast", box.root.c_str(), nullptr, MS_REMOUNT | flags, options) != 0)
            ::_exit(255);
        box.open();
        ::_exit(body());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    box.open();
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 254;
    if (code == 255) WARN("no mount namespaces here: not run");
    return code == 255 ? -1 : code;
}

} // namespace

TEST_CASE("a full disk is a diagnostic, and nothing half-written remains") {
    Sandbox box;
    const std::string large(200'000, 'x');
    box.plugin.host.blobs[sha256(large)] = large;
    const int failed = on_small_filesystem(box, "size=64k", 0, [&] {
        const Json source{{"sha256", sha256(large)}, {"size", large.size()}};
        const RawResult created = box.create("File", {{"path", "d/new"}, {"source", source}});
        if (created.code() != "host.no-space" || created.retry() != "after") return 1;
        const RawResult updated = box.update("File", {{"path", "f"}, {"source", source}});
        if (updated.code() != "host.no-space") return 2;
        if (box.read("f") != "old") return 3;
        if (box.names() != std::vector<std::string>{"d", "f"}) return 4;
        return 0;
    });
    CHECK(failed <= 0);
}

TEST_CASE("a read-only file system is a diagnostic") {
    Sandbox box;
    const int failed = on_small_filesystem(box, "size=64k", MS_RDONLY, [&] {
        if (box.create("File", {{"path", "d/new"}, {"content", "x"}}).code() != "host.read-only") return 1;
        if (box.create("Directory", {{"path", "e"}}).code() != "host.read-only") return 2;
        if (box.update("File", {{"path", "f"}, {"content", "new"}}).code() != "host.read-only") return 3;
        if (box.update("File", {{"path", "f"}, {"mode", "0600"}}).code() != "host.read-only") return 4;
        if (box.remove("File", "f").code() != "host.read-only") return 5;
        return 0;
    });
    CHECK(failed <= 0);
}

TEST_CASE("what permissions forbid is a diagnostic, and unreadable is not absent") {
    if (::geteuid() != 0) return; // it takes root to become somebody else
    Sandbox box;
    fs::create_directory(box.root / "d");
    box.write("d/secret", "x");
    fs::permissions(box.root / "d/secret", fs::perms::none);
    fs::permissions(box.root / "d", fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(255);
        box.open();
        if (box.observe("File", "d/secret").outcome != HOLDFAST_ITEM_FAILED) ::_exit(1);
        if (box.observe("File", "d/secret").code() != "host.permission") ::_exit(2);
        if (box.create("File", {{"path", "d/new"}, {"content", "x"}}).code() != "host.permission") ::_exit(3);
        if (box.remove("File", "d/secret").code() != "host.permission") ::_exit(4);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
}
