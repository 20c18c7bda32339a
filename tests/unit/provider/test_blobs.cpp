#include "fixture.hpp"

#include "provider/services.hpp"

using namespace holdfast;
namespace fs = std::filesystem;

namespace {

std::string probe(Provider& provider, const std::string& question) {
    const std::vector<std::string> names{"\"" + question + "\""};
    const auto items = items_named(names, "probe.holdfast.dev/v1/Question");
    Answers answers = ask(provider, Call{.items = items});
    REQUIRE(answers.end.ok);
    const std::string& document = answers[0].document;
    return document.substr(11, document.size() - 13); // of {"answer":"..."}
}

} // namespace

TEST_CASE("a plugin keeps blobs under their hash and reads them again, in both hosts") {
    TempFolder folder;
    HostOptions options = test_options();
    options.blob_directory = folder.path;
    PluginHost host(options);
    auto provider = must_open(host, {"p", "probe", "{}", GENERATE(Isolation::in_process, Isolation::worker)});
    const std::string hash = to_hex(sha256("held fast"));
    CHECK(probe(*provider, "put held fast") == hash);
    CHECK(probe(*provider, "put held fast") == hash);
    CHECK(probe(*provider, "get " + hash) == "held fast");
    REQUIRE(std::distance(fs::directory_iterator(folder.path), {}) == 1);
    CHECK(fs::directory_iterator(folder.path)->path().filename() == hash);
}

TEST_CASE("a blob's name leads nowhere else") {
    TempFolder folder;
    HostOptions options = test_options();
    options.blob_directory = folder.path + "/blobs";
    fs::create_directory(options.blob_directory);
    std::ofstream(folder.path + "/secret") << "secret";
    fs::create_symlink(folder.path + "/secret", options.blob_directory + "/" + std::string(64, 'a'));
    PluginHost host(options);
    auto provider = must_open(host, {"p", "probe", "{}", Isolation::in_process});
    CHECK(probe(*provider, "get ../secret") == "none");
    CHECK(probe(*provider, "get " + std::string(64, 'a')) == "none");
    CHECK(probe(*provider, "get " + std::string(64, 'A')) == "none");
    CHECK(probe(*provider, "get " + to_hex(sha256("not there"))) == "none");
}

TEST_CASE("without a blob folder there are no blobs") {
    PluginHost host(test_options());
    auto provider = must_open(host, {"p", "probe", "{}", GENERATE(Isolation::in_process, Isolation::worker)});
    CHECK(probe(*provider, "put x").empty());
}
