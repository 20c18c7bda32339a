#include "example_plans.hpp"

#include <utility>

using namespace holdfast;

namespace {

Hash hash_like(std::uint8_t first) {
    Hash hash;
    hash.bytes = {first, 0x41, 0xc0, 0xab, 0x12, 0xcd};
    return hash;
}

ResourceId file_id(std::string name) { return {"host.holdfast.dev", "File", {}, std::move(name), {}}; }
ResourceId zone_id(std::string name, std::string part = {}) {
    return {"dns.holdfast.dev", "Zone", {}, std::move(name), std::move(part)};
}

FieldChange field(std::string pointer, std::optional<Value> before, std::optional<Value> after) {
    return {.pointer = std::move(pointer), .before = std::move(before), .after = std::move(after)};
}

Change change(Action action, ResourceId id, std::string file, std::uint32_t line,
              std::vector<FieldChange> fields = {}) {
    Change out{.action = action, .address = {"edge", id}, .parent = id.parent(), .provider = "files"};
    out.api_version = id.group + "/v1alpha1";
    out.object = {"machine-1:/", "", id.group + "/" + id.kind, '"' + id.name + '"'};
    out.fields = std::move(fields);
    out.origin = {std::move(file), line, "b10b", 0, {}};
    return out;
}

Plan plan_of(std::vector<Change> changes, PlanCounts counts, std::uint8_t hash = 0x9d) {
    Plan plan;
    plan.stack = "edge";
    plan.changes = std::move(changes);
    plan.counts = counts;
    plan.hash = hash_like(hash);
    return plan;
}

Plan mixed() {
    Change www = change(Action::update, zone_id("example-org", "www/A"), "dns/example.yaml", 3,
                        {field("/spec/records", Value::list({"192.0.2.10"}), Value::list({"192.0.2.12"}))});
    Change api = change(Action::create, zone_id("example-org", "api/CNAME"), "dns/example.yaml", 3,
                        {field("/spec/ttl", {}, 300), field("/spec/target", {}, "lb-2.example.org.")});
    Change old = change(Action::remove, zone_id("example-org", "old/A"), "dns/example.yaml", 3);
    old.reasons = {std::string(no_longer_declared)};
    Change waiting = change(Action::wait, zone_id("example-org", "lb/A"), "dns/example.yaml", 3);
    waiting.waits = {
        {{"web", {"instances.holdfast.dev", "Instance", {}, "lb-2", {}}}, "status.addresses[0]"}};
    Change motd = change(Action::update, file_id("motd"), "web/motd.yaml", 1,
                         {field("/spec/content", "welcome\nto edge-1\ncall 4711 for help\nbye\n",
                                "welcome\nto edge-1\ncall 0815 for help\nbye\n"),
                          field("/spec/mode", "0644", "0600"), field("/spec/owner", {}, "root"),
                          field("/spec/attributes/immutable", true, {})});
    motd.fields[1].by_drift = true;
    Change again = change(Action::none, zone_id("example-org", "mail/MX"), "dns/example.yaml", 3);
    again.waits = {{{"edge", www.address.id}, {}}, {{"edge", api.address.id}, {}}};
    Plan plan = plan_of({www, api, old, waiting, motd},
                        {.create = 1, .update = 2, .remove = 1, .wait = 1, .unchanged = 40});
    plan.undeclared[old.address] = {{.id = "91bc0de58a7d6c1f", .author = "Li Wei"}, true};
    plan.planned_again = {again};
    return plan;
}

Plan ledger_only() {
    Change adopted = change(Action::adopt, file_id("issue"), "web/issue.yaml", 1);
    Change moved = change(Action::move, file_id("greeting"), "web/greeting.yaml", 1);
    moved.moved_from = {"edge", file_id("motd")};
    Change moved_here =
        change(Action::update, file_id("hosts"), "web/hosts.yaml", 1, {field("/spec/mode", "0600", "0644")});
    moved_here.moved_from = {"base", file_id("hosts")};
    Change forgotten = change(Action::forget, file_id("gone"), "web/gone.yaml", 7);
    Change refreshed =
        change(Action::refresh, {"host.holdfast.dev", "Service", {}, "nginx", {}}, "web/nginx.yaml", 20);
    refreshed.reasons = {"File/nginx.conf changed"};
    return plan_of({adopted, moved, moved_here, forgotten, refreshed},
                   {.update = 1, .refresh = 1, .adopt = 1, .move = 1, .forget = 1});
}

Plan replacing() {
    Change link =
        change(Action::replace, {"host.holdfast.dev", "Symlink", {}, "current", {}}, "web/links.yaml", 12,
               {field("/spec/path", "srv/current", "srv/live"), field("/spec/target", "v41", "v42")});
    link.fields[0].forces_replace = true;
    link.reasons = {"path cannot be changed in place"};
    Change volume = change(Action::replace, {"instances.holdfast.dev", "Volume", "prod", "data", {}},
                           "infra/volumes.yaml", 3, {field("/spec/size_gib", 100, 80)});
    volume.create_first = true;
    volume.readiness = Readiness::parked;
    volume.fields[0].forces_replace = true;
    volume.reasons = {"replacing a Volume loses its data"};
    return plan_of({link, volume}, {.replace = 2, .parked = 1});
}

Plan parked() {
    std::vector<Change> changes;
    for (const char* name : {"a", "b", "c", "d"}) {
        Change gone = change(Action::remove, file_id(name), "web/files.yaml", 1);
        gone.readiness = Readiness::parked;
        gone.reasons = {"no longer declared", "deletes all 4 leaves of host.holdfast.dev/File in this stack"};
        changes.push_back(gone);
    }
    changes.push_back(
        change(Action::create, file_id("new"), "web/new.yaml", 1, {field("/spec/path", {}, "etc/new")}));
    return plan_of(changes, {.create = 1, .remove = 4, .parked = 4});
}

Plan blocked() {
    std::vector<Change> changes;
    for (const char* name : {"a", "b", "c"}) {
        Change out =
            change(Action::update, file_id(name), "web/files.yaml", 1, {field("/spec/mode", "0644", "0600")});
        out.readiness = Readiness::blocked;
        out.diagnostics.add(
            {.code = "plan.needs-failed", .message = "depends on File/etc, which is blocked"});
        changes.push_back(out);
    }
    Change etc = change(Action::create, file_id("etc"), "web/etc.yaml", 1);
    etc.readiness = Readiness::blocked;
    etc.diagnostics.add({.code = "host.not-permitted",
                         .message = "the provider \"files\" may not write below /etc: Permission denied",
                         .hint = "run the agent as root, or set config.root to a folder that it owns"});
    changes.push_back(etc);
    Change kept = change(Action::remove, file_id("kept"), "web/kept.yaml", 1);
    kept.readiness = Readiness::blocked;
    kept.diagnostics.add({.severity = Severity::warning,
                          .code = "plan.prune-blocked",
                          .message = "is not deleted, because its document could not be loaded",
                          .hint = "mend that first"});
    changes.push_back(kept);
    Plan plan = plan_of(changes, {.create = 1, .update = 3, .remove = 1, .blocked = 5});
    plan.diagnostics.warning("plan.only", "2 changes were left out by --only");
    return plan;
}

Plan drifted() {
    Change gone =
        change(Action::create, file_id("issue"), "web/issue.yaml", 1, {field("/spec/path", {}, "etc/issue")});
    gone.is_drift = true;
    Change edited =
        change(Action::update, file_id("motd"), "web/motd.yaml", 1, {field("/spec/mode", "0666", "0644")});
    edited.is_drift = true;
    Change many =
        change(Action::update, file_id("hosts"), "web/hosts.yaml", 1,
               {field("/spec/content", "a\nb\n", "a\nc\n"), field("/spec/owner", "nobody", "root")});
    many.is_drift = true;
    Change reported = change(Action::none, file_id("local"), "web/local.yaml", 1,
                             {field("/spec/content", "x\ny\n", "x\nz\n")});
    reported.is_drift = true;
    reported.reasons = {std::string(only_reported)};
    return plan_of({gone, edited, many, reported}, {.create = 1, .update = 2, .drifted = 4, .unchanged = 1});
}

Plan nothing() { return plan_of({}, {.unchanged = 12}); }

Plan sensitive() {
    Change token =
        change(Action::update, file_id("token"), "web/token.yaml", 1,
               {field("/spec/content", "hunter2", "correct horse"), field("/spec/mode", "0644", "0600")});
    token.fields[0].sensitive = true;
    // In plain text, as a defect elsewhere could leave them: the mark alone must be enough.
    token.fields.push_back(field("/spec/old", "plain-old-secret", {}));
    token.fields.push_back(field("/spec/new", {}, "plain-new-secret"));
    for (FieldChange& secret : token.fields) secret.sensitive |= secret.pointer != "/spec/mode";
    Change fresh = change(Action::create, file_id("key"), "web/key.yaml", 1,
                          {field("/spec", {},
                                 Value::map({{"path", "etc/key"},
                                             {"content", Value::map({{"$secret", "0badc0de"}})},
                                             {"owner", "root"}}))});
    Change rule = change(Action::update, {"host.holdfast.dev", "Rule", {}, "r", {}}, "web/rule.yaml", 1,
                         {field("/spec/keys", Value::list({"a", Value::map({{"$secret", "0badc0de"}})}),
                                Value::list({"b", Value::map({{"$secret", "deadbeef"}})}))});
    Change made =
        change(Action::create, file_id("made"), "web/made.yaml", 1,
               {field("/spec/content", {}, Value::map({{"a", "plain-made-secret\nof two lines"}}))});
    made.fields[0].sensitive = true;
    return plan_of({token, fresh, made, rule}, {.create = 2, .update = 2});
}

Plan nasty() {
    const std::string long_before = std::string(500, 'x') + "OLD" + std::string(497, 'y');
    const std::string long_after = std::string(500, 'x') + "NEWER" + std::string(495, 'y');
    Change wide = change(Action::update, file_id("wide"), "web/日本語.yaml", 1,
                         {field("/spec/greeting", "こんにちは", "さようなら"),
                          field("/spec/who", "世界", "all"), field("/spec/emoji", "🚀", "ok")});
    Change huge = change(Action::update, file_id("huge"), "web/huge.yaml", 1,
                         {field("/spec/blob", long_before, long_after), field("/spec/short", 1, 2)});
    Change fresh = change(Action::create, file_id("fresh"), "web/fresh.yaml", 1,
                          {field("/spec/blob", {}, long_before), field("/spec/empty", {}, ""),
                           field("/spec/list", {}, Value(List{})), field("/spec/number_like", {}, "0644"),
                           field("/spec/no", {}, "no")});
    Change escape = change(Action::update, file_id("escape"), "web/escape.yaml", 1,
                           {field("/spec/title", "plain", "\x1b[31mred\x1b[0m\a"),
                            field("/spec/labels/app.example.org~1name", "a",
                                  "\xE2\x80\xAE"
                                  "evil"),
                            field("/spec/bytes", "\xff\xfe", " padded ")});
    ResourceId deep{"some.quite-long-group.example.org",
                    "VeryDescriptiveKindOfThing",
                    "a-namespace-with-a-long-name",
                    "and-a-name-that-goes-on-and-on-until-it-is-wider-than-most-terminals-are",
                    {}};
    Change far =
        change(Action::update, deep,
               "clusters/production/europe/west/applications/team-with-long-name/service/overlays/file.yaml",
               1234, {field("/spec/template/containers/0/resources/limits/memory", "512Mi", "1Gi")});
    Change lists = change(
        Action::update, file_id("lists"), "web/lists.yaml", 1,
        {field(
            "/spec/rules",
            Value::list({"tcp dport 22 accept", "tcp dport 80 accept", "tcp dport 443 accept", "drop"}),
            Value::list({"tcp dport 22 accept", "tcp dport 443 accept", "udp dport 443 accept", "drop"}))});
    return plan_of({wide, huge, fresh, escape, far, lists}, {.create = 1, .update = 5});
}

Plan two_groups() {
    Change ours = change(Action::create, file_id("a"), "a.yaml", 1);
    Change theirs = change(Action::create, {"other.example.org", "File", "ns", "a", {}}, "b.yaml", 1);
    Change here =
        change(Action::update, file_id("everywhere"), "c.yaml", 1, {field("/spec/mode", "0644", "0600")});
    Change there = here;
    there.provider = "edge-2";
    return plan_of({ours, theirs, here, there}, {.create = 2, .update = 2});
}

} // namespace

std::vector<ExamplePlan> example_plans() {
    return {{"mixed", mixed()},          {"ledger", ledger_only()},  {"replace", replacing()},
            {"parked", parked()},        {"blocked", blocked()},     {"drift", drifted()},
            {"nothing", nothing()},      {"sensitive", sensitive()}, {"nasty", nasty()},
            {"two_groups", two_groups()}};
}

Plan large_plan(std::size_t count) {
    std::vector<Change> changes;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string number = std::to_string(100000 + i);
        changes.push_back(change(Action::create, file_id("f" + number), "web/files.yaml",
                                 static_cast<std::uint32_t>(i + 1)));
        changes.push_back(
            change(Action::remove, zone_id("example-org", "h" + number + "/A"), "dns/example.yaml", 1));
    }
    return plan_of(std::move(changes), {.create = count, .remove = count});
}
