#include "describe_objects.hpp"
#include "firewall.hpp"

namespace holdfast::firewall {

namespace {

constexpr const char* document_head =
    R"json("type":"object","required":["apiVersion","kind","metadata","spec"],"properties":
    {"apiVersion":{"const":"firewall.holdfast.dev/v1alpha1"},"kind":{"type":"string"},
    "metadata":{"type":"object"},"status":{"type":"object"},"spec":{"type":"object",
        "additionalProperties":false,)json";

constexpr const char* table_member = R"json("table":{"type":"string","minLength":3,"examples":["inet edge"],
        "description":"family and name; it is made where it is missing"},)json";

// One kind with leaves: what stands before the schema, and what stands in spec.
std::string kind(const char* name, const char* members, const char* spec) {
    return std::string(R"({"apiVersion":"firewall.holdfast.dev/v1alpha1","kind":")") + name +
           R"(","scope":["/spec/table"],"health":false,)" + members + R"("schema":{)" + document_head + spec +
           "}}}}";
}

std::string table() {
    return kind("Table", R"json("identity":["/spec/table"],"rank":0,)json",
                R"json("required":["table"],"properties":{
        "table":{"type":"string","minLength":3,"examples":["inet edge"],"description":"family and name"},
        "dormant":{"type":"boolean","default":false,
            "description":"its chains are not called by the kernel"}})json");
}

std::string set() {
    return kind("Set", R"json("identity":["/spec/name"],"rank":2,
        "lists":[{"pointer":"/spec/elements","type":"set","exclusive":true},
            {"pointer":"/spec/flags","type":"set","exclusive":true}],)json",
                (std::string(R"json("required":["table","name"],"properties":{)json") + table_member +
                 R"json(
        "name":{"type":"string","minLength":1,"examples":["blocked"],
            "description":"as rules name it: @blocked"},
        "type":{"type":"string","examples":["ipv4_addr","inet_proto . inet_service"],
            "description":"of its keys, as nft calls it"},
        "typeof":{"type":"string","examples":["ip saddr . tcp dport"],
            "description":"instead of type: an expression whose type it is"},
        "data":{"type":"string","examples":["verdict","ipv4_addr . inet_service"],
            "description":"what a map gives; with it the set is a map"},
        "flags":{"type":"array","items":{"enum":["constant","dynamic","interval","timeout"]},
            "description":"interval for ranges and prefixes; dynamic where rules add to it"},
        "autoMerge":{"type":"boolean","default":false,"description":"neighbours and overlaps become one"},
        "size":{"type":"integer","minimum":0,"default":0,"description":"most elements; 0 for no limit"},
        "timeout":{"type":"string","examples":["1h","10m30s"],"description":"of elements that say none"},
        "gcInterval":{"type":"string","examples":["1m"],"description":"how often elements that are over go"},
        "policy":{"enum":["memory","performance"],"description":"what the kernel saves"},
        "statements":{"type":"array","items":{"type":"string"},"examples":[["counter"]],
            "description":"of each element"},
        "comment":{"type":"string","description":"kept in the kernel"},
        "elements":{"type":"array","items":{"type":"string","minLength":1},
            "examples":[["192.0.2.7","10.0.0.0/8"],["192.0.2.1 : jump office"]],
            "description":"all that it holds; not declared, its elements are others' and stay"}})json")
                    .c_str());
}

std::string chain() {
    return kind("Chain", R"json("identity":["/spec/name"],"rank":3,
        "confirm":[{"/spec/hook":"input","/spec/policy":"drop"}],
        "lists":[{"pointer":"/spec/rules","type":"ordered"}],)json",
                (std::string(R"json("required":["table","name"],"properties":{)json") + table_member +
                 R"json(
        "name":{"type":"string","minLength":1,"examples":["input"],
            "description":"as rules name it: jump office"},
        "hook":{"enum":["none","prerouting","input","forward","output","postrouting","ingress","egress"],
            "description":"where the kernel calls it; without, only other chains do"},
        "type":{"enum":["filter","nat","route"],"description":"with hook; filter where not declared"},
        "priority":{"type":["integer","string"],"examples":[0,"filter + 10","dstnat"],
            "description":"with hook; 0 where not declared; lower ones are called first"},
        "policy":{"enum":["accept","drop"],"description":"with hook; accept where not declared"},
        "device":{"type":"string","minLength":1,"examples":["eth0"],"description":"of ingress and egress"},
        "shared":{"type":"boolean","default":false,
            "description":"Rule documents may add rules before and behind those declared here"},
        "guests":{"type":"array","items":{"type":"string"},
            "description":"not to be declared: rules of Rule documents"},
        "rules":{"type":"array","description":"all of them, in order; not declared, they are others'",
            "examples":[["ct state established,related accept",{"name":"ssh","rule":"tcp dport 22 accept"}]],
            "items":{"type":["string","object"],"minLength":1,"additionalProperties":false,
                "required":["rule"],
                "properties":{
                "rule":{"type":"string","minLength":1,"description":"as in nft add rule"},
                "name":{"type":"string","minLength":1,"description":"becomes its comment"}}}}})json")
                    .c_str());
}

