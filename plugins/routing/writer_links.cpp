// What of KernelWriter is about links and nexthop groups.

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

#include "writer.hpp"

namespace holdfast::routing {

namespace {

// Members of groups are nexthop objects of their own, numbered from here on. Documents do not know of them.
constexpr std::uint32_t first_member = 0x48460000;

} // namespace

void KernelWriter::make_links() {
    for (Task& task : tasks_) {
        DesiredLink* const wanted = std::get_if<DesiredLink>(&task.wanted);
        if (!wanted || !task.is_pending() || scope_.should_stop()) continue;
        const Link& live = *before_.link(wanted->name);
        Batch batch = kernel_.batch();
        const auto add = [&](std::uint16_t type, int flags, const auto& put) {
            nlmsghdr* const request = batch.add(0, type, static_cast<std::uint16_t>(flags));
            put(request);
            batch.end(request);
        };
        if (wanted->mtu && *wanted->mtu != live.mtu)
            add(RTM_NEWLINK, 0, [&](nlmsghdr* m) { put_link_change(m, live, std::nullopt, wanted->mtu); });
        for (const Prefix& address : wanted->addresses)
            add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
                [&](nlmsghdr* m) { put_link_address(m, live.index, address); });
        if (wanted->up && *wanted->up != live.is_up)
            add(RTM_NEWLINK, 0, [&](nlmsghdr* m) { put_link_change(m, live, wanted->up, std::nullopt); });
        for (const LinkAddress& there : live.addresses)
            if (task.dropped.count(there.prefix) != 0)
                add(RTM_DELADDR, 0, [&](nlmsghdr* m) { put_link_address(m, live.index, there.prefix); });
        task.fate = Fate::written;
        for (const Batch::Failure& failure : batch.finish()) fail(task, failure.error, failure.text);
    }
}

// ---- nexthop groups ----

// A group of the kernel is made of nexthop objects. Those of the group's hops that exist are used again, the
// others are made; then the group is set to them in one step, and what it no longer has is removed.
void KernelWriter::make_groups() {
    std::map<Nexthop, std::uint32_t> known;
    for (const auto& [id, object] : before_.nexthops)
        if (!object.is_group && !object.is_strange && object.protocol == settings_.protocol &&
            id >= first_member)
            known.emplace(object.hop, id);
    for (Task* task : pending<Group>(false)) make_members(*task, known);
    const Kind kind = [](const Task& task) -> std::pair<std::uint16_t, std::uint16_t> {
        return {RTM_NEWNEXTHOP,
                static_cast<std::uint16_t>(NLM_F_CREATE | (task.is_create() ? NLM_F_EXCL : NLM_F_REPLACE))};
    };
    const Tasks tasks = pending<Group>(false);
    send(tasks, kind, [&](nlmsghdr* request, Task& task) {
        NexthopObject group;
        group.id = std::get<Group>(task.wanted).id;
        group.protocol = settings_.protocol;
        group.is_group = true;
        group.members = members_[group.id];
        put_nexthop(request, group, before_.devices);
    });
    std::vector<std::uint32_t> left;
    for (const Task* task : tasks)
        if (const auto old = before_.nexthops.find(std::get<Group>(task->wanted).id);
            old != before_.nexthops.end())
            for (const auto& [id, weight] : old->second.members) left.push_back(id);
    drop_members(left);
}

void KernelWriter::make_members(Task& task, std::map<Nexthop, std::uint32_t>& known) {
    const Group& wanted = std::get<Group>(task.wanted);
    auto& members = members_[wanted.id];
    Batch batch = kernel_.batch();
    for (Nexthop hop : wanted.hops) {
        const std::uint32_t weight = hop.weight;
        hop.weight = 1;
        std::uint32_t id = 0;
        if (const auto found = known.find(hop); found != known.end()) {
            id = found->second;
        } else {
            for (id = first_member; before_.nexthops.count(id) != 0;) ++id;
            NexthopObject object;
            object.id = id;
            object.protocol = settings_.protocol;
            object.family = hop.via.empty() ? static_cast<std::uint8_t>(AF_INET) : hop.via.family;
            object.hop = hop;
            nlmsghdr* const request = batch.add(0, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL);
            try {
                put_nexthop(request, object, before_.devices);
            } catch (const sdk::Error& error) {
                batch.drop();
                fail(task, error.diagnostic());
                break;
            }
            batch.end(request);
            before_.nexthops[id] = object;
            known.emplace(hop, id);
        }
        members.emplace_back(id, weight);
    }
    for (const Batch::Failure& failure : batch.finish()) {
        fail(task, failure.error, failure.text);
        std::erase_if(known, [&](const auto& entry) {
            return std::any_of(members.begin(), members.end(),
                               [&](const auto& member) { return member.first == entry.second; });
        });
    }
}

void KernelWriter::drop_groups() {
    const Kind kind = [](const Task&) -> std::pair<std::uint16_t, std::uint16_t> {
        return {RTM_DELNEXTHOP, 0};
    };
    const Tasks tasks = pending<Group>(true);
    if (tasks.empty()) return;
    std::vector<std::uint32_t> left;
    for (const Task* task : tasks)
        for (const auto& [id, weight] : before_.nexthops.at(std::get<Group>(task->wanted).id).members)
            left.push_back(id);
    send(
        tasks, kind,
        [](nlmsghdr* request, Task& task) { put_nexthop_removal(request, std::get<Group>(task.wanted).id); },
        ENOENT);
    drop_members(left);
}

// Of `candidates` those that we made for groups and that none has any more.
void KernelWriter::drop_members(const std::vector<std::uint32_t>& candidates) {
    if (candidates.empty()) return;
    Wanted wanted;
    wanted.nexthops = true;
    const Picture now = kernel_.read(wanted);
    std::set<std::uint32_t> used;
    for (const auto& [id, object] : now.nexthops)
        for (const auto& [member, weight] : object.members) used.insert(member);
    Batch batch = kernel_.batch();
    for (const std::uint32_t id : std::set<std::uint32_t>(candidates.begin(), candidates.end())) {
        const auto object = now.nexthops.find(id);
        const bool is_ours = id >= first_member && object != now.nexthops.end() && !object->second.is_group &&
                             object->second.protocol == settings_.protocol;
        if (!is_ours || used.count(id) != 0) continue;
        nlmsghdr* const request = batch.add(0, RTM_DELNEXTHOP, 0);
        put_nexthop_removal(request, id);
        batch.end(request);
    }
    batch.finish();
}

} // namespace holdfast::routing
