#include "job_file.hpp"

#include <algorithm>
#include <cstdio>

#include <fnmatch.h>

#include <holdfast/sha256.hpp>

#include "alerts.hpp"
#include "files.hpp"
#include "jobs.hpp"
#include "yaml.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr const char* job_header =
    "# Jobs that Holdfast declares are written by it: change them in Git. The rest stays as it is.\n";
constexpr std::pair<int, int> first_with_fragments{2, 43};

// "2.42.0+ds" -> 2, 42.
std::pair<int, int> version_numbers(const std::string& version) {
    std::pair<int, int> out{0, 0};
    if (std::sscanf(version.c_str(), "%d.%d", &out.first, &out.second) != 2) return {0, 0};
    return out;
}

std::string absolute(const std::string& path, const std::string& folder) {
    return path.empty() || path.front() == '/' ? path : folder + "/" + path;
}

} // namespace

JobFile::JobFile(const Json& config)
    : FileTarget(Server("Prometheus", config),
                 Reload(Server("Prometheus", config), read_command(config, "reload")),
                 read_command(config, "checkConfig"),
                 read_command(config, "reload").is_set() ? read_command(config, "reload").timeout
                                                         : std::chrono::milliseconds(2000)),
      prometheus_(server()),
      path_(sdk::text_at(config, "/jobs")),
      seen_as_(sdk::text_at(config, "/jobsSeenAs", path_)) {
    if (path_.empty() || path_.front() != '/')
        throw sdk::Error("monitoring.config", "the file of scrape jobs is named by no absolute path",
                         "write prometheus.jobs: /etc/prometheus/prometheus.yml, or where it is");
    if (!check_command().is_set())
        throw sdk::Error("monitoring.config", "prometheus.jobs is set, and no command that checks the file",
                         "set prometheus.checkConfig to a command of the operator's: promtool check config");
}

std::string JobFile::target_id() const {
    return "jobs:" + lasting_id(folder_of(real_path(path_))) + ":" + path_.substr(path_.rfind('/') + 1);
}

std::string JobFile::folder() const { return folder_of(real_path(path_)); }

std::string JobFile::mark(const sdk::Call& call) const {
    return sdk::sha256_hex(read_file(path_).value_or("")) + " " + prometheus_.load_mark(call);
}

// ---- the file ----

Json JobFile::parse(const std::string& text, const std::string& path) const {
    Json content = read_yaml(text, path);
    if (content.is_null()) content = Json::object();
    if (!content.is_object())
        throw sdk::Error("monitoring.yaml", path + " is no configuration: it is no map");
    Json& jobs = content[jobs_key];
    if (jobs.is_null()) jobs = Json::array();
    if (!jobs.is_array())
        throw sdk::Error("monitoring.yaml", path + " is no configuration: scrape_configs is no list");
    return content;
}

Leaves JobFile::leaves_in(const Json& content, const std::string& path) const {
    Leaves out;
    for (const Json& job : content.value(jobs_key, Json::array())) {
        if (!job.is_object()) continue;
        const std::string name = sdk::text_at(job, "/job_name");
        if (!out.emplace(job_key(name), canonical_job(job)).second)
            throw sdk::Error("monitoring.yaml", path + " has two jobs of the name " + name,
                             "Prometheus refuses such a file; rename one of them by hand");
    }
    return out;
}

std::string JobFile::text_with(const ConfigFile* there, const std::vector<const Edit*>& edits) const {
    Json content = there ? there->content : Json();
    if (!content.is_object()) content = Json::object();
    if (!content[jobs_key].is_array()) content[jobs_key] = Json::array();
    auto& jobs = content[jobs_key].get_ref<Json::array_t&>();
    for (const Edit* edit : edits) {
        const std::string name = job_name_of(edit->key);
        const auto place = std::find_if(jobs.begin(), jobs.end(), [&](const Json& job) {
            return job.is_object() && sdk::text_at(job, "/job_name") == name;
        });
        if (edit->spec.is_null()) {
            if (place != jobs.end()) jobs.erase(place);
        } else if (place == jobs.end()) {
            jobs.push_back(edit->spec);
        } else {
            *place = edit->spec;
        }
    }
    if (there && !there->text.empty())
        if (auto kept = with_jobs(there->text, content)) return *std::move(kept);
    return job_header + print_yaml(content);
}

