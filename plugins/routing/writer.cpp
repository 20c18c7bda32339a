#include "writer.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <linux/nexthop.h>
#include <sys/socket.h>

namespace holdfast::routing {

namespace {

constexpr std::size_t tasks_between_looks = 1024; // at whether the call is to end
constexpr auto link_retry = std::chrono::milliseconds(5000);

std::string kind_word(std::string_view kind) { return std::string(kind.substr(kind.rfind('/') + 1)); }

} // namespace

std::string name_of(const RouteKey& key, const Tables& tables) {
    return "the route to " + text_of(key.to) + " (table " + tables.name_of(key.table) + ", metric " +
           std::to_string(key.metric) + ")";
}

sdk::Diagnostic conflict(const std::string& what, const std::string& happened) {
    return {"routing.conflict", what + " " + happened + " after it was observed; nothing was written",
            "plan again: the plan will show what is there now", "", sdk::Retry::conflict};
}

bool is_as_observed(const sdk::Change& change, const std::string& live) {
    if (!change.version().empty()) return version_of(live) == change.version();
    return change.observed().empty() || change.observed() == live;
}

sdk::Diagnostic refusal(int error, const std::string& text, const std::string& what) {
    sdk::Diagnostic out;
    const std::string said = text.empty() ? std::generic_category().message(error) : text;
    out.code = "routing.refused";
    out.message = "the kernel refuses " + what + ": " + said;
    out.hint = "correct the document; `ip` gives the same answer to the same wish";
    switch (error) {
        case EPERM:
        case EACCES:
            out.code = "routing.permission";
            out.hint =
                "run as root, or with CAP_NET_ADMIN in the user namespace that owns the network namespace";
            break;
        case ENETDOWN:
            out.code = "routing.link-down";
            out.hint = "while a link is down the kernel takes no routes over it; they are made once it is up";
            out.retry = sdk::Retry::after;
            out.retry_after = link_retry;
            break;
        case ENETUNREACH:
        case EHOSTUNREACH:
            out.code = "routing.gateway";
            out.hint =
                "the gateway has to lie in a network of one of the links: see `ip addr` and `ip route get`, "
                "or write onlink: true with dev:";
            out.retry = sdk::Retry::after;
            out.retry_after = link_retry;
            break;
        case EEXIST:
            out.code = "routing.foreign";
            out.hint =
                "something of the same key was made meanwhile, and is left alone: see `ip route`, `ip rule`";
            out.retry = sdk::Retry::conflict;
            break;
        case ENOMEM:
        case ENOBUFS:
            out.hint = "the kernel is short of memory";
            out.retry = sdk::Retry::after;
            break;
        default: break;
    }
    return out;
}

// Make before break: links, then the groups that routes need, routes, and the rules that lead to them; only
// then, the other way round, what goes. A route or a group is replaced in one step of the kernel's; rules
// have no such step, so the new one is made behind the old one of the same priority before that is removed.
// Thus at no moment a packet meets less than before or after. What stands there is read right before: the
// kernel refuses to make what exists (NLM_F_EXCL), but compares nothing when it replaces.
void KernelWriter::apply(sdk::Items changes) {
    tasks_.reserve(changes.size());
    for (const sdk::Change& change : changes) read_task(change);
    for (const Task& task : tasks_) want(task);
    before_ = kernel_.read(wanted_);
    for (Task& task : tasks_)
        if (task.is_pending()) judge(task);
    make_links();
    make_groups();
    make_routes();
    make_rules();
    drop_rules();
    drop_routes();
    drop_groups();
    report();
}

void KernelWriter::read_task(const sdk::Change& change) {
    Task task{change, Route{}};
    sdk::Diagnostics problems;
    try {
        const sdk::Json document = change.action() == sdk::Action::remove
                                       ? sdk::Json()
                                       : sdk::parse_json(change.declared(), "routing.document");
        if (change.kind() == route_kind) {
            task.wanted = task.is_removal() ? Route{route_key_of(change.identity(), settings_.tables)}
                                            : read_route(document, settings_.tables, problems);
        } else if (change.kind() == rule_kind) {
            task.wanted = task.is_removal() ? Rule{rule_key_of(change.identity())}
                                            : read_rule(document, settings_.tables, problems);
        } else if (change.kind() == group_kind) {
            task.wanted = task.is_removal() ? Group{group_id_of(change.identity()), 0, {}}
                                            : read_group(document, problems);
        } else {
            DesiredLink link;
            link.name = link_name_of(change.identity());
            if (!task.is_removal()) link = read_link(document, problems);
            if (!change.recorded().empty())
                task.dropped =
                    read_link(sdk::parse_json(change.recorded(), "routing.document"), problems).addresses;
            for (const Prefix& kept : link.addresses) task.dropped.erase(kept);
            task.wanted = std::move(link);
        }
        if (!problems.empty()) throw sdk::Error(problems.front());
    } catch (const sdk::Error& error) {
        fail(task, error.diagnostic());
    }
    tasks_.push_back(std::move(task));
}

void KernelWriter::want(const Task& task) {
    if (const Route* route = std::get_if<Route>(&task.wanted)) {
        wanted_.table(route->key.table, route->family());
    } else if (std::holds_alternative<Rule>(task.wanted)) {
        wanted_.rules = true;
    } else if (std::holds_alternative<Group>(task.wanted)) {
        wanted_.nexthops = true;
        // Removing a group takes the routes with it that use it, wherever they are.
        wanted_.all_routes = wanted_.all_routes || task.is_removal();
    } else {
        wanted_.addresses = true;
    }
}

// ---- what to do ----

std::optional<std::string> KernelWriter::live_document(const Picture& picture, const Task& task,
                                                       bool& is_wanted) const {
    std::string out;
    std::uint8_t protocol = settings_.protocol;
    if (const Route* route = std::get_if<Route>(&task.wanted)) {
        const Route* const live = picture.routes.visible(route->key, settings_);
        if (!live) return std::nullopt;
        protocol = live->protocol;
        append_document(out, *live, settings_.tables);
        is_wanted = live->says_same(*route);
        if (!is_wanted && !task.is_removal()) {
            Route settled = *route;
            settle_devices(settled.hops, live->hops);
            is_wanted = live->says_same(settled);
        }
    } else if (const Rule* rule = std::get_if<Rule>(&task.wanted)) {
        const std::vector<const Rule*> live = picture.visible(rule->key, settings_);
        if (live.empty()) return std::nullopt;
        protocol = live.front()->protocol;
        append_document(out, *live.front(), settings_.tables);
        is_wanted = live.size() == 1 && live.front()->says_same(*rule);
    } else if (const Group* group = std::get_if<Group>(&task.wanted)) {
        const auto live = picture.group(group->id, settings_);
        if (!live) return std::nullopt;
        protocol = live->protocol;
        append_document(out, *live);
        is_wanted = live->says_same(*group);
    } else {
        const DesiredLink& wanted = std::get<DesiredLink>(task.wanted);
        const Link* const live = picture.link(wanted.name);
        if (!live) return std::nullopt;
        append_document(out, *live);
        const auto has = [&](const Prefix& address) {
            return std::any_of(live->addresses.begin(), live->addresses.end(), [&](const LinkAddress& there) {
                return there.is_permanent && there.prefix == address;
            });
        };
        is_wanted = wanted.up.value_or(live->is_up) == live->is_up &&
                    wanted.mtu.value_or(live->mtu) == live->mtu &&
                    std::all_of(wanted.addresses.begin(), wanted.addresses.end(), has) &&
                    std::none_of(task.dropped.begin(), task.dropped.end(), has);
        return out;
    }
    if (protocol != settings_.protocol) append_protocol(out, protocol);
    return out;
}

void KernelWriter::judge(Task& task) {
    bool is_wanted = false;
    const std::string what = kind_word(task.change.kind()) + " " + std::string(task.change.identity());
    if (task.is_create() && !std::holds_alternative<DesiredLink>(task.wanted) && before_.routes.size() == 0 &&
        std::holds_alternative<Route>(task.wanted))
        return; // the table is empty
    const auto live = live_document(before_, task, is_wanted);
    if (std::holds_alternative<DesiredLink>(task.wanted)) {
        if (task.is_removal())
            task.fate = Fate::unchanged; // a link is not ours to delete
        else if (!live)
            fail(task, {"routing.no-link", "there is no link " + std::get<DesiredLink>(task.wanted).name,
                        "this plugin makes no links: let systemd-networkd, ifupdown or `ip link` make it", "",
                        sdk::Retry::after, link_retry});
        else if (is_wanted)
            task.fate = Fate::unchanged;
        return;
    }
    if (task.is_removal()) {
        if (!live)
            task.fate = Fate::unchanged;
        else if (!is_as_observed(task.change, *live))
            fail(task, conflict(what, "was changed"));
        else if (std::holds_alternative<Group>(task.wanted))
            check_group_is_unused(task);
        return;
    }
    if (live && is_wanted)
        task.fate = Fate::unchanged;
    else if (live && task.is_create())
        fail(task, conflict(what, "was made by somebody else"));
    else if (!live && !task.is_create())
        fail(task, conflict(what, "was removed"));
    else if (live && !is_as_observed(task.change, *live))
        fail(task, conflict(what, "was changed"));
    if (!task.is_pending()) return;
    if (const Route* route = std::get_if<Route>(&task.wanted)) judge_twins(task, *route);
    const Group* const group = std::get_if<Group>(&task.wanted);
    if (group && task.is_create() && before_.nexthops.count(group->id) != 0)
        fail(task, {"routing.foreign",
                    "nexthop object " + std::to_string(group->id) + " is there already, made by " +
                        protocol_word(before_.nexthops.at(group->id).protocol),
                    "choose another id; what others made is left alone"});
}

// Others' routes of the same key are left alone, so ours cannot be: the kernel replaces the first of a key,
// whosever it is.
void KernelWriter::judge_twins(Task& task, const Route& wanted) {
    for (const Route* there : before_.routes.of(wanted.key)) {
        if (settings_.is_visible(there->protocol) && !there->is_strange) continue;
        fail(task,
             {"routing.foreign",
              name_of(wanted.key, settings_.tables) + " is there already, made by " +
                  protocol_word(there->protocol) +
                  (there->is_strange ? ", and has what documents cannot say" : ""),
              "what others made is left alone: choose another metric, the lower one wins", "/spec/metric"});
        return;
    }
}

void KernelWriter::check_group_is_unused(Task& task) {
    const std::uint32_t id = std::get<Group>(task.wanted).id;
    std::set<RouteKey> going;
    for (const Task& other : tasks_)
        if (const Route* route = std::get_if<Route>(&other.wanted);
            route && (other.is_removal() || route->group != id))
            going.insert(route->key);
    for (const Route& route : before_.routes.all())
        if (route.group == id && going.count(route.key) == 0)
            return fail(task, {"routing.group-in-use",
                               name_of(route.key, settings_.tables) + " uses nexthop group " +
                                   std::to_string(id) + ", and the kernel would remove it with the group",
                               "change or remove the routes first"});
}

void KernelWriter::fail(Task& task, sdk::Diagnostic why) {
    task.fate = Fate::failed;
    task.why = std::make_unique<sdk::Diagnostic>(std::move(why));
}

void KernelWriter::fail(Task& task, int error, const std::string& text) {
    std::string what = kind_word(task.change.kind()) + " " + std::string(task.change.identity());
    if (const Route* route = std::get_if<Route>(&task.wanted)) what = name_of(route->key, settings_.tables);
    fail(task, refusal(error, text, what));
}

// ---- sending ----

void KernelWriter::send(const Tasks& tasks, const Kind& kind, const Put& put, int is_fine) {
    Batch batch = kernel_.batch();
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        if (i % tasks_between_looks == 0 && scope_.should_stop()) {
            for (std::size_t left = i; left < tasks.size(); ++left) tasks[left]->fate = Fate::untried;
            break;
        }
        Task& task = *tasks[i];
        const auto [type, flags] = kind(task);
        nlmsghdr* const request = batch.add(i, type, flags);
        try {
            put(request, task);
            batch.end(request);
            task.fate = Fate::written;
        } catch (const sdk::Error& error) {
            batch.drop();
            fail(task, error.diagnostic());
        }
    }
    for (const Batch::Failure& failure : batch.finish())
        if (failure.error != is_fine) fail(*tasks[failure.tag], failure.error, failure.text);
}

