#include "writer.hpp"

#include <algorithm>
#include <map>

namespace holdfast::access {

namespace {

// Two of us at once wait for each other here; others are noticed by their changes.
constexpr const char* begin_sql = "BEGIN; SELECT pg_advisory_xact_lock(x'686f6c6466617374'::bigint)";

// "GRANT SELECT, INSERT ON TABLE public.a TO ops;": one statement for each object.
std::string statements(const char* verb, const char* to, const std::set<std::string>& texts,
                       const std::string& role, int version) {
    std::map<std::string, std::string> by_object;
    for (const std::string& text : texts)
        for (const Privilege& one : parse_privileges(text, version).value_or(std::vector<Privilege>())) {
            std::string& names = by_object[one.on()];
            names += (names.empty() ? "" : ", ") + one.name;
        }
    std::string out;
    for (const auto& [object, names] : by_object)
        out += std::string(verb) + " " + names + " ON " + object + " " + to + " " + quoted_name(role) + ";";
    return out;
}

std::set<std::string> without(std::set<std::string> from, const std::set<std::string>& these) {
    for (const std::string& one : these) from.erase(one);
    return from;
}

} // namespace

void expand_privileges(Json& spec, int server_version, const Roles* roles) {
    if (!spec.contains("privileges")) return;
    std::set<std::string> out;
    for (const std::string& text : texts_of(spec, "privileges")) {
        const auto privileges = parse_privileges(text, server_version);
        if (!privileges) out.insert(text);
        for (Privilege one : privileges.value_or(std::vector<Privilege>())) {
            if (one.schema.empty() || !one.object.empty() || !roles) {
                out.insert(one.text());
                continue;
            }
            for (const std::string& relation : roles->relations(one.type, one.schema)) {
                one.object = relation;
                out.insert(one.text());
            }
        }
    }
    spec["privileges"] = out;
}

void PgWriter::apply(sdk::Items changes) {
    steps_ = read_steps(changes);
    session_.read("SELECT 1");
    session_.run(begin_sql);
    roles_.read(session_);
    for (Step& step : steps_) {
        step.is_over = scope_.should_stop(); // without a result, it counts as not tried
        if (!step.is_over) look(step);
    }
    // Roles before who is in them; what is given before what is taken.
    each(Kind::group, false, [&](const Step& step) { return put_group(step); });
    each(Kind::account, false, [&](const Step& step) { return put_account(step); });
    each(Kind::account, true, [&](const Step& step) { return remove_role(step); });
    each(Kind::group, true, [&](const Step& step) { return remove_role(step); });
    commit();
    finish_all();
}

template <typename Body>
void PgWriter::each(Kind kind, bool removes, Body body) {
    for (Step& step : steps_) {
        if (step.is_over || step.kind != kind || step.removes() != removes) continue;
        step.is_over = scope_.should_stop();
        if (step.is_over) continue;
        try {
            session_.run("SAVEPOINT item;" + body(step) + "RELEASE item");
        } catch (const sdk::Error& error) {
            fail(step, error.diagnostic());
            if (error.diagnostic().code == "access.server-down") throw; // and with it the transaction
            session_.run("ROLLBACK TO item");
        }
    }
}

void PgWriter::fail(Step& step, sdk::Diagnostic why) {
    step.is_over = true;
    results_.failed(step.change, std::move(why));
}

void PgWriter::look(Step& step) {
    try {
        if (!step.removes()) expand_privileges(step.want, session_.version(), &roles_);
        step.before = roles_.spec(step.kind, step.name);
        if (is_so_already(step)) {
            step.is_over = true;
            const std::string document =
                step.removes() ? "" : sdk::dump_json(document_of(step.kind, step.before));
            results_.unchanged(step.change, document, version_of(document));
            return;
        }
        check(step);
    } catch (const sdk::Error& error) {
        fail(step, error.diagnostic());
    }
}

void PgWriter::check(const Step& step) const {
    if (settings_.leaves(step.name))
        throw sdk::Error("access.left", step.name + " is left to others by the provider's \"leave\"",
                         "take it out of there, or out of Git");
    if (step.name == roles_.user())
        throw sdk::Error("access.self",
                         "this would change the role " + step.name + ", which Holdfast itself runs as",
                         "let the provider connect as another role first");
    const PgRole* role = roles_.find(step.name);
    if (step.name.rfind("pg_", 0) == 0 || (role && role->is_super))
        throw sdk::Error(
            "access.system-id", step.name + " is the server's own, or a superuser",
            "give the person or role another name; to be in a role that exists, name it in memberOf");
    for (const std::string& group : texts_of(step.want, "groups")) {
        const bool is_made = std::any_of(steps_.begin(), steps_.end(), [&](const Step& other) {
            return other.kind == Kind::group && other.name == group && !other.removes();
        });
        if (!roles_.find(group) && !is_made)
            throw sdk::Error("access.no-group",
                             "there is no role " + group + " that " + step.name + " could be in",
                             "declare it as a Role, or make it; memberOf names roles that exist");
    }
}

// When the answer to COMMIT is lost, nobody knows.
void PgWriter::commit() {
    try {
        session_.run("COMMIT");
    } catch (const sdk::Error& error) {
        for (Step& step : steps_) {
            if (step.is_over) continue;
            step.is_over = true;
            sdk::Result unknown;
            unknown.outcome = sdk::Outcome::unknown;
            unknown.diagnostics.push_back(error.diagnostic());
            results_.emit(step.change, unknown);
        }
    }
}

void PgWriter::finish_all() {
    if (std::all_of(steps_.begin(), steps_.end(), [](const Step& step) { return step.is_over; })) return;
    roles_.read(session_);
    for (Step& step : steps_) {
        if (step.is_over) continue;
        sdk::Result result;
        const Json spec = step.removes() ? Json(nullptr) : roles_.spec(step.kind, step.name);
        if (!spec.is_null()) result.document = sdk::dump_json(document_of(step.kind, spec));
        result.version = version_of(result.document);
        results_.emit(step.change, result);
    }
}

// ---- statements

std::string PgWriter::put_group(const Step& step) const {
    const std::string name = quoted_name(step.name);
    std::string out;
    if (step.creates()) out += "CREATE ROLE " + name + " NOLOGIN;";
    const std::set<std::string> have = texts_of(step.before, "privileges"),
                                want = wanted_texts(step, "privileges");
    const int version = session_.version();
    out += statements("GRANT", "TO", without(want, have), step.name, version);
    return out + statements("REVOKE", "FROM", without(have, want), step.name, version);
}

std::string PgWriter::put_account(const Step& step) const {
    const std::string name = quoted_name(step.name);
    const std::string state = step.want.value("state", step.creates() ? "active" : "");
    std::string out;
    if (step.creates()) out += "CREATE ROLE " + name + ";";
    if (!state.empty()) {
        out += "ALTER ROLE " + name + (state == "active" ? " LOGIN;" : " NOLOGIN;");
        out += "COMMENT ON ROLE " + name + " IS " + literal(account_mark) + ";";
    }
    const std::set<std::string> have = texts_of(step.before, "groups"), want = wanted_texts(step, "groups");
    for (const std::string& group : without(want, have))
        out += "GRANT " + quoted_name(group) + " TO " + name + ";";
    for (const std::string& group : without(have, want))
        out += "REVOKE " + quoted_name(group) + " FROM " + name + ";";
    // NOLOGIN says nothing to who is connected already.
    if (state == "suspended" && !step.creates())
        out +=
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = " + literal(step.name) +
            ";";
    return out;
}

std::string PgWriter::remove_role(const Step& step) const {
    const PgRole* role = roles_.find(step.name);
    if (!role) return {};
    std::string out = statements("REVOKE", "FROM", role->privileges, step.name, session_.version());
    if (step.kind == Kind::account)
        out +=
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = " + literal(step.name) +
            ";";
    return out + "DROP ROLE IF EXISTS " + quoted_name(step.name) + ";";
}

} // namespace holdfast::access
