#include "fixture.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "provider/elf_symbols.hpp"
#include "sys/file.hpp"

using namespace holdfast;
namespace fs = std::filesystem;

namespace {

struct PluginFolder : TempFolder {
    PluginHost host() { return PluginHost(options()); }
    HostOptions options() {
        HostOptions out = test_options();
        out.search_path = {path};
        return out;
    }
    std::string file(const std::string& name) { return path + "/libholdfast-" + name + ".so"; }
    void copy(const std::string& name, const std::string& as = {}) {
        fs::copy_file(built_plugin(name), file(as.empty() ? name : as));
    }
    void write(const std::string& name, const std::string& content) { std::ofstream(file(name)) << content; }
};

Diagnostic refusal(PluginHost& host, const std::string& plugin) {
    const auto found = host.find(plugin);
    REQUIRE_FALSE(found.ok());
    return found.error();
}

} // namespace

TEST_CASE("a plugin is found with its path and the hash of its bytes") {
    PluginHost host(test_options());
    const auto found = host.find("memory");
    REQUIRE(found.ok());
    CHECK(found->path == built_plugin("memory"));
    CHECK(found->hash == sha256(*read_file(built_plugin("memory"))));
}

TEST_CASE("a missing plugin: the error says where it was looked for, and suggests a near name") {
    PluginHost host(test_options());
    const Diagnostic why = refusal(host, "memroy");
    CHECK(why.code == "plugin.not-found");
    CHECK_THAT(why.message, ContainsSubstring("libholdfast-memroy.so") && ContainsSubstring(built_plugins()));
    CHECK_THAT(why.hint, ContainsSubstring("\"memory\""));
}

TEST_CASE("a plugin's name cannot be a path") {
    PluginHost host(test_options());
    CHECK(refusal(host, "../memory").code == "plugin.not-found");
    CHECK(refusal(host, "").code == "plugin.not-found");
    CHECK(refusal(host, "a/b").code == "plugin.not-found");
}

TEST_CASE("the first folder of the search path wins") {
    PluginFolder folder;
    folder.copy("memory");
    HostOptions options = folder.options();
    options.search_path.push_back(built_plugins());
    CHECK(PluginHost(options).find("memory")->path == folder.file("memory"));
    CHECK(PluginHost(options).find("bad-json")->path == built_plugin("bad-json"));
}

TEST_CASE("what is no plugin is refused by what it is") {
    PluginFolder folder;
    folder.copy("bad-wrong-major");
    folder.copy("bad-no-symbol");
    folder.write("text", "#!/bin/sh\necho hello\n");
    folder.write("empty", "");
    folder.write("half", read_file(built_plugin("memory"))->substr(0, 5000));
    fs::create_directory(folder.file("folder"));
    fs::copy_file("/bin/true", folder.file("program"));
    mkfifo(folder.file("fifo").c_str(), 0600);
    auto host = folder.host();
    const auto [name, code] =
        GENERATE(table<std::string, std::string>({{"bad-wrong-major", "plugin.wrong-major"},
                                                  {"bad-no-symbol", "plugin.no-symbol"},
                                                  {"text", "plugin.unreadable"},
                                                  {"empty", "plugin.unreadable"},
                                                  {"half", "plugin.unreadable"},
                                                  {"folder", "plugin.unreadable"},
                                                  {"fifo", "plugin.unreadable"}}));
    INFO(name);
    const Diagnostic why = refusal(host, name);
    CHECK(why.code == code);
    CHECK_FALSE(why.message.empty());
    CHECK(why.subject == folder.file(name));
    CHECK_FALSE(host.find("program").ok());
}

TEST_CASE("the message about a wrong major version names both versions") {
    PluginHost host(test_options());
    CHECK_THAT(refusal(host, "bad-wrong-major").message,
               ContainsSubstring("version 2") && ContainsSubstring("speaks 1"));
}

