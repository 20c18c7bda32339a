// The HTTP client against a small server on the loopback interface, made of a socket and a thread.

#include "fixture.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

#include "sys/http/http.hpp"

using namespace holdfast;
using std::chrono::milliseconds;

namespace {

// Answers each request with what `answer` makes of it, a thread for each connection.
class Server {
public:
    using Answer = std::function<std::string(const std::string& request, int number)>;

    explicit Server(Answer answer) : answer_(std::move(answer)) {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
        listen(listener_, 64);
        socklen_t size = sizeof address;
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
        thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
    }
    ~Server() {
        thread_ = std::jthread();
        close(listener_);
    }

    std::string url(const std::string& path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port) + path;
    }
    int port = 0;
    std::atomic<int> requests{0}, connections{0};

private:
    static bool readable(int fd, const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            pollfd wait{fd, POLLIN, 0};
            if (poll(&wait, 1, 10) > 0) return true;
        }
        return false;
    }

    void serve(const std::stop_token& stop) {
        std::list<std::jthread> conversations;
        while (readable(listener_, stop)) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            ++connections;
            conversations.emplace_back([this, fd](const std::stop_token& over) { converse(fd, over); });
        }
    }

    void converse(int fd, const std::stop_token& stop) {
        std::string seen;
        char buffer[4096];
        while (readable(fd, stop)) {
            const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got <= 0) break;
            seen.append(buffer, static_cast<std::size_t>(got));
            if (seen.find("\r\n\r\n") == std::string::npos) continue;
            const std::string reply = answer_(seen, ++requests);
            seen.clear();
            if (reply.empty()) break;
            if (reply == "wait") continue;
            send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
        }
        close(fd);
    }

    Answer answer_;
    int listener_ = -1;
    std::jthread thread_;
};

std::string reply(int status, const std::string& body, const std::string& headers = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n" + headers + "\r\n" + body;
}

HttpRequest get(const std::string& url) {
    HttpRequest request;
    request.url = url;
    request.proxy = "-";
    request.retry_pause = milliseconds(1);
    return request;
}

} // namespace

TEST_CASE("http: an answer with status, headers in lower case, and body; connections are kept") {
    Server server([](const std::string&, int) { return reply(200, "hello", "X-Test: Yes\r\n"); });
    HttpClient client;
    for (int i = 0; i < 3; ++i) {
        const HttpResponse response = client.perform(get(server.url()));
        CHECK(response.end == HttpEnd::answered);
        CHECK(response.status == 200);
        CHECK(response.body == "hello");
        CHECK_THAT(response.headers, ContainsSubstring("x-test: Yes\r\n"));
    }
    CHECK(server.connections == 1);
}

