#include "rfc2136.hpp"

#include <ctime>
#include <map>

#include "update.hpp"

namespace holdfast::dns {

namespace {

std::int64_t now_s() { return static_cast<std::int64_t>(std::time(nullptr)); }

sdk::Error bad_answer(const Server& server, const std::string& what) {
    return sdk::Error("dns.bad-answer", to_string(server) + " sent an answer that cannot be right: " + what,
                      "see the server's log; nothing was taken from it");
}

// Puts a transfer together, record by record. Only a second SOA says that this is all (RFC 5936 section 2.2).
class Transfer {
public:
    Transfer(const Server& server, const Wire& origin) : server_(server) { zone_.origin = origin; }

    bool is_complete() const { return is_complete_; }

    void add(std::string_view message, const RecordView& record) {
        if (is_complete_) throw bad_answer(server_, "records after the end of a transfer");
        std::size_t at = record.start;
        const Wire owner = lower(expand_name(message, at));
        if (record.type == type::soa) return add_soa(message, record, owner);
        if (zone_.soa.rdata.empty()) throw bad_answer(server_, "a transfer that does not begin with the SOA");
        if (is_servers_own(record.type)) return;
        if (!is_within(owner, zone_.origin)) throw bad_answer(server_, "a record outside the zone");
        const Wire value = expand_rdata(record.type, message, record.rdata, record.size, Case::lower);
        RrSet& set = set_of(owner, record.type);
        set.ttl = set.values.empty() ? record.ttl : std::min(set.ttl, record.ttl);
        set.add(value);
    }

    ZoneData take() {
        zone_.settle();
        zone_.version = to_hex(zone_.soa.rdata);
        return std::move(zone_);
    }

private:
    void add_soa(std::string_view message, const RecordView& record, const Wire& owner) {
        const Soa soa{expand_rdata(type::soa, message, record.rdata, record.size, Case::keep), record.ttl};
        if (owner != zone_.origin) throw bad_answer(server_, "the SOA of another zone");
        if (zone_.soa.rdata.empty()) {
            zone_.soa = soa;
            return;
        }
        if (soa.rdata != zone_.soa.rdata) throw bad_answer(server_, "a transfer of two versions of the zone");
        is_complete_ = true;
    }

    // Records of one RRset mostly follow each other.
    RrSet& set_of(const Wire& owner, TypeNumber type) {
        if (!last_ || owner != last_owner_ || type != last_type_) {
            Key key{relative_text(owner, zone_.origin), type};
            last_ = &zone_.sets.try_emplace(zone_.sets.end(), std::move(key))->second; // they come in order
            last_owner_ = owner;
            last_type_ = type;
        }
        return *last_;
    }

    const Server& server_;
    ZoneData zone_;
    bool is_complete_ = false;
    RrSet* last_ = nullptr;
    Wire last_owner_;
    TypeNumber last_type_ = 0;
};

} // namespace

// One question on a connection and what answers it, each message signed and verified.
class Rfc2136::Exchange {
public:
    Exchange(const Server& server, const std::optional<TsigKey>& key, Connection& connection)
        : server_(server), connection_(connection) {
        if (key) signatures_.emplace(*key);
    }

    void send(std::string message) {
        id_ = get16(message, 0);
        opcode_ = static_cast<unsigned>(static_cast<unsigned char>(message[2])) >> 3U;
        if (signatures_) signatures_->sign(message, now_s());
        connection_.send(message);
    }

    MessageView receive() {
        bytes_ = connection_.receive();
        const MessageView message = parse_message(bytes_);
        if (message.id != id_ || !message.is_response() || message.opcode() != opcode_)
            throw bad_answer(server_, "it belongs to another question");
        if (signatures_ && message.tsig_at == 0)
            throw sdk::Error("dns.unsigned",
                             to_string(server_) + " sent a message without a signature (" +
                                 rcode_text(message.rcode()) + "), which is not believed",
                             "see the server's log: it may not have the zone, not know the key, or not sign "
                             "every message of a transfer");
        if (signatures_) signatures_->verify(bytes_, message.tsig_at, now_s());
        return message;
    }

