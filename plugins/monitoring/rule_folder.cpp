#include "rule_folder.hpp"

#include <algorithm>

#include <holdfast/sha256.hpp>

#include "alerts.hpp"
#include "files.hpp"
#include "rules.hpp"
#include "yaml.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr const char* rule_header =
    "# Groups that Holdfast declares are written by it: change them in Git. Others stay as they are.\n";

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Key group_key(const std::string& file, const std::string& name) {
    Key out{"RuleGroup", "["};
    sdk::append_quoted(out.identity, file);
    out.identity += ',';
    sdk::append_quoted(out.identity, name);
    out.identity += ']';
    return out;
}

// The elements of `["file","name"]`. Thousands of them are looked at, and next to none has an escape.
std::string element(const Key& key, std::size_t index) {
    const std::string& text = key.identity;
    const std::size_t middle = text.find("\",\"");
    if (text.find('\\') != std::string::npos || middle == std::string::npos || text.compare(0, 2, "[\"") != 0)
        return sdk::parse_json(text).at(index).get<std::string>();
    return index == 0 ? text.substr(2, middle - 2) : text.substr(middle + 3, text.size() - middle - 5);
}
std::string file_of(const Key& key) { return element(key, 0); }
std::string group_name_of(const Key& key) { return element(key, 1); }

const std::string& expression_of(const Json& rule) {
    static const std::string none;
    const auto found = rule.find("expr");
    return found == rule.end() || !found->is_string() ? none : found->get_ref<const std::string&>();
}

constexpr std::size_t most_questions = 200;
// Prometheus says when a reload ended. Its files it has read at most so long before.
constexpr std::chrono::seconds longest_reload(10);

} // namespace

RuleFolder::RuleFolder(const Json& config)
    : FileTarget(Server("Prometheus", config),
                 Reload(Server("Prometheus", config), read_command(config, "reload")),
                 read_command(config, "checkRules"),
                 read_command(config, "reload").is_set() ? read_command(config, "reload").timeout
                                                         : std::chrono::milliseconds(2000)),
      prometheus_(server()),
      folder_(sdk::text_at(config, "/rules")),
      seen_as_(sdk::text_at(config, "/rulesSeenAs")),
      test_(read_command(config, "testRules")),
      allows_no_alerts_(config.value("allowNoAlerts", false)) {
    while (folder_.size() > 1 && folder_.back() == '/') folder_.pop_back();
    while (seen_as_.size() > 1 && seen_as_.back() == '/') seen_as_.pop_back();
    if (folder_.empty() || folder_.front() != '/')
        throw sdk::Error("monitoring.config", "the folder of rule files is named by no absolute path",
                         "write prometheus.rules: /etc/prometheus/rules.d, or where it is");
    if (!check_command().is_set())
        throw sdk::Error("monitoring.config", "prometheus.rules is set, and no command that checks rules",
                         "set prometheus.checkRules to a command of the operator's: promtool check rules");
}

std::string RuleFolder::target_id() const { return "rules:" + lasting_id(folder_); }

// Also of when Prometheus read its configuration last: a foreign reload may have loaded other rules.
std::string RuleFolder::mark(const sdk::Call& call) const {
    std::string all;
    for (const std::string& path : paths()) all += path + "\n" + read_file(path).value_or("") + "\n";
    return sdk::sha256_hex(all) + " " + prometheus_.load_mark(call);
}

// ---- files ----

std::vector<std::string> RuleFolder::paths() const { return files_in(folder_, {".yml", ".yaml", ".rules"}); }

std::string RuleFolder::path_of(const Key& key) const { return folder_ + "/" + file_of(key); }

Json RuleFolder::parse(const std::string& text, const std::string& path) const {
    Json content = read_yaml(text, path);
    if (content.is_null()) content = Json::object();
    if (!content.is_object())
        throw sdk::Error("monitoring.yaml", path + " is no file of rules: it is no map");
    Json& groups = content["groups"];
    if (groups.is_null()) groups = Json::array();
    if (!groups.is_array())
        throw sdk::Error("monitoring.yaml", path + " is no file of rules: groups is no list");
    return content;
}

Leaves RuleFolder::leaves_in(const Json& content, const std::string& path) const {
    Leaves out;
    const std::string file = base_name(path);
    for (const Json& group : content.at("groups")) {
        if (!group.is_object()) continue;
        Json spec = canonical_group(group);
        spec["file"] = file;
        const Key key = group_key(file, spec["name"].get<std::string>());
        if (!out.emplace(key, std::move(spec)).second)
            throw sdk::Error("monitoring.yaml", path + " has two groups of the name " + group_name_of(key),
                             "Prometheus refuses such a file; rename one of them by hand");
    }
    return out;
}

