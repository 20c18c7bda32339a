#include "control/client.hpp"
#include "control/message.hpp"
#include "control/records.hpp"
#include "control/server.hpp"

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

// A server that is turned by hand: time is what the test says.
struct Served {
    TempFolder folder;
    std::unique_ptr<ControlServer> server;
    std::chrono::milliseconds now = 0ms;

    explicit Served(ControlServerOptions options = {}) {
        options.path = folder / "control.sock";
        if (options.hello.is_null())
            options.hello = Value::map({{"holdfast", control_version}, {"store", "here"}});
        Result<std::unique_ptr<ControlServer>> opened = ControlServer::open(options);
        REQUIRE(opened);
        server = *std::move(opened);
    }
    std::vector<ControlRequest> turn() { return server->serve(now); }
};

// A client that writes bytes as it likes.
struct Raw {
    Fd fd;
    explicit Raw(const std::string& path) : fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        REQUIRE(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    void write(std::string_view text) {
        REQUIRE(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    }
    // What there is, without waiting.
    std::string read() {
        std::string text;
        char buffer[65536];
        ssize_t got = 0;
        while ((got = recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            text.append(buffer, static_cast<std::size_t>(got));
        is_closed = got == 0;
        return text;
    }
    bool is_closed = false;
};

} // namespace

TEST_CASE("a client is greeted, asks, and is known by what the kernel says of it") {
    Served served;
    Raw client(served.server->path());
    served.turn();
    CHECK(client.read().find("\"holdfast\":1") != std::string::npos);
    client.write("{\"id\":1,\"request\":\"status\"}\n");
    const std::vector<ControlRequest> requests = served.turn();
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].body.text_at("request") == "status");
    CHECK(requests[0].peer.uid == geteuid());
    CHECK(requests[0].peer.pid == getpid());
    served.server->send(requests[0].client, Value::map({{"id", 1}, {"result", "well"}}));
    CHECK(client.read() == "{\"id\":1,\"result\":\"well\"}\n");
}

TEST_CASE("a line that is no request is answered, and ends its client only") {
    const auto line = GENERATE(as<std::string>{}, "garbage\n", "[1,2]\n", "{\"id\":1}\n", "\xff\xfe\n",
                               "{\"request\":{}}\n", "{\"request\":\"a\",\"request\":\"b\"}\n");
    Served served;
    Raw bad(served.server->path()), good(served.server->path());
    served.turn();
    bad.write(line);
    CHECK(served.turn().empty());
    CHECK(bad.read().find("control.bad-request") != std::string::npos);
    bad.read();
    CHECK(bad.is_closed);
    good.write("{\"request\":\"status\"}\n");
    CHECK(served.turn().size() == 1);
}

TEST_CASE("a request that is too long is refused, and not kept in memory while it comes") {
    Served served;
    Raw client(served.server->path());
    served.turn();
    client.write(std::string(control_max_request + 1, 'x'));
    CHECK(served.turn().empty());
    CHECK(client.read().find("control.too-long") != std::string::npos);
    served.turn();
    CHECK(served.server->clients() == 0);
}

TEST_CASE("half a line is waited for, but not for ever") {
    Served served;
    Raw client(served.server->path());
    served.turn();
    client.write("{\"request\":");
    CHECK(served.turn().empty());
    SECTION("its other half comes") {
        client.write("\"status\"}\n{\"request\":\"history\"}\n");
        const std::vector<ControlRequest> requests = served.turn();
        REQUIRE(requests.size() == 2);
        CHECK(requests[1].body.text_at("request") == "history");
    }
    SECTION("it does not come") {
        served.now += 31s;
        served.turn();
        CHECK(client.read().find("control.too-slow") != std::string::npos);
        served.turn();
        CHECK(served.server->clients() == 0);
    }
}

TEST_CASE("a client that does not read what it is sent is let go, and holds up nobody") {
    Served served({.max_waiting_bytes = 1U << 20});
    Raw slow(served.server->path()), other(served.server->path());
    served.turn();
    slow.write("{\"request\":\"status\"}\n");
    const std::vector<ControlRequest> requests = served.turn();
    REQUIRE(requests.size() == 1);
    const Value big = Value::map({{"result", std::string(100'000, 'x')}});
    for (int i = 0; i < 40; ++i) served.server->send(requests[0].client, big);
    CHECK_FALSE(served.server->is_connected(requests[0].client));
    other.write("{\"request\":\"status\"}\n");
    CHECK(served.turn().size() == 1);
}

TEST_CASE("more clients than there may be are told so") {
    Served served({.max_clients = 2});
    Raw first(served.server->path()), second(served.server->path()), third(served.server->path());
    served.turn();
    CHECK(third.read().find("control.busy") != std::string::npos);
    CHECK(served.server->clients() == 2);
}

TEST_CASE("the socket has its mode, goes with its server, and one that was left behind is taken over") {
    TempFolder folder;
    const std::string path = folder / "control.sock";
    {
        Result<std::unique_ptr<ControlServer>> server = ControlServer::open({.path = path, .mode = 0660});
        REQUIRE(server);
        struct stat status {};
        REQUIRE(stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0660);
        const Result<std::unique_ptr<ControlServer>> second = ControlServer::open({.path = path});
        REQUIRE_FALSE(second);
        CHECK(second.error().code == "control.socket-taken");
    }
    CHECK(access(path.c_str(), F_OK) != 0);
    // As after kill -9: bound, and nobody listens.
    {
        Fd left(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        REQUIRE(bind(left.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    CHECK(ControlServer::open({.path = path}));
    std::ofstream(folder / "file") << "precious";
    const Result<std::unique_ptr<ControlServer>> over_file = ControlServer::open({.path = folder / "file"});
    REQUIRE_FALSE(over_file);
    CHECK(over_file.error().code == "control.socket");
    const Result<std::unique_ptr<ControlServer>> too_long =
        ControlServer::open({.path = folder.path() + "/" + std::string(120, 'x')});
    REQUIRE_FALSE(too_long);
    CHECK(too_long.error().message.find("107") != std::string::npos);
}

TEST_CASE("a client asks, hears events, and gets its answer or its error") {
    Served served;
    std::atomic<bool> done = false;
    std::jthread turning([&] {
        while (!done) {
            for (const ControlRequest& request : served.turn()) {
                const Value id = *request.body.find("id");
                if (request.body.text_at("request") == "fail") {
                    served.server->send(request.client,
                                        Value::map({{"id", id},
                                                    {"error", diagnostic_to_message(failure(
                                                                  "daemon.suspended", "it is", "resume"))}}));
                } else if (request.body.text_at("request") != "never") {
                    served.server->send(request.client, Value::map({{"id", 77}, {"result", "of another"}}));
                    served.server->send(request.client, Value::map({{"id", id}, {"event", "half"}}));
                    served.server->send(request.client, Value::map({{"id", id}, {"result", "well"}}));
                }
            }
            std::this_thread::sleep_for(1ms);
        }
    });
    Result<std::unique_ptr<ControlClient>> client = ControlClient::connect(served.server->path(), 5s);
    REQUIRE(client);
    CHECK((*client)->hello().text_at("store") == "here");
    const auto ask = [&](const char* word, std::chrono::milliseconds timeout, std::stop_token stop = {}) {
        Map request;
        request.set("request", word);
        std::vector<Value> events;
        Result<Value> answer =
            (*client)->ask(std::move(request), timeout, stop, [&](const Value& e) { events.push_back(e); });
        return std::pair(answer, events.size());
    };
    const auto [answer, events] = ask("status", 5s);
    REQUIRE(answer);
    CHECK(*answer == Value("well"));
    CHECK(events == 1);
    const auto failed = ask("fail", 5s).first;
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == "daemon.suspended");
    CHECK(failed.error().hint == "resume");
    const auto late = ask("never", 50ms).first;
    REQUIRE_FALSE(late);
    CHECK(late.error().code == "control.timeout");
    std::stop_source stop;
    stop.request_stop();
    const auto stopped = ask("never", 5s, stop.get_token()).first;
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == "control.interrupted");
    done = true;
}

TEST_CASE("a daemon that is gone, or speaks another version, is told apart") {
    TempFolder folder;
    const auto nobody = connect_to_daemon_of(folder.path());
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().code == "control.no-daemon");
    const std::string store = folder.path();
    REQUIRE(write_daemon_address(store, {.socket = store + "/gone.sock", .pid = 1}));
    CHECK(read_daemon_address(store)->socket == store + "/gone.sock");
    const auto gone = connect_to_daemon_of(store);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == "control.no-daemon");
    remove_daemon_address(store);
    CHECK_FALSE(read_daemon_address(store));

    Served served({.hello = Value::map({{"holdfast", 99}})});
    std::atomic<bool> done = false;
    std::jthread turning([&] {
        while (!done) {
            served.turn();
            std::this_thread::sleep_for(1ms);
        }
    });
    const auto other = ControlClient::connect(served.server->path(), 5s);
    done = true;
    REQUIRE_FALSE(other);
    CHECK(other.error().code == "control.version");
}

TEST_CASE("a diagnostic comes through the socket as it was") {
    Diagnostic problem = failure("manifest.unknown-key", "unknown key \"tll\"", "did you mean \"ttl\"?");
    problem.span = {"dns/prod.yaml", {14, 5}, 3};
    problem.excerpt = "    tll: 300";
    problem.subject = "web:x/Y/z";
    problem.context = {"loading"};
    const Result<Value> sent = parse_json(to_json(diagnostic_to_message(problem)));
    REQUIRE(sent);
    CHECK(diagnostic_from_message(*sent) == problem);
}

TEST_CASE("an answer to why or history is read back as it was told, and another one is refused") {
    Why why;
    why.entry.address = {"edge", {"host.holdfast.dev", "File", "", "motd", ""}};
    why.entry.object = {"host:1", "/", "host.holdfast.dev/File", "\"etc/motd\""};
    why.entry.state = EntryState::deleting;
    why.entry.protect = true;
    why.entry.deletion = Deletion::orphan;
    why.entry.line = 7;
    why.declared_by = {.id = "3f2a", .author = "Ana", .subject = "Open 443", .time_s = 1000};
    why.passes.push_back(
        {.id = "01M8", .stack = "edge", .state = PassState::reverted, .summary = R"({"create":1})"});
    why.steps.push_back({.sequence = 4,
                         .pass = "01M8",
                         .address = why.entry.address,
                         .action = Action::replace,
                         .state = StepState::partial,
                         .changes = R"([{"pointer":"/spec/mode"}])",
                         .message = "it hangs"});
    why.problems.warning("git.shallow", "not all of it is there");
    const Value message = why_to_message(why);
    const Result<Why> back = why_from_message(message);
    REQUIRE(back);
    CHECK(why_to_message(*back) == message);
    CHECK(back->entry.state == EntryState::deleting);
    CHECK(back->passes.at(0).summary == why.passes.at(0).summary);
    CHECK(back->steps.at(0).changes == why.steps.at(0).changes);
    CHECK(back->problems.list().at(0).severity == Severity::warning);

    const Value history = leaf_history_to_message({why.entry.address, why.steps, why.passes});
    const Result<LeafHistory> leaf = leaf_history_from_message(history);
    REQUIRE(leaf);
    CHECK(leaf_history_to_message(*leaf) == history);
    CHECK(history_from_message(history_to_message(why.passes))->at(0).state == PassState::reverted);

    const auto without = [](Value from, std::string_view pointer) {
        erase_at(from, pointer);
        return from;
    };
    CHECK(why_from_message(without(message, "/entry/address")).error().code == "control.version");
    CHECK(why_from_message(without(message, "/passes/0/state")).error().code == "control.version");
    CHECK(history_from_message(Value::map({{"passes", "none"}})).error().code == "control.version");
    CHECK(leaf_history_from_message(without(history, "/steps/0/action")).error().code == "control.version");
}
