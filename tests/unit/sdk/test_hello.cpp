#include "support/catch.hpp"

#include <filesystem>

#include <unistd.h>

#include "support/raw_plugin.hpp"

using holdfast::testing::RawItem;
using holdfast::testing::RawPlugin;
namespace fs = std::filesystem;

TEST_CASE("the hello provider creates, observes, lists, updates and deletes") {
    const fs::path directory = fs::temp_directory_path() / ("holdfast-hello-" + std::to_string(::getpid()));
    fs::remove_all(directory);
    RawPlugin plugin(HELLO_PLUGIN);
    CHECK(plugin.describe().at("groups").at(0) == "hello.example.org");
    CHECK(plugin.open(nlohmann::json{{"directory", directory}}.dump()).at(0).code() == "hello.no-directory");

    fs::create_directory(directory);
    plugin.open(nlohmann::json{{"directory", directory}}.dump());
    REQUIRE(plugin.instance);
    RawItem item;
    item.kind = "hello.example.org/v1/Greeting";
    item.identity = "\"world\"";
    CHECK(plugin.call(plugin.table->observe, {item}).at(0).outcome == HOLDFAST_ABSENT);
    for (const char* greeting : {"hello", "good night"}) {
        item.action = HOLDFAST_CREATE;
        item.declared = nlohmann::json{{"spec", {{"key", "world"}, {"text", greeting}}}}.dump();
        CHECK(plugin.call(plugin.table->apply, {item}).at(0).outcome == HOLDFAST_DONE);
        CHECK(plugin.call(plugin.table->observe, {item}).at(0).spec().at("text") == greeting);
    }
    CHECK(plugin.call(plugin.table->list, {}, "", R"({"kind":"hello.example.org/v1/Greeting"})").size() == 1);
    item.action = HOLDFAST_DELETE;
    item.declared.clear();
    for (int repeat = 0; repeat < 2; ++repeat)
        CHECK(plugin.call(plugin.table->apply, {item}).at(0).outcome == HOLDFAST_DONE);
    CHECK(fs::is_empty(directory));
    fs::remove_all(directory);
}
