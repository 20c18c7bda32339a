#pragma once
// The account files of a small Linux system beneath a folder of its own, with the plugin opened on it.

#include <filesystem>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "support/plugin_driver.hpp"
#include "support/shell.hpp"
#include "support/temp_folder.hpp"

namespace holdfast::test {

using Json = nlohmann::json;

constexpr const char* key_a =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mWbqpUZUmmkYXjyL0zzQ3kZCzbL9cfQVN7X0o3p6d";
constexpr const char* key_b =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mWbqpUZUmmkYXjyL0zzQ3kZCzbL9cfQVN7X0o3p7d";

inline std::string kind_id(const std::string& kind) { return "access.holdfast.dev/v1alpha1/" + kind; }

inline void write_system(const std::string& root) {
    std::filesystem::create_directories(root + "/etc/skel");
    std::filesystem::create_directories(root + "/home");
    write_file(root + "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndeploy:x:990:990::/srv:/bin/sh\n");
    write_file(root + "/etc/shadow", "root:*:19000:0:99999:7:::\ndeploy:!:19000::::::\n");
    write_file(root + "/etc/group", "root:x:0:\ndocker:x:998:\nvideo:x:44:\ndeploy:x:990:\n");
    write_file(root + "/etc/gshadow", "root:*::\ndocker:!::\nvideo:!::\ndeploy:!::\n");
    write_file(root + "/etc/login.defs", "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\n");
    write_file(root + "/etc/skel/.profile", "umask 022\n");
    std::filesystem::permissions(root + "/etc/shadow", std::filesystem::perms(0640));
    std::filesystem::permissions(root + "/etc/gshadow", std::filesystem::perms(0600));
}

class System {
public:
    // In a folder of its own, or in one that is there.
    explicit System(Json more = Json::object(), const std::string& at = {})
        : root_(at.empty() ? folder.path() : at) {
        write_system(root());
        more["root"] = root();
        config = Json{{"name", "web-1"}, {"adapter", "linux"}, {"linux", std::move(more)}}.dump();
        plugin = std::make_unique<PluginDriver>("access", config);
    }
    const std::string& root() const { return root_; }
    std::string read(const std::string& path) const { return read_file(root() + "/" + path); }
    // The row of that name, without its end of line.
    std::string row(const std::string& file, const std::string& name) const {
        const std::string text = "\n" + read("etc/" + file);
        const std::size_t at = text.find("\n" + name + ":");
        return at == text.npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    }

    static Ask item(const std::string& kind, const std::string& name) {
        return {.kind = kind_id(kind),
                .identity = Json(name).dump(),
                .declared = {},
                .observed = {},
                .version = {}};
    }
    static Ask change(ItemAction action, const std::string& kind, Json spec) {
        Ask ask = item(kind, spec.at("name").get<std::string>());
        ask.action = action;
        if (action != ItemAction::remove)
            ask.declared = Json{
                {"apiVersion", "access.holdfast.dev/v1alpha1"},
                {"kind", kind},
                {"metadata", {{"name", "x"}}},
                {"spec", spec}}.dump();
        return ask;
    }
    Answers apply(const std::vector<Ask>& changes) { return plugin->ask(Method::apply, "", changes); }
    std::string create(const std::string& kind, Json spec) {
        return apply({change(ItemAction::create, kind, std::move(spec))}).summary();
    }
    // With what is observed now, as the engine does.
    std::string update(const std::string& kind, Json spec) {
        return with_version(ItemAction::update, kind, std::move(spec));
    }
    std::string remove(const std::string& kind, const std::string& name) {
        return with_version(ItemAction::remove, kind, {{"name", name}});
    }
    Answer observe(const std::string& kind, const std::string& name) {
        return plugin->ask(Method::observe, "", {item(kind, name)})[0];
    }
    Json spec(const std::string& kind, const std::string& name) {
        const Answer answer = observe(kind, name);
        return answer.document.empty() ? Json() : Json::parse(answer.document).at("spec");
    }

    TempFolder folder;
    std::string config;
    std::unique_ptr<PluginDriver> plugin;

private:
    std::string root_;

    std::string with_version(ItemAction action, const std::string& kind, Json spec) {
        Ask ask = change(action, kind, spec);
        ask.version = observe(kind, spec.at("name").get<std::string>()).version;
        return apply({ask}).summary();
    }
};

} // namespace holdfast::test

#define AS_ROOT                                                                                              \
    if (::geteuid() != 0) return ::holdfast::test::skip("accounts are root's to write")
