// Accounts and groups in an LDAP directory.

#include <algorithm>

#include "access/adapter.hpp"
#include "access/keys.hpp"
#include "directory.hpp"
#include "watcher.hpp"
#include "writer.hpp"

namespace holdfast::access {

namespace {

LdapSettings ldap_settings(const Json& config) {
    LdapSettings out;
    out.uri = config.value("uri", "");
    out.identity = config.value("identity", "");
    out.bind_dn = config.value("bindDn", "");
    out.password = config.value("password", "");
    out.ca_file = config.value("caFile", "");
    out.start_tls = config.value("startTls", false);
    out.people = config.value("people", "");
    out.groups = config.value("groups", "");
    out.has_names = config.value("groupKind", "posixGroup") == std::string("groupOfNames");
    out.is_posix = config.value("posix", true);
    out.gid = config.value("gid", out.gid);
    out.homes = config.value("homes", out.homes);
    out.shell = config.value("shell", out.shell);
    out.keys_attribute = config.value("keysAttribute", "");
    out.keys_class = config.value("keysClass", "");
    if (const auto range = config.find("idRange"); range != config.end() && range->size() == 2) {
        out.first_id = (*range)[0].get<std::int64_t>();
        out.last_id = (*range)[1].get<std::int64_t>();
    }
    for (const Json& name : config.value("leave", Json::array()))
        out.leave.push_back(name.get<std::string>());
    return out;
}

class LdapAdapter final : public Adapter {
public:
    explicit LdapAdapter(const Json& config) : settings_(ldap_settings(config)), connection_(settings_) {}

    // Without asking the server: one that is down must not hold up the other targets of its stack.
    std::string target(const sdk::Call&) override {
        if (!settings_.identity.empty()) return "ldap:" + settings_.identity;
        return "ldap:" + settings_.uri + "/" + normal_dn(settings_.people) + "/" +
               normal_dn(settings_.groups);
    }

    sdk::Diagnostics problems_of(Kind kind, const Json& spec) const override {
        sdk::Diagnostics out;
        if (kind == Kind::sudoers)
            out.push_back(problem("access.not-here", "a directory holds no sudoers fragments",
                                  "write it for a provider with adapter: linux"));
        if (spec.contains("privileges"))
            out.push_back(problem("access.not-here", "a group in a directory has no privileges",
                                  "that is for adapter: postgres", "/spec/privileges"));
        const std::string name = spec.value("name", "");
        if (std::find(settings_.leave.begin(), settings_.leave.end(), name) != settings_.leave.end())
            out.push_back(problem("access.left", name + " is left to others by the provider's \"leave\"",
                                  "take it out of there, or out of Git", "/spec/name"));
        const Json keys = spec.value("keys", Json::array());
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (!parse_key(keys[i].get<std::string>()))
                out.push_back(problem("access.key", "this is no public key as OpenSSH writes it",
                                      "paste the line of the .pub file", "/spec/keys/" + std::to_string(i)));
        return out;
    }

    // What this directory has no place for is not compared either.
    void canonicalize(Kind kind, Json& spec) const override {
        spec.erase("sessions");
        if (kind == Kind::group && settings_.has_names) spec.erase("gid");
        if (!settings_.is_posix)
            for (const char* key : {"uid", "shell", "home"}) spec.erase(key);
        if (settings_.keys_attribute.empty()) spec.erase("keys");
        if (spec.contains("keys")) {
            std::set<std::string> keys;
            for (const Json& key : spec["keys"]) keys.insert(parse_key(key.get<std::string>()).value_or(key));
            spec["keys"] = keys;
        }
        if (spec.contains("emails")) {
            std::set<std::string> emails;
            for (const Json& mail : spec["emails"]) emails.insert(lower_case(mail.get<std::string>()));
            spec["emails"] = emails;
        }
    }

    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override {
        std::set<std::string> accounts, groups;
        for (const sdk::Item& item : items) {
            if (kind_of(item.kind()) == Kind::account) accounts.insert(name_in(item.identity()));
            if (kind_of(item.kind()) == Kind::group) groups.insert(name_in(item.identity()));
        }
        Directory directory(settings_);
        directory.read(connection_, accounts, groups);
        for (const sdk::Item& item : items) {
            if (!results.listening() || scope.should_stop()) return;
            const Kind kind = kind_of(item.kind());
            Json spec = directory.spec(kind, name_in(item.identity()));
            if (spec.is_null()) {
                results.absent(item);
                continue;
            }
            const std::string document = sdk::dump_json(document_of(kind, std::move(spec)));
            results.done(item, document, version_of(document));
        }
    }

    void list(const sdk::Scope&, const sdk::ListRequest& request, sdk::Results& results) override {
        Directory directory(settings_);
        directory.read(connection_);
        const Kind kind = kind_of(request.kind);
        for (const std::string& name : directory.names(kind)) {
            const std::string document = sdk::dump_json(document_of(kind, directory.spec(kind, name)));
            results.object(request.kind, sdk::quote(name), document, {}, version_of(document));
        }
    }

    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override {
        LdapWriter(settings_, connection_, scope, results).apply(changes);
    }

    void watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) override {
        if (items.empty())
            watcher_.reset();
        else if (!watcher_)
            watcher_ = std::make_unique<LdapWatcher>(settings_, scope.host(), hints);
    }
    void unwatch() override { watcher_.reset(); }

private:
    LdapSettings settings_;
    LdapConnection connection_;
    std::unique_ptr<LdapWatcher> watcher_;
};

} // namespace

std::unique_ptr<Adapter> make_ldap(const Json& config) { return std::make_unique<LdapAdapter>(config); }

} // namespace holdfast::access
