// kubeconfigs and credentials.

#include <cstdlib>
#include <fstream>

#include <sys/stat.h>

#include "kubernetes/credentials.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::kubernetes;

namespace {

std::string write(const TempFolder& folder, const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return folder / name;
}

constexpr const char* first = R"(
apiVersion: v1
kind: Config
current-context: a
clusters:
- name: one
  cluster: {server: "https://one.example.org/", certificate-authority: ca.crt, tls-server-name: one}
contexts:
- {name: a, context: {cluster: one, user: ana, namespace: shop}}
)";
constexpr const char* second = R"({"current-context": "b",
 "clusters": [{"name": "one", "cluster": {"server": "https://other.example.org"}}],
 "users": [{"name": "ana", "user": {"tokenFile": "token", "as": "robot", "as-groups": ["g1", "g2"]}},
           {"name": "ben", "user": {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"}}],
 "contexts": [{"name": "b", "context": {"cluster": "one", "user": "ben"}}]})";

std::string code_of(const std::vector<std::string>& paths, const std::string& context) {
    try {
        read_kubeconfig(paths, context);
        return "none";
    } catch (const sdk::Error& error) {
        return error.diagnostic().code + ": " + error.what();
    }
}

} // namespace

TEST_CASE(
    "of several kubeconfigs the first that says something counts, and paths are relative to their file") {
    const TempFolder folder;
    const std::vector<std::string> paths{write(folder, "one", first), folder / "missing",
                                         write(folder, "two", second)};
    const Access a = read_kubeconfig(paths, "");
    CHECK(a.server == "https://one.example.org/");
    CHECK(a.ca_file == folder / "ca.crt");
    CHECK(a.server_name == "one");
    CHECK(a.name_space == "shop");
    CHECK(a.token_file == folder / "token");
    CHECK(a.impersonated_user == "robot");
    CHECK(a.impersonated_groups == std::vector<std::string>{"g1", "g2"});
    const Access b = read_kubeconfig(paths, "b");
    CHECK(b.server == "https://one.example.org/");
    CHECK(b.certificate == "cert");
    CHECK(b.key == "key");
}

TEST_CASE("a kubeconfig that does not fit says what it has") {
    const TempFolder folder;
    const std::string one = write(folder, "one", first), two = write(folder, "two", second);
    CHECK_THAT(code_of({one, two}, "c"), ContainsSubstring("no context \"c\""));
    CHECK_THAT(code_of({one}, ""), ContainsSubstring("no user \"ana\""));
    CHECK_THAT(code_of({folder / "nothing"}, ""), StartsWith("kubernetes.config"));
    CHECK_THAT(code_of({write(folder, "bad", "a: [")}, ""), ContainsSubstring("is no kubeconfig"));
}

TEST_CASE("a token file is read anew once the server no longer takes what stood there") {
    const TempFolder folder;
    Access access;
    access.token_file = write(folder, "token", "first\n");
    access.impersonated_user = "robot";
    Credentials credentials(access);
    CHECK(credentials.now(false).headers ==
          std::vector<std::string>{"Authorization: Bearer first", "Impersonate-User: robot"});
    write(folder, "token", "second");
    CHECK(credentials.now(false).headers.front() == "Authorization: Bearer first");
    CHECK(credentials.now(true).headers.front() == "Authorization: Bearer second");
}

TEST_CASE("an exec plugin is asked again once its token has ended") {
    const TempFolder folder;
    const std::string count = folder / "count";
    const std::string end = GENERATE("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    Access access;
    access.exec.command = write(
        folder, "program",
        "#!/bin/sh\necho x >> " + count +
            "\necho '{\"status\": {\"token\": \"'$NAME'\", \"expirationTimestamp\": \"" + end + "\"}}'\n");
    access.exec.environment = {{"NAME", "from-exec"}};
    chmod(access.exec.command.c_str(), 0755);
    setenv("HOLDFAST_KUBERNETES_EXEC", ("/bin/other:" + access.exec.command).c_str(), 1);
    Credentials credentials(access);
    credentials.now(false);
    CHECK(credentials.now(false).headers.front() == "Authorization: Bearer from-exec");
    std::ifstream file(count);
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    CHECK(all == (end < "2050" ? "x\nx\n" : "x\n"));
    setenv("HOLDFAST_KUBERNETES_EXEC", "/bin/other", 1);
    CHECK_THROWS_AS(credentials.now(true), sdk::Error);
    unsetenv("HOLDFAST_KUBERNETES_EXEC");
}

TEST_CASE("base64 goes there and back") {
    const std::string bytes =
        GENERATE(as<std::string>(), "", "a", "ab", "abc", "abcd", std::string("\0\xff\x80", 3));
    CHECK(decode_base64(encode_base64(bytes)) == bytes);
    bool is_fine = true;
    decode_base64("not base64!", &is_fine);
    CHECK_FALSE(is_fine);
    CHECK(encode_base64("correct-horse") == "Y29ycmVjdC1ob3JzZQ==");
}
