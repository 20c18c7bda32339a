// Ways into a cluster, each against a real API server: accounts, impersonation, names, proxies.

#include <cstdlib>
#include <filesystem>

#include <sched.h>
#include <sys/mount.h>

#include "server.hpp"
#include "support/catch.hpp"
#include "support/connect_proxy.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;

#define NEEDS_SERVER                                                                                         \
    if (const auto why = server_obstacle()) return skip(*why)

namespace {

const Ask kube_system{.kind = "v1/Namespace", .identity = R"("kube-system")"};

std::string target() {
    return "kubernetes:" + live("/api/v1/namespaces/kube-system")["metadata"]["uid"].get<std::string>();
}

// What stood in the way, or "none".
std::string obstacle(const Json& config) {
    try {
        PluginDriver driver("kubernetes", config.dump(), Isolation::worker);
        return driver.provider().target() == target() ? "none" : "another cluster";
    } catch (const std::exception& error) {
        return error.what();
    }
}

// A kubeconfig whose cluster and user have these members too.
std::string write_kubeconfig(const TempFolder& folder, const Json& cluster, const Json& user) {
    Json reached{{"server", server_url()}, {"certificate-authority", server_folder() + "/ca.crt"}};
    reached.update(cluster);
    const Json config{{"current-context", "it"},
                      {"contexts", {{{"name", "it"}, {"context", {{"cluster", "it"}, {"user", "it"}}}}}},
                      {"clusters", {{{"name", "it"}, {"cluster", reached}}}},
                      {"users", {{{"name", "it"}, {"user", user}}}}};
    write_file(folder / "kubeconfig", config.dump());
    return folder / "kubeconfig";
}

// A service account that may do everything, as long as it is there.
class Account {
public:
    Account(const Space& space, const std::string& name)
        : path_("/api/v1/namespaces/" + space.name() + "/serviceaccounts"),
          name_(name),
          binding_(space.name() + "-" + name) {
        ask_server("POST", path_,
                   {{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", {{"name", name}}}});
        ask_server(
            "POST", bindings,
            {{"apiVersion", "rbac.authorization.k8s.io/v1"},
             {"kind", "ClusterRoleBinding"},
             {"metadata", {{"name", binding_}}},
             {"roleRef", {{"kind", "ClusterRole"}, {"name", "cluster-admin"}}},
             {"subjects", {{{"kind", "ServiceAccount"}, {"name", name}, {"namespace", space.name()}}}}});
    }
    ~Account() {
        remove();
        ask_server("DELETE", bindings + "/" + binding_);
    }
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;

    // With it go its tokens.
    void remove() { ask_server("DELETE", path_ + "/" + name_); }
    std::string token() const {
        const Http answer = ask_server("POST", path_ + "/" + name_ + "/token",
                                       {{"apiVersion", "authentication.k8s.io/v1"},
                                        {"kind", "TokenRequest"},
                                        {"spec", {{"expirationSeconds", 3600}}}});
        if (answer.status != 201) throw std::runtime_error("no token: " + answer.text);
        return answer.body()["status"]["token"];
    }

private:
    const std::string bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    std::string path_, name_, binding_;
};

// /run as a pod has it, for this process and those that it starts from now on.
std::string pod_folder() {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("pod", "/run", "tmpfs", 0, nullptr) != 0)
        throw std::runtime_error("no mount namespace can be made here");
    const std::string folder = "/run/secrets/kubernetes.io/serviceaccount";
    std::filesystem::create_directories(folder);
    return folder;
}

} // namespace

TEST_CASE("a user that is acted as may do what that user may") {
    NEEDS_SERVER;
    const TempFolder folder;
    const auto told = [&](Json user, const Json& config = Json::object()) -> std::string {
        user["token"] = "test-admin";
        Json all{{"kubeconfig", write_kubeconfig(folder, Json::object(), user)}};
        all.update(config);
        PluginDriver driver("kubernetes", all.dump(), Isolation::worker);
        const Answer answer = driver.ask(Method::observe, "", {kube_system})[0];
        return answer.outcome == Outcome::done ? "done" : answer.diagnostics.list().front().message;
    };
    CHECK_THAT(told({{"as", "somebody"}}), ContainsSubstring("User \"somebody\" cannot"));
    CHECK(told({{"as", "somebody"}, {"as-groups", {"system:masters"}}}) == "done");
    CHECK_THAT(told(Json::object(), {{"impersonate", "robot"}}), ContainsSubstring("User \"robot\" cannot"));
}

TEST_CASE(
    "the server is known by the name in its certificate, and reached through a proxy where one is named") {
    NEEDS_SERVER;
    const TempFolder folder;
    const auto reached = [&](const Json& cluster) {
        return obstacle({{"kubeconfig", write_kubeconfig(folder, cluster, {{"token", "test-admin"}})}});
    };
    CHECK(reached({{"tls-server-name", "kubernetes.test"}}) == "none");
    CHECK_THAT(reached({{"tls-server-name", "other.test"}}), ContainsSubstring("certificate"));
    const ConnectProxy proxy;
    CHECK(reached({{"proxy-url", proxy.url()}}) == "none");
    REQUIRE_FALSE(proxy.requests().empty());
    CHECK_THAT(proxy.requests().front(),
               StartsWith("CONNECT " + server_url().substr(std::string("https://").size())));
    const ConnectProxy refusing(ConnectProxy::Manner::refuses);
    CHECK_THAT(reached({{"proxy-url", refusing.url()}}),
               ContainsSubstring("CONNECT tunnel failed, response 403 (through the proxy " + refusing.url()));
}

TEST_CASE("of several kubeconfigs one names the cluster and another the user") {
    NEEDS_SERVER;
    const TempFolder one, two;
    Json clusters = Json::parse(read_file(write_kubeconfig(one, Json::object(), nullptr)));
    clusters.erase("users");
    write_file(one / "kubeconfig", clusters.dump());
    write_file(two / "kubeconfig",
               Json{{"users", {{{"name", "it"}, {"user", {{"token", "test-admin"}}}}}}}.dump());
    setenv("KUBECONFIG", (one / "kubeconfig" + ":" + two / "kubeconfig").c_str(), 1);
    CHECK(obstacle(Json::object()) == "none");
    setenv("KUBECONFIG", (one / "kubeconfig").c_str(), 1);
    CHECK_THAT(obstacle(Json::object()), ContainsSubstring("no user \"it\""));
    unsetenv("KUBECONFIG");
}

TEST_CASE("a token file is read anew when its token has ended, without a pause") {
    NEEDS_SERVER;
    const TempFolder folder;
    const Space space;
    Account first(space, "first");
    const Account second(space, "second");
    write_file(folder / "token", first.token());
    const std::string kubeconfig =
        write_kubeconfig(folder, Json::object(), {{"tokenFile", folder / "token"}});
    PluginDriver driver("kubernetes", Json{{"kubeconfig", kubeconfig}}.dump(), Isolation::worker);
    CHECK(driver.ask(Method::observe, "", {kube_system}).summary() == "done");
    write_file(folder / "token", second.token());
    first.remove();
    CHECK(driver.ask(Method::observe, "", {kube_system}).summary() == "done");
}

// Last: it changes what this process sees below /run.
TEST_CASE("in a pod, its service account is who asks") {
    NEEDS_SERVER;
    const Space space;
    Account first(space, "first");
    const Account second(space, "second");
    const std::string url = server_url();
    setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", url.substr(url.rfind(':') + 1).c_str(), 1);
    const std::string ca = read_file(server_folder() + "/ca.crt");
    const std::string folder = pod_folder();
    write_file(folder + "/ca.crt", ca);
    write_file(folder + "/namespace", space.name());
    write_file(folder + "/token", first.token());
    PluginDriver driver("kubernetes", R"({"inCluster": true})", Isolation::worker);
    CHECK(driver.provider().target() == target());
    const Ask map{.kind = "v1/ConfigMap",
                  .identity = R"("web")",
                  .declared = space.config_map("web", {{"a", "1"}}),
                  .action = ItemAction::create};
    CHECK(driver.ask(Method::apply, space.name(), {map}).summary() == "done");
    CHECK(live(space.path("configmaps", "web"))["data"]["a"] == "1");
    write_file(folder + "/token", second.token()); // as the kubelet does, every hour
    first.remove();
    CHECK(driver.ask(Method::observe, space.name(), {map}).summary() == "done");
}
