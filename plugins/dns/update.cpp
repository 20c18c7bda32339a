#include "update.hpp"

#include "message.hpp"

namespace holdfast::dns {

namespace {

constexpr std::size_t max_update = 60U << 10; // leaves room for header, prerequisite and signature in 64 KiB

// The order inside one message matters, since a server works it through from first to last (RFC 2136 section
// 3.4.2): an A that is added beside a CNAME which is about to go is dropped with NOERROR, and the name is
// gone. So every delete comes before every add. The NS of the zone itself are the other way round: the
// removal of the whole set, and of its last member, is ignored (section 3.4.2.3), so new ones come first and
// old ones are then removed one by one.
struct Sections {
    std::string deletes, adds, after_adds;
    std::uint16_t count = 0;

    std::size_t size() const { return deletes.size() + adds.size() + after_adds.size(); }
};

void add_values(Sections& out, const Wire& owner, TypeNumber type, const RrSet& set) {
    for (const Wire& value : set.values) {
        append_record(out.adds, owner, type, class_in, set.ttl, value);
        ++out.count;
    }
}

void append_change(Sections& out, const Change& change, std::string_view origin) {
    const Wire owner = owner_of(change.key, origin);
    const TypeNumber type = change.key.type;
    const bool is_apex_ns = type == type::ns && change.key.name == "@";
    if (!is_apex_ns && change.before) {
        append_record(out.deletes, owner, type, class_any, 0, {}); // section 2.5.2
        ++out.count;
    }
    if (change.after) add_values(out, owner, type, *change.after);
    if (!is_apex_ns || !change.before || !change.after) return;
    for (const Wire& value : change.before->values) {
        bool stays = false;
        for (const Wire& wanted : change.after->values) stays |= wanted == value;
        if (stays) continue;
        append_record(out.after_adds, owner, type, class_none, 0, value); // section 2.5.4
        ++out.count;
    }
}

// Index behind the changes that have the name of changes[first].
std::size_t end_of_name(const std::vector<Change>& changes, std::size_t first) {
    std::size_t end = first;
    while (end < changes.size() && changes[end].key.name == changes[first].key.name) ++end;
    return end;
}

} // namespace

UpdateMessage make_update(std::string_view origin, const Soa& soa, const std::vector<Change>& changes,
                          std::size_t first) {
    Sections sections;
    std::size_t at = first;
    while (at < changes.size()) {
        Sections next;
        const std::size_t end = end_of_name(changes, at);
        for (std::size_t i = at; i < end; ++i) append_change(next, changes[i], origin);
        if (next.size() > max_update)
            throw sdk::Error("dns.too-large",
                             "the records of " + changes[at].key.name +
                                 " do not fit into one update of 64 KiB, and would not be written as a whole",
                             "declare fewer records at that name");
        if (sections.size() + next.size() > max_update || sections.count + next.count > 60000) break;
        sections.deletes += next.deletes;
        sections.adds += next.adds;
        sections.after_adds += next.after_adds;
        sections.count = static_cast<std::uint16_t>(sections.count + next.count);
        at = end;
    }
    UpdateMessage out{new_message(Opcode::update, origin, type::soa), at - first};
    set16(out.bytes, 6, 1); // the prerequisite: this RRset exists with this value (section 2.4.2)
    append_record(out.bytes, origin, type::soa, class_in, 0, soa.rdata);
    set16(out.bytes, 8, sections.count);
    out.bytes += sections.deletes + sections.adds + sections.after_adds;
    return out;
}

} // namespace holdfast::dns