// ---- routes ----

void KernelWriter::make_routes() {
    Tasks tasks = pending<Route>(false);
    if (tasks.empty()) return;
    // What is directly on a link comes first: gateways of others may lie there.
    const auto is_on_link = [](const Task* task) {
        const Route& route = std::get<Route>(task->wanted);
        return std::all_of(route.hops.begin(), route.hops.end(),
                           [](const Nexthop& hop) { return hop.via.empty(); });
    };
    std::stable_partition(tasks.begin(), tasks.end(), is_on_link);
    send_routes(tasks);
    // A gateway may have become reachable by a route behind it.
    Tasks again;
    for (Task* task : tasks)
        if (task->fate == Fate::failed && task->why->code == "routing.gateway") again.push_back(task);
    if (!again.empty() && again.size() < tasks.size()) send_routes(again);
    drop_twins();
}

void KernelWriter::send_routes(const Tasks& tasks) {
    const Kind kind = [](const Task& task) -> std::pair<std::uint16_t, std::uint16_t> {
        return {RTM_NEWROUTE,
                static_cast<std::uint16_t>(NLM_F_CREATE | (task.is_create() ? NLM_F_EXCL : NLM_F_REPLACE))};
    };
    send(tasks, kind, [&](nlmsghdr* request, Task& task) {
        Route route = std::get<Route>(task.wanted);
        route.protocol = settings_.protocol;
        if (!task.is_create())
            if (const Route* live = before_.routes.visible(route.key, settings_))
                route.more_metrics = live->more_metrics;
        put_route(request, route, before_.devices);
    });
}

