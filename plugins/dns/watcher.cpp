#include "watcher.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "message.hpp"

namespace holdfast::dns {

namespace {

constexpr std::chrono::seconds look_timeout(10), peer_timeout(1);

bool receive_all(int fd, char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = recv(fd, data, size, 0);
        if (n <= 0) return false;
        data += n, size -= static_cast<std::size_t>(n);
    }
    return true;
}

sdk::Error cannot_listen(const WatchOptions& options, const char* why) {
    return sdk::Error("dns.listen",
                      "cannot listen for NOTIFY at " + options.address + " port " +
                          std::to_string(options.port) + ": " + why,
                      "correct `notify` in the provider's config; ports below 1024 need a capability");
}

} // namespace

WatchOptions read_watch_options(const sdk::Json& config) {
    WatchOptions out;
    out.address = sdk::text_at(config, "/notify/address", out.address);
    if (const sdk::Json* port = sdk::find(config, "/notify/port")) out.port = port->get<int>();
    if (const sdk::Json* poll = sdk::find(config, "/poll"))
        out.interval = std::chrono::seconds(poll->get<int>());
    return out;
}

// A call that nobody made: for what the thread asks by itself.
struct Watcher::OwnCall {
    holdfast_call raw{};
    std::stop_token stop;

    OwnCall(const sdk::Host& host, std::stop_token token) : stop(std::move(token)) {
        raw.size = sizeof raw;
        raw.item_size = sizeof(holdfast_item);
        raw.host = host.raw();
        raw.context = this;
        raw.deadline_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                              (Clock::now() + look_timeout).time_since_epoch())
                              .count();
        raw.cancelled = [](const holdfast_call* call) {
            return static_cast<int>(static_cast<OwnCall*>(call->context)->stop.stop_requested());
        };
        raw.emit = [](const holdfast_call*, const holdfast_result*) { return 0; };
    }
};

Watcher::Watcher(Backend& backend, const WatchOptions& options, const sdk::Host& host)
    : backend_(backend), host_(host), interval_(options.interval) {
    try {
        events_ = backend_.events();
        if (options.port != 0) listen(options);
    } catch (...) {
        close_all();
        throw;
    }
    thread_ = std::jthread([this] { run(); }); // stopped by stop_, which it may ask for from its start
}

Watcher::~Watcher() {
    stop_.request_stop();
    wake_.wake();
    thread_.join();
    close_all();
}

void Watcher::close_all() {
    for (const int fd : {udp_, tcp_, events_})
        if (fd >= 0) close(fd);
}

