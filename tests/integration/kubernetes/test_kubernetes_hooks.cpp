// Hooks of Argo CD, against a real API server; the tests play the Job controller.

#include <atomic>
#include <functional>
#include <thread>

#include <unistd.h>

#include "fault_proxy.hpp"
#include "world.hpp"

using namespace holdfast::test;

namespace {

// A Job with annotations, whose pods take their variables from the ConfigMap "settings".
std::string job(const std::string& name, const std::string& annotations, const std::string& image = "a:1") {
    return "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: " + name +
           ", namespace: @, annotations: {" + annotations +
           "}}\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n"
           "      containers: [{name: it, image: '" +
           image + "', envFrom: [{configMapRef: {name: settings}}]}]\n";
}

// Ends a Job that was not there before, or another of that name, as soon as it appears; `look` is run before.
class JobEnder {
public:
    JobEnder(
        const World& world, std::string name, const char* how, std::function<void()> look = [] {})
        : before_(uid(world, name)), thread_([&world, name, how, look, this] {
              for (int i = 0; i < 400 && !is_over_; ++i, usleep(50'000)) {
                  const std::string now = uid(world, name);
                  if (now.empty() || now == before_) continue;
                  look();
                  if (!uid(world, name).empty()) world.end_job(name, how);
                  return;
              }
          }) {}
    ~JobEnder() {
        is_over_ = true;
        thread_.join();
    }

private:
    static std::string uid(const World& world, const std::string& name) {
        const Http answer = ask_server("GET", world.job_path(name));
        return answer.status == 200 ? answer.body()["metadata"]["uid"].get<std::string>() : std::string();
    }
    std::string before_;
    std::atomic<bool> is_over_{false};
    std::thread thread_;
};

const std::string pre_sync = "argocd.argoproj.io/hook: PreSync";

} // namespace

TEST_CASE("hooks of Argo CD run before and after the rest, and what cannot run is said") {
    NEEDS_SERVER;
    World world;
    const auto commit = [&](const std::string& image) {
        world.commit(std::string(web_map) + settings + job("migrate", pre_sync, image) +
                     job("smoke", "argocd.argoproj.io/hook: PostSync", image) +
                     job("sorry", "argocd.argoproj.io/hook: SyncFail") +
                     job("never", "argocd.argoproj.io/hook: Skip"));
    };
    commit("a:1");
    const Ran planned = world.play.holdfast({"plan"});
    INFO(planned.out << planned.err);
    CHECK(has(planned.out + planned.err, "kubernetes.hook-left-out"));
    CHECK(has(planned.out, "4 to create"));
    std::atomic<bool> was_alone{false};
    {
        const JobEnder ender(world, "migrate", "Complete", [&] {
            was_alone = ask_server("GET", world.space.path("configmaps", "web")).status == 404 &&
                        ask_server("GET", world.space.path("configmaps", "settings")).status == 200;
        });
        world.apply_well();
    }
    CHECK(was_alone); // with what it needs, and before everything else
    CHECK(world.version(world.space.path("configmaps", "web")) < world.version(world.job_path("smoke")));
    CHECK(live(world.job_path("sorry")).is_null());
    CHECK(live(world.job_path("never")).is_null());
    world.needs_nothing();
    world.end_job("smoke", "Complete");
    world.needs_nothing();

    // Another document is another run: no approval, and no word of immutable fields.
    const std::string uid = live(world.job_path("migrate"))["metadata"]["uid"];
    commit("a:2");
    const Ran again = world.play.holdfast({"plan"});
    INFO(again.out << again.err);
    CHECK(has(again.out, "a:1 -> a:2"));
    {
        const JobEnder ender(world, "migrate", "Complete");
        world.apply_well();
    }
    const Json migrated = live(world.job_path("migrate"));
    CHECK(migrated["metadata"]["uid"] != uid);
    CHECK(migrated["spec"]["template"]["spec"]["containers"][0]["image"] == "a:2");
    world.needs_nothing();
}

TEST_CASE("a hook that fails holds back what comes after it, and runs anew in the next pass") {
    NEEDS_SERVER;
    World world;
    world.commit(std::string(web_map) + settings + job("migrate", pre_sync));
    {
        const JobEnder ender(world, "migrate", "Failed");
        const Ran failed = world.apply();
        INFO(failed.out << failed.err);
        CHECK(failed.exit_code == 1);
    }
    CHECK(world.get("configmaps", "web").is_null());
    const Ran planned = world.play.holdfast({"plan"});
    INFO(planned.out << planned.err);
    CHECK(has(planned.out, "it failed, and runs anew"));
    const std::string uid = live(world.job_path("migrate"))["metadata"]["uid"];
    {
        const JobEnder ender(world, "migrate", "Complete");
        world.apply_well();
    }
    CHECK(live(world.job_path("migrate"))["metadata"]["uid"] != uid);
    CHECK_FALSE(world.get("configmaps", "web").is_null());
    world.needs_nothing();
}

namespace {

std::string uid_of(const World& world, const std::string& name) {
    return live(world.job_path(name))["metadata"]["uid"].get<std::string>();
}

void remove_job(const World& world, const std::string& name) {
    ask_server("DELETE", world.job_path(name), {{"propagationPolicy", "Background"}});
}

std::string web(const std::string& mode) {
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: @}\ndata: {mode: " + mode +
           "}\n";
}

void apply_while_it_ends(World& world, const std::string& name = "migrate", const char* how = "Complete") {
    const JobEnder ender(world, name, how);
    world.apply_well();
}

const std::string goes = pre_sync + ", argocd.argoproj.io/hook-delete-policy: HookSucceeded";

} // namespace

TEST_CASE("a hook runs anew when anything of its stack changes in Git, and not when nothing does") {
    NEEDS_SERVER;
    World world;
    const std::string hook =
        settings + job("migrate", pre_sync + ", argocd.argoproj.io/hook-delete-policy: BeforeHookCreation");
    world.play.write("app/hook.yaml", world.with_space(hook));
    world.commit(web("fast"), "app/web.yaml");
    apply_while_it_ends(world);
    const std::string first = uid_of(world, "migrate");
    world.needs_nothing();
    world.play.write("README.md", "no part of the stack");
    world.play.commit();
    world.needs_nothing();
    edit(world.space.path("configmaps", "web"),
         {{"data", {{"mode", "by hand"}}}}); // drift is no new revision
    world.apply_well();
    CHECK(uid_of(world, "migrate") == first);

    world.commit(web("slow"), "app/web.yaml"); // the file with the hook is not touched
    const Ran planned = world.play.holdfast({"plan"});
    INFO(planned.out << planned.err);
    CHECK(has(planned.out, "runs anew, since something of its stack has changed"));
    CHECK(has(planned.out, "1 to update, 1 to refresh"));
    apply_while_it_ends(world);
    CHECK(uid_of(world, "migrate") != first);
    CHECK(world.version(world.job_path("migrate")) < world.version(world.space.path("configmaps", "web")));
    world.needs_nothing();
    world.play.remove("app/web.yaml"); // a document that goes is a change, too
    world.play.commit();
    const std::string second = uid_of(world, "migrate");
    apply_while_it_ends(world);
    CHECK(uid_of(world, "migrate") != second); // and waits for it
    CHECK(world.get("configmaps", "web").is_null());
    world.needs_nothing();
}

TEST_CASE("a hook that succeeded goes by its policy, stays away, and comes back with the next change") {
    NEEDS_SERVER;
    World world;
    world.commit(web("fast") + settings + job("migrate", goes));
    apply_while_it_ends(world);
    const Ran planned = world.play.holdfast({"plan"});
    INFO(planned.out << planned.err);
    CHECK(has(planned.out, "it has succeeded, and goes by its policy HookSucceeded"));
    CHECK_FALSE(has(planned.out, "Drift"));
    world.apply_well();
    CHECK(live(world.job_path("migrate")).is_null());
    world.needs_nothing();
    world.apply_well();
    CHECK(live(world.job_path("migrate")).is_null());

    world.commit(web("slow") + settings + job("migrate", goes));
    const Ran again = world.play.holdfast({"plan"});
    INFO(again.out << again.err);
    CHECK(has(again.out, "runs anew, since something of its stack has changed"));
    CHECK_FALSE(has(again.out, "deleted outside Git"));
    apply_while_it_ends(world);
    CHECK(world.get("configmaps", "web")["data"]["mode"] == "slow");
    world.apply_well();
    CHECK(live(world.job_path("migrate")).is_null());
    world.commit(web("slow") + settings); // nothing is left to prune
    world.apply_well();
    world.needs_nothing();
}

TEST_CASE("a hook after all others goes by its policy as well") {
    NEEDS_SERVER;
    World world;
    world.commit(settings + job("smoke", "argocd.argoproj.io/hook: PostSync, "
                                         "argocd.argoproj.io/hook-delete-policy: HookSucceeded"));
    world.apply_well();
    world.needs_nothing(); // it still runs, and nobody waits for it
    world.end_job("smoke", "Complete");
    world.apply_well();
    CHECK(live(world.job_path("smoke")).is_null());
    world.needs_nothing();
}

TEST_CASE("a hook that was cleaned up after it succeeded is not run for that") {
    NEEDS_SERVER;
    World world;
    world.commit(web("fast") + settings + job("migrate", pre_sync));
    apply_while_it_ends(world);
    remove_job(world, "migrate"); // or its ttlSecondsAfterFinished
    world.needs_nothing();
    world.apply_well();
    CHECK(live(world.job_path("migrate")).is_null());
}

TEST_CASE("a hook that was deleted before it had succeeded runs anew, and what comes after waits for it") {
    NEEDS_SERVER;
    World world;
    world.commit(web("fast") + settings + job("migrate", goes));
    {
        const JobEnder ender(world, "migrate", "Complete", [&] { remove_job(world, "migrate"); });
        CHECK(world.apply().exit_code == 1);
    }
    CHECK(world.get("configmaps", "web").is_null());
    apply_while_it_ends(world);
    CHECK(world.get("configmaps", "web")["data"]["mode"] == "fast");
}

TEST_CASE("a hook whose start was never answered is not started twice") {
    NEEDS_SERVER;
    World world;
    std::atomic<bool> is_bad{false};
    FaultProxy proxy([&](const std::string& method, const std::string& path) -> std::optional<Canned> {
        const bool is_start = method == "PATCH" && has(path, "/jobs/migrate?") && !has(path, "dryRun");
        if (!is_start || !is_bad.exchange(false)) return std::nullopt;
        return Canned{0, "", ""};
    });
    std::string project = World::project("app");
    const std::string direct = "kubeconfig: " + kubeconfig_path();
    project.replace(project.find(direct), direct.size(),
                    "server: \"" + proxy.url() + "\", token: test-admin");
    world.play.write("holdfast.yaml", project);
    world.commit(web("fast") + settings + job("migrate", pre_sync));
    apply_while_it_ends(world);
    world.commit(web("slow") + settings + job("migrate", pre_sync));
    is_bad = true;
    apply_while_it_ends(world);
    CHECK_FALSE(is_bad);
    std::size_t deletes = 0;
    for (const std::string& request : proxy.requests())
        deletes += request.rfind("DELETE", 0) == 0 && has(request, "/jobs/migrate") ? 1 : 0;
    CHECK(deletes == 1);
    CHECK(world.get("configmaps", "web")["data"]["mode"] == "slow");
    world.needs_nothing();
}
