// Secrets reach the target and nothing else: not the store's files, nor any text that Holdfast writes.

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "support/catch.hpp"
#include "support/memory_world.hpp"

using test::count;
using test::MemoryWorld;
using test::Ran;

namespace fs = std::filesystem;

namespace {

const std::string in_file = "kitchen-Sink7\"quoted";        // as it is in memory
const std::string in_file_json = "kitchen-Sink7\\\"quoted"; // as JSON writes it
const std::string in_env = "wandering-albatross";

void write_private(const fs::path& path, const std::string& text, mode_t mode = 0600) {
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
}

void configure_secrets(MemoryWorld& world) {
    write_private(world.place.folder() / "db.yaml",
                  "password: 'kitchen-Sink7\"quoted'\nuser: harbour-master\n");
    write_private(world.place.folder() / "operator.yaml",
                  "secrets:\n- {name: db, file: " + (world.place.folder() / "db.yaml").string() +
                      "}\n- {name: mail, env: {key: MAIL_KEY}}\n");
    world.place.set_environment("MAIL_KEY", in_env);
}

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// Where in the store's folder (database, WAL, cache, blobs) or in `outputs` a secret stands in the open.
std::string leaks(MemoryWorld& world, const std::vector<Ran>& outputs) {
    std::string found;
    const std::vector<std::string> forms{in_file, in_file_json,       "kitchen-Sink7",
                                         in_env,  "a2l0Y2hlbi1TaW5r", "d2FuZGVyaW5n"};
    const auto look = [&](const std::string& where, const std::string& text) {
        for (const std::string& form : forms)
            if (const std::size_t at = text.find(form); at != std::string::npos)
                found += where + ": ..." + text.substr(at < 60 ? 0 : at - 60, 120) + "...\n";
    };
    for (const auto& entry : fs::recursive_directory_iterator(world.place.store()))
        if (entry.is_regular_file()) look(entry.path().filename().string(), read(entry.path()));
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        look("output " + std::to_string(i), outputs[i].out);
        look("error output " + std::to_string(i), outputs[i].err);
    }
    return found;
}

// Every command that tells of a stack.
std::vector<Ran> everything_said(MemoryWorld& world, const std::string& name) {
    std::vector<Ran> said;
    const std::string id = "memory.holdfast.dev/Object/" + name;
    for (const std::vector<std::string>& words : {std::vector<std::string>{"plan"},
                                                  {"--json", "plan"},
                                                  {"-v", "plan"},
                                                  {"status"},
                                                  {"--json", "status"},
                                                  {"history"},
                                                  {"--json", "history"},
                                                  {"why", id},
                                                  {"--json", "why", id},
                                                  {"drift"},
                                                  {"--json", "drift"},
                                                  {"output"},
                                                  {"--json", "output"},
                                                  {"graph"},
                                                  {"store", "check"},
                                                  {"store", "export"},
                                                  {"validate"},
                                                  {"import", "--provider", "memory"}})
        said.push_back(world.place.holdfast(words));
    return said;
}

} // namespace

TEST_CASE("secrets from file and environment reach the target, and nothing else") {
    MemoryWorld world;
    configure_secrets(world);
    world.object("a", "password: \"${{ secrets.db.password }}\"");
    world.object("b", "password: \"user=${{ secrets.db.user }} key=${{ secrets.mail.key }}\"");
    std::vector<Ran> said = everything_said(world, "a");
    const fs::path saved = world.place.folder() / "saved.plan";
    said.push_back(world.plan({"--out", saved.string()}));
    CHECK(said.back().exit_code == 2);
    REQUIRE(fs::exists(saved));
    said.push_back({0, read(saved), ""});
    said.push_back(world.apply({"-v"}));
    CAPTURE(said.back().out, said.back().err);
    REQUIRE(said.back().exit_code == 0);
    CHECK_THAT(world.stored("a"), ContainsSubstring("\"password\":\"" + in_file_json + "\""));
    CHECK_THAT(world.stored("b"), ContainsSubstring("\"user=harbour-master key=" + in_env + "\""));
    for (Ran& ran : everything_said(world, "a")) said.push_back(std::move(ran));
    for (Ran& ran : everything_said(world, "b")) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
    world.writes();
    world.applied();
    CHECK(world.writes().empty());
}

