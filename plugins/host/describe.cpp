#include "host.hpp"

namespace holdfast::host {

std::string HostProvider::describe() {
    // The kinds differ only in their spec; `path` says the same of each.
    static const char* const head =
        R"("type":"object",
        "required":["apiVersion","kind","metadata","spec"],"properties":{
        "apiVersion":{"const":"host.holdfast.dev/v1alpha1"},"kind":{"type":"string"},
        "metadata":{"type":"object"},"status":{"type":"object"},
        "spec":{"type":"object","additionalProperties":false,)";
    static const char* const path = R"("path":{"type":"string","minLength":1,"maxLength":4095,
        "description":"where, relative to the provider's root"})";
    static const char* const access = R"("mode":{"type":"string","pattern":"^[0-7]{3,5}$",
        "description":"permissions in octal, in quotes; not compared where not declared"},
        "owner":{"type":"string","minLength":1,"description":"user, by name or number"},
        "group":{"type":"string","minLength":1,"description":"group, by name or number"})";
    const auto kind = [&](const char* name, int rank, const char* more, const std::string& spec) {
        return std::string(R"({"apiVersion":"host.holdfast.dev/v1alpha1","kind":")") + name +
               R"(","identity":["/spec/path"],"compare":["/spec"],"rank":)" + std::to_string(rank) + more +
               R"(,"schema":{)" + head + spec + "}}}}";
    };
    const std::string file = std::string(R"("required":["path"],"properties":{)") + path + "," + access + R"(,
        "content":{"type":"string","description":"the file's text"},
        "source":{"type":["string","object"],
            "description":"a file of the same commit, relative to this document"}})";
    const std::string directory =
        std::string(R"("required":["path"],"properties":{)") + path + "," + access + "}";
    const std::string symlink = std::string(R"("required":["path","target"],"properties":{)") + path + R"(,
        "target":{"type":"string","minLength":1,"maxLength":4095,
            "description":"what the link says, not checked"}})";
    return std::string(R"({"name":"host","version":")") + plugin_version +
           R"(","groups":["host.holdfast.dev"],
        "config":{"type":"object","required":["root"],"additionalProperties":false,"properties":{
            "root":{"type":"string","format":"path","minLength":1,
                    "description":"the directory that everything lies beneath"},
            "allowOwnerChange":{"type":"boolean","default":true,
                                "description":"false: refuse what would need chown"}}},
        "ownership":["owned","additive","observe"],"atomic":false,"ordered":true,"cas":"recheck",
        "maxItems":1000,
        "extensions":["holdfast.canonicalize/1","holdfast.watch/1"],"kinds":[)" +
           kind("Directory", 0, "", directory) + "," + kind("File", 1, R"(,"files":["/spec/source"])", file) +
           "," + kind("Symlink", 1, "", symlink) + "]}";
}

} // namespace holdfast::host