// A file without groups is no use to anybody, and promtool takes it for a good one: it goes. Groups are
// printed one by one, since a copy of thousands of them costs more than to print them.
std::string RuleFolder::text_with(const ConfigFile* there, const std::vector<const Edit*>& edits) const {
    struct Group {
        const Json* json; // null: it is to go
        bool is_foreign;  // or at least as it stands there
    };
    std::vector<Group> groups;
    std::map<std::string, std::size_t> places;
    Json rest = Json::object();
    if (there && there->content.is_object()) {
        for (const auto& [key, value] : there->content.items())
            if (key != "groups") rest[key] = value;
        for (const Json& group : there->content.at("groups")) {
            if (group.is_object()) places.emplace(sdk::text_at(group, "/name"), groups.size());
            groups.push_back({group.is_null() ? nullptr : &group, true});
        }
    }
    for (const Edit* edit : edits) {
        const auto [place, is_new] = places.emplace(group_name_of(edit->key), groups.size());
        if (is_new) groups.emplace_back();
        groups[place->second] = {edit->spec.is_null() ? nullptr : &edit->spec, false};
    }
    std::string out;
    for (const Group& group : groups) {
        if (!group.json) continue;
        Json one = Json::array();
        one.push_back(group.is_foreign ? *group.json : group_in_file(*group.json));
        out += print_yaml(one);
    }
    if (out.empty()) return {};
    out.insert(0, std::string(rule_header) + "groups:\n");
    return rest.empty() ? out : out + print_yaml(rest);
}

// ---- what Prometheus says ----

// The name of a file of this folder, of the absolute path that Prometheus has of it; empty for others.
std::string RuleFolder::own_file(const std::string& path) const {
    const std::string folder = folder_of(path);
    const bool is_ours =
        seen_as_.empty() ? folder == folder_ || real_path(folder) == real_path(folder_) : folder == seen_as_;
    return is_ours ? base_name(path) : std::string();
}

Leaves RuleFolder::ask_loaded(const sdk::Call& call) {
    questions_left_ = most_questions;
    last_reload_.reset();
    std::map<std::string, std::string> own; // by the path that Prometheus says
    std::string working_directory;          // asked for only where a path needs it, since that takes long
    Leaves out;
    foreign_alerts_ = 0;
    for (LoadedGroup& group : prometheus_.rules(call)) {
        const auto [file, is_new] = own.try_emplace(group.file);
        if (is_new) {
            const bool is_relative = !group.file.empty() && group.file.front() != '/';
            if (is_relative && working_directory.empty())
                working_directory = prometheus_.working_directory(call);
            file->second = own_file(is_relative ? working_directory + "/" + group.file : group.file);
        }
        if (file->second.empty()) {
            foreign_alerts_ += count_alerts(group.spec);
            continue;
        }
        group.spec["file"] = file->second;
        Key key = group_key(file->second, group.spec["name"].get_ref<const std::string&>());
        out.emplace(std::move(key), std::move(group.spec));
    }
    return out;
}

// Prometheus reads all rule files at a reload, so what was there before one that went well is what it runs.
bool RuleFolder::is_read_since_change(const sdk::Call& call, const std::string& file) {
    if (!last_reload_) last_reload_ = prometheus_.last_good_reload(call);
    const auto began = [&] { return **last_reload_ - std::chrono::duration<double>(longest_reload).count(); };
    return *last_reload_ && was_changed_before(folder_ + "/" + file, began());
}

// Thousands of expressions that Prometheus spells otherwise would take seconds: from some number on it is
// enough that the rest of the group is so, and that Prometheus has read the file as it is.
bool RuleFolder::is_same(const sdk::Call& call, const std::string& expression, const std::string& loaded,
                         const std::string& file, const Evidence& evidence) {
    if (is_same_but_blanks(expression, loaded)) return true;
    if (questions_left_ == 0 && (evidence.is_read || is_read_since_change(call, file))) return true;
    if (questions_left_ > 0) --questions_left_;
    return prometheus_.is_same_expression(call, expression, loaded);
}

// The pairs of expressions that are one, though they are spelled in two ways; empty where there is none.
std::string RuleFolder::note(const Json& spec, const Json& loaded) const {
    const Json &wanted = spec.at("rules"), &there = loaded.at("rules");
    Json pairs = Json::array();
    for (std::size_t i = 0; i < std::min(wanted.size(), there.size()); ++i) {
        const std::string &left = expression_of(wanted[i]), &right = expression_of(there[i]);
        if (!is_same_but_blanks(left, right)) pairs.push_back({left, right});
    }
    return pairs.empty() ? std::string() : sdk::sha256_hex(sdk::dump_json(pairs));
}

// Everything is compared, expressions by asking, unless these pairs were found to be one before.
bool RuleFolder::is_loaded(const sdk::Call& call, const Json& spec, const Json& loaded,
                           const Evidence& evidence) {
    for (const auto& [key, value] : spec.items()) // Prometheus says an interval also where none is declared
        if (key != "rules" && key != "labels" && key != "query_offset" &&
            (!loaded.contains(key) || loaded[key] != value))
            return false;
    const Json &wanted = spec.at("rules"), &there = loaded.at("rules");
    if (wanted.size() != there.size()) return false;
    const bool has_group_labels = spec.contains("labels"); // they are among the rules' there
    const bool is_noted = !evidence.note.empty() && note(spec, loaded) == evidence.note;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == there[i]) continue;
        for (const char* key : {"alert", "record", "for", "keep_firing_for", "annotations", "labels"}) {
            if (has_group_labels && std::string_view(key) == "labels") continue;
            const auto left = wanted[i].find(key), right = there[i].find(key);
            const bool is_left = left != wanted[i].end(), is_right = right != there[i].end();
            if (is_left != is_right || (is_left && *left != *right)) return false;
        }
        if (!is_noted && !is_same(call, expression_of(wanted[i]), expression_of(there[i]),
                                  spec.at("file").get_ref<const std::string&>(), evidence))
            return false;
    }
    return true;
}

