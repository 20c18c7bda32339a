#include "cluster.hpp"

#include <algorithm>

#include "applyset.hpp"
#include "steering.hpp"

namespace holdfast::kubernetes {

namespace {

Access with_namespace(Access access, const Json& config) {
    if (config.contains("namespace")) access.name_space = sdk::text_at(config, "/namespace");
    return access;
}

constexpr const char* dry_run = "&dryRun=All";

Json object_in(const std::string& body) {
    Json live = Json::parse(body, nullptr, false);
    if (live.is_object() && live.contains("metadata")) return live;
    throw sdk::Error("kubernetes.bad-answer", "the API server sent something that is no object",
                     "check that the kubeconfig's server is an API server");
}

} // namespace

Options read_options(const Json& config, const std::string& name_space) {
    Options options;
    options.name_space = name_space;
    options.takes_conflicts = sdk::text_at(config, "/conflicts") == "take";
    options.propagation = sdk::text_at(config, "/propagation", "Background");
    options.delete_wait = std::chrono::milliseconds(config.value("deleteWaitMs", 10'000));
    options.parallel = config.value("parallel", std::size_t{32});
    std::vector<std::string> hands{"kubectl", "before-first-apply"};
    if (const Json* list = sdk::find(config, "/hands")) {
        hands.clear();
        for (const Json& one : *list) hands.push_back(one.get<std::string>());
    }
    options.hands = Hands(std::move(hands));
    if (const Json* set = sdk::find(config, "/applySet")) {
        options.set_name = sdk::text_at(*set, "/name");
        options.set_space = sdk::text_at(*set, "/namespace", name_space);
        options.set_id = apply_set_id(options.set_name, options.set_space);
    }
    return options;
}

Cluster::Cluster(Access access, const Json& config)
    : options_(read_options(config, access.name_space)),
      client_(with_namespace(std::move(access), config)),
      discovery_(client_) {}

Found Cluster::find(const sdk::Call& call, std::string_view kind, std::string_view identity,
                    std::string_view scope) {
    Found found;
    found.target.kind = parse_kind(kind);
    Lookup lookup = discovery_.find(call, found.target.kind.api_version, found.target.kind.kind);
    found.state = lookup.state;
    found.why = std::move(lookup.why);
    found.target.resource = std::move(lookup.resource);
    const Json name = Json::parse(identity.begin(), identity.end(), nullptr, false);
    if (name.is_string()) found.target.name = name.get<std::string>();
    if (found.target.resource.is_namespaced)
        found.target.name_space = scope.empty() ? options_.name_space : std::string(scope);
    return found;
}

Reply Cluster::get(const sdk::Call& call, const Target& target) const {
    Request request;
    request.path = target.path();
    return client_.send(call, request);
}

bool Cluster::may_force(const Json& document, const Reply& refusal) const {
    if (refusal.status != 409) return false;
    const std::vector<FieldConflict> conflicts = conflicts_of(refusal.said());
    if (conflicts.empty()) return false;
    const std::string own = own_annotation(document, "conflicts");
    if (own == "take" || (options_.takes_conflicts && own != "refuse")) return true;
    // Our own writes by other ways than apply count as hands: a removal, for instance.
    return std::all_of(conflicts.begin(), conflicts.end(), [&](const FieldConflict& conflict) {
        return options_.hands.has(conflict.manager) || conflict.manager == field_manager ||
               conflict.manager.rfind("kubectl", 0) == 0;
    });
}

Request Cluster::apply_request(const Target& target, const Json& document, Mode mode) const {
    Request request;
    request.method = "PATCH";
    request.path = target.path();
    request.content_type = "application/apply-patch+yaml";
    if (options_.set_id.empty()) {
        request.body = sdk::dump_json(document);
    } else {
        Json member = document;
        put_into_set(member, options_.set_id);
        request.body = sdk::dump_json(member);
    }
    request.query = std::string("fieldManager=") + field_manager + "&fieldValidation=Strict" +
                    (mode == Mode::dry_run ? dry_run : "");
    return request;
}

Reply Cluster::apply(const sdk::Call& call, const Target& target, const Json& document, Mode mode,
                     std::optional<Reply> first) const {
    std::optional<Request> request;
    if (!first) {
        request = apply_request(target, document, mode);
        first = client_.send(call, *request);
    }
    if (!may_force(document, *first)) return *std::move(first);
    if (!request) request = apply_request(target, document, mode);
    request->query += "&force=true";
    return client_.send(call, *request);
}

Reply Cluster::patch(const sdk::Call& call, const Target& target, const Json& json_patch, Mode mode) const {
    Request request;
    request.method = "PATCH";
    request.path = target.path();
    request.content_type = "application/json-patch+json";
    request.body = sdk::dump_json(json_patch);
    request.query = std::string("fieldManager=") + field_manager + (mode == Mode::dry_run ? dry_run : "");
    return client_.send(call, request);
}

std::vector<std::string> Cluster::removals(const sdk::Call& call, const Target& target, const Json& live,
                                           const Json& document) const {
    if (read_steering(document).keeps_additions) return {};
    std::vector<std::string> pointers = leftovers(live, document, options_.hands);
    if (pointers.empty()) return pointers;
    const auto without = [&](const std::vector<std::string>& some) -> std::optional<Json> {
        const Reply reply = patch(call, target, removal_patch(some, {}), Mode::dry_run);
        if (!reply.ok()) return std::nullopt;
        return live_of(reply);
    };
    const auto stays = [](const Json& after, const std::string& pointer) {
        return after.contains(Json::json_pointer(pointer));
    };
    if (const std::optional<Json> after = without(pointers)) {
        // In a list the next element moves up, so only members of maps can be told by their place.
        std::erase_if(pointers, [&](const std::string& pointer) {
            const char first = pointer[pointer.rfind('/') + 1];
            return !(first >= '0' && first <= '9') && stays(*after, pointer);
        });
        return pointers;
    }
    // One of them has to stand there; the others still go.
    std::erase_if(pointers, [&](const std::string& pointer) {
        const std::optional<Json> after = without({pointer});
        return !after || stays(*after, pointer);
    });
    return pointers;
}

Json live_of(const Reply& reply) { return object_in(reply.body); }

Json live_without_owners(const Reply& reply) { return object_in(without_managed_fields(reply.body, false)); }

sdk::Diagnostic explain_write(const Reply& reply, const Target& target) {
    sdk::Diagnostic why = explain(reply, target.shown(), target.is_secret());
    if (reply.status != 409) return why;
    const std::vector<FieldConflict> conflicts = conflicts_of(reply.said());
    if (conflicts.empty()) return why;
    std::string fields;
    for (const FieldConflict& conflict : conflicts)
        fields += (fields.empty() ? "" : ", ") + conflict.field.substr(conflict.field.rfind('.') == 0) +
                  " is owned by \"" + conflict.manager + "\"";
    why.code = "kubernetes.field-conflict";
    why.message = target.shown() + ": Git and somebody else set the same fields: " + fields;
    why.hint =
        "take these fields out of the document, where an autoscaler or operator sets them; or annotate "
        "it with kubernetes.holdfast.dev/conflicts: take";
    why.pointer = pointer_of_field(conflicts.front().field);
    why.retry = sdk::Retry::never;
    return why;
}

} // namespace holdfast::kubernetes
