// BIRD 2 and FRR as they are packaged: their configuration is checked, loaded, verified, and taken back.

#include <filesystem>
#include <thread>

#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "net.hpp"
#include "support/catch.hpp"
#include "support/plugin_driver.hpp"
#include "support/skip.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::chrono_literals;
using Json = nlohmann::json;

namespace {

Ask config_ask(const std::string& kind, const Json& spec, ItemAction action = ItemAction::update) {
    const Json document{{"apiVersion", "routing.holdfast.dev/v1alpha1"}, {"kind", kind}, {"spec", spec}};
    return {.kind = "routing.holdfast.dev/v1alpha1/" + kind,
            .identity = "\"" + kind + "\"",
            .declared = document.dump(),
            .action = action};
}

bool comes(const std::function<bool()>& claim) {
    for (int i = 0; i < 500; ++i) {
        if (claim()) return true;
        std::this_thread::sleep_for(20ms);
    }
    return false;
}

// As the engine does: with what observe has just said.
Answers apply_now(PluginDriver& plugin, const std::string& kind, Ask ask) {
    const Answers seen = plugin.ask(Method::observe, kind, {ask});
    if (seen[0].outcome == Outcome::absent) ask.action = ItemAction::create;
    ask.version = seen[0].version;
    ask.observed = seen[0].document;
    return plugin.ask(Method::apply, kind, {ask});
}

std::string bird_text(const std::string& routes, const std::string& more = {}) {
    return "log stderr all;\nrouter id 192.0.2.1;\nprotocol device { scan time 10; }\n"
           "protocol kernel k4 { ipv4 { import none; export all; }; }\n"
           "protocol static s4 {\n  ipv4;\n" +
           routes + "}\n" + more;
}

class BirdServer {
public:
    BirdServer() {
        write_file(file(), bird_text("  route 10.1.0.0/16 blackhole;\n"));
        chmod(file().c_str(), 0640);
        const std::string socket = folder_ / "ctl", config = file();
        const char* const argv[] = {"bird", "-f", "-c", config.c_str(), "-s", socket.c_str(), nullptr};
        process_ = std::make_unique<BackgroundProgram>(argv, folder_ / "log");
        if (!comes([&] { return birdc("show status").find("BIRD") != std::string::npos; }))
            throw std::runtime_error("BIRD does not start: " + read_file(folder_ / "log"));
    }
    std::string file() const { return folder_ / "bird.conf"; }
    std::string birdc(const std::string& command) const {
        return output_and_errors_of("birdc -s " + (folder_ / "ctl") + " '" + command + "'").value_or("");
    }
    std::string provider_config() const {
        return Json{{"bird", {{"config", file()}, {"socket", folder_ / "ctl"}, {"timeout", 20}}}}.dump();
    }
    std::string folder() const { return folder_.path(); }

private:
    TempFolder folder_;
    std::unique_ptr<BackgroundProgram> process_;
};

} // namespace

// A control socket that tells BIRD's last reconfiguration a little otherwise each time, as BIRD does on a
// busy machine: it works that time out from two clocks that it reads one after the other.
class JitteryBird {
public:
    explicit JitteryBird(const std::string& path)
        : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_, 8) != 0)
            throw std::runtime_error("cannot listen on " + path);
        thread_ = std::thread([this] { serve(); });
    }
    ~JitteryBird() {
        shutdown(listener_, SHUT_RDWR);
        thread_.join();
        close(listener_);
    }