TEST_CASE("a plugin that others may write, or whose folder they may write, is refused") {
    PluginFolder folder;
    folder.copy("memory");
    auto host = folder.host();
    REQUIRE(host.find("memory").ok());
    SECTION("group-writable file") { chmod(folder.file("memory").c_str(), 0775); }
    SECTION("world-writable file") { chmod(folder.file("memory").c_str(), 0757); }
    SECTION("group-writable folder") { chmod(folder.path.c_str(), 0770); }
    SECTION("world-writable folder") { chmod(folder.path.c_str(), 0707); }
    SECTION("world-writable sticky folder") { chmod(folder.path.c_str(), 01777); }
    SECTION("a link into a world-writable folder") {
        const std::string open_folder = folder.path + "/open";
        fs::create_directory(open_folder);
        fs::rename(folder.file("memory"), open_folder + "/memory.so");
        fs::create_symlink(open_folder + "/memory.so", folder.file("memory"));
        chmod(open_folder.c_str(), 0777);
    }
    if (geteuid() == 0) {
        SECTION("another user's file") { REQUIRE(chown(folder.file("memory").c_str(), 12345, 0) == 0); }
        SECTION("another user's folder") { REQUIRE(chown(folder.path.c_str(), 12345, 0) == 0); }
    }
    // A fresh host: one that has checked a file does not do so again until the file changes.
    auto fresh = folder.host();
    const Diagnostic why = refusal(fresh, "memory");
    CHECK(why.code == "plugin.unsafe-file");
    CHECK_FALSE(why.hint.empty());
}

TEST_CASE("pins") {
    PluginFolder folder;
    folder.copy("memory");
    HostOptions options = folder.options();
    const Hash right = sha256(*read_file(folder.file("memory")));
    SECTION("demanded and missing") {
        options.demand_pins = true;
        PluginHost host(options);
        const Diagnostic why = refusal(host, "memory");
        CHECK(why.code == "plugin.not-pinned");
        CHECK_THAT(why.hint, ContainsSubstring(to_hex(right)));
    }
    SECTION("demanded and right") {
        options.demand_pins = true;
        options.pinned["memory"] = right;
        CHECK(PluginHost(options).find("memory").ok());
    }
    SECTION("wrong, though not demanded") {
        options.pinned["memory"] = sha256("something else");
        PluginHost host(options);
        CHECK(refusal(host, "memory").code == "plugin.hash-mismatch");
    }
    SECTION("a file that changed after it was found right") {
        options.pinned["memory"] = right;
        PluginHost host(options);
        REQUIRE(host.find("memory").ok());
        std::ofstream(folder.file("memory"), std::ios::app) << "x";
        CHECK(refusal(host, "memory").code == "plugin.hash-mismatch");
    }
}

TEST_CASE("no code of a refused plugin runs, not even its constructors") {
    PluginFolder folder;
    folder.copy("bad-constructor");
    const std::string mark = folder.path + "/mark";
    setenv("HOLDFAST_TEST_MARK", mark.c_str(), 1);
    HostOptions options = folder.options();
    options.demand_pins = true;
    PluginHost refusing(options);
    for (Isolation isolation : {Isolation::in_process, Isolation::worker}) {
        CHECK_FALSE(refusing.describe("bad-constructor", isolation).ok());
        CHECK_FALSE(refusing.open({"p", "bad-constructor", "{}", isolation}).ok());
    }
    CHECK_FALSE(fs::exists(mark));
    // And it would have left its mark.
    options.demand_pins = false;
    CHECK(PluginHost(options).describe("bad-constructor", Isolation::in_process).ok());
    CHECK(fs::exists(mark));
    unsetenv("HOLDFAST_TEST_MARK");
}

TEST_CASE("symbols are found in stripped libraries, which have no static symbol table") {
    PluginFolder folder;
    folder.copy("memory");
    const std::string command = "strip " + folder.file("memory");
    if (std::system(command.c_str()) != 0) {
        WARN("skipped: there is no strip");
        return;
    }
    CHECK(folder.host().find("memory").ok());
}

TEST_CASE("a damaged ELF file is refused, wherever the damage is") {
    std::string image = *read_file(built_plugin("bad-json"));
    // Every byte of the file header in turn, then every 97th byte of the section headers at the end.
    std::size_t refused = 0, accepted = 0;
    const auto probe = [&](std::size_t at) {
        const char was = image[at];
        image[at] = static_cast<char>(was ^ 0x5A);
        exported_symbols(image).ok() ? ++accepted : ++refused;
        image[at] = was;
    };
    for (std::size_t at = 0; at < 64; ++at) probe(at);
    for (std::size_t at = image.size() - 2000; at < image.size(); ++at) probe(at);
    CHECK(refused > 20);
    CHECK(accepted > 20); // most bytes do not matter to us
    for (std::size_t size = 0; size < image.size(); size += 997)
        CHECK_FALSE(exported_symbols(image.substr(0, size)).ok());
}

TEST_CASE("all plugins of the search path are listed, the refused ones left out") {
    PluginFolder folder;
    folder.copy("memory");
    folder.copy("bad-json");
    folder.copy("bad-no-symbol");
    const auto files = folder.host().find_all();
    REQUIRE(files.size() == 2);
    CHECK(files[0].plugin == "bad-json");
    CHECK(files[1].plugin == "memory");
}
