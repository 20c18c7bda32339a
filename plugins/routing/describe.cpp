#include "routing.hpp"

namespace holdfast::routing {

namespace {

constexpr const char* document_head =
    R"json("type":"object","required":["apiVersion","kind","metadata","spec"],"properties":
    {"apiVersion":{"const":"routing.holdfast.dev/v1alpha1"},"kind":{"type":"string"},
    "metadata":{"type":"object"},"status":{"type":"object"},)json";

constexpr const char* hop_members = R"json(
    "via":{"type":"string","examples":["192.0.2.1"],
        "description":"the gateway; one of the other family for IPv4 by way of IPv6"},
    "dev":{"type":"string","minLength":1,"maxLength":15,"examples":["eth0"],
        "description":"the link; the kernel finds it by the gateway where it is not said"},
    "onlink":{"type":"boolean","description":"the gateway is on the link although no address says so"})json";

std::string hops(const char* description) {
    return std::string(R"("nexthops":{"type":"array","description":")") + description +
           R"json(","items":{"type":"object","additionalProperties":false,"properties":{)json" + hop_members +
           R"json(,"weight":{"type":"integer","minimum":1,"maximum":256,"default":1,
                "description":"its share of the packets"}}}})json";
}

// "compiles" only to be spelled canonically: the leaf of a document is of its own kind.
std::string kind(const char* name, const char* more, const std::string& members, const char* required) {
    return std::string(R"({"apiVersion":"routing.holdfast.dev/v1alpha1","kind":")") + name +
           R"(","compare":["/spec"],"health":false,)" + more + R"("schema":{)" + document_head +
           R"("spec":{"type":"object","additionalProperties":false,"required":)" + required +
           R"(,"properties":{)" + members + "}}}}}";
}

// What routes say beside where they lead to.
std::string way_members() {
    return std::string(R"json(
        "table":{"type":["string","integer"],"default":"main","examples":["main",100],
            "description":"by name or number; one of the provider's tables"},
        "metric":{"type":"integer","minimum":0,"maximum":4294967295,"default":0,
            "description":"of two routes the lower one wins; IPv6 makes 1024 of 0"},
        "type":{"enum":["unicast","local","blackhole","unreachable","prohibit","throw"],"default":"unicast",
            "description":"what happens to packets"},)json") +
           hop_members + "," + hops("several ways at once (ECMP); their order says nothing") + R"json(,
        "nexthopGroup":{"type":"integer","minimum":0,"maximum":4294967295,
            "description":"id of a NexthopGroup, or of any nexthop object"},
        "src":{"type":"string","examples":["192.0.2.7"],
            "description":"source address of what this machine sends"},
        "mtu":{"type":"integer","minimum":0,"maximum":65535,"description":"path MTU"},
        "advmss":{"type":"integer","minimum":0,"maximum":65535,
            "description":"TCP segment size to advertise"})json";
}

std::string route() {
    return kind("Route",
                R"("compiles":true,"identity":["/spec/table","/spec/to","/spec/metric"],
        "confirm":[{"/spec/to":"default"},{"/spec/to":"0.0.0.0/0"},{"/spec/to":"::/0"}],)",
                R"json(
        "to":{"type":"string","minLength":1,"examples":["10.0.0.0/8","2001:db8::/32","default"],
            "description":"the destination, without host bits; default is everything"},
        "family":{"enum":["ipv4","ipv6"],"description":"of `default` where no gateway tells"},)json" +
                    way_members(),
                R"(["to"])");
}

std::string route_set() {
    return kind("RouteSet", R"("compiles":true,"identity":["/spec/name","/spec/table","/spec/family"],
        "scope":["/spec/name","/spec/table","/spec/family"],"rank":1,
        "lists":[{"pointer":"/spec/to","type":"set","exclusive":true},
            {"pointer":"/spec/strays","type":"set","exclusive":true}],)",
                R"json(
        "name":{"type":"string","minLength":1,"examples":["blocked"],
            "description":"one of the provider's `sets`"},
        "to":{"type":"array","items":{"type":"string"},"examples":[["198.51.100.0/24","203.0.113.7"]],
            "description":"the destinations, of one family and without host bits"},
        "family":{"enum":["ipv4","ipv6"],"description":"that of the destinations"},
        "strays":{"type":"array","items":{"type":"string"},"maxItems":0,
            "description":"of what is live: its routes that go another way. Nothing to declare"},)json" +
                    way_members(),
                R"(["name","to"])");
}

std::string rule() {
    return kind("Rule", R"("compiles":true,"identity":["/spec/family","/spec/priority"],)", R"json(
        "priority":{"type":"integer","minimum":1,"maximum":4294967295,
            "description":"the order of rules, lower first; it names the rule: one of ours at each"},
        "family":{"enum":["ipv4","ipv6"],"default":"ipv4","description":"where neither from nor to tells"},
        "not":{"type":"boolean","description":"fits what the rest does not fit"},
        "from":{"type":"string","examples":["10.1.0.0/16"],"description":"source; all where not said"},
        "to":{"type":"string","description":"destination; all where not said"},
        "iif":{"type":"string","maxLength":15,
            "description":"link that it came in by; lo: sent by this machine"},
        "oif":{"type":"string","maxLength":15,"description":"link that the sender is bound to"},
        "fwmark":{"type":["string","integer"],"examples":["0x10","0x10/0xff"],
            "description":"mark, and which bits count"},
        "tos":{"type":"integer","minimum":0,"maximum":255,"description":"type of service"},
        "ipproto":{"type":["string","integer"],"examples":["tcp",17],
            "description":"protocol by name or number"},
        "sport":{"type":["string","integer"],"examples":[53,"1000-2000"],
            "description":"source port or ports"},
        "dport":{"type":["string","integer"],"description":"destination port or ports"},
        "action":{"enum":["lookup","goto","nop","blackhole","unreachable","prohibit"],"default":"lookup",
            "description":"what happens to packets that fit"},
        "table":{"type":["string","integer"],"description":"with lookup: in which table"},
        "goto":{"type":"integer","minimum":0,"maximum":4294967295,
            "description":"with goto: priority of the next rule"},
        "l3mdev":{"type":"boolean","description":"with lookup: the table of the packet's VRF"},
        "suppressPrefixLength":{"type":"integer","minimum":-1,"maximum":128,
            "description":"pass over what the table finds with prefixes this short"})json",
                R"(["priority"])");
}

