// A repository's first-parent history, applied commit by commit with kills at random; after each commit all
// has to be as a fresh apply of that commit alone makes it. See --help.

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <set>
#include <sstream>

#include <git2.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "declared.hpp"
#include "kill_point.hpp"
#include "manifest/yaml.hpp"
#include "plugins/memory/store.hpp"
#include "reconcile/run.hpp"
#include "support/git_repository.hpp"
#include "support/temp_folder.hpp"

using namespace holdfast;
namespace fs = std::filesystem;

namespace {

constexpr const char* usage = R"(usage: replay [--seed N] [--last N] [--verbose] REPO PATH
       replay [--seed N] [--verbose] --generated COMMITS

Applies the first-parent history of REPO, commit by commit, as one stack in the folder PATH (. for all of
it), to the test provider memory-any, which takes documents of every group and kind. Passes are killed at
random. After each commit the target has to hold what a fresh apply of that commit makes.

REPO is only read: its commits are made anew elsewhere, with a holdfast.yaml that says where documents go.
Commits that a fresh apply cannot bring to an end either (broken documents, references to what only the
operator knows) are passed over and counted, with the reason; so is what memory-any cannot know: defaults,
schemas, and what a document of a plugin of its own would compile to.

  --seed       of the kills; 1 without
  --last       only the last N commits
  --generated  a history made up at random instead, of so many commits
)";

struct Arguments {
    unsigned seed = 1;
    std::size_t last = SIZE_MAX, generated = 0;
    bool is_verbose = false;
    std::string repository, path;
};

[[noreturn]] void refuse(const std::string& why) {
    std::cerr << "replay: " << why << "\n" << usage;
    std::exit(64);
}

std::size_t number_of(const std::string& text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) refuse(text + " is no number");
    return number;
}

Arguments parse(int count, char** words) {
    Arguments out;
    std::vector<std::string> rest;
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        const auto next = [&]() -> std::string {
            if (i + 1 == count) refuse(word + " needs a value");
            return words[++i];
        };
        if (word == "--help") {
            std::cout << usage;
            std::exit(0);
        }
        if (word == "--seed")
            out.seed = static_cast<unsigned>(number_of(next()));
        else if (word == "--last")
            out.last = number_of(next());
        else if (word == "--generated")
            out.generated = number_of(next());
        else if (word == "--verbose")
            out.is_verbose = true;
        else if (word.starts_with("-"))
            refuse("what is " + word + "?");
        else
            rest.push_back(word);
    }
    if (rest.size() != (out.generated > 0 ? 0U : 2U)) refuse("name a repository and a folder in it");
    if (!rest.empty()) out.repository = rest[0], out.path = rest[1];
    return out;
}

void must(int code) { test::GitRepository::must(code); }

std::string text_of(const git_oid& id) {
    char text[GIT_OID_HEXSZ + 1];
    return git_oid_tostr(text, sizeof text, &id);
}

// The history of another repository, made anew with our holdfast.yaml; objects are read where they are.
class History {
public:
    History(const Arguments& arguments, const std::string& folder) : folder_(folder) {
        git_repository* theirs = nullptr;
        must(git_repository_open(&theirs, arguments.repository.c_str()));
        must(git_repository_init(&ours_, folder.c_str(), true));
        std::ofstream(folder + "/objects/info/alternates") << git_repository_commondir(theirs) << "objects\n";
        git_repository_free(ours_);
        must(git_repository_open(&ours_, folder.c_str()));
        git_revwalk* walk = nullptr;
        must(git_revwalk_new(&walk, theirs));
        must(git_revwalk_simplify_first_parent(walk));
        must(git_revwalk_push_head(walk));
        for (git_oid id; git_revwalk_next(&id, walk) == 0;) commits_.insert(commits_.begin(), id);
        git_revwalk_free(walk);
        git_repository_free(theirs);
        if (commits_.size() > arguments.last)
            commits_.erase(commits_.begin(), commits_.end() - static_cast<std::ptrdiff_t>(arguments.last));
    }
    ~History() { git_repository_free(ours_); }
    History(const History&) = delete;
    History& operator=(const History&) = delete;

