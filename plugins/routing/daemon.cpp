#include "daemon.hpp"

#include <unistd.h>

#include <holdfast/files.hpp>
#include <holdfast/sha256.hpp>

#include "documents.hpp"

namespace holdfast::routing {

namespace {

using sdk::Json;

constexpr std::size_t max_inline_bytes = 64U << 10; // larger files are compared by their hash
constexpr const char* file_code = "routing.file";
constexpr mode_t new_file_mode = 0640;
constexpr const char* config_snapshot_format = "routing-config/1";

void put_content(Json& spec, const std::string& content) {
    if (content.size() <= max_inline_bytes && sdk::is_text(content))
        spec["content"] = content;
    else
        spec["source"] = {{"sha256", sdk::sha256_hex(content)}, {"size", content.size()}};
}

} // namespace

DesiredConfig RoutingDaemon::read_desired(const sdk::Call& call, std::string_view declared) const {
    const Json document = sdk::parse_json(declared, "routing.document");
    DesiredConfig out;
    const Json* const content = sdk::find(document, "/spec/content");
    const std::string hash = sdk::text_at(document, "/spec/source/sha256");
    if ((content != nullptr) == !hash.empty())
        throw sdk::Error({"routing.content",
                          kind_ + " declares " + (content ? "both content and source" : "no content"),
                          "write one of content and source", "/spec"});
    if (content) {
        out.content = content->get<std::string>();
    } else {
        auto blob = call.host().read_blob(hash);
        if (!blob)
            throw sdk::Error("routing.content", "the file of the commit cannot be read",
                             "see the engine's log");
        out.content = *std::move(blob);
    }
    if (const Json* names = sdk::find(document, "/spec/established"))
        out.established = names->get<std::vector<std::string>>();
    if (const Json* within = sdk::find(document, "/spec/within"))
        out.within = std::chrono::seconds(within->get<int>());
    return out;
}

std::string RoutingDaemon::document(const sdk::Call& call, const std::string& content) {
    Json spec = Json::object();
    put_content(spec, content);
    const Status about = status(call);
    spec["loaded"] = about.has_loaded;
    Json out{{"apiVersion", api_version}, {"kind", kind_}, {"spec", spec}};
    if (!about.outputs.empty()) out["status"] = about.outputs;
    return sdk::dump_json(out);
}

std::optional<std::string> RoutingDaemon::observe(const sdk::Call& call) {
    const auto content = sdk::read_file(file_code, settings_.config);
    if (!content) return std::nullopt;
    return document(call, *content);
}

std::string RoutingDaemon::canonical(const sdk::Call& call, const sdk::Item& item) const {
    const DesiredConfig desired = read_desired(call, item.declared());
    Json out = sdk::parse_json(item.declared(), "routing.document");
    Json& spec = out["spec"];
    spec.erase("content");
    spec.erase("source");
    put_content(spec, desired.content);
    spec["loaded"] = true;
    return sdk::dump_json(out);
}

sdk::Result RoutingDaemon::apply(const sdk::Scope& scope, const sdk::Change& change) {
    if (change.action() != sdk::Action::remove) return put(scope, change);
    sdk::Result out;
    out.outcome = sdk::Outcome::unchanged;
    out.diagnostics.push_back(
        {"routing.config-stays", settings_.config + " stays as it is, though nobody declares it",
         "a routing daemon does not start without its file; remove it by hand if it is gone", "",
         sdk::Retry::never, std::chrono::milliseconds(0), sdk::Severity::note});
    return out;
}

// Nothing is touched before the daemon itself has found the new file good. From then on the old file is put
// back whatever goes wrong, and the daemon with it.
sdk::Result RoutingDaemon::put(const sdk::Scope& scope, const sdk::Change& change) {
    const DesiredConfig desired = read_desired(scope, change.declared());
    const std::string path = sdk::real_path(settings_.config);
    const auto before = sdk::read_file(file_code, path);
    const std::string seen = before ? version_of(document(scope, *before)) : "";
    const bool is_so = before && *before == desired.content;
    const bool is_as_observed = change.version().empty() || change.version() == seen;
    if ((!is_as_observed || (before && change.action() == sdk::Action::create)) && !is_so)
        throw sdk::Error({"routing.conflict",
                          settings_.config + " was changed after it was observed; nothing was written",
                          "plan again: the plan will show what is there now", "", sdk::Retry::conflict});
    sdk::StagedFile staged(file_code, path, desired.content, new_file_mode);
    check(scope, staged.path(), settings_.config);
    if (!is_so && sdk::read_file(file_code, path) != before)
        throw sdk::Error({"routing.conflict", settings_.config + " was changed just now; nothing was written",
                          "plan again: the plan will show what is there now", "", sdk::Retry::conflict});
    if (!is_so) staged.put_in_place();
    try {
        load(scope, desired);
    } catch (const sdk::Error& error) {
        sdk::Diagnostic why = error.diagnostic();
        if (before && !is_so) sdk::StagedFile(file_code, path, *before, new_file_mode).put_in_place();
        if (!before) unlink(path.c_str());
        try {
            load_back(scope);
            why.message += "; the file and the daemon are as they were before";
        } catch (const sdk::Error& again) {
            why.message +=
                "; the old file is back, but the daemon did not take it: " + std::string(again.what());
        }
        throw sdk::Error(why);
    }
    sdk::Result out = sdk::Result::done(document(scope, desired.content));
    out.version = version_of(out.document);
    out.refreshed = change.refresh();
    return out;
}

std::string RoutingDaemon::snapshot(const sdk::Call&) {
    const auto content = sdk::read_file(file_code, settings_.config);
    Json out{{"format", config_snapshot_format}, {"kind", kind_}};
    if (content) {
        std::vector<int> bytes; // any bytes, as JSON has no other way
        if (sdk::is_text(*content))
            out["content"] = *content;
        else
            for (const char c : *content) bytes.push_back(static_cast<unsigned char>(c));
        if (!bytes.empty()) out["bytes"] = bytes;
    }
    return sdk::dump_json(out);
}

void RoutingDaemon::restore(const sdk::Call& call, std::string_view snapshot) {
    const Json saved = sdk::parse_json(snapshot, "routing.snapshot");
    if (saved.value("format", "") != config_snapshot_format || saved.value("kind", "") != kind_)
        throw sdk::Error("routing.snapshot", "the snapshot is not one of " + kind_, "nothing was restored");
    const std::string path = sdk::real_path(settings_.config);
    std::string content = saved.value("content", "");
    for (const Json& byte : saved.value("bytes", Json::array()))
        content += static_cast<char>(byte.get<unsigned char>());
    const bool was_there = saved.contains("content") || saved.contains("bytes");
    if (!was_there) {
        unlink(path.c_str());
        return; // what the daemon ran then is not known to anybody
    }
    if (sdk::read_file(file_code, path) != content)
        sdk::StagedFile(file_code, path, content, new_file_mode).put_in_place();
    load_back(call);
}

} // namespace holdfast::routing
