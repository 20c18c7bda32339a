#include "secrets/secrets.hpp"

#include <cstdlib>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;

namespace {

struct World {
    TempFolder folder;
    OperatorConfig config;
    Masker masker;
    Secrets secrets{config, masker};

    World() { config.path = "/etc/holdfast/config.yaml"; }
    std::string put(const std::string& name, const std::string& content, mode_t mode = 0600) {
        std::ofstream(folder / name) << content;
        chmod((folder / name).c_str(), mode);
        return folder / name;
    }
    SecretSource& declare(const std::string& name) {
        config.secrets.push_back({.name = name});
        return config.secrets.back();
    }
    Diagnostic refusal(const std::string& name, const std::vector<std::string>& path,
                       std::string_view user = "stack:web") {
        const Result<Value> value = secrets.value(name, path, user);
        if (value) FAIL("the secret was given");
        return value.error();
    }
};

} // namespace

TEST_CASE("a file of keys gives each of them, and masks all of them") {
    World world;
    world.declare("db").file =
        world.put("db", "user: holdfast\npassword: \"hunter22\"\nport: 54321\ntls: {key: topsecret}\n");
    CHECK(world.secrets.value("db", {"password"}, "stack:web").value() == Value("hunter22"));
    CHECK(world.secrets.value("db", {"port"}, "stack:web").value() == Value(54321));
    CHECK(world.secrets.value("db", {"tls", "key"}, "stack:web").value() == Value("topsecret"));
    for (const char* secret : {"hunter22", "54321", "topsecret", "holdfast"})
        CHECK(world.masker.holds_secret(secret));
}

TEST_CASE("a file that is the value loses the one newline that an editor adds") {
    World world;
    auto [content, value] = GENERATE(table<std::string, std::string>({{"token-1", "token-1"},
                                                                      {"token-1\n", "token-1"},
                                                                      {"token-1\r\n", "token-1"},
                                                                      {"token-1\n\n", "token-1\n"},
                                                                      {"to: ken\n", "to: ken"},
                                                                      {"", ""}}));
    world.declare("api").files = {{"token", world.put("token", content)}};
    CHECK(world.secrets.value("api", {"token"}, "stack:web").value() == Value(value));
    if (!value.empty()) CHECK(world.masker.holds_secret("x" + value + "x"));
}

TEST_CASE("a variable of the environment gives its value") {
    World world;
    world.declare("api").env = {{"token", "HOLDFAST_TEST_SECRET"}};
    unsetenv("HOLDFAST_TEST_SECRET");
    CHECK(world.refusal("api", {"token"}).code == "secret.no-variable");
    setenv("HOLDFAST_TEST_SECRET", "hunter22", 1);
    CHECK(world.secrets.value("api", {"token"}, "stack:web").value() == Value("hunter22"));
    CHECK(world.masker.holds_secret("hunter22"));
    unsetenv("HOLDFAST_TEST_SECRET");
    CHECK(world.secrets.value("api", {"token"}, "stack:web")); // read once a pass
}

TEST_CASE("a secret is read once a pass") {
    World world;
    world.declare("db").file = world.put("db", "password: \"first-one\"\n");
    world.config.secrets.back().files = {{"token", world.put("token", "first-token")}};
    REQUIRE(world.secrets.value("db", {"password"}, "stack:web"));
    REQUIRE(world.secrets.value("db", {"token"}, "stack:web"));
    world.put("db", "password: \"other\"\n");
    world.put("token", "other");
    CHECK(world.secrets.value("db", {"password"}, "stack:web").value() == Value("first-one"));
    CHECK(world.secrets.value("db", {"token"}, "stack:web").value() == Value("first-token"));
}

TEST_CASE("a file that others can read or write is refused before it is read") {
    World world;
    const mode_t mode = GENERATE(mode_t{0640}, mode_t{0604}, mode_t{0620}, mode_t{0602}, mode_t{0666});
    const bool is_single = GENERATE(true, false);
    const std::string path = world.put("db", "password: hunter22\n", mode);
    SecretSource& source = world.declare("db");
    if (is_single)
        source.files = {{"password", path}};
    else
        source.file = path;
    const Diagnostic why = world.refusal("db", {"password"});
    CHECK(why.code == "secret.unsafe-file");
    CHECK(why.hint == "chmod 600 " + path);
    CHECK_THAT(why.message, ContainsSubstring(path));
    chmod(path.c_str(), 0400);
    CHECK(world.secrets.value("db", {"password"}, "stack:web"));
}