TEST_CASE("http: a server that is cut off is found out by the kernel") {
    Server server([](const std::string&, int) { return reply(200, "hello"); });
    HttpClient client;
    REQUIRE(client.perform(get(server.url())).status == 200);
    std::vector<unsigned> timeouts;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::stoi(entry.path().filename().string());
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        const bool is_to_server = getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
                                  peer.sin_family == AF_INET && ntohs(peer.sin_port) == server.port;
        unsigned timeout_ms = 0;
        size = sizeof timeout_ms;
        if (is_to_server && getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &size) == 0)
            timeouts.push_back(timeout_ms);
    }
    CHECK(timeouts == std::vector<unsigned>{30'000});
}

TEST_CASE("http: method, headers and body are sent") {
    std::string seen;
    Server server([&](const std::string& request, int) { return seen = request, reply(201, ""); });
    HttpRequest request = get(server.url("/zone?x=1"));
    request.method = "PATCH";
    request.headers = {"X-Token: abc"};
    request.body = "{\"a\":1}";
    CHECK(HttpClient().perform(request).status == 201);
    CHECK_THAT(seen, StartsWith("PATCH /zone?x=1 HTTP/1.1\r\n") && ContainsSubstring("X-Token: abc\r\n") &&
                         ContainsSubstring("Content-Length: 7\r\n"));
}

TEST_CASE("http: a busy server is asked again, but only where that is safe") {
    const auto status = GENERATE(429, 502, 503, 504);
    Server server([&](const std::string&, int number) {
        return number < 3 ? reply(status, "busy") : reply(200, "fine");
    });
    HttpClient client;
    SECTION("GET") {
        const HttpResponse response = client.perform(get(server.url()));
        CHECK(response.status == 200);
        CHECK(response.body == "fine");
        CHECK(response.attempts == 3);
    }
    SECTION("a streamed body holds nothing of the answers before") {
        HttpRequest request = get(server.url());
        std::string streamed;
        request.on_body = [&](std::string_view chunk) { return streamed += chunk, true; };
        CHECK(client.perform(request).status == 200);
        CHECK(streamed == "fine");
    }
    SECTION("POST") {
        HttpRequest request = get(server.url());
        request.method = "POST";
        CHECK(client.perform(request).status == status);
        CHECK(server.requests == 1);
    }
    SECTION("no more often than allowed") {
        HttpRequest request = get(server.url());
        request.retries = 1;
        CHECK(client.perform(request).status == status);
        CHECK(server.requests == 2);
    }
}

TEST_CASE("http: Retry-After is waited for, unless the deadline comes first") {
    Server server([](const std::string&, int number) {
        return number == 1 ? reply(503, "", "Retry-After: 1\r\n") : reply(200, "");
    });
    HttpRequest request = get(server.url());
    const auto started = std::chrono::steady_clock::now();
    SECTION("waited for") {
        CHECK(HttpClient().perform(request).status == 200);
        CHECK(std::chrono::steady_clock::now() - started >= milliseconds(950));
    }
    SECTION("deadline first") {
        request.deadline = started + milliseconds(200);
        CHECK(HttpClient().perform(request).end == HttpEnd::past_deadline);
        CHECK(std::chrono::steady_clock::now() - started < milliseconds(900));
    }
}

TEST_CASE("http: a server that does not answer: timeout, deadline, cancel") {
    Server server([](const std::string&, int) { return std::string("wait"); });
    HttpRequest request = get(server.url());
    request.retries = 0;
    const auto started = std::chrono::steady_clock::now();
    SECTION("timeout") {
        request.timeout = milliseconds(60);
        const HttpResponse response = HttpClient().perform(request);
        CHECK(response.end == HttpEnd::failed);
        CHECK(response.status == 0);
        CHECK_THAT(response.error, ContainsSubstring("60 ms"));
    }
    SECTION("deadline") {
        request.deadline = started + milliseconds(60);
        CHECK(HttpClient().perform(request).end == HttpEnd::past_deadline);
    }
    SECTION("cancel") {
        request.is_cancelled = [&] { return std::chrono::steady_clock::now() - started > milliseconds(60); };
        CHECK(HttpClient().perform(request).end == HttpEnd::cancelled);
    }
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(4));
}

TEST_CASE("http: nobody listens: the error names the server, and no credential") {
    HttpRequest request = get("http://ana:hunter2@127.0.0.1:1/zone?token=hunter2");
    const HttpResponse response = HttpClient().perform(request);
    CHECK(response.end == HttpEnd::failed);
    CHECK(response.attempts == 3);
    CHECK_THAT(response.error, ContainsSubstring("GET http://127.0.0.1:1/zone: "));
    CHECK_THAT(response.error, !ContainsSubstring("hunter2"));
}

TEST_CASE("http: what may be shown of a URL") {
    CHECK(shown_url("https://u:p@host:1/a?b#c") == "https://host:1/a");
    CHECK(shown_url("https://host/a@b") == "https://host/a@b");
    CHECK(shown_url("https://a@b@host") == "https://host");
}

TEST_CASE("http: limits, redirects and other schemes") {
    HttpClient client;
    SECTION("an answer that is too large") {
        Server server([](const std::string&, int) { return reply(200, std::string(5000, 'x')); });
        HttpRequest request = get(server.url());
        request.max_response_bytes = 4999;
        const HttpResponse response = client.perform(request);
        CHECK(response.end == HttpEnd::failed);
        CHECK_THAT(response.error, ContainsSubstring("larger than 4999 bytes"));
        request.max_response_bytes = 5000;
        CHECK(client.perform(request).status == 200);
    }
    SECTION("a receiver that has had enough") {
        Server server([](const std::string&, int) { return reply(200, "x"); });
        HttpRequest request = get(server.url());
        request.on_body = [](std::string_view) { return false; };
        CHECK(client.perform(request).end == HttpEnd::failed);
    }
    SECTION("a redirect is an answer, not a way") {
        Server server(
            [](const std::string&, int) { return reply(302, "", "Location: http://127.0.0.1:1/\r\n"); });
        CHECK(client.perform(get(server.url())).status == 302);
    }
    SECTION("files are not read") { CHECK(client.perform(get("file:///etc/passwd")).end == HttpEnd::failed); }
}