    const std::string& bytes() const { return bytes_; }

private:
    const Server& server_;
    Connection& connection_;
    std::optional<Signatures> signatures_;
    std::string bytes_;
    std::uint16_t id_ = 0;
    unsigned opcode_ = 0;
};

Rfc2136::Rfc2136(const sdk::Json& config) {
    server_.host = sdk::text_at(config, "/server");
    if (server_.host.empty())
        throw sdk::Error("dns.config", "the provider's config names no server",
                         "set rfc2136.server to the address of the zone's primary");
    identity_ = sdk::text_at(config, "/identity");
    if (const sdk::Json* port = sdk::find(config, "/port")) server_.port = port->get<int>();
    if (config.contains("tsig"))
        key_ = make_key(sdk::text_at(config, "/tsig/name"),
                        sdk::text_at(config, "/tsig/algorithm", "hmac-sha256"),
                        sdk::text_at(config, "/tsig/secret"));
    if (const sdk::Json* zones = sdk::find(config, "/zones"))
        for (const sdk::Json& zone : *zones) zones_.push_back(parse_zone(zone.get<std::string>()));
}

// A server that has a name for itself (RFC 4892) keeps it when its address changes. That it gives none is
// learnt from its answer alone: silence is an error, or the target would seem to be another one. Where a
// server is silent about it, or several stand behind one address, the config names it.
std::string Rfc2136::target(const sdk::Call& call) {
    constexpr std::uint16_t class_chaos = 3;
    if (!identity_.empty()) return "dns:" + identity_;
    Connection connection(server_, call);
    Exchange exchange(server_, std::nullopt, connection);
    exchange.send(new_message(Opcode::query, parse_zone("id.server."), type::txt, class_chaos));
    const MessageView answer = exchange.receive();
    for (const RecordView& record : answer.answer)
        if (answer.rcode() == rcode::noerror && record.type == type::txt && record.size > 1)
            return "dns:" + exchange.bytes().substr(record.rdata + 1, record.size - 1) + ":" +
                   std::to_string(server_.port);
    call.host().info(to_string(server_) + " gives no id.server: it is known by its address");
    return "dns:" + server_.host + ":" + std::to_string(server_.port);
}

ZoneData Rfc2136::read(const sdk::Call& call, const Wire& origin) { return transfer(call, origin); }

ZoneData Rfc2136::transfer(const sdk::Call& call, const Wire& origin) const {
    Connection connection(server_, call);
    Exchange exchange(server_, key_, connection);
    exchange.send(new_message(Opcode::query, origin, type::axfr));
    Transfer zone(server_, origin);
    while (!zone.is_complete()) {
        const MessageView message = exchange.receive();
        if (message.rcode() != rcode::noerror) throw sdk::Error(refusal(message.rcode(), origin));
        if (message.answer.empty()) throw bad_answer(server_, "a transfer without records");
        for (const RecordView& record : message.answer) zone.add(exchange.bytes(), record);
    }
    return zone.take();
}

Mark Rfc2136::mark(const sdk::Call& call, const Wire& origin) const {
    Connection connection(server_, call);
    const Soa soa = ask_soa(connection, origin);
    return {to_hex(soa.rdata), soa.refresh()};
}

Soa Rfc2136::ask_soa(Connection& connection, const Wire& origin) const {
    Exchange exchange(server_, key_, connection);
    exchange.send(new_message(Opcode::query, origin, type::soa));
    const MessageView answer = exchange.receive();
    if (answer.rcode() != rcode::noerror) throw sdk::Error(refusal(answer.rcode(), origin));
    for (const RecordView& record : answer.answer)
        if (record.type == type::soa)
            return {expand_rdata(type::soa, exchange.bytes(), record.rdata, record.size, Case::keep),
                    record.ttl};
    throw bad_answer(server_, "no SOA of " + zone_text(origin));
}

sdk::Diagnostic Rfc2136::refusal(unsigned code, const Wire& origin) const {
    sdk::Diagnostic why = problem(
        "dns.refused", to_string(server_) + " answers " + rcode_text(code) + " for zone " + zone_text(origin),
        "see the server's log");
    if (code == rcode::refused)
        why.hint =
            "allow the key, or this address, to transfer and update the zone (BIND: allow-transfer and "
            "update-policy; Knot: an acl with action transfer and update); BIND also refuses odd names of "
            "hosts "
            "(check-names)";
    if (code == rcode::notauth) why.hint = "the server is not the zone's primary, or does not know the key";
    if (code == rcode::servfail) why.retry = sdk::Retry::after;
    return why;
}

// The SOA that our own write left behind. Where its serial took exactly one step nobody else can have written
// in between; else the whole zone is read, and has to be what we made of it.
Soa Rfc2136::after_step(const sdk::Call& call, Connection& connection, const ZoneData& expected) const {
    const Soa now = ask_soa(connection, expected.origin);
    const Soa& then = expected.soa;
    const bool is_same_but_serial =
        now.rdata.size() == then.rdata.size() && now.rdata.size() > 20 &&
        now.rdata.compare(0, now.rdata.size() - 20, then.rdata, 0, now.rdata.size() - 20) == 0;
    if (is_same_but_serial && now.serial() - then.serial() <= 1) return now;
    const ZoneData zone = transfer(call, expected.origin);
    if (zone.sets != expected.sets)
        throw sdk::Error(problem("dns.conflict", "somebody else wrote to the zone between two of our updates",
                                 "what was not written yet is planned again", sdk::Retry::conflict));
    return zone.soa;
}

namespace {

void make_change(std::map<Key, RrSet>& sets, const Change& change) {
    if (change.after)
        sets[change.key] = *change.after;
    else
        sets.erase(change.key);
}

} // namespace

Written Rfc2136::write(const sdk::Call& call, const ZoneData& before, const std::vector<Change>& changes) {
    Written out;
    ZoneData expected;
    expected.origin = before.origin;
    expected.soa = before.soa;
    UpdateMessage update = make_update(before.origin, before.soa, changes, 0);
    if (update.count < changes.size()) expected.sets = before.sets; // needed only with several messages
    std::optional<Connection> connection;
    try {
        connection.emplace(server_, call);
        while (out.count < changes.size()) {
            if (out.count > 0) {
                expected.soa = after_step(call, *connection, expected);
                update = make_update(before.origin, expected.soa, changes, out.count);
            }
            out.concerned = 0;
            Exchange exchange(server_, key_, *connection);
            out.concerned = update.count;
            exchange.send(std::move(update.bytes));
            const unsigned code = exchange.receive().rcode();
            if (code != rcode::noerror) {
                out.end = code == rcode::nxrrset ? Written::End::conflict : Written::End::refused;
                out.why =
                    code == rcode::nxrrset
                        ? problem("dns.conflict", "the zone is not what was observed",
                                  "it is planned again with what stands there now", sdk::Retry::conflict)
                        : refusal(code, before.origin);
                return out;
            }
            if (!expected.sets.empty())
                for (std::size_t i = 0; i < update.count; ++i)
                    make_change(expected.sets, changes[out.count + i]);
            out.count += update.count;
            out.concerned = 0;
        }
    } catch (const sdk::Error& error) {
        out.why = error.diagnostic();
        // Between two messages nothing is under way.
        out.end = out.concerned > 0                       ? Written::End::unknown
                  : out.why.retry == sdk::Retry::conflict ? Written::End::conflict
                                                          : Written::End::refused;
        if (out.concerned == 0) out.concerned = changes.size() - out.count;
    }
    return out;
}

std::vector<Wire> Rfc2136::zones(const sdk::Call&) {
    if (!zones_.empty()) return zones_;
    throw sdk::Error("dns.which-zone", "a name server does not tell by DNS which zones it has",
                     "name one: --scope example.org, or list them in the provider's config as rfc2136.zones");
}

void Rfc2136::check_type(TypeNumber type) const {
    if (type == type::alias)
        throw sdk::Error("dns.type", "ALIAS is a type of PowerDNS alone, and this provider speaks RFC 2136",
                         "use A and AAAA, or a CNAME where the name holds nothing else");
}

std::unique_ptr<Backend> make_rfc2136(const sdk::Json& config) { return std::make_unique<Rfc2136>(config); }

} // namespace holdfast::dns
