#include "reload.hpp"

#include <thread>

#include <holdfast/program.hpp>

#include "message.hpp"
#include "model.hpp"

namespace holdfast::dns {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_looks{50};

// The serial that the server answers with; nothing where it has none yet.
std::optional<std::uint32_t> served_serial(const sdk::Call& call, const Server& server, const Wire& origin) {
    Connection connection(server, call);
    const std::string question = new_message(Opcode::query, origin, type::soa);
    connection.send(question);
    const std::string bytes = connection.receive();
    const MessageView answer = parse_message(bytes);
    if (answer.id != get16(question, 0) || !answer.is_response()) return std::nullopt;
    for (const RecordView& record : answer.answer)
        if (record.type == type::soa)
            return Soa{expand_rdata(type::soa, bytes, record.rdata, record.size, Case::keep), record.ttl}
                .serial();
    return std::nullopt;
}

} // namespace

Reload::Reload(const sdk::Json& config) {
    if (const sdk::Json* command = sdk::find(config, "/reload")) {
        name_ = sdk::text_at(*command, "/name");
        for (const sdk::Json& word : command->value("run", sdk::Json::array()))
            run_.push_back(word.get<std::string>());
        timeout_ = std::chrono::milliseconds(command->value("timeoutMs", std::int64_t{10'000}));
    }
    if (!sdk::find(config, "/server")) return;
    server_ = Server{sdk::text_at(config, "/server/address", "127.0.0.1")};
    if (const sdk::Json* port = sdk::find(config, "/server/port")) server_->port = port->get<int>();
}

void Reload::carry_out(const sdk::Call& call, const Wire& origin, std::uint32_t serial) const {
    const std::string zone = zone_text(origin);
    std::vector<std::string> words = run_;
    for (std::string& word : words)
        if (word == "%s") word = zone;
    if (zone.front() == '-') // would be taken for an option
        throw sdk::Error("dns.name", "zone " + zone + " cannot be told to a command");
    const sdk::ProgramResult ran = sdk::run_program(call, words, timeout_);
    const std::string said = ran.output.empty() ? "" : ": " + sdk::in_one_line(ran.output);
    if (ran.exit_code != 0)
        throw sdk::Error("dns.reload",
                         "the operator's command " + name_ +
                             (ran.exit_code < 0 ? " did not end in time"
                                                : " ended with " + std::to_string(ran.exit_code)) +
                             said,
                         "run it by hand, and see the server's log");
    if (server_) wait_for(call, origin, serial);
}

void Reload::wait_for(const sdk::Call& call, const Wire& origin, std::uint32_t serial) const {
    const auto until = SteadyClock::now() + timeout_;
    std::string seen = "nothing";
    while (!call.should_stop()) {
        try {
            const std::optional<std::uint32_t> served = served_serial(call, *server_, origin);
            if (served == serial) return;
            seen = served ? "serial " + std::to_string(*served) : "no SOA";
        } catch (const sdk::Error& error) {
            seen = error.what(); // it may be starting anew
        }
        if (SteadyClock::now() >= until) break;
        std::this_thread::sleep_for(between_looks);
    }
    throw sdk::Error("dns.reload",
                     to_string(*server_) + " does not serve serial " + std::to_string(serial) + " of zone " +
                         zone_text(origin) + " after command " + name_ + ": it answers with " + seen,
                     "see the server's log: it may have refused the file, or read another one");
}

} // namespace holdfast::dns
