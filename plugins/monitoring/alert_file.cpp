#include "alert_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <openssl/evp.h>

#include <holdfast/sha256.hpp>

#include "alerts.hpp"
#include "files.hpp"
#include "yaml.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr const char* header =
    "# What Holdfast declares here is written by it: change it in Git. The rest stays as it is.\n";
constexpr const char* order_comment = "holdfast order: ";

// As Alertmanager tells of the bytes that it loaded: the first six of their MD5, little end first
// (alertmanager, config/coordinator.go).
double config_hash(const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) return -1;
    double out = 0, place = 1;
    for (std::size_t i = 0; i < 6; ++i, place *= 256) out += place * digest[i];
    return out;
}

Json& routes_of(Json& content) {
    if (!content["route"].is_object()) content["route"] = Json::object();
    Json& routes = content["route"]["routes"];
    if (!routes.is_array()) routes = Json::array();
    return routes;
}

std::optional<int> order_of(const Json& route) {
    const auto comment = route.find(comment_key);
    if (comment == route.end()) return std::nullopt;
    return std::atoi(comment->get_ref<const std::string&>().c_str() + std::strlen(order_comment));
}

} // namespace

AlertFile::AlertFile(const Json& config)
    : FileTarget(Server("Alertmanager", config),
                 Reload(Server("Alertmanager", config), read_command(config, "reload")),
                 read_command(config, "check"),
                 read_command(config, "reload").is_set() ? read_command(config, "reload").timeout
                                                         : std::chrono::milliseconds(2000)),
      path_(sdk::text_at(config, "/config")) {
    if (path_.empty() || path_.front() != '/')
        throw sdk::Error("monitoring.config",
                         "Alertmanager's configuration file is named by no absolute path",
                         "write alertmanager.config: /etc/prometheus/alertmanager.yml, or where it is");
    if (!check_command().is_set())
        throw sdk::Error("monitoring.config", "alertmanager.config is set, and no command that checks it",
                         "set alertmanager.check to a command of the operator's: amtool check-config");
}

// The folder's, since the file itself is another one after each change.
std::string AlertFile::target_id() const {
    return "alertmanager:" + lasting_id(folder_of(real_path(path_))) + ":" +
           path_.substr(path_.rfind('/') + 1);
}

std::string AlertFile::folder() const { return folder_of(real_path(path_)); }

std::string AlertFile::mark(const sdk::Call& call) const {
    const Json status = server().json(call, "GET", "/api/v2/status");
    return sdk::sha256_hex(read_file(path_).value_or("")) + " " +
           sdk::sha256_hex(sdk::text_at(status, "/config/original")) + " " + status.value("uptime", "");
}

// ---- the file ----

// The order of a route stands in a comment above it, since Alertmanager takes no field of ours.
Json AlertFile::parse(const std::string& text, const std::string& path) const {
    Json content = read_yaml(text, path);
    if (content.is_null()) content = Json::object();
    if (!content.is_object())
        throw sdk::Error("monitoring.yaml", path + " is no configuration: it is no map");
    const auto orders = comments_above(text, order_comment);
    if (orders.empty()) return content;
    const std::vector<int> lines = lines_of(text, {"route", "routes"});
    Json& routes = routes_of(content);
    for (std::size_t i = 0; i < std::min(lines.size(), routes.size()); ++i)
        if (const auto order = orders.find(lines[i]); order != orders.end() && routes[i].is_object())
            routes[i][comment_key] = order_comment + order->second;
    return content;
}

// A route out of its order shows none, which is a difference that puts it back.
Leaves AlertFile::leaves_in(const Json& content, const std::string&) const {
    Leaves out;
    if (content.contains("route") && content["route"].is_object())
        out.emplace(config_key(), canonical_config(content));
    for (const Json& receiver : content.value("receivers", Json::array()))
        if (receiver.is_object()) out.emplace(receiver_key(sdk::text_at(receiver, "/name")), receiver);
    const Json* const routes = sdk::find(content, "/route/routes");
    if (!routes || !routes->is_array()) return out;
    int last = INT32_MIN;
    for (const Json& route : *routes) {
        if (!route.is_object()) continue;
        Json spec = canonical_route(route);
        if (!spec.contains("matchers")) spec["matchers"] = Json::array();
        if (const auto order = order_of(route); order && *order >= last) spec["order"] = last = *order;
        out.emplace(route_key(route), std::move(spec));
    }
    return out;
}

std::string AlertFile::text_with(const ConfigFile* there, const std::vector<const Edit*>& edits) const {
    Json content = there ? there->content : Json();
    for (const Edit* edit : edits)
        if (edit->spec.is_null())
            erase(content, edit->key);
        else
            put(content, edit->key, edit->spec);
    return print(std::move(content));
}