private:
    void serve() {
        for (int turn = 0;; ++turn) {
            const int client = accept(listener_, nullptr, nullptr);
            if (client < 0) return;
            say(client, "0001 BIRD 2.0.12 ready.\n");
            char line[64];
            if (read(client, line, sizeof line) > 0)
                say(client,
                    "1000-BIRD 2.0.12\n1011-Router ID is 192.0.2.1\n Last reconfiguration on 2099-01-01 "
                    "00:00:00." +
                        std::to_string(100 + turn) + "\n0013 Daemon is up and running\n");
            close(client);
        }
    }
    static void say(int client, const std::string& text) {
        if (send(client, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
    }

    int listener_;
    std::thread thread_;
};

TEST_CASE("a file that nobody touches has the same version each time, though BIRD's clock trembles") {
    const TempFolder folder;
    write_file(folder / "bird.conf", bird_text(""));
    const JitteryBird bird(folder / "ctl");
    const Json config{{"bird", {{"config", folder / "bird.conf"}, {"socket", folder / "ctl"}}}};
    PluginDriver plugin("routing", config.dump());
    const Ask wanted = config_ask("BirdConfig", {{"content", bird_text("")}});
    const Answers once = plugin.ask(Method::observe, "BirdConfig", {wanted});
    const Answers again = plugin.ask(Method::observe, "BirdConfig", {wanted});
    CHECK(Json::parse(once[0].document).at("/status/running"_json_pointer) == true);
    CHECK(once[0].document == again[0].document);
    CHECK(once[0].version == again[0].version);
}

TEST_CASE("a configuration of BIRD is checked, loaded, confirmed and found as declared") {
    if (const auto why = no_network()) return skip(*why);
    if (!has_program("bird")) return skip("BIRD 2 is not installed");
    const Net net;
    BirdServer bird;
    PluginDriver plugin("routing", bird.provider_config());
    const std::string text = bird_text("  route 10.1.0.0/16 blackhole;\n  route 10.2.0.0/16 blackhole;\n");
    const Ask wanted = config_ask("BirdConfig", {{"content", text}, {"established", {"s4"}}});
    const Answers done = apply_now(plugin, "BirdConfig", wanted);
    INFO(done.summary() << (done[0].diagnostics.empty() ? "" : done[0].diagnostics.list().front().message));
    CHECK(done[0].outcome == Outcome::done);
    CHECK(read_file(bird.file()) == text);
    CHECK(bird.birdc("show route").find("10.2.0.0/16") != std::string::npos);
    CHECK(bird.birdc("configure status").find("unconfirmed") == std::string::npos);
    struct stat status {};
    REQUIRE(stat(bird.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0640U);

    const Answers seen = plugin.ask(Method::observe, "BirdConfig", {wanted});
    const Json document = Json::parse(seen[0].document);
    CHECK(document.at("/spec/loaded"_json_pointer) == true);
    CHECK(document.at("/spec/content"_json_pointer) == text);
    CHECK(document.at("/status/version"_json_pointer).get<std::string>().rfind("BIRD 2", 0) == 0);
    Ask item = wanted;
    item.observed = seen[0].document;
    const Json canonical = Json::parse(plugin.ask(Method::canonicalize, "BirdConfig", {item})[0].document);
    CHECK(canonical.at("/spec/content"_json_pointer) == text);
    CHECK(canonical.at("/spec/loaded"_json_pointer) == true);

    SECTION("an edit of the file that BIRD was not told of is seen, also where the text is put back") {
        std::this_thread::sleep_for(20ms);
        write_file(bird.file(), text);
        const Json now = Json::parse(plugin.ask(Method::observe, "BirdConfig", {wanted})[0].document);
        CHECK(now.at("/spec/loaded"_json_pointer) == false);
        CHECK(apply_now(plugin, "BirdConfig", wanted)[0].outcome == Outcome::done);
        const Json after = Json::parse(plugin.ask(Method::observe, "BirdConfig", {wanted})[0].document);
        CHECK(after.at("/spec/loaded"_json_pointer) == true);
    }
    SECTION("what BIRD refuses is refused with its words, file and line, and nothing was touched") {
        const Ask bad = config_ask("BirdConfig", {{"content", bird_text("  route nonsense;\n")}});
        const Answers refused = apply_now(plugin, "BirdConfig", bad);
        CHECK(refused.summary() == "failed(routing.bad-config)");
        const std::string message = refused[0].diagnostics.list().front().message;
        INFO(message);
        CHECK(message.find(bird.file() + ":7:") != std::string::npos);
        CHECK(read_file(bird.file()) == text);
        CHECK(std::distance(std::filesystem::directory_iterator(bird.folder()), {}) == 3); // config, ctl, log
    }
    SECTION("a protocol that does not come up takes the change back, in the file and in BIRD") {
        const std::string peer = "protocol bgp peer { local 192.0.2.1 as 65001; neighbor 192.0.2.2 as 65002; "
                                 "ipv4 { import all; export none; }; }\n";
        const Ask change =
            config_ask("BirdConfig", {{"content", bird_text("  route 10.3.0.0/16 blackhole;\n", peer)},
                                      {"established", {"peer"}},
                                      {"within", 1}});
        const Answers back = apply_now(plugin, "BirdConfig", change);
        CHECK(back.summary() == "failed(routing.not-established)");
        INFO(back[0].diagnostics.list().front().message);
        CHECK(back[0].diagnostics.list().front().message.find("protocol peer is not up") !=
              std::string::npos);
        CHECK(read_file(bird.file()) == text);
        CHECK(comes([&] { return bird.birdc("show route").find("10.2.0.0/16") != std::string::npos; }));
        CHECK(bird.birdc("show route").find("10.3.0.0/16") == std::string::npos);
        CHECK(bird.birdc("show protocols").find("peer") == std::string::npos);
        const Json now = Json::parse(plugin.ask(Method::observe, "BirdConfig", {wanted})[0].document);
        CHECK(now.at("/spec/loaded"_json_pointer) == true);
    }
    SECTION("an edit between observe and apply is not overwritten") {
        Ask change = config_ask("BirdConfig", {{"content", bird_text("  route 10.4.0.0/16 blackhole;\n")}});
        change.version = seen[0].version;
        write_file(bird.file(), text + "# by hand\n");
        CHECK(plugin.ask(Method::apply, "BirdConfig", {change}).summary() == "failed(routing.conflict)");
        CHECK(read_file(bird.file()) == text + "# by hand\n");
    }
    SECTION("a snapshot brings file and daemon back") {
        std::string bytes;
        const Call take{.method = Method::snapshot, .scope = "BirdConfig"};
        plugin.provider().call(take, [&](const ItemResult& result) {
            if (result.item == scope_item) bytes = result.private_data;
        });
        const Ask change =
            config_ask("BirdConfig", {{"content", bird_text("  route 10.4.0.0/16 blackhole;\n")}});
        REQUIRE(apply_now(plugin, "BirdConfig", change)[0].outcome == Outcome::done);
        PluginDriver fresh("routing", bird.provider_config());
        const Call restore{.method = Method::restore, .scope = "BirdConfig", .options = bytes};
        CHECK(fresh.provider().call(restore, [](const ItemResult&) {}).ok);
        CHECK(read_file(bird.file()) == text);
        CHECK(bird.birdc("show route").find("10.2.0.0/16") != std::string::npos);
    }
}

namespace {

class FrrServer {
public:
    FrrServer() {
        write_file(file(), first());
        write_file(folder_ / "vtysh.conf", "");
        std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
        if (const passwd* user = getpwnam("frr")) {
            for (const char* name : {"", "/frr.conf", "/vtysh.conf"})
                if (chown((folder_.path() + name).c_str(), user->pw_uid, user->pw_gid) != 0)
                    throw std::runtime_error("the folder of FRR cannot be given to it");
        }
        for (const char* daemon : {"zebra", "staticd"}) start(daemon);
        if (!comes([&] { return vtysh("show ip route").find("10.1.0.0/16") != std::string::npos; }))
            throw std::runtime_error("FRR does not start: " + read_file(folder_ / "zebra.log"));
    }
    static std::string first() { return "hostname r1\nip route 10.1.0.0/16 blackhole\n"; }
    std::string file() const { return folder_ / "frr.conf"; }
    std::string vtysh(const std::string& command) const {
        const std::string folder = folder_.path();
        return output_and_errors_of("vtysh --vty_socket " + folder + " --config_dir " + folder + " -c '" +
                                    command + "'")
            .value_or("");
    }
    std::string provider_config() const {
        return Json{{"frr", {{"config", file()}, {"sockets", folder_.path()}}}}.dump();
    }

private:
    void start(const std::string& daemon) {
        const std::string program = "/usr/lib/frr/" + daemon, folder = folder_.path(),
                          pid = folder + "/" + daemon + ".pid", api = folder + "/zserv.api";
        const char* const argv[] = {
            program.c_str(), "-f",   file_.c_str(), "-z", api.c_str(), "--vty_socket", folder.c_str(), "-i",
            pid.c_str(),     "-A",   "127.0.0.1",   "-P", "0",         "-u",           "frr",          "-g",
            "frr",           nullptr};
        daemons_.push_back(std::make_unique<BackgroundProgram>(argv, folder + "/" + daemon + ".log"));
        comes([&] { return std::filesystem::exists(folder + "/" + daemon + ".vty"); });
    }
    TempFolder folder_;
    std::string file_ = folder_ / "frr.conf";
    std::vector<std::unique_ptr<BackgroundProgram>> daemons_;
};

} // namespace

TEST_CASE("a configuration of FRR is checked and loaded, and taken back where a daemon refuses it") {
    if (const auto why = no_network()) return skip(*why);
    if (access("/usr/lib/frr/zebra", X_OK) != 0 || !has_program("vtysh")) return skip("FRR is not installed");
    if (access("/usr/lib/frr/frr-reload.py", X_OK) != 0) return skip("frr-pythontools is not installed");
    if (geteuid() != 0) return skip("FRR's daemons change to their own user, which takes root");
    const Net net;
    FrrServer frr;
    PluginDriver plugin("routing", frr.provider_config());
    const std::string text = "hostname r1\nip route 10.2.0.0/16 blackhole\n";
    const Ask wanted = config_ask("FrrConfig", {{"content", text}});
    const Answers done = apply_now(plugin, "FrrConfig", wanted);
    INFO(done.summary() << (done[0].diagnostics.empty() ? "" : done[0].diagnostics.list().front().message));
    CHECK(done[0].outcome == Outcome::done);
    CHECK(read_file(frr.file()) == text);
    CHECK(comes([&] { return frr.vtysh("show ip route").find("10.2.0.0/16") != std::string::npos; }));
    CHECK(frr.vtysh("show ip route").find("10.1.0.0/16") ==
          std::string::npos); // what is no longer said is gone
    const Json document = Json::parse(plugin.ask(Method::observe, "FrrConfig", {wanted})[0].document);
    CHECK(document.at("/spec/content"_json_pointer) == text);
    CHECK(document.at("/status/version"_json_pointer).get<std::string>().rfind("FRRouting", 0) == 0);

    const Ask bad =
        config_ask("FrrConfig", {{"content", "hostname r1\nip route 10.3.0.0/16 blackhole\nnonsense\n"}});
    const Answers refused = apply_now(plugin, "FrrConfig", bad);
    CHECK(refused.summary() == "failed(routing.bad-config)");
    INFO(refused[0].diagnostics.list().front().message);
    CHECK(refused[0].diagnostics.list().front().message.find(frr.file() + ":3") != std::string::npos);
    CHECK(read_file(frr.file()) == text);
    CHECK(frr.vtysh("show ip route").find("10.3.0.0/16") == std::string::npos);
}

TEST_CASE("a daemon that does not run changes nothing, and is no reason to forget its file") {
    TempFolder folder;
    const std::string file = folder / "bird.conf";
    write_file(file, "log stderr all;\n");
    PluginDriver plugin("routing", Json{{"bird", {{"config", file}, {"socket", folder / "ctl"}}}}.dump());
    const Ask wanted = config_ask("BirdConfig", {{"content", "router id 192.0.2.1;\n"}});
    const Answers seen = plugin.ask(Method::observe, "BirdConfig", {wanted});
    CHECK(seen[0].outcome == Outcome::done);
    CHECK(Json::parse(seen[0].document).at("/status/running"_json_pointer) == false);
    CHECK(apply_now(plugin, "BirdConfig", wanted).summary() == "failed(routing.daemon-away)");
    CHECK(read_file(file) == "log stderr all;\n");
    CHECK(plugin.ask(Method::validate, "FrrConfig", {config_ask("FrrConfig", {{"content", ""}})}).summary() ==
          "failed(routing.config)");
}
