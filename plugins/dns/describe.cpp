#include "dns.hpp"

namespace holdfast::dns {

namespace {

// What RecordSet and the objects in a Zone's list have in common.
constexpr const char* set_members = R"json(
    "name":{"type":"string","minLength":1,"maxLength":1100,"examples":["www","@","*.dev"],
        "description":"relative to the zone, or with a final dot; \"@\" is the zone itself; IDNA is done"},
    "type":{"type":"string","minLength":1,"maxLength":12,"examples":["A","MX","TYPE65280"],
        "description":"A, AAAA, CNAME, MX, TXT, SRV, ...; others as TYPE and number (RFC 3597)"},
    "ttl":{"type":["integer","string"],"minimum":0,"maximum":2147483647,"default":3600,"examples":[300,"1h"],
        "description":"seconds, or with units such as 1h30m; not compared where not declared"},
    "values":{"type":["array","string"],"minItems":1,"items":{"type":"string"},
        "examples":[["192.0.2.10"],["10 mail"],["v=spf1 -all"]],
        "description":"one or more, as in a zone file: other zones' hosts end with a dot; TXT plainly"})json";

constexpr const char* head =
    R"json("type":"object","required":["apiVersion","kind","metadata","spec"],"properties":
    {"apiVersion":{"const":"dns.holdfast.dev/v1alpha1"},"kind":{"type":"string"},
    "metadata":{"type":"object"},"status":{"type":"object"},)json";

std::string record_set() {
    return std::string(R"({"apiVersion":"dns.holdfast.dev/v1alpha1","kind":"RecordSet","compiles":true,
        "identity":["/spec/name","/spec/type"],"scope":["/spec/zone"],"compare":["/spec"],"health":false,
        "schema":{)") +
           head + R"("spec":{"type":"object","additionalProperties":false,
        "required":["zone","name","type","values"],"properties":{
        "zone":{"type":"string","minLength":1,"examples":["example.org"],"description":"where it lies"},)" +
           set_members + "}}}}}";
}

std::string zone() {
    return std::string(
               R"({"apiVersion":"dns.holdfast.dev/v1alpha1","kind":"Zone","compiles":true,"schema":{)") +
           head +
           R"json("spec":{"type":"object","additionalProperties":false,
        "required":["name","records"],"properties":{
        "name":{"type":"string","minLength":1,"examples":["example.org"],"description":"the zone's name"},
        "ttl":{"type":["integer","string"],"minimum":0,"maximum":2147483647,"examples":[300,"1h"],
            "description":"of records that say none"},
        "records":{"type":"array",
            "examples":[["www 300 A 192.0.2.10",{"name":"@","type":"MX","values":["10 mail"]}]],
            "description":"lines as in a zone file (name, ttl if you like, type, data), or sets",
            "items":{"type":["string","object"],"additionalProperties":false,"minLength":5,
                "required":["name","type","values"],"properties":{)json" +
           set_members + "}}}}}}}}";
}

constexpr const char* config_schema = R"json({"type":"object","additionalProperties":false,"properties":{
    "rfc2136":{"type":"object","additionalProperties":false,"required":["server"],
        "description":"a name server: zones are read by transfer, written by dynamic update","properties":{
        "server":{"type":"string","minLength":1,"examples":["192.0.2.53"],
            "description":"address or name of the zones' primary"},
        "port":{"type":"integer","minimum":1,"maximum":65535,"default":53,"description":"TCP port"},
        "identity":{"type":"string","minLength":1,
            "description":"what to know the server by, instead of its id.server or address"},
        "tsig":{"type":"object","additionalProperties":false,"required":["name","secret"],
            "description":"the key that signs every message","properties":{
            "name":{"type":"string","minLength":1,"description":"as the server calls the key"},
            "algorithm":{
                "enum":["hmac-sha256","hmac-sha512","hmac-sha384","hmac-sha224","hmac-sha1","hmac-md5"],
                "default":"hmac-sha256","description":"as the server's configuration says"},
            "secret":{"type":"string","minLength":1,
                "description":"base64; a reference such as ${{ secrets.DNS.tsig }}"}}},
        "zones":{"type":"array","items":{"type":"string"},
            "description":"what to list where nobody names a zone: a name server does not tell"}}},
    "powerdns":{"type":"object","additionalProperties":false,"required":["url","apiKey"],
        "description":"a PowerDNS server, by its HTTP API, without compare-and-swap","properties":{
        "url":{"type":"string","minLength":1,"examples":["http://127.0.0.1:8081"],
            "description":"where its webserver listens"},
        "apiKey":{"type":"string","minLength":1,
            "description":"api-key of pdns.conf; a reference such as ${{ secrets.PDNS.key }}"},
        "server":{"type":"string","minLength":1,"default":"localhost",
            "description":"server_id in the API's paths"},
        "caFile":{"type":"string","minLength":1,"description":"certificates to trust with https"}}},
    "zonefile":{"type":"object","additionalProperties":false,"required":["directory"],
        "description":"zone files on this machine",
        "properties":{
        "directory":{"type":"string","format":"path","minLength":1,"description":"where they lie"},
        "file":{"type":"string","minLength":2,"default":"%s.zone","examples":["db.%s"],
            "description":"how they are called; %s is the zone's name"},
        "serial":{"enum":["increment","date","unixtime"],"default":"increment",
            "description":"the serial after a change: the next, today as YYYYMMDDnn, or the time"},
        "reload":{"type":"string","format":"command","minLength":1,"examples":["reload-bind"],
            "description":"a command of the operator's, run after each change; %s in it is the zone"},
        "server":{"type":"object","additionalProperties":false,
            "description":"who serves them: a change is done once it answers with the new serial",
            "properties":{
            "address":{"type":"string","default":"127.0.0.1","description":"its address or name"},
            "port":{"type":"integer","minimum":1,"maximum":65535,"default":53,"description":"TCP port"}}}}},
    "notify":{"type":"object","additionalProperties":false,"required":["port"],
        "description":"where the server sends NOTIFY (also-notify): drift is seen at once","properties":{
        "address":{"type":"string","default":"0.0.0.0","description":"address to listen at"},
        "port":{"type":"integer","minimum":1,"maximum":65535,"description":"UDP and TCP port"}}},
    "poll":{"type":"integer","minimum":1,"maximum":86400,"default":60,
        "description":"seconds between looks at the SOA; less where the SOA's refresh is less"},
    "leave":{"type":"array","items":{"type":"string","minLength":1},"examples":[["dhcp-*","*/TLSA"]],
        "description":"names, or NAME/TYPE, with * and ?, that others write: neither imported nor removed"},
    "owner":{"type":"string","minLength":1,"maxLength":100,"pattern":"^[A-Za-z0-9._-]+$",
        "examples":["edge-1"],
        "description":"marks what it writes as its own, by TXT records NAME._TYPE._holdfast"},
    "allowApexNs":{"type":"boolean","default":false,
        "description":"whether the name servers of a zone itself may be changed"}}})json";

} // namespace

std::string DnsProvider::describe() {
    return std::string(R"({"name":"dns","version":")") + plugin_version +
           R"(","groups":["dns.holdfast.dev"],"config":)" + config_schema +
           R"(,"sensitiveConfig":["/rfc2136/tsig/secret","/powerdns/apiKey"],
        "ownership":["owned","additive","exclusive","observe"],"atomic":true,"cas":"recheck",
        "maxItems":200000,"maxBytes":268435456,
        "extensions":["holdfast.compile/1","holdfast.watch/1","holdfast.checkpoint/1"],"kinds":[)" +
           record_set() + "," + zone() + "]}";
}

} // namespace holdfast::dns
