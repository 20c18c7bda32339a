#include <sys/xattr.h>

#include "sandbox.hpp"

using namespace holdfast::testing;

TEST_CASE("new objects get the declared mode, or the usual one whatever the umask is") {
    Sandbox box;
    const mode_t before = ::umask(GENERATE(0000, 0077));
    box.create("File", {{"path", "f"}, {"content", "x"}});
    box.create("File", {{"path", "s"}, {"mode", "4711"}});
    box.create("Directory", {{"path", "d"}});
    box.create("Directory", {{"path", "t"}, {"mode", "1777"}});
    ::umask(before);
    CHECK((box.status("f").st_mode & 07777) == 0644);
    CHECK((box.status("s").st_mode & 07777) == 04711);
    CHECK((box.status("d").st_mode & 07777) == 0755);
    CHECK((box.status("t").st_mode & 07777) == 01777);
    CHECK(box.read("s").empty());
}

TEST_CASE("a missing parent is an error that names the Directory to declare") {
    Sandbox box;
    const RawResult result = box.create("File", {{"path", "a/b/c"}, {"content", "x"}});
    CHECK(result.outcome == HOLDFAST_ITEM_FAILED);
    CHECK(result.code() == "host.no-parent");
    CHECK_THAT(result.diagnostics[0].at("hint").get<std::string>(), ContainsSubstring("a/b"));
    CHECK(box.names().empty());
}

TEST_CASE("one batch makes directories before what is in them and deletes from the inside out") {
    Sandbox box;
    auto results = box.apply({
        Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "a/b/f"}, {"content", "x"}}),
        Sandbox::item(HOLDFAST_CREATE, "Symlink", {{"path", "a/l"}, {"target", "b/f"}}),
        Sandbox::item(HOLDFAST_CREATE, "Directory", {{"path", "a/b"}}),
        Sandbox::item(HOLDFAST_CREATE, "Directory", {{"path", "a"}}),
    });
    for (const RawResult& result : results) CHECK(result.outcome == HOLDFAST_DONE);
    CHECK(box.names() == std::vector<std::string>{"a", "a/b", "a/b/f", "a/l"});

    results = box.apply({
        Sandbox::item(HOLDFAST_DELETE, "Directory", {{"path", "a"}}),
        Sandbox::item(HOLDFAST_DELETE, "Directory", {{"path", "a/b"}}),
        Sandbox::item(HOLDFAST_DELETE, "File", {{"path", "a/b/f"}}),
        Sandbox::item(HOLDFAST_DELETE, "Symlink", {{"path", "a/l"}}),
    });
    for (const RawResult& result : results) CHECK(result.outcome == HOLDFAST_DONE);
    CHECK(box.names().empty());
}

TEST_CASE(
    "in one batch what comes after others is made behind them, and not at all where one of them failed") {
    Sandbox box;
    box.create("File", {{"path", "taken"}});
    std::vector<RawItem> items{
        Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "z"}, {"content", "x"}}),
        Sandbox::item(HOLDFAST_CREATE, "Directory",
                      {{"path", "a"}}), // comes first where nothing else is said
        Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "a/f"}}),
        Sandbox::item(HOLDFAST_CREATE, "Symlink", {{"path", "taken"}, {"target", "z"}}),
        Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "b"}}),
        Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "c"}}),
    };
    items[1].after = {0};
    items[2].after = {1};
    items[4].after = {3};
    items[5].after = {2, 4};
    const auto results = box.apply(items);
    std::map<std::uint32_t, holdfast_outcome> outcomes;
    std::vector<std::uint32_t> order;
    for (const RawResult& result : results) {
        outcomes[result.item] = result.outcome;
        if (result.outcome == HOLDFAST_DONE) order.push_back(result.item);
    }
    CHECK(order == std::vector<std::uint32_t>{0, 1, 2});
    CHECK(outcomes[3] == HOLDFAST_ITEM_FAILED);
    CHECK(outcomes[4] == HOLDFAST_SKIPPED);
    CHECK(outcomes[5] == HOLDFAST_SKIPPED);
    CHECK(box.names() == std::vector<std::string>{"a", "a/f", "taken", "z"});
}

