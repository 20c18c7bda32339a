// Whatever Git holds: a diagnostic with its place and a code, exit 1, nothing touched, all in one run.

#include <fstream>

#include "support/catch.hpp"
#include "support/playground.hpp"

using test::Playground;
using test::Ran;

namespace {

std::string repeat(const std::string& text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

std::string header(const std::string& name) {
    return "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: " + name + "}\n";
}

} // namespace

TEST_CASE("bad input is refused with its place and a code, and nothing is touched") {
    struct Case {
        std::string what, file, text, code, place;
    };
    std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
    for (char c = 'b'; c <= 'k'; ++c)
        bomb += std::string(1, c) + ": &" + c + " [" +
                repeat("*" + std::string(1, static_cast<char>(c - 1)) + ",", 9) + "]\n";
    const Case bad = GENERATE_COPY(values<Case>({
        {"duplicate key", "a.yaml", header("a") + "spec: {path: a}\nspec: {path: b}\n",
         "manifest.duplicate-key", "a.yaml:5:1"},
        {"deep nesting", "a.yaml", "a: " + repeat("[", 10'000) + repeat("]", 10'000) + "\n",
         "manifest.too-deep", "a.yaml:1"},
        {"alias bomb", "a.yaml", bomb, "manifest.too-many-nodes", "a.yaml"},
        {"invalid UTF-8", "a.yaml", header("a") + "spec: {path: \xff}\n", "manifest.encoding", "a.yaml:4"},
        {"tab", "a.yaml", header("a") + "spec:\n\tpath: a\n", "manifest.tab", "a.yaml:5:1"},
        {"unclosed", "a.yaml", "a: [1, 2\n", "manifest.syntax", "a.yaml"},
        {"no kind", "a.yaml", "just: text\n", "manifest.not-a-resource", "a.yaml:1"},
        {"unknown kind", "a.yaml",
         "apiVersion: host.holdfast.dev/v1alpha1\nkind: Fiel\nmetadata: {name: a}\n", "manifest.unknown-kind",
         "a.yaml:2"},
        {"unknown field", "a.yaml", header("a") + "spec: {path: a, contnet: x}\n", "manifest.unknown-key",
         "a.yaml:4:17"},
        {"nobody serves the group", "a.yaml",
         "apiVersion: nobody.example.org/v1\nkind: X\nmetadata: {name: a}\n", "manifest.no-provider",
         "a.yaml:1"},
        {"path that leaves the root", "a.yaml", header("a") + "spec: {path: ../x, content: x}\n", "host.",
         "a.yaml:4"},
        {"ambiguous scalar", "a.yaml", header("a") + "spec: {path: a, mode: 0644}\n",
         "manifest.ambiguous-scalar", "a.yaml:4:23"},
        {"unknown variable", "a.yaml", header("a") + "spec: {path: a, content: \"${{ vars.zone }}\"}\n",
         "reference.unknown-variable", "a.yaml:4"},
    }));
    CAPTURE(bad.what);
    Playground place;
    place.use_host_plugin();
    place.write("web/" + bad.file, bad.text);
    place.commit();
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.out + apply.err, ContainsSubstring(bad.code));
    CHECK_THAT(apply.out + apply.err, ContainsSubstring("web/" + bad.place));
    CHECK(place.target_files().empty());
}

TEST_CASE("all problems are reported in one run") {
    Playground place;
    place.use_host_plugin();
    place.write("web/a.yaml", header("a") + "spec: {path: a, contnet: x}\n");
    place.write("web/b.yaml", header("b") + "spec: {path: b, mode: 0644}\n");
    place.write("web/c.yaml", header("twice") + "spec: {path: c}\n");
    place.write("web/d.yaml", header("twice") + "spec: {path: d}\n");
    place.commit();
    Ran validate = place.holdfast({"validate"});
    CAPTURE(validate.out, validate.err);
    CHECK(validate.exit_code == 1);
    for (const char* found :
         {"web/a.yaml:4", "did you mean \"content\"", "web/b.yaml:4", "web/c.yaml", "web/d.yaml"})
        CHECK_THAT(validate.err, ContainsSubstring(found));
}

