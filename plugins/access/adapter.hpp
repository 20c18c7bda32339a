#pragma once
// What holds accounts and groups: the files of a Linux system, an LDAP server, a PostgreSQL server.

#include <memory>
#include <string>

#include "names.hpp"

namespace holdfast::access {

class Adapter {
public:
    virtual ~Adapter() = default;

    // What identifies the target for ever. Throws sdk::Error.
    virtual std::string target(const sdk::Call& call) = 0;
    // What is wrong with a document of this kind on such a target, besides its schema.
    virtual sdk::Diagnostics problems_of(Kind kind, const Json& spec) const = 0;
    // Before the documents of one call: what they may have to be compared with can be read here.
    virtual void prepare_canonicalize() {}
    // `spec` as this target would hold it.
    virtual void canonicalize(Kind kind, Json& spec) const = 0;

    virtual void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) = 0;
    virtual void list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) = 0;
    virtual void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) = 0;
    virtual void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) = 0;
    virtual void unwatch() = 0;
};

std::unique_ptr<Adapter> make_linux(const Json& config);
std::unique_ptr<Adapter> make_ldap(const Json& config);
std::unique_ptr<Adapter> make_postgres(const Json& config);

} // namespace holdfast::access