TEST_CASE("in one batch a file gives way to a directory, and a directory with its contents to a file") {
    Sandbox box;
    box.create("File", {{"path", "x"}});
    box.create("Directory", {{"path", "y"}});
    box.create("File", {{"path", "y/inner"}});
    const auto results = box.apply({
        Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "x/new"}}),
        Sandbox::item(HOLDFAST_CREATE, "Directory", {{"path", "x"}}),
        Sandbox::item(HOLDFAST_DELETE, "File", {{"path", "x"}}),
        Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "y"}}),
        Sandbox::item(HOLDFAST_DELETE, "Directory", {{"path", "y"}}),
        Sandbox::item(HOLDFAST_DELETE, "File", {{"path", "y/inner"}}),
    });
    for (const RawResult& result : results) CHECK(result.outcome == HOLDFAST_DONE);
    CHECK(box.names() == std::vector<std::string>{"x", "x/new", "y"});
}

TEST_CASE("a create that is repeated finds its own work and writes nothing") {
    Sandbox box;
    auto [kind, spec] = GENERATE(table<std::string, std::string>({
        {"File", R"({"path":"o","content":"x","mode":"0600"})"},
        {"Directory", R"({"path":"o","mode":"0700"})"},
        {"Symlink", R"({"path":"o","target":"t"})"},
    }));
    CHECK(box.create(kind, Json::parse(spec)).outcome == HOLDFAST_DONE);
    const struct stat before = box.status("o");
    const RawResult again = box.create(kind, Json::parse(spec));
    CHECK(again.outcome == HOLDFAST_UNCHANGED);
    CHECK(again.document == box.observe(kind, "o").document);
    CHECK(box.status("o").st_ino == before.st_ino);
    CHECK(box.names() == std::vector<std::string>{"o"});
}

TEST_CASE("content is replaced in one step: a reader keeps the old file, and nothing is left over") {
    Sandbox box;
    box.create("File", {{"path", "f"}, {"content", "old"}, {"mode", "0640"}});
    std::ifstream reader(box.root / "f");
    const struct stat before = box.status("f");
    const RawResult result = box.update("File", {{"path", "f"}, {"content", "new"}});
    CHECK(result.outcome == HOLDFAST_DONE);
    CHECK(result.spec().at("content") == "new");
    CHECK(result.spec().at("mode") == "0640");
    CHECK(box.read("f") == "new");
    CHECK(box.status("f").st_ino != before.st_ino);
    std::string seen;
    reader >> seen;
    CHECK(seen == "old");
    CHECK(box.names() == std::vector<std::string>{"f"});
}