std::string rule() {
    return kind("Rule", R"json("identity":["/spec/chain","/spec/name"],"rank":4,)json",
                (std::string(R"json("required":["table","chain","name","rule"],"properties":{)json") +
                 table_member +
                 R"json(
        "chain":{"type":"string","minLength":1,"examples":["forward"],"description":"where it goes"},
        "name":{"type":"string","minLength":1,"examples":["office"],"description":"marks it, in its comment"},
        "order":{"type":"integer","default":0,
            "description":"among Rules of that chain; negative ones stand before the chain's own rules"},
        "rule":{"type":"string","minLength":1,"examples":["tcp dport 22 accept"],
            "description":"as in nft add rule"}})json")
                    .c_str());
}

std::string compiled_kind(const char* name, const char* spec) {
    return std::string(R"({"apiVersion":"firewall.holdfast.dev/v1alpha1","kind":")") + name +
           R"(","compiles":true,"schema":{)" + document_head + spec + "}}}}";
}

std::string zone() {
    return compiled_kind("FirewallZone",
                         (std::string(R"json("required":["table","name","interfaces"],"properties":{)json") +
                          table_member + R"json(
        "name":{"type":"string","minLength":1,"maxLength":64,"pattern":"^[A-Za-z][A-Za-z0-9_-]*$",
            "examples":["lan"],
            "description":"as policies name it"},
        "interfaces":{"type":"array","items":{"type":"string","minLength":1,"maxLength":15},
            "examples":[["eth1","wg*"]],
                "description":"which belong to it; * at the end for any that begin so"}})json")
                             .c_str());
}

std::string service() {
    return compiled_kind(
        "Service",
        (std::string(R"json("required":["table","name","ports"],"properties":{)json") + table_member + R"json(
        "name":{"type":"string","minLength":1,"maxLength":64,"pattern":"^[A-Za-z][A-Za-z0-9_-]*$",
            "examples":["web"],
            "description":"as policies name it"},
        "ports":{"type":"array","minItems":1,"items":{"type":"string",
            "pattern":"^(tcp|udp|sctp|dccp)/[A-Za-z0-9-]+$"},
            "examples":[["tcp/443","udp/8000-8010"]],"description":"protocol and port, range or name"}})json")
            .c_str());
}

std::string policy() {
    return compiled_kind("Policy",
                         (std::string(R"json("required":["table","name","from","to"],"properties":{)json") +
                          table_member + R"json(
        "name":{"type":"string","minLength":1,"maxLength":64,"pattern":"^[A-Za-z][A-Za-z0-9_-]*$",
            "examples":["lan-to-wan"],"description":"names its chain, policy_NAME"},
        "from":{"type":"string","minLength":1,"examples":["lan"],
            "description":"a zone, any, or self: this machine"},
        "to":{"type":"string","minLength":1,"examples":["wan"],"description":"a zone, any, or self"},
        "chain":{"type":"string","minLength":1,
            "description":"what calls it: input if it is to self, output if from self, else forward"},
        "order":{"type":"integer","default":100,"description":"among policies of that chain"},
        "default":{"enum":["accept","drop","reject","continue"],"default":"continue",
            "description":"what becomes of the rest; continue: the next policy, and in the end the chain's"},
        "rules":{"type":"array","description":"in order","items":{"type":["object","string"],"minLength":1,
            "additionalProperties":false,"properties":{
            "services":{"type":"array","minItems":1,"items":{"type":"string","minLength":1},
                "description":"any of these"},
            "sources":{"type":"array","minItems":1,"items":{"type":"string","minLength":1},
                "examples":[["10.0.0.0/8","2001:db8::/32"],["@office"]],
                "description":"addresses, prefixes and ranges, or one set"},
            "destinations":{"type":"array","minItems":1,"items":{"type":"string","minLength":1},
                "description":"the same, of where it goes"},
            "match":{"type":"string","minLength":1,"examples":["icmp type echo-request"],
                "description":"anything else, as nft writes it"},
            "log":{"type":"string","maxLength":64,"description":"a prefix for the log"},
            "count":{"type":"boolean","default":false,"description":"counts packets and bytes"},
            "action":{"type":"string","minLength":1,"default":"accept","examples":["accept","drop","reject"],
                "description":"accept, drop, reject, or another verdict of nft"}}}}})json")
                             .c_str());
}

constexpr const char* config_schema = R"json({"type":"object","additionalProperties":false,
    "description":"libnftables has no compare-and-swap: tables are read before and after",
    "properties":{
    "netns":{"type":"string","minLength":1,"examples":["blue","/run/netns/blue"],
        "description":"the network namespace to filter in, by name or path; where not set, the worker's own"},
    "tables":{"type":"array","items":{"type":"string","minLength":1},"examples":[["inet edge","inet hf_*"]],
        "description":"the tables it may touch, * for any text; where not set, all"},
    "identity":{"type":"string","minLength":1,
        "description":"what to know the machine by, instead of its /etc/machine-id"}}})json";

} // namespace

std::string FirewallProvider::describe() {
    return std::string(R"({"name":"firewall","version":")") + plugin_version +
           R"(","groups":["firewall.holdfast.dev"],"config":)" + config_schema +
           R"(,"ownership":["owned","additive","exclusive","observe"],"atomic":true,"cas":"recheck",
        "maxItems":200000,"maxBytes":268435456,
        "extensions":["holdfast.compile/1","holdfast.canonicalize/1","holdfast.watch/1",
            "holdfast.checkpoint/1"],
        "kinds":[)" +
           table() + "," + set() + "," + chain() + "," + rule() + "," + describe_objects() + zone() + "," +
           service() + "," + policy() + "]}";
}

} // namespace holdfast::firewall
