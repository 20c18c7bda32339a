#include "zonefile.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>

#include "ldns.hpp"
#include "message.hpp"
#include "txt.hpp"

namespace holdfast::dns {

namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;
using Rdf = std::unique_ptr<ldns_rdf, Releaser<ldns_rdf_deep_free>>;

[[noreturn]] void refuse_file(const std::string& path, int line, const std::string& why,
                              std::string hint = {}) {
    throw sdk::Error("dns.zone-file", path + ":" + std::to_string(line) + ": " + why, std::move(hint));
}

Wire wire_of_rdf(const ldns_rdf* rdf) {
    return {reinterpret_cast<const char*>(ldns_rdf_data(rdf)), ldns_rdf_size(rdf)};
}

// libldns' reader keeps the default TTL, the origin and the last owner in variables of its caller.
class FileReader {
public:
    FileReader(std::string_view text, const Wire& origin, const std::string& path)
        : path_(path), text_(text), file_(fmemopen(text_.data(), text_.size(), "r"), &fclose) {
        zone_.origin = origin;
        origin_ = ldns_dname_new_frm_str(name_text(origin).c_str());
    }
    ~FileReader() {
        ldns_rdf_deep_free(origin_);
        ldns_rdf_deep_free(previous_);
    }
    FileReader(const FileReader&) = delete;
    FileReader& operator=(const FileReader&) = delete;

    ZoneData read() {
        if (text_.find("$INCLUDE") != std::string::npos)
            refuse_file(path_, 1, "$INCLUDE is not supported", "put the records into this file");
        while (file_ && !feof(file_.get())) {
            ldns_rr* raw = nullptr;
            const ldns_status status =
                ldns_rr_new_frm_fp_l(&raw, file_.get(), &ttl_, &origin_, &previous_, &line_);
            const Rr record(raw);
            if (status == LDNS_STATUS_OK)
                add(record.get());
            else if (status != LDNS_STATUS_SYNTAX_TTL && status != LDNS_STATUS_SYNTAX_ORIGIN &&
                     status != LDNS_STATUS_SYNTAX_EMPTY)
                refuse_file(path_, line_, ldns_get_errorstr_by_id(status), "correct the line by hand");
        }
        if (zone_.soa.rdata.empty())
            refuse_file(path_, 1, "the file has no SOA of zone " + zone_text(zone_.origin),
                        "a zone file begins with one; the file may have been cut");
        zone_.settle();
        return std::move(zone_);
    }

private:
    void add(const ldns_rr* record) {
        const Wire owner = lower(wire_of_rdf(ldns_rr_owner(record)));
        const auto type = static_cast<TypeNumber>(ldns_rr_get_type(record));
        Wire data;
        for (std::size_t i = 0; i < ldns_rr_rd_count(record); ++i)
            data += wire_of_rdf(ldns_rr_rdf(record, i));
        if (!is_within(owner, zone_.origin))
            refuse_file(path_, line_, name_text(owner) + " does not lie in zone " + zone_text(zone_.origin));
        if (type == type::soa) {
            if (owner != zone_.origin || !zone_.soa.rdata.empty())
                refuse_file(path_, line_, "there is a second SOA, or one of another name");
            zone_.soa = {data, ldns_rr_ttl(record)};
            return;
        }
        if (is_servers_own(type))
            refuse_file(path_, line_, "the file holds records of DNSSEC",
                        "let the server sign, and keep the unsigned file here");
        RrSet& set = zone_.sets[{relative_text(owner, zone_.origin), type}];
        set.ttl = set.values.empty() ? ldns_rr_ttl(record) : std::min(set.ttl, ldns_rr_ttl(record));
        set.add(expand_rdata(type, data, 0, data.size(), Case::lower));
    }

    const std::string& path_;
    std::string text_;
    File file_;
    ZoneData zone_;
    std::uint32_t ttl_ = default_ttl;
    ldns_rdf *origin_ = nullptr, *previous_ = nullptr;
    int line_ = 1;
};

void append_line(std::string& out, const std::string& name, std::uint32_t ttl, TypeNumber type,
                 const std::string& data) {
    out += name + "\t" + std::to_string(ttl) + "\tIN\t" + type_text(type) + "\t" + data + "\n";
}

} // namespace

ZoneData parse_zone_file(std::string_view text, const Wire& origin, const std::string& path) {
    return FileReader(text, origin, path).read();
}

std::string print_zone_file(const ZoneData& zone) {
    std::string out = "; Written by Holdfast. Comments do not survive the next change.\n$ORIGIN " +
                      name_text(zone.origin) + "\n";
    append_line(out, "@", zone.soa.ttl, type::soa, rdata_text(type::soa, zone.soa.rdata));
    for (const auto& [key, set] : zone.sets)
        for (const Wire& value : set.values) {
            const bool is_text = key.type == type::txt || key.type == type::spf;
            append_line(out, key.name, set.ttl, key.type,
                        is_text ? txt_quoted(value) : rdata_text(key.type, value));
        }
    return out;
}

std::uint32_t next_serial(std::uint32_t serial, SerialPolicy policy, std::int64_t now_s) {
    std::uint32_t wanted = serial;
    if (policy == SerialPolicy::unixtime) wanted = static_cast<std::uint32_t>(now_s);
    if (policy == SerialPolicy::date) {
        const std::time_t now = now_s;
        std::tm utc{};
        gmtime_r(&now, &utc);
        wanted =
            static_cast<std::uint32_t>(((utc.tm_year + 1900) * 100 + utc.tm_mon + 1) * 100 + utc.tm_mday) *
            100U;
    }
    // RFC 1982 section 3.2: newer is what lies less than half the circle ahead.
    const bool is_newer = wanted != serial && wanted - serial < 0x80000000U;
    if (is_newer) return wanted;
    return serial + 1 == 0 ? 1 : serial + 1;
}

void set_serial(Soa& soa, std::uint32_t serial) {
    std::string bytes;
    append32(bytes, serial);
    soa.rdata.replace(soa.rdata.size() - 20, 4, bytes);
}

} // namespace holdfast::dns
