#include "repository.hpp"

#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>

namespace bench {

namespace {

void blob(FILE* git, const std::string& path, const std::string& text) {
    fmt::print(git, "M 100644 inline {}\ndata {}\n", path, text.size());
    std::fwrite(text.data(), 1, text.size(), git);
    std::fputc('\n', git);
}

void must(int status, const std::string& what) {
    if (status == 0) return;
    fmt::print(stderr, "bench: {} failed\n", what);
    std::exit(1);
}

} // namespace

void make_repository(const std::string& path, const std::string& project, std::size_t documents,
                     const std::function<std::string(std::size_t)>& document,
                     const std::function<std::string(std::size_t)>& name) {
    must(std::system(fmt::format("rm -rf '{0}' && git init -q -b main '{0}'", path).c_str()), "git init");
    FILE* git = ::popen(fmt::format("git -C '{}' fast-import --quiet", path).c_str(), "w");
    if (!git) std::exit(1);
    fmt::print(
        git, "commit refs/heads/main\ncommitter Bench <bench@example.org> 1700000000 +0000\ndata 5\nbench\n");
    blob(git, "holdfast.yaml", project);
    for (std::size_t i = 0; i < documents; ++i)
        blob(git, name ? name(i) : fmt::format("stack/d{:03}/o{:06}.yaml", i / 1000, i), document(i));
    must(::pclose(git), "git fast-import");
}

std::string object_document(std::size_t i, Link link) {
    const std::string previous =
        i > 0 ? fmt::format("memory.holdfast.dev/Object/object-{:06}", i - 1) : std::string();
    const std::string annotations =
        link == Link::depends_on && i > 0
            ? fmt::format("  annotations:\n    holdfast.dev/depends-on: {}\n", previous)
            : "";
    const std::string reference =
        link == Link::reference && i > 0
            ? fmt::format("  before: ${{{{ outputs[\"{}\"].status.generation }}}}\n", previous)
            : "";
    return fmt::format(
        "apiVersion: memory.holdfast.dev/v1alpha1\nkind: Object\nmetadata:\n  name: object-{0:06}\n{1}  "
        "labels:\n"
        "    team: platform-{2}\n    tier: \"{3}\"\nspec:\n"
        "  description: \"An object that stands for something real, number {0}, with a line of text about "
        "it\"\n"
        "  address: 192.0.2.{4}\n  port: {5}\n  enabled: true\n  size: {6}\n  owner: team-{7}@example.org\n"
        "  path: /srv/data/objects/{8:03}/{0:06}/content.bin\n"
        "  comment: \"The quick brown fox jumps over the lazy dog while the engine reconciles {0} of them, "
        "one after the other\"\n{9}",
        i, annotations, i % 17, i % 3, i % 256, 1024 + i % 60000, i % 100, i % 50, i / 1000, reference);
}

std::string file_document(std::size_t i) {
    return fmt::format(
        "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata:\n  name: file-{0:06}\nspec:\n"
        "  path: f{0:06}.conf\n  mode: \"0644\"\n  content: |\n    # file {0}\n    listen = 127.0.0.1:{1}\n"
        "    workers = 4\n    log = /var/log/service-{0}.log\n",
        i, 1024 + i % 60000);
}

} // namespace bench
