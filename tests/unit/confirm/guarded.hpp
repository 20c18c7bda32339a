#pragma once
// A checkpoint of one scope of the test provider `memory`, with a change to take back.

#include <chrono>
#include <string>
#include <thread>

#include "base/hash.hpp"
#include "confirm/checkpoint.hpp"
#include "confirm/start.hpp"
#include "plugins/memory/store.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "sys/clock.hpp"
#include "sys/file.hpp"

namespace holdfast {

inline const std::string& plugin_path() {
    static const std::string path = HOLDFAST_BINARY_DIR "/tests/plugins/libholdfast-memory.so";
    return path;
}
inline const std::string& program() {
    static const std::string path = HOLDFAST_BINARY_DIR "/bin/holdfast-supervisor";
    return path;
}

// The claim, within 20 seconds.
template <typename Claim>
bool comes_true(Claim claim) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!claim()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

class Guarded {
public:
    explicit Guarded(std::int64_t timeout_ms = 60'000) {
        put("before");
        checkpoint.directory = confirm_directory(folder.path()) + "/pass-1";
        checkpoint.pass = "pass";
        checkpoint.stack = "edge";
        checkpoint.timeout_ms = timeout_ms;
        checkpoint.restore_limit_ms = 500;
        checkpoint.scopes = {{.provider = "memory",
                              .plugin = "memory",
                              .plugin_hash = sha256(*read_file(plugin_path(), 1U << 30)),
                              .config = R"({"file": ")" + objects() + R"("})",
                              .target = "memory:" + objects(),
                              .scope = "net",
                              .snapshot = "snapshot-0"}};
        checkpoint.changes = {{*parse_address("edge:memory.holdfast.dev/Object/route"), "update", {}}};
    }

    Status write() {
        return write_checkpoint(checkpoint, {R"([[")" + kind + R"(", "\"route\"", ")" + "before" + R"("]])"},
                                {{"memory", plugin_path()}});
    }
    // Written, and the change is made.
    void change() {
        REQUIRE(write());
        put("after");
    }
    void put(const std::string& document) const {
        memory::Store store(objects());
        const memory::Object* now = store.find(kind, "net", "\"route\"");
        store.put({kind, "net", "\"route\"", document, now ? now->generation + 1 : 1});
    }
    std::string stands() const {
        memory::Store store(objects());
        const memory::Object* object = store.find(kind, "net", "\"route\"");
        return object ? std::string(object->document) : "<none>";
    }
    std::string objects() const { return folder / "objects"; }
    const std::string& directory() const { return checkpoint.directory; }

    const std::string kind = "memory.holdfast.dev/v1alpha1/Object";
    TempFolder folder;
    Checkpoint checkpoint;
};

} // namespace holdfast