// `ip route append` makes a second route of a key behind ours. It does nothing until ours goes, and then it
// does: an update leaves one.
void KernelWriter::drop_twins() {
    Batch batch = kernel_.batch();
    for (const Task& task : tasks_) {
        const Route* const wanted = std::get_if<Route>(&task.wanted);
        if (!wanted || task.fate != Fate::written || task.is_removal() || task.is_create()) continue;
        const std::vector<const Route*> there = before_.routes.of(wanted->key);
        for (std::size_t i = 1; i < there.size(); ++i) {
            if (there[i]->says_same(*wanted)) continue;
            nlmsghdr* const request = batch.add(0, RTM_DELROUTE, 0);
            put_route_removal(request, *there[i], before_.devices);
            batch.end(request);
        }
    }
    batch.finish(); // what could not be removed is seen by the next look
}

void KernelWriter::drop_routes() {
    const Kind kind = [](const Task&) -> std::pair<std::uint16_t, std::uint16_t> {
        return {RTM_DELROUTE, 0};
    };
    const Put put = [&](nlmsghdr* request, Task& task) {
        const RouteKey& key = std::get<Route>(task.wanted).key;
        put_route_removal(request, *before_.routes.visible(key, settings_), before_.devices);
    };
    send(pending<Route>(true), kind, put, ESRCH);
    // And its twins of the same protocol.
    Batch batch = kernel_.batch();
    for (const Task& task : tasks_) {
        const Route* const wanted = std::get_if<Route>(&task.wanted);
        if (!wanted || !task.is_removal() || task.fate != Fate::written) continue;
        const Route* const first = before_.routes.visible(wanted->key, settings_);
        for (const Route* twin : before_.routes.of(wanted->key)) {
            if (twin == first || twin->protocol != first->protocol || twin->is_strange) continue;
            nlmsghdr* const request = batch.add(0, RTM_DELROUTE, 0);
            put_route_removal(request, *twin, before_.devices);
            batch.end(request);
        }
    }
    batch.finish();
}

