#pragma once
// A temporary root with the real plugin opened on it, and short words for what the tests do there.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include <openssl/sha.h>

#include "support/catch.hpp"
#include "support/raw_plugin.hpp"

namespace holdfast::testing {

namespace fs = std::filesystem;

inline std::string sha256(const std::string& bytes) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
    std::string out;
    for (const unsigned char byte : digest) {
        char hex[3];
        std::snprintf(hex, sizeof hex, "%02x", byte);
        out += hex;
    }
    return out;
}

class Sandbox {
public:
    Sandbox() {
        static std::atomic<int> count{0};
        base = fs::temp_directory_path() /
               ("holdfast-host-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
        root = base / "root";
        fs::create_directories(root);
        open();
    }
    ~Sandbox() {
        plugin.close();
        std::error_code ignored;
        fs::remove_all(base, ignored);
    }
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    std::vector<RawResult> open(Json more = Json::object()) {
        more["root"] = root;
        return plugin.open(more.dump());
    }

    static RawItem item(const std::string& kind, const std::string& path) {
        RawItem out;
        out.kind = "host.holdfast.dev/v1alpha1/" + kind;
        out.identity = Json(path).dump();
        return out;
    }
    static RawItem item(holdfast_action action, const std::string& kind, Json spec) {
        RawItem out = item(kind, spec.at("path").get<std::string>());
        out.action = action;
        if (action != HOLDFAST_DELETE)
            out.declared = Json{
                {"apiVersion", "host.holdfast.dev/v1alpha1"},
                {"kind", kind},
                {"metadata", {{"name", "x"}}},
                {"spec", spec}}.dump();
        return out;
    }

    RawResult observe(const std::string& kind, const std::string& path) {
        return plugin.call(plugin.table->observe, {item(kind, path)}).at(0);
    }
    std::vector<RawResult> apply(const std::vector<RawItem>& items) {
        auto results = plugin.call(plugin.table->apply, items);
        std::vector<RawResult> in_order(items.size());
        for (const RawResult& result : results)
            if (result.item < in_order.size()) in_order[result.item] = result;
        return in_order;
    }
    RawResult create(const std::string& kind, Json spec) {
        return apply({item(HOLDFAST_CREATE, kind, std::move(spec))}).at(0);
    }
    // As the engine does: with what was observed.
    RawResult change(holdfast_action action, const std::string& kind, Json spec, const RawResult& observed) {
        RawItem out = item(action, kind, std::move(spec));
        out.observed = observed.document;
        out.version = observed.version;
        return apply({out}).at(0);
    }
    RawResult update(const std::string& kind, Json spec) {
        const RawResult observed = observe(kind, spec.at("path"));
        return change(HOLDFAST_UPDATE, kind, std::move(spec), observed);
    }
    RawResult remove(const std::string& kind, const std::string& path) {
        const RawResult observed = observe(kind, path);
        return change(HOLDFAST_DELETE, kind, {{"path", path}}, observed);
    }
    Json canonical(const std::string& kind, Json spec) {
        const auto* table = plugin.extension<holdfast_canonicalize>(HOLDFAST_EXT_CANONICALIZE);
        return plugin.call(table->canonicalize, {item(HOLDFAST_NONE, kind, std::move(spec))}).at(0).spec();
    }

    void write(const std::string& path, const std::string& bytes) const {
        std::ofstream(root / path, std::ios::binary) << bytes;
    }
    std::string read(const std::string& path) const {
        std::ifstream file(root / path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    struct stat status(const std::string& path) const {
        struct stat out {};
        ::lstat((root / path).c_str(), &out);
        return out;
    }
    // Every name beneath the root, for "nothing else was touched".
    std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const auto& entry : fs::recursive_directory_iterator(root))
            out.push_back(entry.path().lexically_relative(root));
        std::sort(out.begin(), out.end());
        return out;
    }

    fs::path base, root;
    RawPlugin plugin{HOST_PLUGIN};
};

} // namespace holdfast::testing
