// Tells what a plugin sees of its host. What to look at is the identity: "env NAME", "descriptors",
// "process", "put TEXT", "get SHA256", "http JSON", "many JSON", "print TEXT", "hang", "hint", "late",
// "flood".

#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <thread>
#include <unistd.h>

#include <holdfast/json.hpp>

namespace {

using namespace holdfast::sdk;

class Probe final : public Provider, public Watch {
public:
    static constexpr const char* plugin_name = "probe";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe() {
        return R"({"name":"probe","version":"0.1.0","groups":["probe.holdfast.dev"],"maxItems":1000,
                   "extensions":["holdfast.watch/1"],
                   "kinds":[{"apiVersion":"probe.holdfast.dev/v1","kind":"Question",
                             "identity":["/metadata/name"]}]})";
    }

    Probe(const Call& call, std::string_view config)
        : host_(call.host()), target_(text_at(parse_json(config), "/target", "probe")) {
        // Another target in every process, as a server does that was replaced.
        if (target_ == "changing") target_ += std::to_string(getpid());
    }
    std::string target() const override { return target_; }
    void list(const Scope&, const ListRequest&, Results&) override {}

    void observe(const Scope& scope, Items items, Results& results) override {
        for (const Item& item : items) {
            const std::string question = parse_json(item.identity()).get<std::string>();
            const std::size_t space = question.find(' ');
            const std::string word = question.substr(0, space);
            const std::string rest = space == std::string::npos ? "" : question.substr(space + 1);
            results.done(item, dump_json(Json{{"answer", answer(scope, word, rest)}}));
        }
    }

    void watch(const Scope&, Items items, Hints hints) override {
        hints_ = hints;
        last_hints_ = hints;
        watched_ = items.size();
    }
    void unwatch() override { hints_.reset(); }

private:
    Json answer(const Scope& scope, const std::string& word, const std::string& rest) {
        if (word == "env") return std::getenv(rest.c_str()) ? Json(std::getenv(rest.c_str())) : Json();
        if (word == "descriptors") return descriptors();
        if (word == "process") return Json{{"pid", getpid()}, {"group", getpgrp()}, {"parent", getppid()}};
        if (word == "put") return host_.put_blob(rest).value_or("");
        if (word == "get") return host_.read_blob(rest).value_or("none");
        if (word == "print") return std::printf("%s\n", rest.c_str()), std::fflush(stdout), Json();
        if (word == "log") return host_.warning(rest), Json();
        if (word == "hang")
            for (;;) pause();
        if (word == "http") return http(scope, rest);
        if (word == "many") return many(scope, parse_json(rest));
        if (word == "die") _exit(3);
        if (word == "watched") return watched_;
        if (word == "hint" && hints_) hints_->item("zone", "k", rest);
        if (word == "late" && last_hints_) last_hints_->item("zone", "k", rest); // also after unwatch()
        if (word == "large") return std::string(std::stoul(rest), 'x');
        return {};
    }

    static Json http(const Scope& scope, const std::string& request) {
        const Json options = parse_json(request);
        HttpRequest out;
        out.url = options["url"];
        out.options = dump_json(options.value("options", Json::object()));
        const HttpResponse response = scope.http(out);
        return Json{{"status", response.status}, {"body", response.body}, {"error", response.error}};
    }

    // {"url", "count", "options", "throwAt"} -> the body, or else the error, of each of url + number
    static Json many(const Scope& scope, const Json& asked) {
        std::size_t begun = 0;
        Json out = Json::object();
        HttpBatch batch;
        batch.most_at_once = 4;
        batch.next = [&]() -> std::optional<HttpRequest> {
            if (begun == asked["count"]) return std::nullopt;
            if (begun == asked.value("throwAt", std::size_t{999}))
                throw std::runtime_error("at " + std::to_string(begun));
            HttpRequest request;
            request.url = asked["url"].get<std::string>() + std::to_string(begun++);
            request.options = asked.value("options", R"({"proxy":"-"})");
            return request;
        };
        batch.take = [&](std::size_t number, const HttpResponse& response) {
            out[std::to_string(number)] = response.error.empty() ? response.body : response.error;
        };
        try {
            scope.http_all(batch);
        } catch (const std::runtime_error& error) {
            return Json{{"thrown", error.what()}};
        }
        return out;
    }

    static Json descriptors() {
        Json out = Json::array();
        DIR* folder = opendir("/proc/self/fd");
        while (const dirent* entry = readdir(folder)) {
            const int fd = std::atoi(entry->d_name);
            if (entry->d_name[0] != '.' && fd != dirfd(folder)) out.push_back(fd);
        }
        closedir(folder);
        return out;
    }

    Host host_;
    std::string target_;
    std::optional<Hints> hints_, last_hints_;
    std::size_t watched_ = 0;
};

} // namespace

HOLDFAST_PLUGIN(Probe);
