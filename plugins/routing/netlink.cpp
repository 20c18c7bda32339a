#include "netlink.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::routing {

namespace {

constexpr unsigned max_dump_attempts = 20; // each takes the time of a dump: somebody writes all the time
constexpr std::size_t receive_buffer_bytes = 256U << 10;

// A table that does not exist yet, or a family that this kernel lacks.
bool means_nothing(int error) {
    return error == ENOENT || error == EAFNOSUPPORT || error == EOPNOTSUPP || error == EPFNOSUPPORT;
}

std::string error_words(int number) { return std::generic_category().message(number); }

// The message of NLMSGERR_ATTR_MSG behind an error, or empty.
std::string extended_text(const nlmsghdr* message) {
    if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    std::size_t offset = sizeof(nlmsgerr);
    if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) offset += mnl_nlmsg_get_payload_len(&error->msg);
    std::string out;
    const auto* attribute =
        static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, MNL_ALIGN(offset)));
    const char* const end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
    while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
        if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG) {
            const auto* text = static_cast<const char*>(mnl_attr_get_payload(attribute));
            out.assign(text, strnlen(text, mnl_attr_get_payload_len(attribute)));
        }
        attribute = mnl_attr_next(attribute);
    }
    return out;
}

} // namespace

sdk::Error kernel_error(int error_number, std::string_view doing, std::string_view kernel_text) {
    sdk::Diagnostic out;
    out.code = error_number == EPERM || error_number == EACCES ? "routing.permission" : "routing.kernel";
    out.message = "cannot " + std::string(doing) + ": " + error_words(error_number);
    if (!kernel_text.empty()) out.message += " (" + std::string(kernel_text) + ")";
    out.hint =
        out.code == "routing.permission"
            ? "run as root, or with CAP_NET_ADMIN in the user namespace that owns the network namespace"
            : "the kernel's answer is all that is known; see its log (dmesg)";
    if (error_number == ENOBUFS || error_number == EAGAIN || error_number == ENOMEM)
        out.retry = sdk::Retry::after;
    return sdk::Error(out);
}

// ---- namespaces ----

NetworkNamespace::NetworkNamespace(const std::string& name) : path_(name) {
    if (!name.empty() && name.front() != '/') path_ = "/run/netns/" + name;
}

void NetworkNamespace::run(const std::function<void()>& body) const {
    if (path_.empty()) return body();
    std::exception_ptr failed;
    std::thread([&] {
        try {
            const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
            const int entered = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
            const int error = errno;
            if (fd >= 0) close(fd);
            if (entered != 0)
                throw sdk::Error("routing.netns",
                                 "the network namespace " + path_ +
                                     " cannot be entered: " + error_words(error),
                                 "see `ip netns list`; entering one needs CAP_SYS_ADMIN");
            body();
        } catch (...) {
            failed = std::current_exception();
        }
    }).join();
    if (failed) std::rethrow_exception(failed);
}

std::string NetworkNamespace::identity() const {
    struct stat status {};
    const std::string path = path_.empty() ? "/proc/self/ns/net" : path_;
    if (stat(path.c_str(), &status) != 0)
        throw sdk::Error("routing.netns",
                         "the network namespace " + path + " cannot be seen: " + error_words(errno),
                         "see `ip netns list`, and `netns` in the provider's config");
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

// ---- sockets and dumps ----

NetlinkSocket::NetlinkSocket(const std::vector<unsigned>& groups, int receive_bytes)
    : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)), buffer_(receive_buffer_bytes) {
    if (!socket_) throw kernel_error(errno, "open a netlink socket");
    // The forced size needs CAP_NET_ADMIN; without it the kernel's limit has to do.
    if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) != 0)
        setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    // The kernel answers within the call that asks; what does not come was lost.
    const timeval patience{30, 0};
    setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int on = 1;
    mnl_socket_setsockopt(raw(), NETLINK_EXT_ACK, &on, sizeof on);
    mnl_socket_setsockopt(raw(), NETLINK_CAP_ACK, &on, sizeof on);
    mnl_socket_setsockopt(raw(), NETLINK_GET_STRICT_CHK, &on, sizeof on);
    if (mnl_socket_bind(raw(), 0, MNL_SOCKET_AUTOPID) != 0)
        throw kernel_error(errno, "bind a netlink socket");
    for (unsigned group : groups)
        if (setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            throw kernel_error(errno, "listen to the kernel's route events");
}

