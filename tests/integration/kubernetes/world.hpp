#pragma once
// A repository whose one stack lies in a cluster, as a person uses it: holdfast plan, apply and their like
// against a real API server.

#include <string>

#include "server.hpp"
#include "support/catch.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

#define NEEDS_SERVER                                                                                         \
    if (const auto why = ::holdfast::test::server_obstacle()) return ::holdfast::test::skip(*why)

namespace holdfast::test {

using ::test::Playground;
using ::test::Ran;

inline bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// Documents of a stack; `@` is as in World::with_space.
inline constexpr const char* web_map = R"(apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: @}
data: {mode: fast, size: "10"}
)";

inline constexpr const char* settings = R"(---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: @}
data: {url: "db"}
)";

// A project with one stack "app", whose manifests lie in app/, in a namespace of its own.
struct World {
    explicit World(const std::string& more_config = {}, bool has_namespace = true) : space(has_namespace) {
        play.write("holdfast.yaml", project("app", more_config));
    }

    static std::string project(const std::string& stack, const std::string& more_config = {}) {
        return "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: cluster}\n"
               "spec: {plugin: kubernetes, config: {kubeconfig: " +
               kubeconfig_path() + more_config +
               "}}\n---\napiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: " + stack +
               "}\nspec: {path: app, providers: {\"*\": cluster}}\n";
    }
    // `@` stands for the namespace.
    std::string with_space(std::string text) const {
        for (std::size_t at; (at = text.find('@')) != text.npos;) text.replace(at, 1, space.name());
        return text;
    }
    void commit(const std::string& yaml, const std::string& file = "app/all.yaml") {
        play.write(file, with_space(yaml));
        play.commit();
    }
    Ran apply() {
        Ran ran = play.holdfast({"apply", "--yes"});
        INFO(ran.out << ran.err);
        return ran;
    }
    void apply_well() {
        const Ran ran = apply();
        INFO(ran.out << ran.err);
        REQUIRE(ran.exit_code == 0);
    }
    void needs_nothing() {
        const Ran ran = play.holdfast({"plan", "--exit-code"});
        INFO(ran.out << ran.err);
        CHECK(ran.exit_code == 0);
    }
    Json get(const std::string& plural, const std::string& name) { return live(space.path(plural, name)); }
    std::string job_path(const std::string& name) const {
        return "/apis/batch/v1/namespaces/" + space.name() + "/jobs/" + name;
    }
    // As its controller would say it.
    void end_job(const std::string& name, const char* how) const {
        edit(job_path(name) + "/status",
             {{"status", {{"conditions", {{{"type", how}, {"status", "True"}, {"reason", "Played"}}}}}}},
             "kube-controller-manager");
    }
    long long version(const std::string& path) const {
        return std::stoll(live(path)["metadata"]["resourceVersion"].get<std::string>());
    }

    Space space;
    Playground play;
};

} // namespace holdfast::test
