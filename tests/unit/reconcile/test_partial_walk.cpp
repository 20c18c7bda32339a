// Two worlds see the same random edits: one looks only at what changed, the other at everything. Plans,
// ledgers and targets have to be the same after every step.

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include <fmt/core.h>

#include "partial_world.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

struct Declared {
    std::string file, value = "v0", depends_on, takes_from, refresh_on;
    int wave = 0;
    bool is_bundle = false;
};

// The lines that only one of the two has.
std::string differences(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
    std::string text;
    for (const std::string& line : part)
        if (std::find(whole.begin(), whole.end(), line) == whole.end()) text += "part  " + line + "\n";
    for (const std::string& line : whole)
        if (std::find(part.begin(), part.end(), line) == part.end()) text += "whole " + line + "\n";
    return text;
}

class Walk {
public:
    explicit Walk(unsigned seed) : random_(seed) {
        for (int i = 0; i < 12; ++i)
            documents_[fmt::format("n{}", i)] = {.file = fmt::format("app/f{}.yaml", i % 7)};
        documents_["d0"] = {.file = "db/d.yaml"};
        write_all();
    }

    void step() {
        touched_.clear();
        doing_ = edit();
        write_all();
        for (const char* stack : {"app", "db"}) {
            const StackOutcome part = narrow_.pass(Reach::changed, touched_, stack);
            const StackOutcome whole = wide_.pass(Reach::everything, {}, stack);
            INFO("stack " << stack << ", " << doing_ << ", " << part.why_everything);
            INFO("part:\n" << problems_of(part) << "whole:\n" << problems_of(whole));
            CHECK(to_string(part.result) == to_string(whole.result));
            CHECK(lines_of_changes(part) == lines_of_changes(whole));
            CHECK(part.leaves == whole.leaves);
            CHECK(part.documents == whole.documents);
            CHECK(part.files == whole.files);
            REQUIRE(differences(narrow_.ledger(), wide_.ledger()) == "");
            REQUIRE(differences(narrow_.target(), wide_.target()) == "");
            ++looked[part.looked];
        }
    }

    std::map<StackOutcome::Looked, int> looked;

private:
    std::size_t below(std::size_t end) {
        return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
    }
    std::string any_name() {
        auto it = documents_.begin();
        std::advance(it, static_cast<std::ptrdiff_t>(below(documents_.size())));
        return it->first;
    }
    std::string any_file() { return fmt::format("app/f{}.yaml", below(9)); }

    std::string edit() {
        const std::string name = any_name(), other = any_name();
        Declared& document = documents_.at(name);
        switch (below(15)) {
            case 0:
            case 1: {
                const std::string made = fmt::format("n{}", 12 + next_++);
                documents_[made] = {.file = any_file()};
                return "add " + made;
            }
            case 2:
                if (documents_.size() > 8) documents_.erase(name);
                return "remove " + name;
            case 3:
            case 4: document.value = fmt::format("v{}", ++next_); return "change " + name;
            case 5: document.file = any_file(); return "move " + name + " to " + document.file;
            case 6: comments_.insert(document.file); return "comment in " + document.file;
            case 7: document.depends_on = document.depends_on.empty() ? other : ""; return "depend " + name;
            case 8:
                document.takes_from = document.takes_from.empty() ? other : "";
                return "reference " + name;
            case 9: document.refresh_on = document.refresh_on.empty() ? other : ""; return "refresh " + name;
            case 10: document.wave = static_cast<int>(below(3)); return "wave of " + name;
            case 11: touch(name, R"({"value":"by hand"})"); return "hand edit of " + name;
            case 12: touch(name, ""); return "delete by hand " + name;
            case 13: document.is_bundle = !document.is_bundle; return "bundle " + name;
            default: return "nothing";
        }
    }

    void touch(const std::string& name, const std::string& spec) {
        narrow_.by_hand(name, spec);
        wide_.by_hand(name, spec);
        touched_.push_back(PartialWorld::touched(name));
    }

    static std::string id(const std::string& name, const Declared& document) {
        return fmt::format("memory.holdfast.dev/{}/{}", document.is_bundle ? "Bundle" : "Object", name);
    }

    std::string text_of(const std::string& name, const Declared& document) const {
        std::string annotations = fmt::format("holdfast.dev/wave: \"{}\"", document.wave);
        const auto name_it = [&](const char* key, const std::string& other) {
            if (auto it = documents_.find(other); it != documents_.end() && other != name)
                annotations += fmt::format(", holdfast.dev/{}: {}", key, id(other, it->second));
        };
        name_it("depends-on", document.depends_on);
        name_it("refresh-on", document.refresh_on);
        std::string spec = "value: " + document.value;
        if (auto it = documents_.find(document.takes_from); it != documents_.end() && it->first != name)
            spec +=
                fmt::format(", from: \"${{{{ outputs['{}'].status.value }}}}\"", id(it->first, it->second));
        if (document.is_bundle)
            spec =
                fmt::format("objects: {{{0}-a: {{value: {1}}}, {0}-b: {{{2}}}}}", name, document.value, spec);
        return PartialWorld::document(name, spec, annotations, document.is_bundle ? "Bundle" : "Object");
    }

    void write_all() {
        std::map<std::string, std::string> files;
        for (const std::string& file : files_) files[file];
        for (const auto& [name, document] : documents_) {
            std::string& text = files[document.file];
            if (text.empty() && comments_.contains(document.file)) text = "# A comment\n";
            text += (text.find("kind:") == std::string::npos ? "" : "---\n") + text_of(name, document);
        }
        for (PartialWorld* world : {&narrow_, &wide_}) {
            for (const auto& [file, text] : files)
                if (text.empty())
                    world->remove(file);
                else
                    world->write(file, text);
            world->commit();
        }
        files_.clear();
        for (const auto& [file, text] : files)
            if (!text.empty()) files_.insert(file);
    }

    std::mt19937 random_;
    PartialWorld narrow_, wide_;
    std::map<std::string, Declared> documents_;
    std::set<std::string> comments_, files_;
    std::vector<Touched> touched_;
    std::string doing_;
    int next_ = 0;
};

} // namespace

TEST_CASE("a pass over what changed ends as one over everything does") {
    const char* scale = std::getenv("HOLDFAST_TEST_SCALE");
    const int walks = 4 * (scale ? std::max(1, std::atoi(scale)) : 1);
    const char* wanted = std::getenv("HOLDFAST_TEST_SEED");
    std::map<StackOutcome::Looked, int> looked;
    for (int walk = 0; walk < walks; ++walk) {
        const unsigned seed =
            wanted ? static_cast<unsigned>(std::atoi(wanted)) : 20261123U + static_cast<unsigned>(walk);
        INFO("HOLDFAST_TEST_SEED=" << seed);
        Walk steps(seed);
        for (int i = 0; i < 25; ++i) {
            INFO("step " << i);
            steps.step();
        }
        for (const auto& [how, count] : steps.looked) looked[how] += count;
        if (wanted) break;
    }
    // It would be no test if everything were looked at anyway.
    CHECK(looked[StackOutcome::Looked::at_part] > walks * 5);
    CHECK(looked[StackOutcome::Looked::at_nothing] > walks * 5);
}
