#include "grafana.hpp"

#include <holdfast/sha256.hpp>


namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr int search_page = 1000;

std::string uid_of(const Key& key) { return sdk::parse_json(key.identity).get<std::string>(); }

// Objects hold much that Grafana fills in by itself; what says nothing is left out.
Json without_empties(const Json& from, std::initializer_list<const char*> keys) {
    Json out = Json::object();
    for (const char* key : keys)
        if (const auto found = from.find(key); found != from.end() && !found->is_null() && *found != "" &&
                                               !(found->is_structured() && found->empty()))
            out[key] = *found;
    return out;
}

} // namespace

Key grafana_key(const char* kind, const std::string& uid) { return {kind, Json(uid).dump()}; }

Json canonical_dashboard(const Json& model) {
    Json out = model.is_object() ? model : Json::object();
    for (const char* key : {"id", "uid", "version", "iteration"}) out.erase(key);
    return out;
}

// ---- asking ----

Json GrafanaPart::ask(const sdk::Call& call, const std::string& method, const std::string& path,
                      const Json& body) const {
    sdk::HttpRequest request;
    request.method = method;
    if (!body.is_null()) {
        request.body = sdk::dump_json(body);
        request.headers = {"Content-Type: application/json"};
    }
    const sdk::HttpResponse response = server_.ask(call, std::move(request), path);
    if (response.status >= 200 && response.status < 300)
        return response.body.empty() ? Json::object()
                                     : sdk::parse_json(response.body, "monitoring.bad-answer");
    if (response.status == 404 && method != "POST" && method != "PUT") return nullptr;
    sdk::Diagnostic why = server_.refusal(response, method + " " + path.substr(0, path.find('?')));
    const Json answer = Json::parse(response.body, nullptr, false);
    const std::string status = answer.is_object() ? sdk::text_at(answer, "/status") : "";
    const bool is_edited = response.status == 409 || (response.status == 412 && status != "name-exists" &&
                                                      status != "plugin-dashboard");
    if (is_edited) {
        why.code = "monitoring.conflict";
        why.hint = "plan again: the plan will show what is there now";
        why.retry = sdk::Retry::conflict;
    } else if (status == "name-exists") {
        why.hint = "rename one of the two, or take the other one over by its uid";
    } else if (response.status == 404) {
        why.hint = "the folder that it names has to be there; check the URL in the provider's config as well";
    }
    throw sdk::Error(why);
}

std::vector<Json> GrafanaPart::search(const sdk::Call& call, const std::string& query) const {
    std::vector<Json> out;
    for (int page = 1;; ++page) {
        const Json hits = ask(call, "GET",
                              "/api/search?" + query + "&limit=" + std::to_string(search_page) +
                                  "&page=" + std::to_string(page));
        if (!hits.is_array())
            throw sdk::Error("monitoring.bad-answer", server_.url() + "/api/search gives no list",
                             "see that the URL in the provider's config is that of a Grafana");
        out.insert(out.end(), hits.begin(), hits.end());
        if (hits.size() < search_page || call.should_stop()) return out;
    }
}

std::string GrafanaPart::document(const Object& object) const {
    Json out = document_of(kind_, object.spec);
    out["status"] = {{"id", object.id}, {"version", object.number}};
    return sdk::dump_json(out);
}

void GrafanaPart::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        if (!results.listening() || scope.should_stop()) return;
        try {
            const std::string uid = uid_of(key_of(item));
            if (const auto object = get(scope, uid))
                results.done(item, document(*object), object->version());
            else
                results.absent(item);
        } catch (const sdk::Error& error) {
            if (error.diagnostic().code == "monitoring.unreachable") throw; // nor would the others answer
            results.failed(item, error.diagnostic());
        }
    }
}

void GrafanaPart::list(const sdk::Call& call, const std::string& kind, sdk::Results& results) {
    for (const std::string& uid : uids(call)) {
        if (!results.listening() || call.should_stop()) return;
        if (const auto object = get(call, uid))
            results.object(kind_id(kind), Json(uid).dump(), document(*object), scope(), object->version());
    }
}

// Compiling has brought declared documents into their one form already.
void GrafanaPart::canonicalize(const sdk::Scope&, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) results.as_declared(item);
}

void GrafanaPart::take_interest(sdk::Items items) {
    std::set<std::string> watched;
    for (const sdk::Item& item : items) watched.insert(uid_of(key_of(item)));
    const std::lock_guard lock(mutex_);
    watched_ = std::move(watched);
}