// ---- rules ----

void KernelWriter::make_rules() {
    // The kernel takes a rule and its inversion for the same one, and would refuse the update (NLM_F_EXCL).
    // That they are two is known: both have been looked at.
    const Kind kind = [](const Task& task) -> std::pair<std::uint16_t, std::uint16_t> {
        return {RTM_NEWRULE,
                static_cast<std::uint16_t>(task.is_create() ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_CREATE)};
    };
    Tasks tasks = pending<Rule>(false);
    std::erase_if(tasks, [&](Task* task) { // only its twins are to go
        const Rule& wanted = std::get<Rule>(task->wanted);
        for (const Rule* there : before_.visible(wanted.key, settings_))
            if (there->says_same(wanted)) task->fate = Fate::written;
        return task->fate == Fate::written;
    });
    send(tasks, kind, [&](nlmsghdr* request, Task& task) {
        Rule rule = std::get<Rule>(task.wanted);
        rule.protocol = settings_.protocol;
        put_rule(request, rule);
    });
}

void KernelWriter::drop_rules() {
    for (Task& task : tasks_) {
        const Rule* const wanted = std::get_if<Rule>(&task.wanted);
        if (!wanted || task.is_create()) continue;
        if (task.is_removal() ? !task.is_pending() : task.fate != Fate::written) continue;
        if (scope_.should_stop() && task.is_removal()) {
            task.fate = Fate::untried;
            continue;
        }
        Batch batch = kernel_.batch();
        bool has_kept = false;
        for (const Rule* there : before_.visible(wanted->key, settings_)) {
            if (!task.is_removal() && !has_kept && there->says_same(*wanted)) {
                has_kept = true;
                continue;
            }
            nlmsghdr* const request = batch.add(0, RTM_DELRULE, 0);
            put_rule(request, *there);
            batch.end(request);
        }
        if (task.is_removal()) task.fate = Fate::written;
        for (const Batch::Failure& failure : batch.finish())
            if (failure.error != ENOENT) fail(task, failure.error, failure.text);
    }
}

