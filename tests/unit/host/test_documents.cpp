#include "base/json.hpp"
#include "model/kind.hpp"

#include "sandbox.hpp"

using namespace holdfast::testing;

TEST_CASE("the description names three kinds that are found by their path, directories first") {
    RawPlugin plugin(HOST_PLUGIN);
    const Json description = plugin.describe();
    CHECK(description.at("groups") == Json{"host.holdfast.dev"});
    CHECK(description.at("cas") == "recheck");
    for (const Json& kind : description.at("kinds")) {
        CHECK(kind.at("identity") == Json{"/spec/path"});
        CHECK(kind.at("rank") == (kind.at("kind") == "Directory" ? 0 : 1));
        CHECK(kind.at("schema").at("properties").at("spec").at("additionalProperties") == false);
    }
    for (const Json& id : description.at("extensions"))
        CHECK(plugin.table->extension(id.get<std::string>().c_str()) != nullptr);
}

TEST_CASE("the engine understands the description") {
    RawPlugin plugin(HOST_PLUGIN);
    const auto description = holdfast::parse_description(*holdfast::parse_json(plugin.describe().dump()));
    REQUIRE(description);
    REQUIRE(description->find("host.holdfast.dev/v1alpha1", "File"));
    CHECK(description->find("host.holdfast.dev/v1alpha1", "File")->files ==
          std::vector<std::string>{"/spec/source"});
    CHECK(description->has("holdfast.watch/1"));
}

TEST_CASE("open wants an absolute root that is a directory") {
    Sandbox box;
    box.write("file", "");
    auto [root, code] = GENERATE(table<std::string, std::string>({
        {"ROOT/missing", "host.root-missing"},
        {"ROOT/file", "host.root-not-directory"},
        {"relative", "host.config"},
        {"", "host.config"},
    }));
    const std::string path = root.rfind("ROOT", 0) == 0 ? box.root.string() + root.substr(4) : root;
    auto results = box.plugin.open(Json{{"root", path}}.dump());
    CHECK(box.plugin.status == HOLDFAST_FAILED);
    CHECK(results.at(0).code() == code);
    CHECK_FALSE(results.at(0).message().empty());
}

TEST_CASE("the target is the same for the same directory and another for another") {
    Sandbox box, other;
    const std::string target = box.open().at(0).detail.at("target");
    CHECK_THAT(target, StartsWith("host:"));
    CHECK(box.open().at(0).detail.at("target") == target);
    CHECK(other.open().at(0).detail.at("target") != target);
}

TEST_CASE("a root that was replaced behind our back is not touched") {
    Sandbox box;
    fs::rename(box.root, box.base / "moved");
    fs::create_directory(box.root);
    auto results = box.plugin.call(
        box.plugin.table->apply, {Sandbox::item(HOLDFAST_CREATE, "File", {{"path", "a"}, {"content", "x"}})});
    CHECK(box.plugin.status == HOLDFAST_FAILED);
    CHECK(results.at(0).code() == "host.root-moved");
    CHECK(box.names().empty());
    CHECK(fs::is_empty(box.base / "moved"));
}