    const std::vector<git_oid>& commits() const { return commits_; }

    std::string subject(const git_oid& id) const {
        git_commit* commit = nullptr;
        must(git_commit_lookup(&commit, ours_, &id));
        const char* summary = git_commit_summary(commit);
        std::string text = text_of(id).substr(0, 10) + " " + (summary ? summary : "");
        git_commit_free(commit);
        return text;
    }

    // main is at that commit, with another holdfast.yaml.
    void move_to(const git_oid& id, const std::string& project) {
        git_commit *theirs = nullptr, *parent = nullptr;
        must(git_commit_lookup(&theirs, ours_, &id));
        git_tree* tree = nullptr;
        must(git_commit_tree(&tree, theirs));
        git_oid blob, tree_id, commit_id, head;
        must(git_blob_create_from_buffer(&blob, ours_, project.data(), project.size()));
        git_treebuilder* builder = nullptr;
        must(git_treebuilder_new(&builder, ours_, tree));
        must(git_treebuilder_insert(nullptr, builder, "holdfast.yaml", &blob, GIT_FILEMODE_BLOB));
        must(git_treebuilder_write(&tree_id, builder));
        git_treebuilder_free(builder);
        git_tree_free(tree);
        must(git_tree_lookup(&tree, ours_, &tree_id));
        if (git_reference_name_to_id(&head, ours_, "refs/heads/main") == 0)
            must(git_commit_lookup(&parent, ours_, &head));
        const git_commit* parents[] = {parent};
        must(git_commit_create(&commit_id, ours_, "refs/heads/main", git_commit_author(theirs),
                               git_commit_committer(theirs), nullptr, git_commit_message(theirs), tree,
                               parent ? 1 : 0, parents));
        must(git_repository_set_head(ours_, "refs/heads/main"));
        git_commit_free(parent);
        git_commit_free(theirs);
        git_tree_free(tree);
    }