// Of an expression that only spells otherwise what stands there, what stands there is taken.
Json RuleFolder::canonical(const sdk::Call& call, const Key& key, Json spec, const Json& observed) {
    Json out = canonical_group(std::move(spec));
    out["file"] = file_of(key);
    if (!observed.is_object() || !observed.contains("rules")) return out;
    Json& rules = out["rules"];
    const Json& there = observed.at("rules");
    for (std::size_t i = 0; i < std::min(rules.size(), there.size()); ++i) {
        const std::string said = there[i].value("expr", "");
        const std::string wanted = rules[i].value("expr", "");
        if (!wanted.empty() && wanted != said && prometheus_.is_same_expression(call, wanted, said))
            rules[i]["expr"] = said;
    }
    return out;
}

std::string RuleFolder::where_to_look() const {
    return "rule_files in its configuration has to name " + (seen_as_.empty() ? folder_ : seen_as_) +
           "/*.yml; see also its log";
}

// ---- checks ----

void RuleFolder::check(const sdk::Call& call, const Drafts& drafts, const Files& files,
                       const std::vector<Edit>& edits) {
    const ScratchFolder scratch;
    std::vector<std::string> staged;
    for (const auto& [path, text] : drafts)
        if (!text.empty()) staged.push_back(scratch.put(base_name(path), text));
    if (!staged.empty())
        run_check(call, check_command(), staged, scratch.path(), folder_, "monitoring.bad-rules");
    run_tests(call, drafts, files, edits);
}

// Against all groups as they are to be, since a test may be about several.
void RuleFolder::run_tests(const sdk::Call& call, const Drafts& drafts, const Files& files,
                           const std::vector<Edit>& edits) const {
    Json tests = Json::array();
    for (const Edit& edit : edits)
        if (edit.tests.is_array()) tests.insert(tests.end(), edit.tests.begin(), edit.tests.end());
    if (tests.empty()) return;
    if (!test_.is_set())
        throw sdk::Error(
            {"monitoring.no-test-command",
             "the group has unit tests, and the provider's config names no command that runs them",
             "set prometheus.testRules to a command of the operator's: promtool test rules", "/spec/tests"});
    const ScratchFolder scratch;
    Json rule_files = Json::array();
    const auto take = [&](const std::string& path, const std::string& text) {
        if (!text.empty()) rule_files.push_back(scratch.put(base_name(path), text));
    };
    for (const auto& [path, text] : drafts) take(path, text);
    for (const auto& [path, file] : files)
        if (drafts.count(path) == 0 && !file->broken) take(path, file->text);
    const Json all{{"rule_files", rule_files}, {"evaluation_interval", "1m"}, {"tests", tests}};
    const std::string path = scratch.put("holdfast-tests", print_yaml(all));
    try {
        run_check(call, test_, {path}, scratch.path(), folder_, "monitoring.tests-failed");
    } catch (const sdk::Error& error) {
        sdk::Diagnostic why = error.diagnostic();
        why.pointer = "/spec/tests";
        why.hint = "correct the rule or its test; nothing of it was written";
        throw sdk::Error(why);
    }
}

// A Prometheus that has alerts now and would have none is more often a mistake than meant: nobody would be
// woken again, and nobody be told so.
void RuleFolder::refuse(const Files& files, const Leaves& loaded, std::vector<Edit>& edits,
                        Failures& failures) {
    if (allows_no_alerts_ || foreign_alerts_ > 0) return;
    std::map<Key, std::size_t> alerts;
    for (const auto& [path, file] : files)
        for (const auto& [key, spec] : file->leaves) alerts[key] = count_alerts(spec);
    const auto total = [&] {
        std::size_t sum = 0;
        for (const auto& [key, count] : alerts) sum += count;
        return sum;
    };
    std::size_t before = total();
    for (const auto& [key, spec] : loaded) before += count_alerts(spec);
    const std::map<Key, std::size_t> had = alerts;
    for (const Edit& edit : edits) alerts[edit.key] = edit.spec.is_null() ? 0 : count_alerts(edit.spec);
    if (before == 0 || total() > 0) return;
    const auto takes_some = [&](const Edit& edit) {
        const auto found = had.find(edit.key);
        return found != had.end() && found->second > 0;
    };
    for (const Edit& edit : edits)
        if (takes_some(edit))
            failures.emplace(
                edit.item,
                problem("monitoring.no-alerts", "this would leave Prometheus without a single alerting rule",
                        "if that is meant, set prometheus.allowNoAlerts: true in the provider's config"));
    edits.erase(std::remove_if(edits.begin(), edits.end(), takes_some), edits.end());
}

} // namespace holdfast::monitoring