// Each object that is watched is asked for: a search tells of no edit inside a dashboard.
std::string GrafanaPart::mark(const sdk::Call& call) const {
    std::set<std::string> watched;
    {
        const std::lock_guard lock(mutex_);
        watched = watched_;
    }
    std::string all;
    for (const std::string& uid : watched) {
        const auto object = get(call, uid);
        all += uid + " " + (object ? object->version() + sdk::dump_json(object->spec) : "") + "\n";
    }
    return sdk::sha256_hex(all);
}

// ---- writing ----

void GrafanaPart::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    for (const sdk::Change& change : changes) {
        if (!results.listening() || scope.should_stop()) return;
        try {
            results.emit(change, apply_one(scope, change));
        } catch (const sdk::Error& error) {
            results.failed(change, error.diagnostic());
        }
    }
}

sdk::Result GrafanaPart::apply_one(const sdk::Call& call, const sdk::Change& change) const {
    const Key key = key_of(change);
    const std::string uid = uid_of(key);
    const std::optional<Object> there = get(call, uid);
    const bool is_removal = change.action() == sdk::Action::remove;
    if (is_removal && !there) return sdk::Result::unchanged({});
    Json to_be;
    if (!is_removal) {
        to_be = wanted(there ? there->spec : Json(), spec_in(change.declared()), spec_in(change.recorded()));
        if (there && to_be == there->spec) return sdk::Result::unchanged(document(*there), there->version());
    }
    Json readable = to_be;
    if (readable.is_object()) readable.erase("secureJsonData");
    const bool is_repeated = there && !is_removal && has_unreadable(to_be) && readable == there->spec;
    const bool is_as_observed =
        change.action() == sdk::Action::create
            ? !there
            : change.version().empty() || (there && change.version() == there->version());
    if (!is_as_observed && !is_repeated) throw sdk::Error(conflict(key));
    if (there && there->is_provisioned)
        throw sdk::Error("monitoring.provisioned",
                         shown(key) + " is provisioned from a file of Grafana's, which takes no change of it",
                         "remove it from that file first, and import it, or take it out of Git");
    return sent([&] {
        if (is_removal) {
            remove(call, uid);
            return sdk::Result::done({});
        }
        put(call, uid, to_be, there ? &*there : nullptr);
        const auto made = get(call, uid);
        if (!made)
            throw sdk::Error("monitoring.not-loaded",
                             "Grafana said that it has " + shown(key) + " now, and has it not",
                             "see its log");
        return sdk::Result::done(document(*made), made->version());
    });
}

// ---- the kinds ----

namespace {

class Folders final : public GrafanaPart {
public:
    explicit Folders(const Server& server) : GrafanaPart(server, "Folder") {}

protected:
    std::optional<Object> get(const sdk::Call& call, const std::string& uid) const override {
        const Json answer = ask(call, "GET", "/api/folders/" + percent_encoded(uid));
        if (answer.is_null()) return std::nullopt;
        Object out;
        out.id = answer.value("id", std::int64_t{0});
        out.number = answer.value("version", std::int64_t{0});
        out.spec = without_empties(answer, {"uid", "title", "parentUid"});
        return out;
    }

    std::vector<std::string> uids(const sdk::Call& call) const override {
        std::vector<std::string> out;
        for (const Json& hit : search(call, "type=dash-folder")) out.push_back(sdk::text_at(hit, "/uid"));
        return out;
    }

    void put(const sdk::Call& call, const std::string& uid, const Json& to_be,
             const Object* there) const override {
        const std::string path = "/api/folders/" + percent_encoded(uid);
        if (!there) {
            ask(call, "POST", "/api/folders", to_be);
            return;
        }
        const std::string parent = sdk::text_at(to_be, "/parentUid");
        if (to_be["title"] != there->spec["title"])
            ask(call, "PUT", path,
                {{"title", to_be["title"]}, {"version", there->number}, {"overwrite", false}});
        if (parent == sdk::text_at(there->spec, "/parentUid")) return;
        try {
            ask(call, "POST", path + "/move", {{"parentUid", parent}});
        } catch (const sdk::Error& error) {
            // The title may be another one by now, so nobody may say that all is as it was.
            sdk::Diagnostic why = error.diagnostic();
            if (to_be["title"] != there->spec["title"]) why.retry = sdk::Retry::after;
            throw sdk::Error(why);
        }
    }