TEST_CASE("a file of another user is refused") {
    World world;
    const std::string path = world.put("db", "password: hunter22\n");
    world.declare("db").file = path;
    if (geteuid() != 0) {
        WARN("only root can give a file away: not tested");
        return;
    }
    REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
    CHECK(world.refusal("db", {"password"}).code == "secret.unsafe-file");
}

TEST_CASE("a file that cannot be read says so without what is in it") {
    World world;
    auto [content, message] = GENERATE(table<std::string, std::string>({
        {"password: hunter22\npassword: hunter33\n", "cannot be read as YAML"},
        {"password: {hunter22\n", "cannot be read as YAML"},
        {"password: 0755\npin: hunter22\n", "cannot be read as YAML"},
        {"hunter22\n", "is not a map of keys"},
        {"- hunter22\n", "is not a map of keys"},
        {"", "is not a map of keys"},
        {"password: \xff hunter22\n", "is not UTF-8"},
    }));
    CAPTURE(content);
    world.declare("db").file = world.put("db", content);
    const Diagnostic why = world.refusal("db", {"password"});
    CHECK(why.code == "secret.unreadable");
    CHECK_THAT(why.message, ContainsSubstring(message));
    const std::string shown = render(why);
    for (const char* leak : {"hunter", "0755"}) CHECK(shown.find(leak) == std::string::npos);
}

TEST_CASE("a missing file is named") {
    World world;
    world.declare("db").file = world.folder / "gone";
    const Diagnostic why = world.refusal("db", {"password"});
    CHECK(why.code == "secret.unreadable");
    CHECK_THAT(why.message, ContainsSubstring(world.folder / "gone" + ": No such file"));
}

TEST_CASE("only who is allowed gets a secret") {
    World world;
    SecretSource& source = world.declare("db");
    source.file = world.put("db", "password: hunter22\n");
    source.stacks = {"web-*", "dns"};
    source.providers = {"edge"};
    auto [user, allowed] = GENERATE(table<std::string, bool>({{"stack:web-1", true},
                                                              {"stack:dns", true},
                                                              {"stack:web", false},
                                                              {"stack:edge", false},
                                                              {"provider:edge", true},
                                                              {"provider:dns", false}}));
    CAPTURE(user);
    CHECK(world.secrets.value("db", {"password"}, user).ok() == allowed);
    if (allowed) return;
    const Diagnostic why = world.refusal("db", {"password"}, user);
    CHECK(why.code == "secret.not-allowed");
    CHECK_THAT(why.message, ContainsSubstring(user));
    CHECK_FALSE(world.masker.holds_secret("hunter22")); // it was not even read
}

TEST_CASE("a typo in a secret's name or key is answered with what was meant") {
    World world;
    SecretSource& source = world.declare("database");
    source.file = world.put("db", "password: hunter22\n");
    source.env = {{"token", "HOLDFAST_TEST_SECRET"}};
    const Diagnostic name = world.refusal("databose", {"password"});
    CHECK(name.code == "secret.unknown");
    CHECK_THAT(name.hint, ContainsSubstring("did you mean \"database\"?"));
    CHECK_THAT(name.hint, ContainsSubstring("/etc/holdfast/config.yaml"));
    const Diagnostic key = world.refusal("database", {"pasword"});
    CHECK(key.code == "secret.no-key");
    CHECK_THAT(key.hint, ContainsSubstring("\"password\""));
    CHECK_THAT(world.refusal("database", {"tokem"}).hint, ContainsSubstring("\"token\""));
    CHECK(world.refusal("database", {}).code == "secret.no-key");
    CHECK(world.refusal("database", {"password", "more"}).code == "secret.no-key");
    // Names that the asker may not have are not told.
    world.config.secrets.back().stacks = {"other"};
    CHECK(world.refusal("databose", {"password"}).hint.find("database\"") == std::string::npos);
}
