#include "sys/file.hpp"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;

namespace {

std::size_t files_in(const std::string& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

} // namespace

TEST_CASE("what was written atomically is read back, with the mode asked for") {
    TempFolder folder;
    const std::string content =
        GENERATE(as<std::string>{}, "", "held fast\n", std::string("a\0b", 3), std::string(200'000, 'x'));
    const mode_t umask_before = umask(077);
    REQUIRE(write_file_atomically(folder / "f", content, 0640));
    umask(umask_before);
    CHECK(*read_file(folder / "f") == content);
    CHECK(trust_of(folder / "f")->mode == 0640);
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a write that fails leaves the old content and nothing beside it") {
    TempFolder folder;
    std::filesystem::create_directory(folder / "taken");
    const Status status = write_file_atomically(folder / "taken", "x");
    REQUIRE_FALSE(status);
    CHECK(status.error().code == "file.unwritable");
    CHECK(status.error().subject == folder / "taken");
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("reading says why it failed and where") {
    TempFolder folder;
    const auto missing = read_file(folder / "missing");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == "file.unreadable");
    CHECK(missing.error().message == "cannot read " + folder / "missing" + ": No such file or directory");
    CHECK(read_file(folder.path()).error().code == "file.unreadable");
}

TEST_CASE("a file above the limit is refused, one at the limit is not") {
    TempFolder folder;
    std::ofstream(folder / "ten") << "0123456789";
    CHECK(*read_file(folder / "ten", 10) == "0123456789");
    CHECK(read_file(folder / "ten", 9).error().code == "file.too-large");
    CHECK(read_file("/dev/zero", 1000).error().code == "file.too-large");
    CHECK(read_file("/proc/self/status").value().starts_with("Name:"));
}

TEST_CASE("folders are made with their parents and kept where they are") {
    TempFolder folder;
    REQUIRE(make_directories(folder / "a/b//c/", 0700));
    CHECK(trust_of(folder / "a")->mode == 0700);
    CHECK(trust_of(folder / "a/b/c")->mode == 0700);
    REQUIRE(make_directories(folder / "a/b", 0755));
    CHECK(trust_of(folder / "a/b")->mode == 0700);
    std::ofstream(folder / "file") << "";
    CHECK(make_directories(folder / "file/x").error().code == "file.unwritable");
    CHECK(make_directories(folder / "file").error().code == "file.unwritable");
}

TEST_CASE("trust tells who may read and change a file") {
    TempFolder folder;
    std::ofstream(folder / "f") << "";
    auto [mode, readable, writable] = GENERATE(table<mode_t, bool, bool>({{0600, false, false},
                                                                          {0640, true, false},
                                                                          {0604, true, false},
                                                                          {0620, false, true},
                                                                          {0602, false, true}}));
    chmod((folder / "f").c_str(), mode);
    const FileTrust trust = trust_of(folder / "f").value();
    CHECK(trust.readable_by_others == readable);
    CHECK(trust.writable_by_others == writable);
    CHECK(trust.owner_is_trusted);
    CHECK_FALSE(trust_of(folder / "missing").has_value());
}

TEST_CASE("paths are taken apart as dirname does") {
    auto [path, parent] = GENERATE(table<std::string, std::string>(
        {{"/a/b", "/a"}, {"/a", "/"}, {"/", "/"}, {"a", "."}, {"a/b", "a"}, {"/a//b/", "/a"}}));
    CHECK(parent_path(path) == parent);
    CHECK(absolute_path("/a/./b/../c/") == "/a/c");
    CHECK(absolute_path("/") == "/");
    CHECK(absolute_path("x") == std::filesystem::current_path().string() + "/x");
}

TEST_CASE("a descriptor closes once, with its last owner") {
    int number = -1;
    {
        Fd first(open("/dev/null", O_RDONLY));
        number = first.get();
        Fd second = std::move(first);
        CHECK_FALSE(first);
        CHECK(second.get() == number);
        CHECK(fcntl(number, F_GETFD) >= 0);
    }
    CHECK(fcntl(number, F_GETFD) < 0);
}