// ---- results ----

void KernelWriter::report() {
    const bool has_written = std::any_of(tasks_.begin(), tasks_.end(),
                                         [](const Task& task) { return task.fate == Fate::written; });
    if (has_written) {
        after_ = kernel_.read(wanted_);
    } else {
        after_ = std::move(before_);
    }
    for (Task& task : tasks_)
        if (task.fate != Fate::untried && task.fate != Fate::pending && results_.listening())
            report_one(task);
}

void KernelWriter::report_one(Task& task) {
    sdk::Result result;
    bool is_wanted = false;
    const bool is_link = std::holds_alternative<DesiredLink>(task.wanted);
    if (task.fate == Fate::failed) {
        result = sdk::Result::failed(*task.why);
        results_.emit(task.change, result);
        return;
    }
    const auto live = live_document(after_, task, is_wanted);
    result.outcome = task.fate == Fate::unchanged ? sdk::Outcome::unchanged : sdk::Outcome::done;
    result.refreshed = task.change.refresh();
    if (live && (!task.is_removal() || is_link)) {
        result.document = *live;
        result.version = version_of(*live);
    }
    const bool is_reached = task.is_removal() ? is_link || !live : live && is_wanted;
    if (!is_reached && task.fate == Fate::written) {
        result.outcome = live ? sdk::Outcome::partial : sdk::Outcome::unknown;
        if (live) result.document = *live;
        result.diagnostics.push_back(
            {"routing.not-kept",
             "the kernel took " + kind_word(task.change.kind()) + " " + std::string(task.change.identity()) +
                 ", and right afterwards holds " +
                 (live ? "something else: " + *live : "nothing of the kind"),
             "somebody else writes at the same time, or a link went down: see `ip monitor`", "",
             sdk::Retry::conflict});
    }
    results_.emit(task.change, result);
}

} // namespace holdfast::routing