bool NetlinkSocket::dump(nlmsghdr* request, const std::function<void()>& on_restart,
                         const OnMessage& on_message) {
    for (unsigned attempt = 1;; ++attempt) {
        request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        request->nlmsg_seq = ++sequence_;
        on_restart();
        if (mnl_socket_sendto(raw(), request, request->nlmsg_len) < 0)
            throw kernel_error(errno, "ask the kernel for what it holds");
        DumpReader reader(sequence_, port());
        DumpReader::State state = DumpReader::State::more;
        bool has_hole = false;
        while (state == DumpReader::State::more) {
            const ssize_t got = mnl_socket_recvfrom(raw(), buffer_.data(), buffer_.size());
            if (got < 0 && errno == EINTR) continue;
            // ENOBUFS: something was dropped. The rest has to be read all the same, before another dump.
            if (got < 0 && errno == ENOBUFS) {
                has_hole = true;
                continue;
            }
            if (got < 0) throw kernel_error(errno, "read what the kernel holds");
            state = reader.read(buffer_.data(), static_cast<std::size_t>(got), on_message);
        }
        if (state == DumpReader::State::done && !has_hole) return true;
        if (state == DumpReader::State::failed && means_nothing(reader.error())) return false;
        if (state == DumpReader::State::failed && reader.error() != EAGAIN && reader.error() != EINTR)
            throw kernel_error(reader.error(), "read what the kernel holds");
        if (attempt == max_dump_attempts)
            throw sdk::Error(
                {"routing.restless",
                 "what the kernel holds changed during each of " + std::to_string(attempt) + " reads of it",
                 "somebody changes links or routes without a pause: see `ip monitor`", "", sdk::Retry::after,
                 std::chrono::milliseconds(1000)});
    }
}

DumpReader::State DumpReader::read(const char* data, std::size_t size,
                                   const NetlinkSocket::OnMessage& on_message) {
    int left = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(data); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
        if (message->nlmsg_seq != sequence_ || (message->nlmsg_pid != port_ && message->nlmsg_pid != 0))
            continue; // the rest of a dump that was given up
        if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) is_interrupted_ = true;
        if (message->nlmsg_type == NLMSG_ERROR) {
            error_ = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
            return error_ == 0 ? State::done : State::failed;
        }
        if (message->nlmsg_type == NLMSG_DONE) {
            if (mnl_nlmsg_get_payload_len(message) >= sizeof(int)) {
                int code = 0;
                std::memcpy(&code, mnl_nlmsg_get_payload(message), sizeof code);
                error_ = -code;
            }
            if (error_ > 0) return State::failed;
            return is_interrupted_ ? State::interrupted : State::done;
        }
        if (message->nlmsg_type >= NLMSG_MIN_TYPE) on_message(message);
    }
    return State::more;
}

// ---- batches ----

nlmsghdr* Batch::add(std::size_t tag, std::uint16_t type, std::uint16_t flags) {
    if (size_ >= send_bytes) send();
    nlmsghdr* const request = mnl_nlmsg_put_header(buffer_.data() + size_);
    request->nlmsg_type = type;
    request->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    request->nlmsg_seq = ++socket_.sequence_;
    sequences_.push_back(request->nlmsg_seq);
    tags_.push_back(tag);
    return request;
}

void Batch::end(nlmsghdr* request) {
    last_ = request;
    size_ += MNL_ALIGN(request->nlmsg_len);
}

void Batch::drop() {
    tags_.pop_back();
    sequences_.pop_back();
}

std::vector<Batch::Failure> Batch::finish() {
    send();
    return std::exchange(failures_, {});
}

void Batch::send() {
    if (size_ == 0) return;
    last_->nlmsg_flags |= NLM_F_ACK;
    const std::uint32_t last = last_->nlmsg_seq;
    if (mnl_socket_sendto(socket_.raw(), buffer_.data(), size_) < 0)
        throw kernel_error(errno, "send a batch of changes to the kernel");
    receive(last);
    size_ = 0;
    sequences_.clear();
    tags_.clear();
}

void Batch::receive(std::uint32_t last) {
    for (;;) {
        const ssize_t got =
            mnl_socket_recvfrom(socket_.raw(), socket_.buffer_.data(), socket_.buffer_.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            throw std::runtime_error("the kernel's answers to a batch of changes got lost: " +
                                     error_words(errno));
        int left = static_cast<int>(got);
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(socket_.buffer_.data());
             mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
            if (take(message, last)) return;
    }
}

// True for the answer to the last request.
bool Batch::take(const nlmsghdr* message, std::uint32_t last) {
    const auto found = std::find(sequences_.begin(), sequences_.end(), message->nlmsg_seq);
    if (message->nlmsg_type != NLMSG_ERROR || found == sequences_.end()) return false;
    const auto index = static_cast<std::size_t>(found - sequences_.begin());
    const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
    if (error != 0) failures_.push_back({tags_[index], error, extended_text(message)});
    return message->nlmsg_seq == last;
}

} // namespace holdfast::routing
