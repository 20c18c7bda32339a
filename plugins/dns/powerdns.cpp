// Zones of a PowerDNS server, by its HTTP API (doc.powerdns.com/authoritative/http-api). One PATCH is one
// transaction of its database. The API has no compare-and-swap: the zone is read right before a write and
// once more after it, and what another writer does in the few milliseconds between is reported, not
// prevented.
//
// It tells a zone in two ways. The export holds what is served, and costs the server a third and us a tenth
// of the list of RRsets, which besides has what is switched off: only a write has to know that.

#include <algorithm>
#include <set>

#include "backend.hpp"
#include "export.hpp"
#include "hash.hpp"
#include "txt.hpp"

namespace holdfast::dns {

namespace {

using sdk::Json;

constexpr std::size_t max_patch = 5000; // RRsets; larger ones take the server ever longer

std::string escaped(std::string_view text) {
    static constexpr const char* digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              c == '.' || c == '-' || c == '_';
        if (is_plain) {
            out += c;
            continue;
        }
        out += '=';
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

// PowerDNS takes data only as it would print it itself, and says how that is: "Record a.example.org./LOC
// '...': Not in expected format (parsed as '...')".
struct Spelling {
    TypeNumber type = 0;
    std::string sent, wanted;
};
std::optional<Spelling> wanted_spelling(const std::string& error) {
    static const std::string before_wanted = "': Not in expected format (parsed as '";
    const std::size_t slash = error.find("./") + 1;
    const std::size_t quote = error.find(" '", slash), middle = error.find(before_wanted);
    const std::size_t end = error.rfind("')");
    if (slash == 0 || quote == std::string::npos || middle == std::string::npos || end == std::string::npos ||
        middle < quote + 2 || end < middle + before_wanted.size())
        return std::nullopt;
    try {
        const std::size_t from = middle + before_wanted.size();
        return Spelling{parse_type(error.substr(slash + 1, quote - slash - 1)),
                        error.substr(quote + 2, middle - quote - 2), error.substr(from, end - from)};
    } catch (const sdk::Error&) {
        return std::nullopt;
    }
}

class PowerDns final : public Backend {
public:
    explicit PowerDns(const Json& config)
        : url_(sdk::text_at(config, "/url")),
          server_(sdk::text_at(config, "/server", "localhost")),
          key_(sdk::text_at(config, "/apiKey")),
          ca_file_(sdk::text_at(config, "/caFile")) {
        while (!url_.empty() && url_.back() == '/') url_.pop_back();
        if (url_.empty())
            throw sdk::Error("dns.config", "the provider's config names no URL of PowerDNS",
                             "set powerdns.url, for instance http://127.0.0.1:8081");
    }

    // PowerDNS has a name for itself, the host's unless configured; with the API's port it tells servers on
    // one host apart.
    std::string target(const sdk::Call& call) override {
        const Json settings = get(call, "/config", "its configuration");
        std::string id, port;
        for (const Json& setting : settings) {
            if (sdk::text_at(setting, "/name") == "server-id") id = sdk::text_at(setting, "/value");
            if (sdk::text_at(setting, "/name") == "webserver-port") port = sdk::text_at(setting, "/value");
        }
        return "powerdns:" + (id.empty() ? url_ : id + ":" + port) + ":" + server_;
    }

    ZoneData read(const sdk::Call& call, const Wire& origin) override {
        const std::string path = "/zones/" + escaped(name_text(origin)) + "/export";
        const sdk::HttpResponse response = ask(call, {}, path, "text/plain");
        // Where there is no export, the list may do, or says better why not.
        if (response.status >= 400 && response.status < 500) return read_to_write(call, origin);
        if (response.status != 200) throw sdk::Error(refusal(response, "zone " + zone_text(origin)));
        ZoneData out = read_export(response.body, origin);
        out.version = content_hash(out);
        return out;
    }

    ZoneData read_to_write(const sdk::Call& call, const Wire& origin) override {
        const Json zone = get(call, "/zones/" + escaped(name_text(origin)), "zone " + zone_text(origin));
        if (!zone.is_object() || !zone.contains("rrsets") || !zone["rrsets"].is_array())
            throw sdk::Error("dns.bad-answer", url_ + " gave no RRsets of zone " + zone_text(origin));
        ZoneData out;
        out.origin = origin;
        disabled_.clear();
        for (const Json& set : zone["rrsets"]) take_set(out, set);
        if (out.soa.rdata.empty())
            throw sdk::Error("dns.bad-answer", url_ + " gave no SOA of zone " + zone_text(origin));
        out.settle();
        out.version = content_hash(out);
        return out;
    }

    Mark mark(const sdk::Call& call, const Wire& origin) const override {
        const Json zone =
            get(call, "/zones/" + escaped(name_text(origin)) + "?rrsets=false", "zone " + zone_text(origin));
        return {zone.value("serial", Json()).dump() + " " + zone.value("edited_serial", Json()).dump(), 0};
    }

    Written write(const sdk::Call& call, const ZoneData& before,
                  const std::vector<Change>& changes) override {
        Written out;
        while (out.count < changes.size()) {
            std::size_t end = std::min(out.count + max_patch, changes.size());
            while (end < changes.size() && changes[end].key.name == changes[end - 1].key.name) ++end;
            out.concerned = end - out.count;
            if (!patch(call, before.origin, changes, end, out)) return out;
            out.count = end;
            out.concerned = 0;
        }
        return out;
    }

    std::vector<Wire> zones(const sdk::Call& call) override {
        std::vector<Wire> out;
        for (const Json& zone : get(call, "/zones", "its zones")) {
            const std::string kind = sdk::text_at(zone, "/kind");
            if (kind != "Slave" && kind != "Consumer") out.push_back(parse_zone(sdk::text_at(zone, "/name")));
        }
        return out;
    }

    void check_type(TypeNumber) const override {}
    bool compares() const override { return false; }

private:
    sdk::HttpResponse ask(const sdk::Call& call, sdk::HttpRequest request, const std::string& path,
                          const char* accept = "application/json") const {
        request.url = url_ + "/api/v1/servers/" + escaped(server_) + path;
        request.headers = {"X-API-Key: " + key_, std::string("Accept: ") + accept};
        if (!request.body.empty()) request.headers.emplace_back("Content-Type: application/json");
        Json options{{"maxResponseBytes", 1U << 30U}, {"timeoutMs", 120000}};
        if (!ca_file_.empty()) options["caFile"] = ca_file_;
        request.options = options.dump();
        return call.http(request);
    }

    Json get(const sdk::Call& call, const std::string& path, const std::string& what) const {
        const sdk::HttpResponse response = ask(call, {}, path);
        if (response.status == 200) return sdk::parse_json(response.body, "dns.bad-answer");
        throw sdk::Error(refusal(response, what));
    }

    sdk::Diagnostic refusal(const sdk::HttpResponse& response, const std::string& what) const {
        if (response.status == 0)
            return problem("dns.unreachable", url_ + " gives no answer: " + response.error,
                           "check powerdns.url in the provider's config, and that the API is on",
                           sdk::Retry::after);
        const Json body = Json::parse(response.body, nullptr, false);
        const std::string said = body.is_object() ? sdk::text_at(body, "/error") : std::string();
        sdk::Diagnostic why =
            problem("dns.refused", url_ + " refuses " + what + ": HTTP " + std::to_string(response.status) +
                                       (said.empty() ? "" : ", " + said));
        switch (response.status) {
            case 401:
            case 403: why.hint = "compare powerdns.apiKey with api-key in pdns.conf"; break;
            case 404: why.hint = "create the zone first: pdnsutil create-zone"; break;
            case 422: why.hint = "PowerDNS names the record that it does not take"; break;
            default: why.hint = "see the server's log"; break;
        }
        if (response.status >= 500) why.retry = sdk::Retry::after;
        return why;
    }

    // Records that are switched off are nobody's but theirs who did it: not served, and kept on a write.
    void take_set(ZoneData& zone, const Json& set) {
        const std::string type_word = sdk::text_at(set, "/type");
        TypeNumber type = 0;
        try {
            type = parse_type(type_word);
        } catch (const sdk::Error&) {
            return; // LUA and its like, which exist only there, are left alone
        }
        const Wire owner = lower(parse_name(sdk::text_at(set, "/name"), zone.origin, Relative::any_labels));
        if (!is_within(owner, zone.origin)) return;
        const Key key{relative_text(owner, zone.origin), type};
        const auto ttl = set.value("ttl", std::uint32_t{0});
        for (const Json& record : set.value("records", Json::array())) {
            const std::string content = sdk::text_at(record, "/content");
            if (record.value("disabled", false)) {
                disabled_[key].push_back(content);
            } else if (type == type::soa) {
                zone.soa = {parse_rdata(type, content, zone.origin), ttl};
            } else if (!is_servers_own(type)) {
                RrSet& to = zone.sets[key];
                to.ttl = ttl;
                to.add(parse_rdata(type, content, zone.origin));
            }
        }
    }

    // False where it did not end well; `out` says how.
    bool patch(const sdk::Call& call, const Wire& origin, const std::vector<Change>& changes, std::size_t end,
               Written& out) {
        std::string removed, sets;
        const std::string zone = name_text(origin);
        for (std::size_t i = out.count; i < end; ++i)
            append(changes[i], origin, zone, is_removal(changes[i]) ? removed : sets);
        // The server works them through in order, and refuses an A beside a CNAME that is yet to go.
        std::string all = removed + sets;
        all.pop_back(); // the last comma
        sdk::HttpRequest request;
        request.method = "PATCH";
        request.body = R"({"rrsets":[)" + all + "]}";
        const sdk::HttpResponse response =
            ask(call, std::move(request), "/zones/" + escaped(name_text(origin)));
        if (response.status == 204 || response.status == 200) return true;
        if (response.status == 422 && learn_spelling(response, origin))
            return patch(call, origin, changes, end, out); // nothing was done yet
        out.why = refusal(response, "the change of zone " + zone_text(origin));
        out.end =
            response.status == 0 || response.status >= 500 ? Written::End::unknown : Written::End::refused;
        return false;
    }

    // True where the server wants other words for the same data, which are used from now on.
    bool learn_spelling(const sdk::HttpResponse& response, const Wire& origin) {
        const Json body = Json::parse(response.body, nullptr, false);
        const auto spelling =
            wanted_spelling(body.is_object() ? sdk::text_at(body, "/error") : std::string());
        if (!spelling || spellings_.size() > max_patch) return false;
        try {
            const Wire value = parse_rdata(spelling->type, spelling->wanted, origin);
            return value == parse_rdata(spelling->type, spelling->sent, origin) &&
                   spellings_.try_emplace({spelling->type, value}, spelling->wanted).second;
        } catch (const sdk::Error&) {
            return false;
        }
    }

    // The API's form: names with their final dot, TXT always in quotes.
    std::string content_of(TypeNumber type, const Wire& value) const {
        if (const auto known = spellings_.find({type, value}); known != spellings_.end())
            return known->second;
        return type == type::txt || type == type::spf ? txt_quoted(value) : rdata_text(type, value);
    }

    // Of all that stands there; what is switched off stays.
    bool is_removal(const Change& change) const {
        return (!change.after || change.after->values.empty()) && !disabled_.contains(change.key);
    }

    // With a comma behind it. Written out, since there may be thousands.
    void append(const Change& change, const Wire& origin, const std::string& zone, std::string& out) const {
        out += R"({"name":)";
        const bool is_plain = is_plain_name(change.key.name) && origin.size() > 1;
        sdk::append_quoted(out,
                           is_plain ? change.key.name + "." + zone : name_text(owner_of(change.key, origin)));
        out += R"(,"type":)";
        sdk::append_quoted(out, type_text(change.key.type));
        if (is_removal(change)) {
            out += R"(,"changetype":"DELETE"},)";
            return;
        }
        const std::uint32_t ttl = change.after    ? change.after->ttl
                                  : change.before ? change.before->ttl
                                                  : default_ttl;
        out += R"(,"changetype":"REPLACE","ttl":)" + std::to_string(ttl) + R"(,"records":[)";
        const auto append_record = [&](const std::string& content, const char* disabled) {
            out += R"({"content":)";
            sdk::append_quoted(out, content);
            out.append(R"(,"disabled":)").append(disabled).append("},");
        };
        if (change.after)
            for (const Wire& value : change.after->values)
                append_record(content_of(change.key.type, value), "false");
        if (const auto off = disabled_.find(change.key); off != disabled_.end())
            for (const std::string& content : off->second) append_record(content, "true");
        out.back() = ']'; // instead of the last comma
        out += "},";
    }

    std::string url_, server_, key_, ca_file_;
    std::map<Key, std::vector<std::string>> disabled_;             // of the zone that was read last
    std::map<std::pair<TypeNumber, Wire>, std::string> spellings_; // where the server's are not ours
};

} // namespace

std::unique_ptr<Backend> make_powerdns(const Json& config) { return std::make_unique<PowerDns>(config); }

} // namespace holdfast::dns
