#include <filesystem>
#include <fstream>
#include <functional>

#include <holdfast/files.hpp>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
namespace sdk = holdfast::sdk;

namespace {

constexpr const char* code = "sample.file";

fs::perms mode_of(const std::string& path) { return fs::status(path).permissions(); }

std::string code_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const sdk::Error& error) {
        return error.diagnostic().code + ": " + error.diagnostic().message;
    }
    return "none";
}

std::size_t count(const std::string& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

} // namespace

TEST_CASE("a file that is missing is not there; one whose folder is missing cannot be known") {
    const holdfast::TempFolder folder;
    CHECK_FALSE(sdk::read_file(code, folder / "none"));
    CHECK(code_of([&] {
              sdk::read_file(code, folder / "not-mounted/none");
          }).find("sample.file: cannot look into") == 0);
    CHECK(code_of([&] { sdk::read_file(code, folder.path()); }).find("Is a directory") != std::string::npos);
}

TEST_CASE("a file is replaced whole, with the mode that it had") {
    const holdfast::TempFolder folder;
    const std::string path = folder / "a.conf", content(200'000, 'x');
    std::ofstream(path) << "before";
    fs::permissions(path, fs::perms(0604));
    sdk::StagedFile staged(code, path, content, 0640);
    CHECK(sdk::read_file(code, path) == "before");
    CHECK(sdk::read_file(code, staged.path()) == content);
    staged.put_in_place();
    CHECK(sdk::read_file(code, path) == content);
    CHECK(mode_of(path) == fs::perms(0604));
    CHECK(count(folder.path()) == 1);
}

TEST_CASE("a new file has the mode that is asked for, and is gone unless it is put in place") {
    const holdfast::TempFolder folder;
    { const sdk::StagedFile left(code, folder / "a.conf", "x", 0640); }
    CHECK(count(folder.path()) == 0);
    sdk::StagedFile(code, folder / "a.conf", "x", 0640).put_in_place();
    CHECK(mode_of(folder / "a.conf") == fs::perms(0640));
    sdk::remove_file(code, folder / "a.conf");
    sdk::remove_file(code, folder / "a.conf");
    CHECK(count(folder.path()) == 0);
}

TEST_CASE("a symbolic link stays one where its real path is written") {
    const holdfast::TempFolder folder;
    std::ofstream(folder / "real.conf") << "before";
    fs::create_symlink("real.conf", folder / "link.conf");
    sdk::StagedFile(code, sdk::real_path(folder / "link.conf"), "after", 0640).put_in_place();
    CHECK(fs::is_symlink(folder / "link.conf"));
    CHECK(sdk::read_file(code, folder / "link.conf") == "after");
    CHECK(sdk::real_path(folder / "none") == folder / "none");
}

TEST_CASE("a full disk is to be tried again, and leaves nothing behind") {
    const sdk::Fd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
    CHECK(sdk::write_all(full.get(), "x") == ENOSPC);
    CHECK(sdk::file_error(code, "write", "/x", ENOSPC).diagnostic().retry == sdk::Retry::after);
    CHECK(sdk::file_error(code, "write", "/x", EACCES).diagnostic().retry == sdk::Retry::never);
}