    // Of everything that is declared in any of the commits: "v1/ConfigMap", and "/spec", "/metadata/labels".
    struct Found {
        std::set<std::string> kinds, fields;
    };
    Found found_below(const std::string& path) {
        Found kinds;
        std::set<std::string> seen;
        for (const git_oid& id : commits_) {
            git_commit* commit = nullptr;
            git_tree* tree = nullptr;
            must(git_commit_lookup(&commit, ours_, &id));
            must(git_commit_tree(&tree, commit));
            collect(tree, "", path == "." ? "" : path + "/", seen, kinds);
            git_tree_free(tree);
            git_commit_free(commit);
        }
        return kinds;
    }

private:
    void collect(const git_tree* tree, const std::string& at, const std::string& below,
                 std::set<std::string>& seen, Found& kinds) {
        for (std::size_t i = 0; i < git_tree_entrycount(tree); ++i) {
            const git_tree_entry* entry = git_tree_entry_byindex(tree, i);
            const std::string path = at + git_tree_entry_name(entry);
            const bool is_below = path.starts_with(below), is_above = below.starts_with(path + "/");
            const git_object_t type = git_tree_entry_type(entry);
            if (!is_below && !is_above) continue;
            if (type == GIT_OBJECT_TREE) {
                if (is_below && below == path + "/") seen.insert("");
                if (is_below && !seen.insert(path + text_of(*git_tree_entry_id(entry))).second) continue;
                git_tree* child = nullptr;
                must(git_tree_lookup(&child, ours_, git_tree_entry_id(entry)));
                collect(child, path + "/", below, seen, kinds);
                git_tree_free(child);
            } else if (type == GIT_OBJECT_BLOB && is_below &&
                       (path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json")) &&
                       seen.insert(text_of(*git_tree_entry_id(entry))).second) {
                read_kinds(*git_tree_entry_id(entry), kinds);
            }
        }
    }

    void read_kinds(const git_oid& id, Found& kinds) {
        git_blob* blob = nullptr;
        must(git_blob_lookup(&blob, ours_, &id));
        const std::string_view text(static_cast<const char*>(git_blob_rawcontent(blob)),
                                    static_cast<std::size_t>(git_blob_rawsize(blob)));
        Diagnostics ignored;
        for (const YamlDocument& document : parse_yaml(text, "f", ScalarRules::kubernetes, ignored)) {
            read_kind(document.tree, kinds);
            if (const Value* items = document.tree.find("items"); items && items->if_list())
                for (const Value& item : *items->if_list()) read_kind(item, kinds);
        }
        git_blob_free(blob);
    }

    static void read_kind(const Value& document, Found& found) {
        const std::string_view version = document.text_at("apiVersion"), kind = document.text_at("kind");
        const bool is_ours = version.starts_with("holdfast.dev/");
        if (version.empty() || kind.empty() || is_ours || version.find(' ') != version.npos) return;
        found.kinds.insert(fmt::format("{}/{}", version, kind));
        for (const MapEntry& entry : *document.if_map())
            if (entry.key.find_first_of(" /~") == std::string::npos && entry.key != "apiVersion" &&
                entry.key != "kind" && entry.key != "metadata" && entry.key != "status")
                found.fields.insert("/" + entry.key);
    }

    std::string folder_;
    git_repository* ours_ = nullptr;
    std::vector<git_oid> commits_;
};

// Ends one process's work: what it found, through a file.
struct Report {
    bool was_killed = false;
    std::string state; // settled, moving, failed
    std::string text;
};

class World {
public:
    World(std::string folder, std::string repository)
        : folder_(std::move(folder)), repository_(std::move(repository)) {
        std::ofstream(folder_ + "/keys.yaml") << "token: replayed\n";
        std::ofstream(folder_ + "/operator.yaml")
            << "secrets:\n  - name: keys\n    file: " << folder_ << "/keys.yaml\n";
        for (const char* name : {"/keys.yaml", "/operator.yaml"}) ::chmod((folder_ + name).c_str(), 0600);
        ::setenv("HOLDFAST_CONFIG", (folder_ + "/operator.yaml").c_str(), 1);
    }

    std::string objects() const { return folder_ + "/objects"; }

    std::string project(const std::string& path) const {
        return fmt::format(
            "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {{name: memory-any}}\n"
            "spec: {{plugin: memory-any, config: {{file: {}, target: replay}}}}\n---\n"
            "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {{name: replay}}\n"
            "spec: {{path: {}, adopt: always, vars: {{zone: zone}}, providers: {{\"*\": "
            "memory-any}}, limits: {{maxShare: 1.0, shareFrom: 1000000, allFrom: 1000000, "
            "maxLeaves: 1000000}}}}\n",
            objects(), to_json(Value(path)));
    }

