#include "export.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace holdfast::dns {

namespace {

[[noreturn]] void malformed(std::string_view line) {
    throw sdk::Error("dns.bad-answer",
                     "PowerDNS exports a line that is no record: " + std::string(line.substr(0, 100)));
}

class ExportReader {
public:
    ExportReader(std::string_view text, const Wire& origin)
        : text_(text), zone_name_(name_text(origin)), behind_name_("." + zone_name_) {
        zone_.origin = origin;
    }

    ZoneData read() {
        // One whose last line is cut off is not all that was sent.
        if (text_.empty() || text_.back() != '\n') malformed(text_.substr(text_.rfind('\n') + 1));
        while (!text_.empty()) {
            const std::size_t end = text_.find('\n');
            take(text_.substr(0, end));
            text_.remove_prefix(end + 1);
        }
        if (zone_.soa.rdata.empty())
            throw sdk::Error("dns.bad-answer", "PowerDNS exports no SOA of zone " + zone_name_);
        zone_.settle();
        return std::move(zone_);
    }

private:
    void take(std::string_view line) {
        std::array<std::string_view, 4> words; // and the data, which may hold anything
        std::string_view data = line;
        for (std::string_view& word : words) {
            const std::size_t tab = data.find('\t');
            if (tab == std::string_view::npos) malformed(line);
            word = data.substr(0, tab);
            data.remove_prefix(tab + 1);
        }
        const auto [name, ttl_text, class_text, type_word] = words;
        std::uint32_t ttl = 0;
        const char* const end = ttl_text.data() + ttl_text.size();
        const auto [stopped, error] = std::from_chars(ttl_text.data(), end, ttl);
        if (error != std::errc() || stopped != end || class_text != "IN") malformed(line);
        if (type_word != type_word_) find_type(type_word);
        if (type_ == 0) return;
        const std::optional<std::string> owner = relative(name);
        if (!owner) return;
        Wire value = parse_rdata(type_, data, zone_.origin);
        if (type_ == type::soa) {
            zone_.soa = {std::move(value), ttl};
        } else if (!is_servers_own(type_)) {
            // They come by the name's spelling, which is nearly our order.
            const auto place = zone_.sets.try_emplace(zone_.sets.end(), Key{*owner, type_}, RrSet{ttl, {}});
            place->second.ttl = std::min(place->second.ttl, ttl);
            place->second.add(std::move(value));
        }
    }

    // LUA and its like, which exist only there, are left alone.
    void find_type(std::string_view word) {
        type_word_ = word;
        try {
            type_ = parse_type(word);
        } catch (const sdk::Error&) {
            type_ = 0;
        }
    }

    // Nothing for a name outside the zone.
    std::optional<std::string> relative(std::string_view name) const {
        if (name == zone_name_) return "@";
        if (name.ends_with(behind_name_))
            if (const auto inside = name.substr(0, name.size() - behind_name_.size()); is_plain_name(inside))
                return std::string(inside);
        const Wire owner = lower(parse_name(name, zone_.origin, Relative::any_labels));
        if (!is_within(owner, zone_.origin)) return std::nullopt;
        return relative_text(owner, zone_.origin);
    }

    std::string_view text_;
    std::string zone_name_, behind_name_; // "example.org.", ".example.org."
    ZoneData zone_;
    std::string_view type_word_; // of the line before
    TypeNumber type_ = 0;
};

} // namespace

ZoneData read_export(std::string_view text, const Wire& origin) { return ExportReader(text, origin).read(); }

} // namespace holdfast::dns
