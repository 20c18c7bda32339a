#include "net.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <sched.h>

namespace holdfast::test {

bool run(const std::string& command) { return output_and_errors_of(command).has_value(); }

std::optional<std::string> no_network() {
    if (!has_program("ip")) return "iproute2 is not installed";
    if (auto why = enter_network_namespace()) return why;
    static const bool has_veth = run("ip link add probe0 type veth peer name probe1 && ip link del probe0");
    if (!has_veth) return "this kernel makes no veth devices";
    return std::nullopt;
}

Net::Net() {
    if (unshare(CLONE_NEWNET) != 0)
        throw std::runtime_error(std::string("no new namespace: ") + std::strerror(errno));
    const bool is_made = run(
        "set -e\n"
        "ip link set lo up\n"
        "for i in 0 1; do ip link add v$i type veth peer name far$i; ip link set far$i up; done\n"
        "for i in 0 1; do sysctl -qw net.ipv6.conf.v$i.accept_dad=0 net.ipv6.conf.v$i.addr_gen_mode=1; done\n"
        "for i in 0 1; do ip link set v$i up; done\n"
        "ip addr add 192.0.2.1/24 dev v0; ip addr add 2001:db8::1/64 dev v0 nodad\n"
        "ip addr add 198.51.100.1/24 dev v1; ip addr add 2001:db8:1::1/64 dev v1 nodad\n"
        "for h in 2 3 4 5 6 7 8 9; do\n"
        "  ip neigh add 192.0.2.$h lladdr 02:00:00:00:00:0$h dev v0 nud permanent\n"
        "  ip neigh add 2001:db8::$h lladdr 02:00:00:00:00:0$h dev v0 nud permanent\n"
        "  ip neigh add 198.51.100.$h lladdr 02:00:00:00:01:0$h dev v1 nud permanent\n"
        "done\n");
    if (!is_made) throw std::runtime_error("the network of the test cannot be made");
}

std::string routes(const std::string& words) {
    return output_of("ip " + words + " | sed 's/ pref medium//; s/ *$//'").value_or("<ip failed>");
}

} // namespace holdfast::test
