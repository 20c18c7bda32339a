#include "access.hpp"

#include <chrono>

namespace holdfast::access {

namespace {

std::unique_ptr<Adapter> make_adapter(const std::string& name, const Json& config) {
    const auto section = config.find(name);
    if (section == config.end())
        throw sdk::Error("access.config", "the provider's config has no section \"" + name + "\"",
                         "write what its adapter needs to know there");
    for (const char* other : {"linux", "ldap", "postgres"})
        if (name != other && config.contains(other))
            throw sdk::Error("access.config",
                             "the provider's adapter is " + name + ", and its config has a section \"" +
                                 other + "\" as well",
                             "a provider is one target: write a Provider document for each");
    if (name == "ldap") return make_ldap(*section);
    if (name == "postgres") return make_postgres(*section);
    return make_linux(*section);
}

Target read_target(const Json& config) {
    Target target;
    target.name = sdk::text_at(config, "/name");
    target.adapter = sdk::text_at(config, "/adapter");
    if (const Json* required = sdk::find(config, "/required"))
        for (const Json& name : *required) target.required.push_back(name.get<std::string>());
    target.admin_role = sdk::text_at(config, "/minAdmins/role");
    if (const Json* count = sdk::find(config, "/minAdmins/count"))
        target.min_admins = count->get<std::size_t>();
    return target;
}

Json spec_of(std::string_view document) {
    Json json = sdk::parse_json(document, "access.document");
    return json.contains("spec") && json["spec"].is_object() ? json["spec"] : Json::object();
}

} // namespace

AccessProvider::AccessProvider(const sdk::Call& call, std::string_view config) {
    const Json json = sdk::parse_json(config, "access.config");
    target_ = read_target(json);
    adapter_ = make_adapter(target_.adapter, json);
    target_id_ = adapter_->target(call);
}

AccessProvider::~AccessProvider() = default;

void AccessProvider::compile(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    std::vector<Json> documents;
    for (const sdk::Item& item : items)
        documents.push_back(sdk::parse_json(item.declared(), "access.document"));
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    Problems problems;
    const Rendered rendered = render(
        documents, target_, std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), problems);
    std::map<std::size_t, sdk::Result> wrong;
    for (auto& [document, why] : problems) {
        wrong[document].outcome = sdk::Outcome::failed;
        wrong[document].diagnostics.push_back(std::move(why));
    }
    for (const auto& [document, result] : wrong) results.emit(items[document], result);
    for (const Compiled& leaf : rendered.leaves) {
        const std::string kind = id_of(leaf.kind), identity = sdk::quote(leaf.name),
                          document = sdk::dump_json(leaf.document_json);
        results.leaf(items[leaf.document],
                     {kind, identity, "", leaf.part, leaf.pointer, document, rendered.until_ms});
    }
}

void AccessProvider::validate(const sdk::Call&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        const Kind kind = kind_of(item.kind());
        if (kind == Kind::none) continue;
        sdk::Result result;
        result.diagnostics = adapter_->problems_of(kind, spec_of(item.declared()));
        result.outcome = result.diagnostics.empty() ? sdk::Outcome::done : sdk::Outcome::failed;
        results.emit(item, result);
    }
}

void AccessProvider::canonicalize(const sdk::Scope&, sdk::Items items, sdk::Results& results) {
    adapter_->prepare_canonicalize();
    for (const sdk::Item& item : items) {
        Json document = sdk::parse_json(item.declared(), "access.document");
        if (document.contains("spec")) adapter_->canonicalize(kind_of(item.kind()), document["spec"]);
        results.done(item, sdk::dump_json(document));
    }
}

void AccessProvider::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    adapter_->observe(scope, items, results);
}
void AccessProvider::list(const sdk::Scope& scope, const sdk::ListRequest& request, sdk::Results& results) {
    adapter_->list(scope, request, results);
}
void AccessProvider::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    adapter_->apply(scope, changes, results);
}
void AccessProvider::watch(const sdk::Scope& scope, sdk::Items items, sdk::Hints hints) {
    adapter_->watch(scope, items, hints);
}
void AccessProvider::unwatch() { adapter_->unwatch(); }

} // namespace holdfast::access
