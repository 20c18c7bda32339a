#include "live.hpp"

#include <algorithm>

#include <linux/netlink.h>
#include <net/if.h>
#include <sys/stat.h>

namespace holdfast::firewall {

namespace {

std::uint64_t fingerprint_of(const std::vector<RawElement>& elements) {
    std::uint64_t sum = 0;
    for (const RawElement& element : elements) {
        std::uint64_t hash = 0xcbf29ce484222325ULL; // FNV-1a, then mixed, since they are added up
        for (const char c : element.attributes)
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        hash ^= hash >> 31U;
        sum += hash * 0x9e3779b97f4a7c15ULL;
    }
    return sum;
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
    const std::uint64_t print = fingerprint_of(firewall::elements(*netlink_, table, name));
    KnownElements& last = known.elements[name];
    if (!last.is_known || last.fingerprint != print) {
        const std::string command =
            std::string("list ") + (set.is_map ? "map " : "set ") + table.text() + " " + name;
        // A name that is a word of nft in this place only ("counters") can be added, and not listed by
        // itself.
        Nft::Answer answer = nft_->list(command, Nft::Elements::listed);
        if (!answer.ok) answer.output = list("list table " + table.text(), Nft::Elements::listed);
        LiveTable listed = parse_table_listing(answer.output, table, true);
        last.texts = listed.sets[name].elements.value_or(std::vector<std::string>());
        last.fingerprint = print;
        last.is_known = true;
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
        for (const ElementBatch& batch : batches) {
            KnownElements& last = known.elements[batch.set];
            last.fingerprint += fingerprint_of(batch.added) - fingerprint_of(batch.removed);
            last.texts = texts.at(batch.set);
            known.table.sets[batch.set].elements = last.texts;
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