Json JobFile::canonical(const sdk::Call&, const Key& key, Json spec, const Json&) {
    Json out = canonical_job(spec);
    out["job_name"] = job_name_of(key);
    return out;
}

// A job has one way to log in: another one that somebody wrote into it goes.
Json JobFile::to_be(const Json& there, Json declared, const Json& recorded) const {
    constexpr const char* ways[] = {"basic_auth", "authorization", "oauth2", "bearer_token",
                                    "bearer_token_file"};
    Json out = merged(there, declared, recorded);
    if (std::any_of(std::begin(ways), std::end(ways),
                    [&](const char* way) { return declared.contains(way); }))
        for (const char* way : ways)
            if (!declared.contains(way)) out.erase(way);
    return out;
}

// ---- what Prometheus says ----

bool JobFile::is_ours(const std::string& path) const {
    return path == seen_as_ || (seen_as_ == path_ && real_path(path) == real_path(path_));
}

JobFile::Reading JobFile::how_it_is_read(const sdk::Call& call, const Json& configuration) const {
    const Json flags = prometheus_.get(call, "status/flags");
    const std::string file = absolute(flags.value("config.file", ""), // tidy: not a code
                                      prometheus_.get(call, "status/runtimeinfo").value("CWD", "/"));
    if (is_ours(file)) return Reading::as_its_configuration;
    for (const Json& pattern : configuration.value("scrape_config_files", Json::array()))
        if (fnmatch(absolute(pattern.get<std::string>(), folder_of(file)).c_str(), seen_as_.c_str(),
                    FNM_PATHNAME) == 0)
            return Reading::as_fragment;
    const std::string version = prometheus_.get(call, "status/buildinfo").value("version", "");
    const bool is_old =
        version_numbers(version) != std::pair(0, 0) && version_numbers(version) < first_with_fragments;
    if (is_old)
        throw sdk::Error("monitoring.too-old",
                         "Prometheus " + version + " knows no scrape_config_files, and " + seen_as_ +
                             " is not its configuration: that is " + file,
                         "name that file in prometheus.jobs, or run Prometheus 2.43 or later");
    throw sdk::Error("monitoring.not-read",
                     "Prometheus does not read " + seen_as_ + ": its configuration is " + file,
                     "add scrape_config_files: [\"" + seen_as_ +
                         "\"] to it, or name it in prometheus.jobs; jobsSeenAs says how Prometheus sees the "
                         "file");
}

// Prometheus shows its configuration without secrets and in its own words, and fragments not at all. It runs
// what it read at the last reload that went well, so where the file is older than that, it runs the file.
Leaves JobFile::ask_loaded(const sdk::Call& call) {
    const std::string url = server().url() + "/api/v1/status/config";
    const Json shown = read_yaml(prometheus_.get(call, "status/config").value("yaml", ""), url);
    const Reading reading = how_it_is_read(call, shown.is_object() ? shown : Json::object());
    const std::optional<double> read = prometheus_.last_good_reload(call);
    if (read && was_changed_before(path_, *read)) {
        const auto text = read_file(path_);
        return text ? leaves_in(parse(*text, path_), path_) : Leaves();
    }
    return reading == Reading::as_its_configuration && shown.is_object() ? leaves_in(shown, url) : Leaves();
}

bool JobFile::is_loaded(const sdk::Call&, const Json& spec, const Json& loaded, const Evidence&) {
    return is_within(spec, loaded);
}

std::string JobFile::where_to_look() const { return "its log says what it did not like about " + seen_as_; }

// Beside the file itself, so that paths in it lead where they do there.
void JobFile::check(const sdk::Call& call, const Drafts& drafts, const Files&,
                    const std::vector<Edit>& edits) {
    try {
        for (const auto& [path, text] : drafts) {
            const StagedFile candidate(real_path(path), text);
            run_check(call, check_command(), {candidate.path()}, candidate.path(), path_,
                      "monitoring.bad-config");
        }
    } catch (const sdk::Error& error) {
        sdk::Diagnostic why = error.diagnostic();
        for (const Edit& edit : edits) why.message = without_secrets(std::move(why.message), edit.spec);
        throw sdk::Error(why);
    }
}

} // namespace holdfast::monitoring