TEST_CASE("two documents for one target object are an error that names both") {
    Playground place;
    place.use_host_plugin();
    place.write("web/a.yaml", Playground::file_document("one", "same", "1"));
    place.write("web/b.yaml", Playground::file_document("two", "same", "2"));
    place.commit();
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.out + apply.err, ContainsSubstring("web/a.yaml") && ContainsSubstring("web/b.yaml"));
    CHECK(place.target_files().empty());
}

TEST_CASE("a symlink out of the repository is not followed, and a submodule not entered") {
    Playground place;
    place.use_host_plugin();
    std::ofstream(place.folder() / "outside.yaml") << Playground::file_document("evil", "evil", "x");
    place.write("web/ok.yaml", Playground::file_document("ok", "ok", "ok"));
    std::filesystem::create_symlink("../../outside.yaml", place.repository() / "web/link.yaml");
    place.git(
        {"update-index", "--add", "--cacheinfo", "160000,0123456789012345678901234567890123456789,web/sub"});
    place.git({"add", "-A", "web/ok.yaml", "web/link.yaml", "holdfast.yaml"});
    place.git({"commit", "-q", "-m", "links"});
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.err,
               ContainsSubstring("manifest.symlink-escapes") && ContainsSubstring("manifest.submodule"));
    CHECK(place.read_target("evil") == "<none>");
}

TEST_CASE("circles of references and dependencies are named whole") {
    Playground place;
    place.use_host_plugin();
    SECTION("dependencies") {
        place.write("web/a.yaml", Playground::file_document(
                                      "a", "a", "a", "holdfast.dev/depends-on: host.holdfast.dev/File/b"));
        place.write("web/b.yaml", Playground::file_document(
                                      "b", "b", "b", "holdfast.dev/depends-on: host.holdfast.dev/File/a"));
        place.commit();
        Ran apply = place.holdfast({"apply", "--yes"});
        CAPTURE(apply.out, apply.err);
        CHECK(apply.exit_code == 1);
        CHECK_THAT(apply.out + apply.err, ContainsSubstring("plan.cycle"));
    }
    SECTION("references") {
        place.write("web/a.yaml", Playground::file_document(
                                      "a", "a", "${{ outputs['host.holdfast.dev/File/b'].status.x }}"));
        place.write("web/b.yaml", Playground::file_document(
                                      "b", "b", "${{ outputs['host.holdfast.dev/File/a'].status.x }}"));
        place.commit();
        Ran apply = place.holdfast({"apply", "--yes"});
        CAPTURE(apply.out, apply.err);
        CHECK(apply.exit_code == 1);
        CHECK_THAT(apply.out + apply.err, ContainsSubstring("reference.cycle"));
    }
    CHECK(place.target_files().empty());
}

TEST_CASE("CRLF, a byte order mark and CRLF in content are read as they are meant") {
    Playground place;
    place.use_host_plugin();
    std::string text = Playground::file_document("motd", "motd", "hello");
    std::string crlf = "\xef\xbb\xbf";
    for (char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
    place.write("web/motd.yaml", crlf);
    place.commit();
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 0);
    CHECK(place.read_target("motd") == "hello");
}

TEST_CASE("a file of 100 MB is refused by its size") {
    Playground place;
    place.use_host_plugin();
    place.write("web/huge.yaml", std::string(100'000'000, '#'));
    place.commit();
    Ran apply = place.holdfast({"apply", "--yes"});
    CAPTURE(apply.out, apply.err);
    CHECK(apply.exit_code == 1);
    CHECK_THAT(apply.err, ContainsSubstring("huge.yaml") && ContainsSubstring("too-large"));
}