    // Grafana would remove what lies in it as well, whoever made that.
    void remove(const sdk::Call& call, const std::string& uid) const override {
        for (const Json& hit : search(call, "folderUIDs=" + percent_encoded(uid)))
            if (sdk::text_at(hit, "/folderUid") == uid)
                throw sdk::Error("monitoring.folder-not-empty",
                                 "the folder " + uid + " holds " + sdk::text_at(hit, "/title") +
                                     ", which would go with it",
                                 "move or remove what lies in it, or keep its document");
        ask(call, "DELETE", "/api/folders/" + percent_encoded(uid));
    }
};

class DataSources final : public GrafanaPart {
public:
    explicit DataSources(const Server& server) : GrafanaPart(server, "DataSource") {}

protected:
    std::optional<Object> get(const sdk::Call& call, const std::string& uid) const override {
        const Json answer = ask(call, "GET", "/api/datasources/uid/" + percent_encoded(uid));
        if (answer.is_null()) return std::nullopt;
        Object out;
        out.id = answer.value("id", std::int64_t{0});
        out.number = answer.value("version", std::int64_t{0});
        out.is_provisioned = answer.value("readOnly", false);
        out.spec =
            without_empties(answer, {"uid", "name", "type", "access", "url", "user", "database", "basicAuth",
                                     "basicAuthUser", "withCredentials", "isDefault", "jsonData"});
        return out;
    }

    std::vector<std::string> uids(const sdk::Call& call) const override {
        std::vector<std::string> out;
        for (const Json& one : ask(call, "GET", "/api/datasources")) out.push_back(sdk::text_at(one, "/uid"));
        return out;
    }

    void put(const sdk::Call& call, const std::string& uid, const Json& to_be,
             const Object* there) const override {
        Json body = to_be;
        if (!there) {
            ask(call, "POST", "/api/datasources", body);
            return;
        }
        body["version"] = there->number;
        ask(call, "PUT", "/api/datasources/uid/" + percent_encoded(uid), body);
    }

    void remove(const sdk::Call& call, const std::string& uid) const override {
        ask(call, "DELETE", "/api/datasources/uid/" + percent_encoded(uid));
    }

    bool has_unreadable(const Json& to_be) const override { return to_be.contains("secureJsonData"); }
};

class Dashboards final : public GrafanaPart {
public:
    explicit Dashboards(const Server& server) : GrafanaPart(server, "Dashboard") {}

protected:
    std::optional<Object> get(const sdk::Call& call, const std::string& uid) const override {
        const Json answer = ask(call, "GET", "/api/dashboards/uid/" + percent_encoded(uid));
        if (answer.is_null()) return std::nullopt;
        const Json model = answer.value("dashboard", Json::object()),
                   meta = answer.value("meta", Json::object());
        Object out;
        out.id = model.value("id", std::int64_t{0});
        out.number = model.value("version", std::int64_t{0});
        out.is_provisioned = meta.value("provisioned", false);
        out.spec = {{"uid", uid},
                    {"folder", sdk::text_at(meta, "/folderUid")},
                    {"dashboard", canonical_dashboard(model)}};
        return out;
    }

    std::vector<std::string> uids(const sdk::Call& call) const override {
        std::vector<std::string> out;
        for (const Json& hit : search(call, "type=dash-db")) out.push_back(sdk::text_at(hit, "/uid"));
        return out;
    }

    // Members of the model, and not the whole of it, are what somebody else may have added.
    Json wanted(const Json& there, const Json& declared, const Json& recorded) const override {
        Json out = merged(there, declared, recorded);
        const auto model_of = [](const Json& spec) {
            const Json* const model = spec.is_object() ? sdk::find(spec, "/dashboard") : nullptr;
            return model ? *model : Json::object();
        };
        out["dashboard"] = merged(model_of(there), model_of(declared), model_of(recorded));
        if (!out.contains("folder")) out["folder"] = "";
        return out;
    }

    void put(const sdk::Call& call, const std::string& uid, const Json& to_be,
             const Object* there) const override {
        Json model = to_be["dashboard"];
        model["uid"] = uid;
        model["id"] = there ? Json(there->id) : Json();
        model["version"] = there ? there->number : 0;
        ask(call, "POST", "/api/dashboards/db",
            {{"dashboard", std::move(model)},
             {"folderUid", to_be["folder"]},
             {"overwrite", false},
             {"message", "declared in Git"}});
    }

    void remove(const sdk::Call& call, const std::string& uid) const override {
        ask(call, "DELETE", "/api/dashboards/uid/" + percent_encoded(uid));
    }
};

} // namespace

std::vector<std::unique_ptr<Part>> grafana_parts(const Json& config) {
    const Server server("Grafana", config);
    std::vector<std::unique_ptr<Part>> out;
    out.push_back(std::make_unique<Folders>(server));
    out.push_back(std::make_unique<DataSources>(server));
    out.push_back(std::make_unique<Dashboards>(server));
    return out;
}

} // namespace holdfast::monitoring
