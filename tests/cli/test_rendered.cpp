// Stacks whose documents a renderer makes: planned, applied, traced and pruned like any others.

#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/playground.hpp"
#include "support/skip.hpp"

using test::Playground;
using test::Ran;
namespace fs = std::filesystem;

namespace {

// A chart whose templates are host files, and a helm that prints them as helm does, with the size from the
// values filled in.
struct Charts {
    explicit Charts(const std::string& render = "{helm: {release: shop, values: [../../values.yaml]}}") {
        fs::permissions(place.folder(), fs::perms(0755));
        place.write("holdfast.yaml",
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                    "spec: {plugin: host, config: {root: ../target}}\n---\n"
                    "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                    "spec:\n  path: charts/web\n  providers: {host.holdfast.dev: files}\n"
                    "  render: " +
                        render + "\n");
        place.write("charts/web/Chart.yaml", "name: web\nversion: 1.0.0\n");
        place.write("values.yaml", "size: 3\n");
        for (const char* const name : {"one", "two", "three", "four"}) write_template(name, name);
        place.commit("all of it");
        install(
            "for file in templates/*.yaml; do echo ---; echo \"# Source: web/$file\"; sed \"s/SIZE/$(sed -n "
            "'s/size: //p' ../../values.yaml)/\" $file; done");
    }
    void write_template(const std::string& name, const std::string& content, const std::string& more = {}) {
        place.write("charts/web/templates/" + name + ".yaml",
                    "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: " + name +
                        "}\nspec:\n  path: " + name + ".txt\n  content: \"" + content + " SIZE\"\n" + more);
    }
    void install(const std::string& script) {
        std::ofstream(place.folder() / "helm") << "#!/bin/bash\n" << script << "\n";
        fs::permissions(place.folder() / "helm", fs::perms(0755));
        const fs::path file = place.folder() / "operator.yaml";
        std::ofstream(file) << "renderers: {helm: {program: " << (place.folder() / "helm").string() << "}}\n";
        fs::permissions(file, fs::perms(0600));
    }

    Playground place;
};

} // namespace

TEST_CASE("what a chart renders to is applied, traced to its template, and pruned when it is gone") {
    Charts charts;
    const Ran applied = charts.place.holdfast({"apply", "--yes"});
    CAPTURE(applied.out, applied.err);
    REQUIRE(applied.exit_code == 0);
    CHECK(charts.place.read_target("one.txt") == "one 3");

    charts.write_template("two", "second");
    const std::string commit = charts.place.commit("name the second one");
    CHECK(charts.place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(charts.place.read_target("two.txt") == "second 3");
    const std::string why = charts.place.holdfast({"why", "File/two"}).out;
    INFO(why);
    CHECK(why.find("charts/web/templates/two.yaml") != std::string::npos);
    CHECK(why.find("name the second one") != std::string::npos);

    // A file outside of the chart counts as well.
    charts.place.write("values.yaml", "size: 4\n");
    charts.place.commit("grow");
    CHECK(charts.place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(charts.place.read_target("four.txt") == "four 4");

    charts.place.remove("charts/web/templates/three.yaml");
    charts.place.commit("three is gone");
    CHECK(charts.place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(charts.place.read_target("three.txt") == "<none>");
    CHECK(charts.place.holdfast({"plan"}).exit_code == 0);
}

TEST_CASE("where the renderer fails nothing is touched, and nothing is deleted") {
    Charts charts;
    REQUIRE(charts.place.holdfast({"apply", "--yes"}).exit_code == 0);
    charts.place.write("values.yaml", "size: 9\n");
    charts.place.commit();
    charts.install(GENERATE(
        as<std::string>{}, "echo 'Error: no such value' >&2; exit 1",
        "printf 'apiVersion: host.holdfast.dev/v1alpha1\\nkind: File\\nmetadata: {name: one}\\nspec: "
        "{path: one.txt, contentt: x}\\n'",
        "printf 'a: [\\n'", "true"));
    const Ran ran = charts.place.holdfast({"apply", "--yes"});
    CAPTURE(ran.out, ran.err);
    CHECK((ran.exit_code == 1 || ran.exit_code == 3)); // nothing rendered is an emptied stack: it is parked
    CHECK(charts.place.read_target("one.txt") == "one 3");
    CHECK(charts.place.target_files().size() == 4);
}

TEST_CASE("an error in a rendered document shows the line that the renderer printed") {
    Charts charts;
    charts.write_template("one", "one", "  contentt: x\n");
    charts.place.commit();
    const Ran ran = charts.place.holdfast({"validate"});
    INFO(ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(ran.err.find("charts/web/templates/one.yaml, as helm renders it:8:3") != std::string::npos);
    CHECK(ran.err.find("  contentt: x") != std::string::npos);
    CHECK(ran.err.find("did you mean \"content\"?") != std::string::npos);
}

TEST_CASE("what the engine does not read natively, kustomize renders") {
    if (std::system("command -v kubectl >/dev/null && kubectl kustomize --help >/dev/null 2>&1") != 0)
        return holdfast::test::skip("no kubectl that could render");
    Charts charts("{kustomize: {}}");
    charts.place.remove("charts");
    charts.place.write("base/kustomization.yaml", "resources: [map.yaml]\n");
    charts.place.write("base/map.yaml",
                       "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: conf}\n"
                       "spec: {path: $(WHERE), content: held}\n");
    charts.place.write(
        "charts/web/kustomization.yaml",
        "resources: [../../base, where.yaml]\n"
        "vars:\n- {name: WHERE, objref: {apiVersion: host.holdfast.dev/v1alpha1, kind: File, name: where}, "
        "fieldref: {fieldpath: spec.path}}\n"
        "configurations: [vars.yaml]\n");
    charts.place.write("charts/web/vars.yaml", "varReference: [{path: spec/path, kind: File}]\n");
    charts.place.write("charts/web/where.yaml",
                       "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: where}\n"
                       "spec: {path: where.txt, content: here}\n");
    charts.place.commit();
    const Ran ran = charts.place.holdfast({"plan"});
    INFO(ran.out << ran.err);
    // Two documents for one object: both have been rendered, with the variable filled in.
    CHECK(ran.err.find("where.txt") != std::string::npos);
    charts.place.write("base/map.yaml",
                       "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: conf}\n"
                       "spec: {path: conf.txt, content: $(WHERE)}\n");
    charts.place.write("charts/web/vars.yaml", "varReference: [{path: spec/content, kind: File}]\n");
    charts.place.commit();
    const Ran applied = charts.place.holdfast({"apply", "--yes"});
    INFO(applied.out << applied.err);
    CHECK(applied.exit_code == 0);
    CHECK(charts.place.read_target("conf.txt") == "where.txt");
    // A base outside of the folder counts.
    charts.place.write("base/map.yaml",
                       "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata: {name: conf}\n"
                       "spec: {path: conf.txt, content: \"at $(WHERE)\"}\n");
    charts.place.commit();
    CHECK(charts.place.holdfast({"apply", "--yes"}).exit_code == 0);
    CHECK(charts.place.read_target("conf.txt") == "at where.txt");
}
