// What the plugin says of the kinds that stand in a Grafana.

#include "monitoring.hpp"
#include "names.hpp"

namespace holdfast::monitoring {

namespace {

constexpr const char* uid = R"json("uid":{"type":"string","minLength":1,"maxLength":40,
    "pattern":"^[A-Za-z0-9_-]+$",
    "description":"by which Grafana knows it; the document's name by default"},)json";

std::string grafana_kind(const char* name, const char* more, const std::string& spec) {
    return std::string(R"({"apiVersion":")") + api_version + R"(","kind":")" + name +
           R"(","compiles":true,"health":false,"identity":["/spec/uid"],"scope":["/kind"],"compare":["/spec"],)" +
           more +
           R"json("schema":{"type":"object","required":["apiVersion","kind","metadata","spec"],"properties":{
    "apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"},
    "status":{"type":"object"},"spec":{"type":"object","additionalProperties":false,)json" +
           spec + "}}}}";
}

} // namespace

std::string MonitoringProvider::describe_grafana() {
    const std::string begin = std::string(R"("properties":{)") + uid;
    return grafana_kind("Folder", "", R"("required":["title"],)" + begin + R"json(
    "title":{"type":"string","minLength":1},
    "parentUid":{"type":"string","maxLength":40,
        "description":"the folder in which it lies (Grafana 11 and later)"}})json") +
           "," +
           grafana_kind("DataSource",
                        R"("sensitive":["/spec/secureJsonData/*"],"writeOnly":["/spec/secureJsonData"],)",
                        R"("required":["type"],)" + begin + R"json(
    "name":{"type":"string","minLength":1,"maxLength":190,
        "description":"as people see it; the document's name by default"},
    "type":{"type":"string","minLength":1,"examples":["prometheus"],"description":"id of its plugin"},
    "access":{"type":"string","enum":["proxy","direct"],"default":"proxy",
        "description":"whether Grafana asks it, or the browser"},
    "url":{"type":"string","examples":["http://127.0.0.1:9090"]},
    "user":{"type":"string"},"database":{"type":"string"},
    "basicAuth":{"type":"boolean"},"basicAuthUser":{"type":"string"},
    "withCredentials":{"type":"boolean"},
    "isDefault":{"type":"boolean","description":"whether new panels take it"},
    "jsonData":{"type":"object","description":"what its plugin wants to know"},
    "secureJsonData":{"type":"object","additionalProperties":{"type":"string"},
        "description":"the same of secrets; Grafana does not show them again"}})json") +
           "," + grafana_kind("Dashboard", "", begin + R"json(
    "folder":{"type":"string","maxLength":40,"description":"uid of the folder; none: at the top"},
    "json":{"type":"string","description":"the dashboard as it was exported, instead of `dashboard`"},
    "dashboard":{"type":"object","description":"the model: title, panels, templating, ..."}})json");
}

} // namespace holdfast::monitoring
