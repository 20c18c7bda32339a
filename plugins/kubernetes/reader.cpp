#include "reader.hpp"

#include <map>

#include "applyset.hpp"
#include "parallel.hpp"

namespace holdfast::kubernetes {

namespace {

// From here on one list is cheaper than many gets, unless the namespace is full of others' objects.
constexpr std::size_t worth_a_list = 5, page_size = 500, most_others = 20;
constexpr std::size_t few_others = 20; // that most namespaces have

class ListExpired {};

Sight seen(const Cluster& cluster, const Target& target, Json live) {
    Sight sight;
    sight.state = Sight::State::present;
    sight.version = to_string(version_of(live));
    Json observed = observed_form(std::move(live));
    mark_if_misplaced(observed, cluster.options().set_id, target.written_set);
    sight.document = sdk::dump_json(observed);
    return sight;
}

Sight get_one(const Cluster& cluster, const sdk::Call& call, const Target& target) {
    Sight sight;
    const Reply reply = cluster.get(call, target);
    if (reply.ok()) return seen(cluster, target, live_without_owners(reply));
    if (is_absent(reply))
        sight.state = Sight::State::absent;
    else
        sight.why = explain(reply, target.shown(), target.is_secret());
    return sight;
}

// One page after the other. A list that takes longer than the server remembers where it stood begins anew.
// Without resourceVersion: with 0 a server may answer out of a cache that is older than our own last write,
// and ignores the limit. The first page is no larger than what is asked for, and tells how much there is
// besides: false where it is cheaper to ask for the rest one by one.
bool list_kind(const Cluster& cluster, const sdk::Call& call, const std::vector<Target>& targets,
               const std::vector<std::size_t>& wanted, std::vector<Sight>& sights) {
    const Target& first = targets[wanted.front()];
    std::map<std::string, std::size_t> by_name;
    for (const std::size_t at : wanted) {
        by_name.emplace(targets[at].name, at);
        sights[at].state = Sight::State::absent;
    }
    std::size_t others = 0, limit = std::min(page_size, wanted.size() + few_others);
    ListPage page;
    do {
        page = list_page(cluster, call, first.resource, first.name_space, page.next, limit, [&](Json object) {
            const auto found = by_name.find(sdk::text_at(object, "/metadata/name"));
            if (found == by_name.end())
                ++others;
            else
                sights[found->second] = seen(cluster, targets[found->second], std::move(object));
        });
        limit = page_size;
        if (others + page.remaining > most_others * wanted.size() && !page.next.empty()) return false;
    } while (!page.next.empty());
    return true;
}

void look_at_kind(const Cluster& cluster, const sdk::Call& call, const std::vector<Target>& targets,
                  const std::vector<std::size_t>& wanted, std::vector<Sight>& sights) {
    for (int tries = 0; wanted.size() >= worth_a_list && targets[wanted.front()].resource.can_list; ++tries) {
        try {
            if (list_kind(cluster, call, targets, wanted, sights)) return;
            break;
        } catch (const ListExpired&) {
            if (tries == 3) break;
        } catch (const sdk::Error& error) {
            if (error.diagnostic().code == "kubernetes.forbidden") break; // a Role may allow get alone
            for (const std::size_t at : wanted) {
                sights[at] = {};
                sights[at].why = error.diagnostic();
            }
            return;
        }
    }
    in_parallel(wanted.size(), cluster.options().parallel, [&](std::size_t i) {
        if (sights[wanted[i]].state == Sight::State::present) return; // on a page that was read
        try {
            sights[wanted[i]] = get_one(cluster, call, targets[wanted[i]]);
        } catch (const sdk::Error& error) {
            sights[wanted[i]] = {};
            sights[wanted[i]].why = error.diagnostic();
        }
    });
}

} // namespace

ListPage list_page(const Cluster& cluster, const sdk::Call& call, const ResourceKind& resource,
                   const std::string& name_space, const std::string& page, std::size_t limit,
                   const std::function<void(Json object)>& take) {
    Request request;
    request.path = resource.path(name_space);
    request.query = "limit=" + std::to_string(limit) + (page.empty() ? "" : "&continue=" + escaped(page));
    request.timeout = std::chrono::minutes(2);
    const Reply reply = cluster.client().send(call, request);
    if (reply.status == 410) throw ListExpired();
    const bool is_of_secrets = resource.kind == "Secret";
    if (!reply.ok()) throw sdk::Error(explain(reply, "the list of " + resource.plural, is_of_secrets));
    Json list = Json::parse(without_managed_fields(reply.body, true), nullptr, false);
    if (!list.is_object() || !list.contains("items"))
        throw sdk::Error("kubernetes.bad-answer", "the API server sent no list of " + resource.plural,
                         "check that the kubeconfig's server is an API server");
    Json& items = list["items"];
    for (std::size_t i = 0; items.is_array() && i < items.size(); ++i) {
        // The items of a typed list do not say of what kind they are.
        items[i]["apiVersion"] = resource.api_version;
        items[i]["kind"] = resource.kind;
        take(std::move(items[i]));
    }
    const Json* remaining = sdk::find(list, "/metadata/remainingItemCount");
    return {sdk::text_at(list, "/metadata/continue"),
            remaining && remaining->is_number_unsigned() ? remaining->get<std::size_t>() : 0};
}

std::vector<Sight> look(const Cluster& cluster, const sdk::Call& call, const std::vector<Target>& targets) {
    std::vector<Sight> sights(targets.size());
    std::map<std::string, std::vector<std::size_t>> by_kind;
    for (std::size_t i = 0; i < targets.size(); ++i)
        by_kind[targets[i].resource.path(targets[i].name_space)].push_back(i);
    std::vector<const std::vector<std::size_t>*> kinds;
    for (const auto& [path, wanted] : by_kind) kinds.push_back(&wanted);
    in_parallel(kinds.size(), cluster.options().parallel,
                [&](std::size_t i) { look_at_kind(cluster, call, targets, *kinds[i], sights); });
    return sights;
}

} // namespace holdfast::kubernetes