void AlertFile::put(Json& content, const Key& key, const Json& spec) {
    if (!content.is_object()) content = Json::object();
    Json plain = spec;
    for (const char* word : {"loaded", "order"}) plain.erase(word);
    if (key == config_key()) {
        const Json receivers = content.value("receivers", Json::array()), routes = routes_of(content);
        content = plain;
        if (!receivers.empty()) content["receivers"] = receivers;
        if (!routes.empty()) content["route"]["routes"] = routes;
        return;
    }
    if (key.kind == "Receiver") {
        Json& receivers = content["receivers"];
        if (!receivers.is_array()) receivers = Json::array();
        for (Json& receiver : receivers)
            if (receiver_key(sdk::text_at(receiver, "/name")) == key) return void(receiver = plain);
        receivers.push_back(plain);
        return;
    }
    erase(content, key);
    const int order = spec.value("order", default_route_order);
    plain[comment_key] = order_comment + std::to_string(order);
    if (plain.contains("matchers") && plain["matchers"].empty()) plain.erase("matchers");
    auto& routes = routes_of(content).get_ref<Json::array_t&>();
    const auto place = std::find_if(routes.begin(), routes.end(), [&](const Json& route) {
        const auto other = order_of(route);
        return other && *other > order;
    });
    routes.insert(place, plain);
}

void AlertFile::erase(Json& content, const Key& key) {
    if (!content.is_object()) return;
    const auto remove_from = [&](Json& list, auto key_of_element) {
        if (!list.is_array()) return;
        auto& elements = list.get_ref<Json::array_t&>();
        const auto found = std::find_if(elements.begin(), elements.end(), [&](const Json& element) {
            return element.is_object() && key_of_element(element) == key;
        });
        if (found != elements.end()) elements.erase(found);
    };
    if (key.kind == "Receiver")
        remove_from(content["receivers"],
                    [](const Json& one) { return receiver_key(sdk::text_at(one, "/name")); });
    if (key.kind == "Route") remove_from(routes_of(content), route_key);
}

std::string AlertFile::print(Json shown) {
    if (const auto receivers = shown.find("receivers"); receivers != shown.end() && receivers->empty())
        shown.erase(receivers);
    if (const Json* routes = sdk::find(shown, "/route/routes"); routes && routes->empty())
        shown["route"].erase("routes");
    return header + print_yaml(shown);
}

std::optional<sdk::Diagnostic> AlertFile::reason_to_stay(const Key& key) const {
    if (!(key == config_key())) return std::nullopt;
    sdk::Diagnostic why =
        problem("monitoring.config-stays", path_ + " stays as it is, though nobody declares it",
                "Alertmanager does not start without; remove it by hand if it is gone");
    why.severity = sdk::Severity::note;
    return why;
}

Json AlertFile::canonical(const sdk::Call&, const Key& key, Json out, const Json&) {
    out.erase("loaded");
    if (key == config_key()) return canonical_config(out);
    if (key.kind == "Receiver") return out;
    const int order = out.value("order", default_route_order);
    out = canonical_route(out);
    out["order"] = order;
    if (!out.contains("matchers")) out["matchers"] = Json::array();
    return out;
}

// ---- what Alertmanager says ----

// By its hash it tells whether it loaded the very bytes that lie there now, with their secrets. Where it did
// not, what it shows of its configuration tells which parts are the same.
Leaves AlertFile::ask_loaded(const sdk::Call& call) {
    const Json status = server().json(call, "GET", "/api/v2/status");
    const sdk::HttpResponse metrics = server().ask(call, {}, "/metrics");
    const auto hash =
        metrics.status == 200 ? metric_in(metrics.body, "alertmanager_config_hash") : std::nullopt;
    const auto text = read_file(path_);
    if (hash && text && *hash == config_hash(*text)) return leaves_in(parse(*text, path_), path_);
    const std::string original = sdk::text_at(status, "/config/original");
    return leaves_in(parse(original, server().url() + "/api/v2/status"), path_);
}

bool AlertFile::is_loaded(const sdk::Call&, const Json& spec, const Json& loaded, const Evidence&) {
    Json wanted = spec;
    wanted.erase("order");
    return is_within(wanted, loaded);
}

std::string AlertFile::where_to_look() const {
    return "see that --config.file of Alertmanager names " + path_ + ", and its log";
}

void AlertFile::check(const sdk::Call& call, const Drafts& drafts, const Files&,
                      const std::vector<Edit>& edits) {
    const ScratchFolder scratch;
    try {
        for (const auto& [path, text] : drafts)
            run_check(call, check_command(), {scratch.put("alertmanager.yml", text)},
                      scratch.path() + "/alertmanager.yml", path_, "monitoring.bad-config");
    } catch (const sdk::Error& error) {
        sdk::Diagnostic why = error.diagnostic();
        for (const Edit& edit : edits) why.message = without_secrets(std::move(why.message), edit.spec);
        throw sdk::Error(why);
    }
}

} // namespace holdfast::monitoring