TEST_CASE("a rotated secret is a change, with no value shown, and then nothing is left to do") {
    MemoryWorld world;
    configure_secrets(world);
    world.object("a", "password: \"${{ secrets.mail.key }}\"");
    world.applied();
    world.writes();
    world.place.set_environment("MAIL_KEY", "wandering-albatross-the-second");
    Ran plan = world.plan();
    CAPTURE(plan.out, plan.err);
    CHECK(plan.exit_code == 2);
    CHECK_THAT(plan.out, ContainsSubstring("password"));
    Ran json = world.place.holdfast({"--json", "plan"});
    Ran apply = world.apply();
    CHECK(apply.exit_code == 0);
    CHECK(world.writes() == std::vector<std::string>{"update \"a\""});
    CHECK_THAT(world.stored("a"), ContainsSubstring("wandering-albatross-the-second"));
    CHECK(leaks(world, {plan, json, apply}) == "");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("a secret changed on the target by hand is drift that shows no value, and is corrected") {
    MemoryWorld world;
    configure_secrets(world);
    world.object("a", "password: \"${{ secrets.mail.key }}\"");
    world.applied();
    world.by_hand(
        "a",
        R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Object","metadata":{"name":"a"},)"
        R"("spec":{"password":"sneaky-intruder"},"status":{"generation":2,"health":"healthy","value":"a"}})");
    std::vector<Ran> said = everything_said(world, "a");
    const Ran plan = world.plan();
    CHECK(plan.exit_code == 2);
    said.push_back(plan);
    world.applied();
    CHECK_THAT(world.stored("a"), ContainsSubstring(in_env));
    for (Ran& ran : everything_said(world, "a")) said.push_back(std::move(ran));
    for (const Ran& ran : said) {
        CHECK(ran.out.find("sneaky-intruder") == std::string::npos);
        CHECK(ran.err.find("sneaky-intruder") == std::string::npos);
    }
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("a plain password is as secret as one that is a reference") {
    MemoryWorld world;
    world.object("a", "password: " + in_env);
    std::vector<Ran> said{world.plan(), world.apply()};
    CHECK(said.back().exit_code == 0);
    for (Ran& ran : everything_said(world, "a")) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE(
    "a secret outside a sensitive field is an error unless the stack allows it, and stays hidden then too") {
    MemoryWorld world;
    configure_secrets(world);
    world.object("a", "value: \"key ${{ secrets.mail.key }}\"");
    std::vector<Ran> said{world.apply()};
    CAPTURE(said.back().out, said.back().err);
    CHECK(said.back().exit_code == 1);
    CHECK_THAT(said.back().err, ContainsSubstring("secret.outside-sensitive-field") &&
                                    ContainsSubstring("allowInsecureSecretFields") &&
                                    ContainsSubstring("app/a.yaml:5"));
    CHECK(world.stored("a") == "<none>");

    world.configure("", "allowInsecureSecretFields: true");
    said.push_back(world.apply({"-v"}));
    CAPTURE(said.back().out, said.back().err);
    CHECK(said.back().exit_code == 0);
    CHECK_THAT(world.stored("a"), ContainsSubstring("key " + in_env));
    for (Ran& ran : everything_said(world, "a")) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("an output that repeats a secret stays hidden, also where another document takes it") {
    MemoryWorld world;
    configure_secrets(world);
    world.configure("", "allowInsecureSecretFields: true");
    world.object("a", "value: \"${{ secrets.mail.key }}\"");
    world.object("b", "value: \"got ${{ outputs['memory.holdfast.dev/Object/a'].status.value }}\"");
    world.object("c", "value: \"${{ outputs['memory.holdfast.dev/Object/a'].spec.value }}\"");
    world.object("p", "password: \"${{ secrets.db.password }}\"");
    world.object("d", "all: \"${{ outputs['memory.holdfast.dev/Object/p'].spec }}\"");
    std::vector<Ran> said{world.plan(), world.apply({"-v"})};
    CAPTURE(said.back().out, said.back().err);
    CHECK(said.back().exit_code == 0);
    CHECK_THAT(world.stored("b"), ContainsSubstring("got " + in_env));
    CHECK_THAT(world.stored("c"), ContainsSubstring(in_env));
    CHECK_THAT(world.stored("d"), ContainsSubstring(in_file_json));
    for (const char* name : {"a", "b", "c", "d"})
        for (Ran& ran : everything_said(world, name)) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("a secret in a provider's config is used and told to nobody") {
    MemoryWorld world("token: \"${{ secrets.mail.key }}\"");
    configure_secrets(world);
    world.object("a", "value: x");
    std::vector<Ran> said{world.plan(), world.apply({"-v"})};
    CAPTURE(said.back().out, said.back().err);
    CHECK(said.back().exit_code == 0);
    for (Ran& ran : everything_said(world, "a")) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    world.place.set_environment("MAIL_KEY", "");
    const Ran without = world.apply();
    CHECK(without.exit_code == 1);
    CHECK_THAT(without.err, ContainsSubstring("secret.no-variable"));
}

TEST_CASE("what a plugin says of a secret is masked in errors, journal and history") {
    MemoryWorld world("failItems: ['\"wandering-albatross\"']");
    configure_secrets(world);
    // The plugin's message repeats the identity, and here that is the secret.
    world.configure("failItems: ['\"wandering-albatross\"']", "allowInsecureSecretFields: true");
    world.place.write(
        "app/a.yaml",
        "apiVersion: memory.holdfast.dev/v1alpha1\nkind: Object\n"
        "metadata:\n  name: a\nspec: {password: \"${{ secrets.mail.key }}\", value: invalid}\n");
    world.place.write("app/w.yaml", MemoryWorld::document("wandering-albatross", "value: x"));
    std::vector<Ran> said{world.apply({"-v"})};
    CHECK(said.back().exit_code == 1);
    CHECK_THAT(said.back().err, ContainsSubstring("memory.refused"));
    CHECK(said.back().err.find(in_env) == std::string::npos);
    Ran history = world.place.holdfast({"--json", "history"});
    CHECK(history.out.find("told to refuse \\\"" + in_env) == std::string::npos);
}

TEST_CASE("a file of secrets that others can read is refused") {
    MemoryWorld world;
    configure_secrets(world);
    const mode_t mode = GENERATE(0644, 0640, 0660);
    ::chmod((world.place.folder() / "db.yaml").c_str(), mode);
    world.object("a", "password: \"${{ secrets.db.password }}\"");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("secret.unsafe-file") && ContainsSubstring("chmod 600"));
    CHECK(world.stored("a") == "<none>");
}

TEST_CASE("unknown secrets, keys, and secrets of others are errors with their place") {
    MemoryWorld world;
    configure_secrets(world);
    const auto [reference, code] = GENERATE(table<std::string, std::string>({
        {"secrets.dbs.password", "secret.unknown"},
        {"secrets.db.passwort", "secret.no-key"},
        {"secrets.mail.keys", "secret.no-key"},
    }));
    world.object("a", "password: \"${{ " + reference + " }}\"");
    const Ran ran = world.apply();
    CAPTURE(reference, ran.out, ran.err);
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring(code) && ContainsSubstring("did you mean") &&
                            ContainsSubstring("app/a.yaml:5:"));
}

TEST_CASE("a secret that is bound to other stacks is refused to this one") {
    MemoryWorld world;
    write_private(world.place.folder() / "operator.yaml",
                  "secrets:\n- {name: mail, env: {key: MAIL_KEY}, stacks: [other]}\n");
    world.place.set_environment("MAIL_KEY", in_env);
    world.object("a", "password: \"${{ secrets.mail.key }}\"");
    const Ran ran = world.apply();
    CHECK(ran.exit_code == 1);
    CHECK_THAT(ran.err, ContainsSubstring("secret.not-allowed"));
    CHECK(world.stored("a") == "<none>");
}

TEST_CASE("a delete neither needs nor resolves the secrets of what it deletes") {
    MemoryWorld world;
    configure_secrets(world);
    world.object("a", "password: \"${{ secrets.mail.key }}\"");
    world.object("b", "value: x");
    world.applied();
    world.place.remove("app/a.yaml");
    write_private(world.place.folder() / "operator.yaml", "");
    world.place.set_environment("MAIL_KEY", "");
    world.applied();
    CHECK(world.stored("a") == "<none>");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("a secret in a document that compiles reaches its leaves hidden") {
    MemoryWorld world;
    configure_secrets(world);
    world.configure("", "allowInsecureSecretFields: true");
    world.object(
        "bundle",
        "objects: {one: {password: \"${{ secrets.mail.key }}\"}, two: {value: \"${{ secrets.mail.key }}\"}}",
        "", "Bundle");
    std::vector<Ran> said{world.plan(), world.apply({"-v"})};
    CAPTURE(said.back().out, said.back().err);
    CHECK(said.back().exit_code == 0);
    CHECK_THAT(world.stored("one"), ContainsSubstring(in_env));
    CHECK_THAT(world.stored("two"), ContainsSubstring(in_env));
    for (Ran& ran : everything_said(world, "two")) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("a secret in a plugin's private data is dropped with a warning, and the write counts") {
    const std::string password = GENERATE("\"${{ secrets.mail.key }}\"", "wandering-albatross");
    CAPTURE(password);
    MemoryWorld world("keeps: /spec/password");
    configure_secrets(world);
    world.object("a", "password: " + password);
    std::vector<Ran> said{world.apply({"-v"})};
    CAPTURE(said.back().out, said.back().err);
    CHECK(said.back().exit_code == 0);
    CHECK_THAT(said.back().err, ContainsSubstring("provider.secret-in-private-data") &&
                                    ContainsSubstring("plugin memory") && ContainsSubstring("Object"));
    CHECK_THAT(world.stored("a"), ContainsSubstring(in_env));
    for (Ran& ran : everything_said(world, "a")) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
}

TEST_CASE("private data without a secret is kept") {
    MemoryWorld world("keeps: /spec/value");
    configure_secrets(world);
    world.object("a", "value: harmless, password: \"${{ secrets.mail.key }}\"");
    const Ran ran = world.apply();
    CAPTURE(ran.out, ran.err);
    CHECK(ran.exit_code == 0);
    CHECK(ran.err.find("private-data") == std::string::npos);
    CHECK_THAT(world.place.holdfast({"store", "export"}).out, ContainsSubstring("kept: harmless"));
}

TEST_CASE("a secret that is a key of a map hides the map, in plain documents and in compiled ones") {
    MemoryWorld world;
    configure_secrets(world);
    world.configure("", "allowInsecureSecretFields: true");
    world.by_hand("a",
                  R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Object","metadata":{"name":"a"},)"
                  R"("spec":{"all":{"one":{"more":{"wandering-albatross":"x"}}}},"status":{}})");
    world.object("a", "value: x", "holdfast.dev/observe: 'true'");
    world.object("p", "password: \"${{ secrets.mail.key }}\"");
    const std::string all = "outputs['memory.holdfast.dev/Object/a'].spec.all";
    world.object("plain", "inner: {more: \"${{ " + all + ".one.more }}\"}");
    world.place.write("app/b.yaml", "apiVersion: memory.holdfast.dev/v1alpha1\nkind: Bundle\n"
                                    "metadata: {name: bundle}\nspec:\n  objects: \"${{ " +
                                        all + " }}\"\n");
    std::vector<Ran> said{world.plan(), world.apply({"-v"})};
    CAPTURE(said.back().out, said.back().err);
    CHECK(said.back().exit_code == 0);
    CHECK_THAT(world.stored("one"), ContainsSubstring("\"wandering-albatross\":\"x\""));
    CHECK_THAT(world.stored("plain"), ContainsSubstring("\"wandering-albatross\":\"x\""));
    for (const char* name : {"one", "plain"})
        for (Ran& ran : everything_said(world, name)) said.push_back(std::move(ran));
    CHECK(leaks(world, said) == "");
    CHECK(world.plan().exit_code == 0);
}
