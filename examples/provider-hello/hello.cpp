// A whole provider: each Greeting is a file in a directory.
#include <filesystem>
#include <fstream>

#include <holdfast/json.hpp>

using namespace holdfast::sdk;
namespace fs = std::filesystem;

class Hello : public Provider {
public:
    static constexpr const char* plugin_name = "hello";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe() {
        return R"({"name": "hello", "version": "0.1.0", "groups": ["hello.example.org"],
            "config": {"type": "object", "required": ["directory"]},
            "kinds": [{"apiVersion": "hello.example.org/v1", "kind": "Greeting", "identity": ["/spec/key"],
                "schema": {"properties": {"spec": {"required": ["key", "text"], "properties": {
                    "key": {"type": "string", "pattern": "^[a-z0-9-]+$"}, "text": {"type": "string"}}}}}}]})";
    }

    Hello(const Call&, std::string_view config) : directory_(text_at(parse_json(config), "/directory")) {
        if (!fs::is_directory(directory_)) throw Error("hello.no-directory", "create " + directory_.string());
    }

    std::string target() const override { return "hello:" + fs::canonical(directory_).string(); }

    void observe(const Scope&, Items items, Results& results) override {
        for (const Item& item : items) {
            const std::string key = parse_json(item.identity());
            fs::exists(directory_ / key) ? results.done(item, read(key)) : results.absent(item);
        }
    }

    void list(const Scope&, const ListRequest& request, Results& results) override {
        for (const auto& file : fs::directory_iterator(directory_))
            results.object(request.kind, quote(file.path().filename().string()),
                           read(file.path().filename()));
    }

    Result apply_one(const Scope&, const Change& change) override {
        const std::string key = parse_json(change.identity());
        if (change.action() == Action::remove) return fs::remove(directory_ / key), Result::done("");
        std::ofstream(directory_ / key) << text_at(parse_json(change.declared()), "/spec/text");
        return Result::done(read(key));
    }

private:
    std::string read(const std::string& key) const {
        std::ifstream file(directory_ / key);
        if (!file) throw Error("hello.unreadable", "cannot read " + (directory_ / key).string());
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        return R"({"kind":"Greeting","spec":{"key":)" + quote(key) + R"(,"text":)" + quote(text) + "}}";
    }

    fs::path directory_;
};

HOLDFAST_PLUGIN(Hello);