TEST_CASE("http: the name to verify goes into the request's address, the connection to the host") {
    std::string seen;
    Server server([&](const std::string& request, int) { return seen = request, reply(200, ""); });
    HttpRequest request = get(server.url("/path"));
    request.server_name = "dns.example";
    CHECK(HttpClient().perform(request).status == 200);
    CHECK_THAT(seen, StartsWith("GET /path HTTP/1.1\r\n") &&
                         ContainsSubstring("Host: 127.0.0.1:" + std::to_string(server.port)));
}

// What became of each URL.
std::map<std::string, HttpResponse> all_of(HttpClient& client, const std::vector<HttpRequest>& requests,
                                           std::size_t most_at_once = 16) {
    std::map<std::string, HttpResponse> out;
    std::size_t begun = 0, ended = 0, most = 0;
    HttpBatch batch;
    batch.most_at_once = most_at_once;
    batch.next = [&]() -> const HttpRequest* {
        if (begun == requests.size()) return nullptr;
        most = std::max(most, ++begun - ended);
        return &requests[begun - 1];
    };
    batch.take = [&](const HttpRequest& request, HttpResponse response) {
        CHECK(out.emplace(request.url, std::move(response)).second);
        ++ended;
    };
    client.perform_all(batch);
    CHECK(most == std::min(most_at_once, requests.size()));
    return out;
}

std::string path_of(const std::string& request) {
    const std::size_t at = request.find(' ') + 1;
    return request.substr(at, request.find(' ', at) - at);
}

TEST_CASE("http: of many requests at once each gets its own answer, a few at a time") {
    std::atomic<int> open{0}, most{0};
    Server server([&](const std::string& request, int) {
        const int now = ++open;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::sleep_for(milliseconds(2));
        --open;
        return reply(200, path_of(request));
    });
    std::vector<HttpRequest> requests;
    for (int i = 0; i < 60; ++i) requests.push_back(get(server.url("/" + std::to_string(i))));
    HttpClient client;
    const auto answers = all_of(client, requests, 6);
    CHECK(answers.size() == 60);
    for (int i = 0; i < 60; ++i)
        CHECK(answers.at(server.url("/" + std::to_string(i))).body == "/" + std::to_string(i));
    CHECK(most <= 6);
    CHECK(most > 1);
    CHECK(server.connections <= 6);
    const int before = server.connections;
    CHECK(all_of(client, {get(server.url("/again"))}, 6).at(server.url("/again")).status == 200);
    CHECK(server.connections == before); // they are kept for the next
}