std::string group() {
    return kind("NexthopGroup", R"("compiles":true,"identity":["/spec/id"],)",
                std::string(R"json(
        "id":{"type":"integer","minimum":1,"maximum":1212547071,
            "description":"its number in the kernel, which routes name; above are its members"},)json") +
                    hops("where packets go; all of them over links that are up"),
                R"(["id","nexthops"])");
}

std::string link() {
    return kind(
        "Link",
        R"("compiles":true,"identity":["/spec/name"],"lists":[{"pointer":"/spec/addresses","type":"set"}],
        "confirm":[{"/spec/up":false}],)",
        R"json(
        "name":{"type":"string","minLength":1,"maxLength":15,"description":"as `ip link` calls it"},
        "up":{"type":"boolean","description":"whether it is switched on; needs manageLinks"},
        "mtu":{"type":"integer","minimum":68,"maximum":65535,"description":"needs manageLinks"},
        "addresses":{"type":"array","items":{"type":"string"},"examples":[["192.0.2.7/24"]],
            "description":"that it has, among others; needs manageLinks"})json",
        R"(["name"])");
}

std::string config_file(const char* name, const char* more) {
    return kind(name,
                R"("identity":["/kind"],"scope":["/kind"],"files":["/spec/source"],)", std::string(R"json(
        "content":{"type":"string","description":"the whole configuration file"},
        "source":{"type":["string","object"],
            "description":"a file of the same commit, relative to this document"},
        "loaded":{"type":"boolean","default":true,
            "description":"whether the daemon runs what its file says"})json") + more,
                "[]");
}

constexpr const char* established = R"json(,
        "established":{"type":"array","items":{"type":"string"},"examples":[["upstream1"]],
            "description":"protocols that have to be up before the change is confirmed"},
        "within":{"type":"integer","minimum":1,"maximum":3600,"default":30,
            "description":"seconds that they may take"})json";

constexpr const char* config_schema = R"json({"type":"object","additionalProperties":false,"properties":{
    "netns":{"type":"string","minLength":1,"examples":["blue","/run/netns/blue"],
        "description":"network namespace by name or path; that of the process where not said"},
    "protocol":{"type":"integer","minimum":5,"maximum":255,"default":72,
        "description":"number that marks what is ours (rtm_protocol); nobody else may use it"},
    "tables":{"type":"object","additionalProperties":{"type":"integer","minimum":1,"maximum":4294967295},
        "examples":[{"main":254,"vpn":100}],
        "description":"tables that routes may be declared in, by name; only main where not said"},
    "adopt":{"type":"array","items":{"enum":["boot","static","ra","dhcp"]},"default":["boot","static"],
        "description":"protocols of people, whose routes may be imported and adopted"},
    "manageLinks":{"type":"boolean","default":false,
        "description":"whether Links may be changed; else they are only looked at"},
    "sets":{"type":"object","additionalProperties":{"type":"integer","minimum":5,"maximum":255},
        "examples":[{"blocked":80}],
        "description":"sets of routes by name, with the number that marks the routes of each"},
    "bird":{"type":"object","additionalProperties":false,"required":["config"],"properties":{
        "config":{"type":"string","format":"path","minLength":1,"description":"BIRD's configuration file"},
        "socket":{"type":"string","format":"path","minLength":1,"default":"/run/bird/bird.ctl",
            "description":"its control socket"},
        "timeout":{"type":"integer","minimum":2,"maximum":3600,"default":60,
            "description":"seconds after which BIRD goes back by itself unless we confirm"}}},
    "frr":{"type":"object","additionalProperties":false,"required":["config"],"properties":{
        "config":{"type":"string","format":"path","minLength":1,"description":"FRR's configuration file"},
        "sockets":{"type":"string","format":"path","minLength":1,"default":"/var/run/frr",
            "description":"the directory of its daemons' sockets"},
        "timeout":{"type":"integer","minimum":2,"maximum":3600,"default":60,
            "description":"seconds that a reload may take"}}}}})json";

} // namespace

std::string RoutingProvider::describe() {
    return std::string(R"({"name":"routing","version":")") + plugin_version +
           R"(","groups":["routing.holdfast.dev"],"config":)" + config_schema +
           R"(,"ownership":["owned","additive","exclusive","observe"],"atomic":false,"cas":"recheck",
        "maxItems":200000,"maxBytes":268435456,
        "extensions":["holdfast.compile/1","holdfast.canonicalize/1","holdfast.watch/1",
            "holdfast.checkpoint/1"],
        "kinds":[)" +
           route() + "," + route_set() + "," + rule() + "," + group() + "," + link() + "," +
           config_file("BirdConfig", established) + "," + config_file("FrrConfig", "") + "]}";
}

} // namespace holdfast::routing