TEST_CASE("validate finds what the schema cannot say") {
    Sandbox box;
    auto [kind, spec, code] = GENERATE(table<std::string, std::string, std::string>({
        {"File", R"({"path":"/etc/motd"})", "host.path"},
        {"File", R"({"path":""})", "host.path"},
        {"File", R"({"path":"."})", "host.path"},
        {"File", R"({"path":"a/../b"})", "host.path"},
        {"File", R"({"path":".."})", "host.path"},
        {"File", R"({"path":"a//b"})", "host.path"},
        {"Directory", R"({"path":"a/"})", "host.path"},
        {"File", R"({"path":"a\u0000b"})", "host.path"},
        {"File", R"({"path":".holdfast-0123456789abcdef.tmp"})", "host.path"},
        {"File", R"({"path":"a","mode":"0999"})", "host.mode"},
        {"File", R"({"path":"a","mode":"77777"})", "host.mode"},
        {"File", R"({"path":"a","mode":420})", "host.mode"},
        {"File", R"({"path":"a","content":"x","source":"y"})", "host.content-and-source"},
        {"Symlink", R"({"path":"a","target":""})", "host.target"},
        {"Symlink", R"({"path":"a"})", "host.target"},
        {"File", R"({"path":"a","mode":"644","content":"x"})", ""},
        {"File", R"({"path":"..a/b..","source":"y"})", ""},
        {"Symlink", R"({"path":"a","target":"/outside/is/fine"})", ""},
    }));
    const auto results =
        box.plugin.call(box.plugin.table->validate, {Sandbox::item(HOLDFAST_NONE, kind, Json::parse(spec))});
    CHECK(results.at(0).code() == code);
    CHECK(results.at(0).outcome == (code.empty() ? HOLDFAST_DONE : HOLDFAST_ITEM_FAILED));
}

TEST_CASE("the canonical form is the one that would be observed") {
    Sandbox box;
    CHECK(box.canonical("File",
                        {{"path", "a"}, {"mode", "644"}, {"owner", "0"}, {"group", "0"}, {"content", "x"}}) ==
          Json{{"path", "a"}, {"mode", "0644"}, {"owner", "root"}, {"group", "root"}, {"content", "x"}});
    CHECK(
        box.canonical("File", {{"path", "a"}, {"owner", "nobody-has-this-name"}, {"group", "4012345678"}}) ==
        Json{{"path", "a"}, {"owner", "nobody-has-this-name"}, {"group", "4012345678"}});
    CHECK(box.canonical("Directory", {{"path", "d"}, {"mode", "02755"}}) ==
          Json{{"path", "d"}, {"mode", "2755"}});

    const std::string text = "from a file\n", binary("\0\xFF", 2), large(65537, 'x');
    for (const std::string& bytes : {text, binary, large}) box.plugin.host.blobs[sha256(bytes)] = bytes;
    const auto source = [](const std::string& bytes) {
        return Json{{"sha256", sha256(bytes)}, {"size", bytes.size()}};
    };
    CHECK(box.canonical("File", {{"path", "a"}, {"source", source(text)}}) ==
          Json{{"path", "a"}, {"content", text}});
    for (const std::string& bytes : {binary, large})
        CHECK(box.canonical("File", {{"path", "a"}, {"source", source(bytes)}}) ==
              Json{{"path", "a"}, {"source", source(bytes)}});
    // Inline text that is too long to be compared inline goes to the blob store.
    const Json stored = box.canonical("File", {{"path", "a"}, {"content", large}});
    CHECK(box.plugin.host.blobs.at(stored.at("source").at("sha256")) == large);
}

TEST_CASE("what was applied in canonical form is observed as that form") {
    Sandbox box;
    auto [kind, spec] = GENERATE(table<std::string, std::string>({
        {"File", R"({"path":"a","mode":"0640","content":"h\u00e9llo \"w\"\\\n\u0001\u007f"})"},
        {"File", R"({"path":"a","content":""})"},
        {"File", R"({"path":"a b\nc\td","owner":"root","group":"root","content":"x"})"},
        {"Directory", R"({"path":"d","mode":"1777"})"},
        {"Symlink", R"({"path":"s","target":"../no where"})"},
    }));
    const Json canonical = box.canonical(kind, Json::parse(spec));
    const RawResult applied = box.create(kind, canonical);
    REQUIRE(applied.outcome == HOLDFAST_DONE);
    const RawResult observed = box.observe(kind, canonical.at("path"));
    CHECK(observed.document == applied.document);
    CHECK(observed.document ==
          Json::parse(observed.document).dump()); // canonical JSON: keys sorted, no blanks
    for (const auto& [key, value] : canonical.items()) CHECK(observed.spec().at(key) == value);
    CHECK(box.update(kind, canonical).outcome == HOLDFAST_UNCHANGED);
}