TEST_CASE("owner, mode and attributes of the replaced file are kept where nothing else is declared") {
    Sandbox box;
    box.write("f", "old");
    const std::string path = box.root / "f";
    const bool is_root = ::geteuid() == 0;
    if (is_root) REQUIRE(::chown(path.c_str(), 1234, 4321) == 0);
    REQUIRE(::chmod(path.c_str(), 06750) == 0);
    const bool has_attributes = ::setxattr(path.c_str(), "user.note", "keep", 4, 0) == 0;
    // A POSIX ACL in the kernel's form: version 2; owner rwx, user 77 r--, group r-x, mask r-x, other ---.
    const unsigned char acl[] = {2, 0,  0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  4,
                                 0, 77, 0,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                                 5, 0,  255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
    const bool has_acl = ::setxattr(path.c_str(), "system.posix_acl_access", acl, sizeof acl, 0) == 0;
    const mode_t mode = box.status("f").st_mode;
    REQUIRE(box.update("File", {{"path", "f"}, {"content", "new"}}).outcome == HOLDFAST_DONE);
    CHECK(box.status("f").st_mode == mode);
    if (is_root) {
        CHECK(box.status("f").st_uid == 1234);
        CHECK(box.status("f").st_gid == 4321);
    }
    char value[100];
    if (has_attributes)
        CHECK(::getxattr(path.c_str(), "user.note", value, sizeof value) == 4);
    else
        WARN("this file system has no user.* attributes");
    if (has_acl) {
        CHECK(::getxattr(path.c_str(), "system.posix_acl_access", value, sizeof value) == sizeof acl);
        CHECK(std::memcmp(value, acl, sizeof acl) == 0);
    } else
        WARN("this file system has no access control lists");
}

TEST_CASE("only the mode or the owner changes: the file keeps its inode") {
    Sandbox box;
    box.create("File", {{"path", "f"}, {"content", "same"}});
    const struct stat before = box.status("f");
    CHECK(box.update("File", {{"path", "f"}, {"content", "same"}, {"mode", "0600"}}).outcome ==
          HOLDFAST_DONE);
    CHECK((box.status("f").st_mode & 07777) == 0600);
    if (::geteuid() == 0) {
        const RawResult result =
            box.update("File", {{"path", "f"}, {"mode", "4755"}, {"owner", "1234"}, {"group", "nogroup"}});
        CHECK(result.outcome == HOLDFAST_DONE);
        CHECK(result.spec().at("owner") == "1234");
        CHECK(result.spec().at("group") == "nogroup");
        CHECK((box.status("f").st_mode & 07777) == 04755); // a chown clears the bit, so it comes after
    }
    CHECK(box.status("f").st_ino == before.st_ino);
    CHECK(box.status("f").st_mtim.tv_nsec == before.st_mtim.tv_nsec);
}

TEST_CASE("a mode that is no longer declared stays as it is") {
    Sandbox box;
    box.create("File", {{"path", "secret"}, {"content", "x"}, {"mode", "0600"}});
    CHECK(box.update("File", {{"path", "secret"}, {"content", "x"}}).outcome == HOLDFAST_UNCHANGED);
    CHECK((box.status("secret").st_mode & 07777) == 0600);
}

TEST_CASE("an unknown account is an error before anything is written") {
    Sandbox box;
    auto [kind, key] = GENERATE(
        table<std::string, std::string>({{"File", "owner"}, {"File", "group"}, {"Directory", "owner"}}));
    CHECK(box.create(kind, {{"path", "x"}, {key, "nobody-has-this-name"}}).code() == "host.unknown-owner");
    CHECK(box.names().empty());
}

TEST_CASE("where owners may not change, a document that would change one is refused") {
    if (::geteuid() != 0) return;
    Sandbox box;
    box.open({{"allowOwnerChange", false}});
    box.create("File", {{"path", "mine"}, {"owner", "root"}, {"content", "x"}});
    CHECK(box.read("mine") == "x");
    CHECK(box.create("File", {{"path", "other"}, {"owner", "1234"}}).code() == "host.owner-not-allowed");
    CHECK(box.create("Directory", {{"path", "dir"}, {"owner", "1234"}}).code() == "host.owner-not-allowed");
    CHECK(box.update("File", {{"path", "mine"}, {"owner", "1234"}}).code() == "host.owner-not-allowed");
    CHECK(box.update("File", {{"path", "mine"}, {"owner", "1234"}, {"content", "y"}}).code() ==
          "host.owner-not-allowed");
    CHECK(box.names() == std::vector<std::string>{"mine"});
}

TEST_CASE("symbolic links are replaced as links") {
    Sandbox box;
    box.write("a", "A");
    box.create("Symlink", {{"path", "l"}, {"target", "a"}});
    CHECK(box.update("Symlink", {{"path", "l"}, {"target", "nowhere"}}).outcome == HOLDFAST_DONE);
    CHECK(fs::read_symlink(box.root / "l") == "nowhere");
    CHECK(box.remove("Symlink", "l").outcome == HOLDFAST_DONE);
    CHECK(box.names() == std::vector<std::string>{"a"});
    CHECK(box.read("a") == "A");
}

TEST_CASE("binary and large sources are written whole and compared by hash") {
    Sandbox box;
    const std::string bytes =
        GENERATE(std::string("nul\0nul", 7), std::string(1'000'000, '\0'), std::string(65537, 'x'));
    box.plugin.host.blobs[sha256(bytes)] = bytes;
    const Json spec{{"path", "f"}, {"source", {{"sha256", sha256(bytes)}, {"size", bytes.size()}}}};
    REQUIRE(box.create("File", spec).outcome == HOLDFAST_DONE);
    CHECK(box.read("f") == bytes);
    CHECK(box.update("File", spec).outcome == HOLDFAST_UNCHANGED);
    box.write("f", "edited");
    CHECK(box.update("File", spec).outcome == HOLDFAST_DONE);
    CHECK(box.read("f") == bytes);
}

TEST_CASE("a source that the blob store does not have, or has wrong, writes nothing") {
    Sandbox box;
    const std::string large(100'000, 'x');
    box.plugin.host.blobs[sha256(large)] = std::string(100'000, 'y');
    for (const std::string& bytes : {std::string("lost"), large})
        CHECK(box.create("File",
                         {{"path", "f"}, {"source", {{"sha256", sha256(bytes)}, {"size", bytes.size()}}}})
                  .code() == "host.blob");
    CHECK(box.names().empty());
}

TEST_CASE("a delete is harmless when it is repeated, and leaves other types alone") {
    Sandbox box;
    box.write("f", "");
    CHECK(box.remove("File", "f").outcome == HOLDFAST_DONE);
    CHECK(box.remove("File", "f").outcome == HOLDFAST_UNCHANGED);
    CHECK(box.remove("File", "no/such/parent").outcome == HOLDFAST_UNCHANGED);
    fs::create_directory(box.root / "f");
    const RawResult result = box.remove("File", "f");
    CHECK(result.outcome == HOLDFAST_UNCHANGED);
    CHECK(result.code() == "host.wrong-type");
    CHECK(fs::is_directory(box.root / "f"));
}

TEST_CASE("a directory with foreign entries is not deleted, and they are named") {
    Sandbox box;
    box.create("Directory", {{"path", "d"}});
    for (const char* path : {"d/1", "d/2", "d/3", "d/4", "d/5"}) box.write(path, "");
    const RawResult result = box.remove("Directory", "d");
    CHECK(result.outcome == HOLDFAST_ITEM_FAILED);
    CHECK(result.code() == "host.not-empty");
    CHECK_THAT(result.message(), ContainsSubstring("1, 2, 3 and 2 more"));
    CHECK(box.names().size() == 6);
}

TEST_CASE("what a crash left behind is swept by the next write and by the delete of its directory") {
    Sandbox box;
    box.create("Directory", {{"path", "d"}});
    box.create("File", {{"path", "d/f"}, {"content", "x"}});
    box.write("d/.holdfast-0000000000000000.tmp", "left over");
    box.remove("File", "d/f");
    CHECK(box.remove("Directory", "d").outcome == HOLDFAST_DONE);
    CHECK(box.names().empty());
}

TEST_CASE("refresh has nothing to do here, and says that it has been done") {
    Sandbox box;
    box.create("File", {{"path", "f"}, {"content", "x"}});
    RawItem item = Sandbox::item(HOLDFAST_REFRESH, "File", {{"path", "f"}, {"content", "x"}});
    item.refresh = "hash";
    CHECK(box.apply({item}).at(0).outcome == HOLDFAST_UNCHANGED);
}

TEST_CASE("one bad item leaves the others of its batch alone, and every item has one result") {
    Sandbox box;
    std::vector<RawItem> items;
    for (int i = 0; i < 300; ++i)
        items.push_back(Sandbox::item(HOLDFAST_CREATE, "File",
                                      {{"path", (i == 150 ? "missing/" : "f") + std::to_string(i)}}));
    const auto results = box.plugin.call(box.plugin.table->apply, items);
    CHECK(box.plugin.status == HOLDFAST_OK);
    CHECK(results.size() == 300);
    CHECK(box.names().size() == 299);
    CHECK(box.plugin.call(box.plugin.table->apply, {}).empty());
}

TEST_CASE("a cancelled batch gives results for what it did and stops") {
    Sandbox box;
    std::vector<RawItem> items;
    for (int i = 0; i < 300; ++i)
        items.push_back(Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "f" + std::to_string(i)}}));
    box.plugin.on_result = [&](const RawResult&) { box.plugin.cancelled = true; };
    const auto results = box.plugin.call(box.plugin.table->apply, items);
    CHECK(box.plugin.status == HOLDFAST_CANCELLED);
    CHECK(results.size() < 300);
    CHECK(results.size() == box.names().size());
}
