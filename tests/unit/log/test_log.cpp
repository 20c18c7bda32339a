#include "log/log.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>

#include <fcntl.h>
#include <unistd.h>

#include "base/json.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "sys/file.hpp"

using namespace holdfast;

namespace {

// What `act` writes to standard error.
std::string captured(const std::function<void()>& act) {
    TempFolder folder;
    std::fflush(stderr);
    const Fd before(dup(STDERR_FILENO));
    {
        const Fd file(open((folder / "stderr").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        dup2(file.get(), STDERR_FILENO);
    }
    act();
    std::fflush(stderr);
    dup2(before.get(), STDERR_FILENO);
    return *read_file(folder / "stderr");
}

} // namespace

TEST_CASE("a line has time, level, message and fields, without secrets") {
    Masker masker;
    masker.add("hunter22");
    Log log(LogLevel::info, LogFormat::text, masker);
    const std::string line = captured([&] {
        log.warning("cannot open {} with hunter22", {{"provider", "edge"}, {"why", "it said \"hunter22\""}});
    });
    CHECK(line.substr(20) == " warning: cannot open {} with ••••••"
                             " provider=edge why=\"it said \\\"••••••\\\"\"\n");
    CHECK(line[10] == 'T');
    CHECK(line[19] == 'Z');
}

TEST_CASE("as JSON a line is one object") {
    Masker masker;
    masker.add("hunter22");
    Log log(LogLevel::debug, LogFormat::json, masker);
    const std::string line = captured([&] { log.debug("two\nlines hunter22", {{"k", "v\x1b"}}); });
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    const Value value = parse_json(line).value();
    CHECK(value.text_at("message") == "two\nlines ••••••");
    CHECK(value.text_at("level") == "debug");
    CHECK(value.text_at("k") == "v\x1b");
}

TEST_CASE("levels below the chosen one write nothing") {
    Masker masker;
    CHECK(captured([&] { Log(LogLevel::warning, LogFormat::text, masker).info("x"); }).empty());
    CHECK(captured([&] { Log(LogLevel::off, LogFormat::text, masker).error("x"); }).empty());
    CHECK_FALSE(captured([&] { Log(LogLevel::warning, LogFormat::text, masker).error("x"); }).empty());
}

TEST_CASE("a message cannot forge a second line or steer the terminal") {
    Masker masker;
    Log log(LogLevel::info, LogFormat::text, masker);
    const std::string line = captured([&] { log.info("a\nb\x1b[2J", {{"k", "c\nd"}}); });
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    CHECK(line.find('\x1b') == std::string::npos);
}
