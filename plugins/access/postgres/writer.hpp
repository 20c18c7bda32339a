#pragma once
// One apply on a PostgreSQL server is one transaction, with a savepoint for each item: what fails leaves the
// others in it, and either all of these are there afterwards or none.

#include <set>
#include <string>
#include <vector>

#include "access/step.hpp"
#include "privileges.hpp"
#include "roles.hpp"

namespace holdfast::access {

class PgWriter {
public:
    PgWriter(const PostgresSettings& settings, PgSession& session, const sdk::Scope& scope,
             sdk::Results& results)
        : settings_(settings), session_(session), scope_(scope), results_(results) {}

    void apply(sdk::Items changes);

private:
    template <typename Body>
    void each(Kind kind, bool removes, Body statements);
    void fail(Step& step, sdk::Diagnostic why);
    void look(Step& step);
    void check(const Step& step) const;
    void commit();
    void finish_all();

    std::string put_group(const Step& step) const;
    std::string put_account(const Step& step) const;
    std::string remove_role(const Step& step) const;

    const PostgresSettings& settings_;
    PgSession& session_;
    const sdk::Scope& scope_;
    sdk::Results& results_;
    Roles roles_;
    std::vector<Step> steps_;
};

// `spec` with its privileges one by one, as this server knows them; what cannot be read stays as it is
// written.
void expand_privileges(Json& spec, int server_version, const Roles* roles);

} // namespace holdfast::access