void Watcher::listen(const WatchOptions& options) {
    sockaddr_storage address{};
    socklen_t size = sizeof(sockaddr_in);
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    if (inet_pton(AF_INET, options.address.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(static_cast<std::uint16_t>(options.port));
    } else if (inet_pton(AF_INET6, options.address.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(static_cast<std::uint16_t>(options.port));
        size = sizeof(sockaddr_in6);
    } else {
        throw cannot_listen(options, "it is no address");
    }
    const int family = address.ss_family, on = 1;
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    udp_ = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    tcp_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(tcp_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(udp_, to, size) != 0 || bind(tcp_, to, size) != 0 || ::listen(tcp_, 16) != 0)
        throw cannot_listen(options, std::strerror(errno));
}

void Watcher::watch(const sdk::Scope& scope, bool is_wanted, sdk::Hints hints) {
    const std::string name(scope.name());
    if (!is_wanted) {
        const std::lock_guard lock(mutex_);
        zones_.erase(name);
        return;
    }
    const Wire origin = parse_zone(name);
    const Mark mark = backend_.mark(scope, origin);
    {
        const std::lock_guard lock(mutex_);
        zones_.insert_or_assign(name, Zone{origin, hints, mark, Clock::now(), false});
    }
    wake_.wake();
}

int Watcher::wait_ms() {
    const std::lock_guard lock(mutex_);
    auto next = Clock::now() + std::chrono::hours(1);
    for (const auto& [name, zone] : zones_) next = std::min(next, zone.next);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()).count();
    return static_cast<int>(std::max<std::int64_t>(left, 0)) + 1;
}

void Watcher::run() {
    const std::stop_token stop = stop_.get_token();
    while (!stop.stop_requested()) {
        std::array<pollfd, 4> descriptors{pollfd{wake_.fd(), POLLIN, 0}, pollfd{udp_, POLLIN, 0},
                                          pollfd{tcp_, POLLIN, 0}, pollfd{events_, POLLIN, 0}};
        poll(descriptors.data(), descriptors.size(), wait_ms());
        if (stop.stop_requested()) return;
        wake_.clear();
        if ((descriptors[1].revents & POLLIN) != 0) take_datagram();
        if ((descriptors[2].revents & POLLIN) != 0) take_connection();
        if ((descriptors[3].revents & POLLIN) != 0) look_at_all_soon();
        look_at_due();
    }
}

void Watcher::take_datagram() {
    std::array<char, 4096> buffer{};
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const ssize_t n =
        recvfrom(udp_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n <= 0) return;
    const std::string answer = answer_to({buffer.data(), static_cast<std::size_t>(n)});
    if (!answer.empty())
        sendto(udp_, answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
}

// Knot sends its NOTIFY by TCP. Who connects and says nothing is waited for one second.
void Watcher::take_connection() {
    const int fd = accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    timeval timeout{};
    timeout.tv_sec = peer_timeout.count();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    std::string prefix(2, '\0');
    if (receive_all(fd, prefix.data(), 2)) {
        std::string message(get16(prefix, 0), '\0');
        if (receive_all(fd, message.data(), message.size())) {
            const std::string answer = answer_to(message);
            std::string frame;
            append16(frame, static_cast<std::uint16_t>(answer.size()));
            frame += answer;
            if (!answer.empty() && send(fd, frame.data(), frame.size(), MSG_NOSIGNAL) < 0)
                host_.debug("an answer to a NOTIFY was not taken");
        }
    }
    close(fd);
}

// Empty for what is no NOTIFY.
std::string Watcher::answer_to(const std::string& message) {
    try {
        const MessageView notify = parse_message(message);
        if (notify.is_response() || notify.opcode() != static_cast<unsigned>(Opcode::notify) ||
            notify.question == 0 || notify.question_type != type::soa)
            return {};
        std::size_t at = notify.question;
        const std::string name = zone_text(lower(expand_name(message, at)));
        std::string answer =
            message.substr(0, header_size) + message.substr(header_size, at + 4 - header_size);
        answer[2] =
            static_cast<char>(0x80U | static_cast<unsigned>(Opcode::notify) << 3U | 0x04U); // answer, AA
        answer[3] = 0;
        answer.replace(6, 6, 6, '\0');
        look(name);
        return answer;
    } catch (const sdk::Error&) {
        return {};
    }
}

// What the events say is not read: whatever happened in the folder, every zone is looked at.
void Watcher::look_at_all_soon() {
    std::array<char, 4096> buffer{};
    while (read(events_, buffer.data(), buffer.size()) > 0) continue;
    const std::lock_guard lock(mutex_);
    for (auto& [name, zone] : zones_) zone.next = Clock::now();
}

void Watcher::look_at_due() {
    std::vector<std::string> due;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, zone] : zones_)
            if (zone.next <= Clock::now()) due.push_back(name);
    }
    for (const std::string& name : due) look(name);
}

// The question is asked without the lock, so that watch() does not wait for a slow server.
void Watcher::look(const std::string& name) {
    Wire origin;
    {
        const std::lock_guard lock(mutex_);
        const auto found = zones_.find(name);
        if (found == zones_.end()) return;
        origin = found->second.origin;
    }
    const OwnCall call(host_, stop_.get_token());
    std::optional<Mark> mark;
    std::string why;
    try {
        mark = backend_.mark(sdk::Call(&call.raw), origin);
    } catch (const std::exception& error) {
        why = error.what();
    }
    const std::optional<sdk::Hints> hints = take_look(name, mark);
    if (!mark && hints) host_.warning("zone " + name + " cannot be watched: " + why);
    if (hints && !stop_.stop_requested()) hints->scope(name);
}

// Where to tell of it, if what was seen is news: another mark, or that the zone cannot be seen any more, or
// again, since then nobody knows what happened meanwhile.
std::optional<sdk::Hints> Watcher::take_look(const std::string& name, const std::optional<Mark>& mark) {
    const std::lock_guard lock(mutex_);
    const auto found = zones_.find(name);
    if (found == zones_.end()) return std::nullopt;
    Zone& zone = found->second;
    auto interval = interval_;
    if (mark && mark->refresh_s > 0) interval = std::min(interval, std::chrono::seconds(mark->refresh_s));
    zone.next = Clock::now() + interval;
    const bool was_failing = std::exchange(zone.is_failing, !mark);
    const bool is_news = was_failing != zone.is_failing || (mark && mark->word != zone.mark.word);
    if (mark) zone.mark = *mark;
    return is_news ? std::optional(zone.hints) : std::nullopt;
}

} // namespace holdfast::dns