TEST_CASE("http: of many requests each is tried again, refused or given up for itself") {
    std::atomic<int> tries{0};
    Server server([&](const std::string& request, int) -> std::string {
        const std::string path = path_of(request);
        if (path == "/large") return reply(200, std::string(5000, 'x'));
        if (path == "/busy" || path == "/paused")
            return ++tries % 3 == 0 ? reply(200, "fine") : reply(503, "busy");
        if (path == "/write") return reply(503, "busy");
        if (path.starts_with("/silent")) return "wait";
        return reply(200, "here");
    });
    const auto url = [&](const std::string& path) { return server.url(path); };
    HttpRequest large = get(url("/large")), write = get(url("/write")), silent = get(url("/silent")),
                late = get(url("/silent?late")), streamed = get(url("/streamed")), unwanted = get(url("/no")),
                cancelled = get(url("/silent?cancelled"));
    large.max_response_bytes = 4999;
    write.method = "POST";
    silent.timeout = milliseconds(60);
    silent.retries = 0;
    const auto started = std::chrono::steady_clock::now();
    late.deadline = started + milliseconds(60);
    cancelled.is_cancelled = [&] { return std::chrono::steady_clock::now() - started > milliseconds(60); };
    std::string body;
    streamed.on_body = [&](std::string_view chunk) { return body += chunk, true; };
    unwanted.on_body = [](std::string_view) { return false; };
    HttpClient client;
    const auto answers =
        all_of(client, {large, get(url("/busy")), write, silent, late, cancelled, streamed, unwanted,
                        get("http://127.0.0.1:1/"), get("file:///etc/passwd"), get(url("/"))});
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(4));
    CHECK(answers.at(url("/large")).fault == HttpFault::too_large);
    CHECK(answers.at(url("/busy")).body == "fine");
    CHECK(answers.at(url("/busy")).attempts == 3);
    CHECK(answers.at(url("/write")).status == 503);
    CHECK(answers.at(url("/write")).attempts == 1);
    CHECK(answers.at(url("/silent")).fault == HttpFault::slow);
    CHECK(answers.at(url("/silent?late")).end == HttpEnd::past_deadline);
    CHECK(answers.at(url("/silent?cancelled")).end == HttpEnd::cancelled);
    CHECK(answers.at(url("/streamed")).body.empty());
    CHECK(body == "here");
    CHECK(answers.at(url("/no")).fault == HttpFault::refused);
    CHECK(answers.at("http://127.0.0.1:1/").fault == HttpFault::connection);
    CHECK(answers.at("http://127.0.0.1:1/").attempts == 3);
    CHECK(answers.at("file:///etc/passwd").end == HttpEnd::failed);
    CHECK(answers.at(url("/")).body == "here");
}

TEST_CASE("http: what throws in the midst of many requests leaves nothing behind") {
    Server server([](const std::string& request, int) { return reply(200, path_of(request)); });
    HttpClient client;
    const HttpRequest request = get(server.url());
    int left = 20;
    HttpBatch batch;
    batch.next = [&] { return left-- > 0 ? &request : nullptr; };
    batch.take = [](const HttpRequest&, const HttpResponse&) { throw std::runtime_error("enough"); };
    CHECK_THROWS_WITH(client.perform_all(batch), "enough");
    CHECK(all_of(client, {request}).at(request.url).body == "/");
}

TEST_CASE("http: a plugin hands over many requests, in both hosts") {
    Server server([](const std::string& request, int) { return reply(200, path_of(request)); });
    PluginHost host(test_options());
    auto provider = must_open(host, {"p", "probe", "{}", GENERATE(Isolation::in_process, Isolation::worker)});
    const auto ask_for = [&](const std::string& more) {
        Answers answers = ask(*provider, Method::observe,
                              {R"("many {\"url\":\")" + server.url() + R"(\",)" + more + "}\""});
        INFO(answers.first_message());
        REQUIRE(answers.end.ok);
        return answers[0].document;
    };
    CHECK(ask_for(R"(\"count\":3)") == R"({"answer":{"0":"/0","1":"/1","2":"/2"}})");
    CHECK_THAT(ask_for(R"(\"count\":2,\"options\":\"{\")"), ContainsSubstring("no JSON"));
    CHECK(ask_for(R"(\"count\":50,\"throwAt\":4)") == R"({"answer":{"thrown":"at 4"}})");
}

TEST_CASE("http: a plugin reaches it through its host, in both hosts") {
    Server server([](const std::string&, int) { return reply(200, "served"); });
    PluginHost host(test_options());
    auto provider = must_open(host, {"p", "probe", "{}", GENERATE(Isolation::in_process, Isolation::worker)});
    const std::vector<std::string> names{
        R"("http {\"url\":\")" + server.url() + R"(\",\"options\":{\"proxy\":\"-\"}}")",
        R"("http {\"url\":\"http://127.0.0.1:1/\",\"options\":{\"retries\":0,\"proxy\":\"-\"}}")"};
    Answers answers = ask(*provider, Method::observe, names);
    INFO(answers.first_message());
    REQUIRE(answers.end.ok);
    CHECK(answers[0].document == R"({"answer":{"body":"served","error":"","status":200}})");
    CHECK_THAT(answers[1].document,
               ContainsSubstring("\"status\":0") && ContainsSubstring("http://127.0.0.1:1/"));
}
