// A whole provider: each Greeting is a file in a directory.
#include <filesystem>
#include <fstream>

#include <holdfast/json.hpp>

using namespace holdfast::sdk;
namespace fs = std::filesystem;

struct Hello : Provider {
    static constexpr const char* plugin_name = "hello";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe() {
        return R"({"name": "hello", "version": "0.1.0", "groups": ["hello.example.org"],
            "config": {"required": ["directory"]}, "kinds": [{"apiVersion": "hello.example.org/v1",
                "kind": "Greeting", "identity": ["/spec/key"], "schema": {"properties": {"spec": {
                    "required": ["key", "text"], "properties": {"text": {"type": "string"},
                        "key": {"type": "string", "pattern": "^[a-z0-9-]+$"}}}}}}]})";
    }
    Hello(const Call&, std::string_view json) : dir_(text_at(parse_json(json), "/directory")) { folder(); }
    std::string target() const override { return "hello:" + fs::canonical(folder()).string(); }
    void observe(const Scope&, Items items, Results& results) override {
        for (const Item& item : items) {
            const std::string key = parse_json(item.identity());
            // Where folder() throws, the call fails: what cannot be read is never absent.
            fs::exists(folder() / key) ? results.done(item, read(key)) : results.absent(item);
        }
    }
    void list(const Scope&, const ListRequest& request, Results& results) override {
        for (const auto& file : fs::directory_iterator(folder())) {
            const std::string key = file.path().filename();
            if (file.is_regular_file()) results.object(request.kind, quote(key), read(key));
        }
    }
    Result apply_one(const Scope&, const Change& change) override {
        const std::string key = parse_json(change.identity());
        if (change.action() == Action::remove) return fs::remove(dir_ / key), Result::done("");
        std::ofstream file(dir_ / key);
        if (!file) throw Error("hello.unwritable", "cannot write " + (dir_ / key).string());
        file << text_at(parse_json(change.declared()), "/spec/text");
        if (!file.flush()) throw std::runtime_error("only part of it was written"); // outcome: unknown
        return Result::done(read(key));
    }

private:
    fs::path folder() const {
        if (!fs::is_directory(dir_)) throw Error("hello.no-directory", "create " + dir_.string());
        return dir_;
    }
    std::string read(const std::string& key) const {
        std::ifstream file(dir_ / key);
        if (!file) throw Error("hello.unreadable", "cannot read " + (dir_ / key).string());
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        return R"({"kind":"Greeting","spec":{"key":)" + quote(key) + R"(,"text":)" + quote(text) + "}}";
    }
    fs::path dir_;
};

HOLDFAST_PLUGIN(Hello);
