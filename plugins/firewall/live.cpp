#include "live.hpp"

#include <algorithm>

#include <linux/netlink.h>
#include <net/if.h>
#include <sys/stat.h>

namespace holdfast::firewall {

namespace {

std::string fingerprint_of(const std::vector<RawElement>& elements) {
    std::vector<std::string_view> order;
    order.reserve(elements.size());
    for (const RawElement& element : elements) order.push_back(element.attributes);
    std::sort(order.begin(), order.end()); // a hash tells them in any order
    std::string all;
    for (const std::string_view one : order) all.append(one).push_back('|');
    return fingerprint(all);
}

constexpr int most_tries = 8;

std::pair<std::uint64_t, std::uint64_t> inode_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {status.st_dev, status.st_ino};
}

} // namespace

Live::Live(const NamespaceThread::Where& where) : path_(where.path), thread_(where) {
    thread_.run([&] {
        inode_ = inode_of("/proc/thread-self/ns/net");
        nft_ = std::make_unique<Nft>();
        netlink_ = std::make_unique<Netlink>(NETLINK_NETFILTER);
    });
}

Live::~Live() {
    thread_.run([&] {
        nft_.reset();
        netlink_.reset();
    });
}

bool Live::is_current() const { return path_.empty() || inode_of(path_) == inode_; }

// Several lists are no snapshot: where the generation moved meanwhile, all of it is read again.
const LiveTable& Live::read(const TableName& table, const WantsElements& wants_elements) {
    Known& known = known_[table.text()];
    thread_.run([&] {
        for (int i = 0; i < most_tries; ++i) {
            const std::uint32_t before = firewall::generation(*netlink_);
            const bool is_known = known.generation == before && before != 0;
            if (!is_known) read_structure(table, known);
            const bool was_listed = read_elements(table, known, wants_elements);
            if (is_known && !was_listed) return;
            if (firewall::generation(*netlink_) != before) continue;
            known.generation = before;
            return;
        }
        known.generation = 0;
        throw sdk::Error("firewall.unreadable",
                         "table " + table.text() +
                             " cannot be read: somebody writes to the ruleset all the time",
                         "look with `nft monitor` who does");
    });
    return known.table;
}

std::string Live::list(const std::string& command, Nft::Elements elements) {
    Nft::Answer answer = nft_->list(command, elements);
    if (answer.ok) return std::move(answer.output);
    throw sdk::Error("firewall.unreadable", "`nft " + command + "` failed: " + answer.error,
                     "the provider needs CAP_NET_ADMIN in its network namespace");
}

// Only `list ruleset` spares the kernel the elements; `list table` fetches them to leave them out (1.0.6).
void Live::read_structure(const TableName& table, Known& known) {
    known.generation = 0;
    known.table = {};
    known.fresh.clear();
    const std::vector<TableName> all = firewall::tables(*netlink_);
    if (std::find(all.begin(), all.end(), table) == all.end()) return;
    const bool has_sets = has_named_sets(*netlink_, table);
    const std::string command = has_sets ? "list ruleset " + table.family : "list table " + table.text();
    known.table = parse_table_listing(list(command, Nft::Elements::left_out), table, false);
}

bool Live::read_elements(const TableName& table, Known& known, const WantsElements& wants) {
    bool was_listed = false;
    for (auto& [name, set] : known.table.sets) {
        if (!wants(name, set)) {
            set.elements.reset();
            known.fresh.erase(name);
            continue;
        }
        // Elements that time out go without a generation.
        if (known.fresh.count(name) && !times_out(set)) continue;
        list_set(table, name, set, known);
        known.fresh.insert(name);
        was_listed = true;
    }
    return was_listed;
}

void Live::list_set(const TableName& table, const std::string& name, LiveSet& set, Known& known) {
    const std::string print = fingerprint_of(firewall::elements(*netlink_, table, name));
    KnownElements& last = known.elements[name];
    if (last.fingerprint != print) {
        const std::string command =
            std::string("list ") + (set.is_map ? "map " : "set ") + table.text() + " " + name;
        LiveTable listed = parse_table_listing(list(command, Nft::Elements::listed), table, true);
        last.texts = listed.sets[name].elements.value_or(std::vector<std::string>());
        last.fingerprint = print;
    }
    set.elements = last.texts;
}

std::vector<TableName> Live::tables() {
    std::vector<TableName> out;
    thread_.run([&] { out = firewall::tables(*netlink_); });
    return out;
}

std::uint32_t Live::generation() {
    std::uint32_t out = 0;
    thread_.run([&] { out = firewall::generation(*netlink_); });
    return out;
}

std::vector<std::string> Live::interfaces() {
    std::vector<std::string> out;
    thread_.run([&] {
        struct if_nameindex* const all = ::if_nameindex();
        for (const struct if_nameindex* one = all; one && one->if_index != 0; ++one)
            out.emplace_back(one->if_name);
        if (all) ::if_freenameindex(all);
    });
    return out;
}

Nft::Answer Live::run(const std::string& commands) {
    Nft::Answer answer;
    thread_.run([&] { answer = nft_->run(commands); });
    return answer;
}

int Live::write_elements(const TableName& table, const std::vector<ElementBatch>& batches,
                         const std::map<std::string, std::vector<std::string>>& texts) {
    Known& known = known_[table.text()];
    int error = 0;
    bool is_ours_alone = false;
    thread_.run([&] {
        error = firewall::write_elements(*netlink_, table, batches, known.generation);
        if (error) return;
        const std::uint32_t before = known.generation;
        known.generation = firewall::generation(*netlink_);
        for (const auto& [name, elements] : texts) {
            const std::string print = fingerprint_of(firewall::elements(*netlink_, table, name));
            known.elements[name] = {print, elements};
            known.table.sets[name].elements = elements;
        }
        is_ours_alone = known.generation == before + 1;
    });
    if (error || !is_ours_alone) known = {}; // somebody else wrote as well: all of it is read again
    return error;
}

Live::Whole Live::list_whole(const TableName& table) {
    Whole out;
    thread_.run([&] {
        const std::vector<TableName> all = firewall::tables(*netlink_);
        if (std::find(all.begin(), all.end(), table) == all.end()) return;
        const Nft::Answer answer = nft_->list_with_state("list table " + table.text());
        if (!answer.ok)
            throw sdk::Error("firewall.unreadable",
                             "table " + table.text() + " cannot be listed: " + answer.error);
        out.with_counters = answer.output;
        out.without_counters = list("list table " + table.text(), Nft::Elements::listed);
    });
    return out;
}

} // namespace holdfast::firewall
