#include "describe_objects.hpp"

#include "objects.hpp"

namespace holdfast::firewall {

namespace {

constexpr const char* schema_of_object = R"json("schema":{"type":"object",
    "required":["apiVersion","kind","metadata","spec"],"properties":
    {"apiVersion":{"const":"firewall.holdfast.dev/v1alpha1"},"kind":{"type":"string"},
    "metadata":{"type":"object"},"status":{"type":"object"},"spec":{"type":"object",
        "additionalProperties":false,"required":[)json";

constexpr const char* table_field = R"json("table":{"type":"string","minLength":3,"examples":["inet edge"],
        "description":"family and name; it is made where it is missing"})json";

// The fields of a kind besides table and name; names of those that are required.
struct Fields {
    Kind kind;
    const char* required;
    const char* properties;
    const char* lists; // members before the schema
};

constexpr const char* quota_field = R"json({"type":"string","minLength":1,
        "examples":["over 500 mbytes","until 20 kbytes"],
        "description":"as nft writes it; over: matches beyond it, until (or nothing): up to it"})json";

constexpr const char* rate_field = R"json({"type":"string","minLength":1,
        "examples":["5/minute burst 10 packets","over 10 mbytes/second"],
        "description":"as nft writes it behind the word rate; without over it matches up to it"})json";

constexpr const char* l3proto = R"json("l3proto":{"enum":["ip","ip6","inet"],"default":"inet",
            "description":"the version of IP; inet for the table's own"})json";

constexpr Fields object_kinds[] = {
    {Kind::counter, "", "", ""},
    {Kind::quota, R"("quota")", "", ""},
    {Kind::limit, R"("rate")", "", ""},
    {Kind::ct_helper, R"("type","protocol")",
     R"json("type":{"type":"string","minLength":1,"maxLength":15,"examples":["ftp","sip","tftp"],
            "description":"the kernel's helper of connection tracking"},
        "protocol":{"enum":["tcp","udp"],"description":"of the connections"})json",
     ""},
    {Kind::ct_timeout, R"("protocol")",
     R"json("protocol":{"enum":["tcp","udp"],"description":"of the connections"},
        "policy":{"type":"object",
            "additionalProperties":{"type":["integer","string"],"minimum":1,"minLength":1},
            "examples":[{"established":3600,"close_wait":10}],
            "description":"seconds by state; what is not declared is as the kernel has it"})json",
     ""},
    {Kind::ct_expectation, R"("protocol","l3proto","dport","timeout","size")",
     R"json("l3proto":{"enum":["ip","ip6"],"description":"the version of IP"},
        "protocol":{"enum":["tcp","udp"],"description":"of the connections that are expected"},
        "dport":{"type":"integer","minimum":1,"maximum":65535,"description":"where they go"},
        "timeout":{"type":"string","minLength":1,"examples":["2m"],"description":"how long they are"},
        "size":{"type":"integer","minimum":1,"maximum":255,"description":"most at a time"})json",
     ""},
    {Kind::synproxy, R"("mss","wscale")",
     R"json("mss":{"type":"integer","minimum":1,"maximum":65535,"description":"announced to clients"},
        "wscale":{"type":"integer","minimum":0,"maximum":14,"description":"window scale of the servers"},
        "timestamp":{"type":"boolean","default":false,"description":"offers time stamps"},
        "sackPerm":{"type":"boolean","default":false,"description":"offers selective acknowledgement"})json",
     ""},
    {Kind::flowtable, R"("devices")",
     R"json("hook":{"enum":["ingress"],"default":"ingress","description":"where its packets are taken"},
        "priority":{"type":["integer","string"],"default":"filter","examples":[0,"filter + 5"],
            "description":"among what else is at that hook"},
        "devices":{"type":"array","items":{"type":"string","minLength":1,"maxLength":15},
            "examples":[["eth0","eth1"]],"description":"both ends of the way; they have to exist"},
        "counter":{"type":"boolean","default":false,"description":"connections count what goes that way"},
        "offload":{"type":"boolean","default":false,"description":"the card does it, if it can"})json",
     R"("lists":[{"pointer":"/spec/devices","type":"set","exclusive":true}],)"},
};

std::string fields_of(const Fields& fields) {
    if (fields.kind == Kind::quota) return std::string(R"("quota":)") + quota_field;
    if (fields.kind == Kind::limit) return std::string(R"("rate":)") + rate_field;
    std::string out = fields.properties;
    if (fields.kind >= Kind::ct_helper && fields.kind <= Kind::ct_timeout) out += std::string(",") + l3proto;
    return out;
}

std::string object_kind(const Fields& fields) {
    const std::string required = fields.required, properties = fields_of(fields);
    return std::string(R"({"apiVersion":"firewall.holdfast.dev/v1alpha1","kind":")") +
           kind_name(fields.kind) +
           R"(","scope":["/spec/table"],"health":false,"identity":["/spec/name"],"rank":1,)" + fields.lists +
           schema_of_object + R"("table","name")" + (required.empty() ? "" : "," + required) +
           R"(],"properties":{)" + table_field +
           R"json(,"name":{"type":"string","minLength":1,"examples":["web"],
        "description":"as rules name it"})json" +
           (properties.empty() ? "" : "," + properties) + "}}}}},";
}

// Of an Objects document: its objects of one kind, by name.
std::string listed(const char* member, Kind kind, const char* description) {
    std::string value;
    for (const Fields& fields : object_kinds) {
        if (fields.kind != kind) continue;
        const bool is_text = kind == Kind::quota || kind == Kind::limit;
        value = is_text ? (kind == Kind::quota ? quota_field : rate_field)
                        : std::string(R"({"type":"object","additionalProperties":false,"required":[)") +
                              fields.required + R"(],"properties":{)" + fields_of(fields) + "}}";
    }
    return std::string(",\"") + member + R"(":{"type":"object","description":")" + description +
           R"(","additionalProperties":)" + value + "}";
}

std::string objects() {
    return std::string(
               R"({"apiVersion":"firewall.holdfast.dev/v1alpha1","kind":"Objects","compiles":true,)") +
           schema_of_object + R"("table"],"properties":{)" + table_field + R"json(,
        "counters":{"type":"array","items":{"type":"string","minLength":1},"examples":[["web","dropped"]],
            "description":"names of counters"})json" +
           listed("quotas", Kind::quota, "by name") + listed("limits", Kind::limit, "rates by name") +
           listed("ctHelpers", Kind::ct_helper, "by name, as a CtHelper has them") +
           listed("ctTimeouts", Kind::ct_timeout, "by name, as a CtTimeout has them") +
           listed("ctExpectations", Kind::ct_expectation, "by name, as a CtExpectation has them") +
           listed("synproxies", Kind::synproxy, "by name, as a Synproxy has them") +
           listed("flowtables", Kind::flowtable, "by name, as a Flowtable has them") + "}}}}},";
}

} // namespace

std::string describe_objects() {
    std::string out;
    for (const Fields& fields : object_kinds) out += object_kind(fields);
    return out + objects();
}

} // namespace holdfast::firewall