    // One apply of everything, in a process of its own; `dies_at` as die_at_write.
    Report apply(const std::string& store, std::size_t dies_at) {
        const std::string told = folder_ + "/told";
        fs::remove(told);
        std::cout << std::flush;
        const pid_t child = ::fork();
        if (child == 0) {
            const Report report = apply_here(store, dies_at);
            die_at(0);
            std::ofstream(told) << report.state << "\n" << report.text;
            ::_exit(0);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return {true, "moving", ""};
        if (status != 0) return {false, "failed", fmt::format("it ended with status {:#x}\n", status)};
        std::ifstream file(told);
        Report report;
        std::getline(file, report.state);
        std::ostringstream rest;
        rest << file.rdbuf();
        report.text = rest.str();
        return report;
    }

    // Until nothing is left to do.
    Report settle(const std::string& store) {
        Report report;
        for (int pass = 0; pass < 4; ++pass)
            if (report = apply(store, 0); report.state != "moving") break;
        return report;
    }

    std::map<std::string, std::string> standing() const {
        std::map<std::string, std::string> all;
        memory::Store store(objects());
        for (const memory::Object& object : store.all({}, {}, true)) {
            Value document = *parse_json(object.document);
            erase_at(document, "/status");
            erase_at(document, "/apiVersion"); // another version alone is no reason to write
            all[fmt::format("{} {} {}", object.kind, object.scope, object.identity)] = to_json(document);
        }
        return all;
    }

    // What a fresh apply would make; the walked target is put back afterwards.
    std::map<std::string, std::string> fresh(Report& report) {
        const bool was_there = fs::exists(objects());
        if (was_there) fs::rename(objects(), objects() + ".walked");
        fs::remove_all(folder_ + "/fresh");
        report = settle("fresh");
        std::map<std::string, std::string> made = standing();
        fs::remove(objects());
        if (was_there) fs::rename(objects() + ".walked", objects());
        return made;
    }

private:
    static void die_at(std::size_t n) { walks::die_at_write(n); }

    Report apply_here(const std::string& store, std::size_t dies_at) {
        SystemClock clock;
        Masker masker;
        Log log(LogLevel::error, LogFormat::text, masker);
        auto session = Session::open({.directory = repository_,
                                      .store = folder_ + "/" + store,
                                      .isolation = Isolation::in_process,
                                      .plugin_paths = {HOLDFAST_BINARY_DIR "/tests/plugins"}},
                                     clock, masker, log);
        if (!session) return {false, "failed", render(session.error())};
        die_at(dies_at);
        const RunOutcome outcome = run(**session, {.mode = Mode::apply});
        Report report{.was_killed = false, .state = "moving", .text = ""};
        for (const Diagnostic& problem : outcome.problems) report.text += render(problem);
        for (const StackOutcome& stack : outcome.stacks) {
            for (const Diagnostic& problem : stack.problems) report.text += render(problem);
            if (stack.result == StackResult::parked && stack.plan())
                (*session)->store().approve(stack.stack, stack.plan()->hash, "replay", clock.now_ms());
            const bool has_failed =
                stack.result == StackResult::failed || stack.result == StackResult::invalid;
            if (has_failed) report.state = "failed";
            if (stack.result == StackResult::unchanged) report.state = "settled";
        }
        if (!outcome.problems.empty()) report.state = "failed";
        return report;
    }

    std::string folder_, repository_;
};

std::string differences(const std::map<std::string, std::string>& walked,
                        const std::map<std::string, std::string>& fresh) {
    std::string text;
    for (const auto& [name, document] : walked)
        if (auto it = fresh.find(name); it == fresh.end() || it->second != document)
            text += "  replayed: " + name + " " + document + "\n";
    for (const auto& [name, document] : fresh)
        if (auto it = walked.find(name); it == walked.end() || it->second != document)
            text += "  fresh:    " + name + " " + document + "\n";
    return text;
}

// Random edits of tests/walks, committed.
void generate(test::GitRepository& repository, unsigned seed, std::size_t commits, const KindInfo& kind) {
    walks::Declared declared;
    std::set<std::string> written;
    for (std::size_t made = 0; made < commits; ++seed)
        for (const walks::Step& step : walks::steps_of(seed, walks::Mode::engine, kind)) {
            if (declared.take(step) || step.verb != walks::Verb::commit || made == commits) continue;
            walks::Declared healthy = declared;
            healthy.heal();
            // Now and then a document stays broken: such commits are passed over.
            const std::map<std::string, std::string> files = (made % 10 == 9 ? declared : healthy).files();
            for (const std::string& path : written)
                if (!files.contains(path)) repository.remove(path);
            written.clear();
            for (const auto& [path, text] : files) {
                repository.write(path, text);
                written.insert(path);
            }
            repository.commit(fmt::format("Change {}", ++made));
        }
}

KindInfo object_kind() {
    PluginHost host({.search_path = {HOLDFAST_BINARY_DIR "/tests/plugins"}});
    const auto description = host.describe("memory", Isolation::in_process);
    if (!description) throw Error(description.error());
    return *(*description)->find("memory.holdfast.dev/v1alpha1", "Object");
}

class Replay {
public:
    explicit Replay(const Arguments& arguments)
        : arguments_(arguments),
          history_(arguments, folder_ / "repository"),
          world_(folder_.path(), folder_ / "repository"),
          dice_(arguments.seed) {
        std::string kinds, fields = "/metadata/labels /metadata/annotations";
        const History::Found found = history_.found_below(arguments.path);
        for (const std::string& kind : found.kinds) kinds += kind + " ";
        for (const std::string& field : found.fields) fields += " " + field;
        ::setenv("HOLDFAST_MEMORY_KINDS", kinds.c_str(), 1);
        ::setenv("HOLDFAST_MEMORY_FIELDS", fields.c_str(), 1);
        std::cout << fmt::format("{} commits, kinds: {}\n", history_.commits().size(), kinds);
    }

    int run() {
        for (const git_oid& id : history_.commits())
            if (!replay(id)) return 1;
        for (const auto& [why, count] : passed_over_)
            std::cout << fmt::format("passed over: {} x {}\n", count, why);
        std::cout << fmt::format(
            "{} commits replayed with {} kills, each as a fresh apply makes it; {} passed over\n", replayed_,
            kills_, history_.commits().size() - replayed_);
        return replayed_ > 0 ? 0 : 1;
    }

private:
    bool replay(const git_oid& id) {
        history_.move_to(id, world_.project(arguments_.path));
        Report fresh;
        const auto made = world_.fresh(fresh);
        for (std::size_t kills = dice_.below(3); kills > 0; --kills)
            kills_ += world_.apply("store", 1 + dice_.below(90)).was_killed ? 1 : 0;
        const Report walked = world_.settle("store");
        if (fresh.state != "settled") {
            const std::size_t at = fresh.text.rfind('[', fresh.text.find("]\n"));
            ++passed_over_[at == std::string::npos
                               ? fresh.state
                               : fresh.text.substr(at, fresh.text.find(']', at) - at + 1)];
            if (arguments_.is_verbose) std::cout << history_.subject(id) << ": passed over\n" << fresh.text;
            return true;
        }
        const std::string differs = walked.state == "settled" ? differences(world_.standing(), made)
                                                              : "it is " + walked.state + "\n" + walked.text;
        if (arguments_.is_verbose)
            std::cout << fmt::format("{}: {} objects\n", history_.subject(id), made.size());
        ++replayed_;
        if (differs.empty()) return true;
        std::cout << fmt::format(
            "FAILED: {} is not what a fresh apply makes:\n{}Again: replay --seed {} {} {}\n",
            history_.subject(id), differs, arguments_.seed, arguments_.repository, arguments_.path);
        return false;
    }

    const Arguments& arguments_;
    TempFolder folder_;
    History history_;
    World world_;
    walks::Dice dice_;
    std::map<std::string, std::size_t> passed_over_;
    std::size_t replayed_ = 0, kills_ = 0;
};

} // namespace

int main(int count, char** words) {
    Arguments arguments = parse(count, words);
    git_libgit2_init();
    int code = 1;
    try {
        std::optional<test::GitRepository> generated;
        if (arguments.generated > 0) {
            generated.emplace();
            generate(*generated, arguments.seed, arguments.generated, object_kind());
            arguments.repository = generated->path();
            arguments.path = "app";
        }
        code = Replay(arguments).run();
    } catch (const std::exception& error) {
        std::cerr << "replay: " << error.what() << '\n';
    }
    git_libgit2_shutdown();
    return code;
}
