#include "file_target.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "files.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_looks{50};
constexpr std::size_t most_exclusions = 64; // of single edits, before they are tried one after the other

} // namespace

// ---- reading ----

// A file whose text has not changed is not parsed again.
Files FileTarget::read_files() {
    Files out;
    for (const std::string& path : paths()) {
        const auto text = read_file(path);
        if (!text) continue;
        const auto known = known_.find(path);
        if (known != known_.end() && known->second->text == *text) {
            out.emplace(path, known->second);
            continue;
        }
        auto file = std::make_shared<ConfigFile>();
        file->text = *text;
        try {
            file->content = parse(*text, path);
            file->leaves = leaves_in(file->content, path);
        } catch (const sdk::Error& error) {
            file->broken = error.diagnostic();
        }
        out.emplace(path, std::move(file));
    }
    known_ = out;
    return out;
}

// Throws where the object's file cannot be read.
const Json* FileTarget::find(const Files& files, const Key& key) const {
    const auto file = files.find(path_of(key));
    if (file == files.end()) return nullptr;
    if (file->second->broken) throw sdk::Error(*file->second->broken);
    const auto found = file->second->leaves.find(key);
    return found == file->second->leaves.end() ? nullptr : &found->second;
}

bool FileTarget::runs(const sdk::Call& call, const Key& key, const Json& spec, const Leaves& loaded) {
    const auto found = loaded.find(key);
    return found != loaded.end() && is_loaded(call, spec, found->second);
}

std::string FileTarget::document(const sdk::Call& call, const Key& key, const Json& spec,
                                 const Leaves& loaded) {
    Json shown_spec = spec;
    shown_spec["loaded"] = runs(call, key, spec, loaded);
    return sdk::dump_json(document_of(key.kind, std::move(shown_spec)));
}

void FileTarget::observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    if (items.empty()) return;
    loaded_.reset();
    const Files files = read_files();
    loaded_ = ask_loaded(scope);
    for (const sdk::Item& item : items) {
        if (!results.listening() || scope.should_stop()) return;
        try {
            const Key key = key_of(item);
            if (const Json* spec = find(files, key))
                results.done(item, document(scope, key, *spec, *loaded_), version_of(*spec));
            else
                results.absent(item);
        } catch (const sdk::Error& error) {
            results.failed(item, error.diagnostic());
        }
    }
}

void FileTarget::list(const sdk::Call& call, const std::string& kind, sdk::Results& results) {
    const Files files = read_files();
    const Leaves loaded = ask_loaded(call);
    for (const auto& [path, file] : files) {
        if (file->broken) throw sdk::Error(*file->broken);
        for (const auto& [key, spec] : file->leaves)
            if (key.kind == kind &&
                !results.object(kind_id(kind), key.identity, document(call, key, spec, loaded), scope(),
                                version_of(spec)))
                return;
    }
}

void FileTarget::canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        if (!results.listening() || scope.should_stop()) return;
        try {
            Json out = sdk::parse_json(item.declared(), "monitoring.document");
            out["spec"] = canonical(scope, key_of(item), out.at("spec"), spec_in(item.observed()));
            out["spec"]["loaded"] = true;
            results.done(item, sdk::dump_json(out));
        } catch (const sdk::Error& error) {
            results.failed(item, error.diagnostic());
        }
    }
}

void FileTarget::review(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    const Files files = read_files();
    if (!loaded_) loaded_ = ask_loaded(scope);
    std::vector<Edit> edits;
    for (const sdk::Change& change : changes)
        edits.push_back({change.index(), key_of(change),
                         change.action() == sdk::Action::remove ? Json() : spec_in(change.declared()),
                         nullptr});
    Failures failures;
    refuse(files, *loaded_, edits, failures);
    for (const sdk::Change& change : changes)
        if (const auto found = failures.find(change.index()); found != failures.end())
            results.failed(change, found->second);
        else
            results.as_declared(change);
}

// ---- writing ----

void FileTarget::apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) {
    if (changes.empty()) return;
    Files files;
    Leaves loaded;
    try {
        files = read_files();
        loaded = loaded_ ? *std::exchange(loaded_, std::nullopt) : ask_loaded(scope);
    } catch (const sdk::Error& error) { // nothing was touched
        for (const sdk::Change& change : changes) results.failed(change, error.diagnostic());
        return;
    }
    std::vector<Edit> edits;
    for (const sdk::Change& change : changes) {
        if (!results.listening() || scope.should_stop()) return;
        try {
            if (auto edit = judge(scope, change, files, loaded, results)) edits.push_back(*std::move(edit));
        } catch (const sdk::Error& error) {
            results.failed(change, error.diagnostic());
        }
    }
    Failures failures;
    refuse(files, loaded, edits, failures);
    edits = sift(scope, files, std::move(edits), failures);
    if (scope.should_stop()) return;
    std::optional<Leaves> now;
    try {
        if (!edits.empty()) now = commit(scope, files, edits);
    } catch (const sdk::Error& error) {
        for (const Edit& edit : edits) failures.emplace(edit.item, error.diagnostic());
        edits.clear();
    }
    for (const auto& [item, why] : failures) results.failed(changes[item], why);
    for (const Edit& edit : edits) {
        sdk::Result done = sdk::Result::done({});
        if (!edit.spec.is_null()) {
            done.document = document(scope, edit.key, edit.spec, *now);
            done.version = version_of(edit.spec);
        }
        done.refreshed = changes[edit.item].refresh();
        results.emit(changes[edit.item], done);
    }
}

// What is to be written for a change; nothing where it is so already, and it has been said so.
std::optional<Edit> FileTarget::judge(const sdk::Scope& scope, const sdk::Change& change, const Files& files,
                                      const Leaves& loaded, sdk::Results& results) {
    Edit edit{change.index(), key_of(change), nullptr, nullptr};
    const Json* const there = find(files, edit.key);
    const bool is_removal = change.action() == sdk::Action::remove;
    if (const auto why = is_removal ? reason_to_stay(edit.key) : std::nullopt) {
        sdk::Result out = sdk::Result::unchanged({});
        out.diagnostics.push_back(*why);
        results.emit(change, out);
        return std::nullopt;
    }
    if (!is_removal) {
        const Json declared = spec_in(change.declared());
        const Json observed = there ? *there : Json();
        const Json recorded = spec_in(change.recorded());
        edit.spec = to_be(observed, canonical(scope, edit.key, declared, observed),
                          recorded.is_object() ? canonical(scope, edit.key, recorded, observed) : recorded);
        if (declared.contains("tests")) edit.tests = declared["tests"];
    }
    const bool is_so = is_removal ? !there : there && *there == edit.spec;
    if (is_so && (is_removal || runs(scope, edit.key, edit.spec, loaded))) {
        sdk::Result out = sdk::Result::unchanged({});
        if (there) out.document = document(scope, edit.key, *there, loaded), out.version = version_of(*there);
        out.refreshed = change.refresh();
        results.emit(change, out);
        return std::nullopt;
    }
    const bool is_as_observed =
        change.action() == sdk::Action::create
            ? !there
            : change.version().empty() || (there && change.version() == version_of(*there));
    if (!is_so && !is_as_observed) throw sdk::Error(conflict(edit.key));
    return edit;
}

FileTarget::Contents FileTarget::contents_with(const Files& files, const std::vector<Edit>& edits) const {
    std::map<std::string, std::vector<const Edit*>> by_path;
    for (const Edit& edit : edits) by_path[path_of(edit.key)].push_back(&edit);
    Contents out;
    for (const auto& [path, of_file] : by_path) {
        const auto file = files.find(path);
        sdk::Json& content = out[path];
        if (file != files.end()) content = file->second->content;
        change(content, of_file);
    }
    return out;
}

std::optional<sdk::Diagnostic> FileTarget::complaint(const sdk::Call& call, const Files& files,
                                                     const std::vector<Edit>& edits) {
    try {
        check(call, contents_with(files, edits), files, edits);
        return std::nullopt;
    } catch (const sdk::Error& error) {
        return error.diagnostic();
    }
}

// The edits that the checking program has nothing against, together.
std::vector<Edit> FileTarget::sift(const sdk::Call& call, const Files& files, std::vector<Edit> edits,
                                   Failures& failures) {
    if (edits.empty()) return edits;
    const auto why = complaint(call, files, edits);
    if (!why) return edits;
    if (!are_independent()) return sift_dependent(call, files, std::move(edits), *why, failures);
    edits = sift_halves(call, files, std::move(edits), *why, failures);
    if (edits.empty() || call.should_stop()) return edits;
    if (const auto together = complaint(call, files, edits)) {
        for (const Edit& edit : edits) failures.emplace(edit.item, *together);
        edits.clear();
    }
    return edits;
}

std::vector<Edit> FileTarget::sift_halves(const sdk::Call& call, const Files& files, std::vector<Edit> edits,
                                          const sdk::Diagnostic& why, Failures& failures) {
    if (edits.size() == 1) {
        failures.emplace(edits.front().item, why);
        return {};
    }
    std::vector<Edit> out;
    const auto middle = edits.begin() + static_cast<std::ptrdiff_t>(edits.size() / 2);
    for (std::vector<Edit> half :
         {std::vector<Edit>(edits.begin(), middle), std::vector<Edit>(middle, edits.end())}) {
        if (call.should_stop()) return {};
        if (const auto still = complaint(call, files, half))
            half = sift_halves(call, files, std::move(half), *still, failures);
        std::move(half.begin(), half.end(), std::back_inserter(out));
    }
    return out;
}

// Edits that need each other, as a route needs its receiver: first without each of them, which finds a
// single culprit; then one after the other, as long as there is one more that fits.
std::vector<Edit> FileTarget::sift_dependent(const sdk::Call& call, const Files& files,
                                             std::vector<Edit> edits, const sdk::Diagnostic& why,
                                             Failures& failures) {
    for (std::size_t i = 0; edits.size() > 1 && edits.size() <= most_exclusions && i < edits.size(); ++i) {
        if (call.should_stop()) return {};
        std::vector<Edit> rest = edits;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
        if (complaint(call, files, rest)) continue;
        failures.emplace(edits[i].item, why);
        return rest;
    }
    std::vector<Edit> out;
    std::map<std::size_t, sdk::Diagnostic> reasons;
    for (bool has_grown = true; has_grown && !edits.empty();) {
        has_grown = false;
        for (std::size_t i = 0; i < edits.size();) {
            if (call.should_stop()) return {};
            out.push_back(edits[i]);
            if (const auto still = complaint(call, files, out)) {
                reasons.insert_or_assign(edits[i++].item, *still);
                out.pop_back();
                continue;
            }
            edits.erase(edits.begin() + static_cast<std::ptrdiff_t>(i));
            has_grown = true;
        }
    }
    for (const Edit& edit : edits) failures.emplace(edit.item, reasons.at(edit.item));
    return out;
}

// Throws after everything is as it was, or says in the message what is not.
Leaves FileTarget::commit(const sdk::Call& call, const Files& files, const std::vector<Edit>& edits) {
    std::vector<Written> written;
    for (auto& [path, content] : contents_with(files, edits)) {
        const auto file = files.find(path);
        Written one{path, std::nullopt, {}};
        if (file != files.end()) one.before = file->second->text;
        one.after = print(content, one.before.value_or(""));
        if (one.after->empty()) one.after.reset();
        if (one.before != one.after) written.push_back(std::move(one));
    }
    write(written);
    try {
        reload(call);
        return verify(call, edits);
    } catch (const sdk::Error& error) {
        sdk::Diagnostic why = error.diagnostic();
        give_back(call, written, why);
        throw sdk::Error(why);
    }
}

// All of them or none, but for a failing rename in the middle, after which those before it come back.
void FileTarget::write(const std::vector<Written>& written) const {
    std::vector<std::unique_ptr<StagedFile>> staged;
    for (const Written& one : written)
        staged.push_back(one.after ? std::make_unique<StagedFile>(real_path(one.path), *one.after) : nullptr);
    for (const Written& one : written)
        if (read_file(one.path) != one.before)
            throw sdk::Error(
                problem("monitoring.conflict", one.path + " was changed just now; nothing was written",
                        "plan again: the plan will show what is there now", sdk::Retry::conflict));
    for (std::size_t i = 0; i < written.size(); ++i) {
        try {
            if (staged[i])
                staged[i]->put_in_place();
            else
                remove_file(real_path(written[i].path));
        } catch (const sdk::Error&) {
            for (std::size_t done = 0; done < i; ++done)
                if (written[done].before)
                    StagedFile(real_path(written[done].path), *written[done].before).put_in_place();
                else
                    remove_file(written[done].path);
            throw;
        }
    }
}

void FileTarget::reload(const sdk::Call& call) const {
    std::this_thread::sleep_for(wait_before_reload());
    reload_.carry_out(call);
}

// A server that was told by a command may need a moment, and may be away for one.
Leaves FileTarget::verify(const sdk::Call& call, const std::vector<Edit>& edits) {
    const auto until = SteadyClock::now() + patience_;
    for (;;) {
        const bool is_last = SteadyClock::now() >= until || call.should_stop();
        try {
            Leaves loaded = ask_loaded(call);
            const auto wrong = std::find_if(edits.begin(), edits.end(), [&](const Edit& edit) {
                return edit.spec.is_null() ? loaded.count(edit.key) != 0
                                           : !runs(call, edit.key, edit.spec, loaded);
            });
            if (wrong == edits.end()) return loaded;
            if (is_last)
                throw sdk::Error("monitoring.not-loaded",
                                 server_.name() + " was told to reload and " +
                                     (wrong->spec.is_null() ? "still runs " : "does not run ") +
                                     shown(wrong->key) + " as it was written",
                                 where_to_look());
        } catch (const sdk::Error& error) {
            if (is_last || error.diagnostic().code == "monitoring.not-loaded") throw;
        }
        std::this_thread::sleep_for(between_looks);
    }
}

void FileTarget::give_back(const sdk::Call& call, const std::vector<Written>& written,
                           sdk::Diagnostic& why) const {
    try {
        for (const Written& one : written) {
            if (read_file(one.path) != one.after) continue; // somebody else's by now
            if (one.before)
                StagedFile(real_path(one.path), *one.before).put_in_place();
            else
                remove_file(real_path(one.path));
        }
    } catch (const sdk::Error& error) {
        why.message += "; and the old files could not be put back: " + std::string(error.what());
        return;
    }
    try {
        reload(call);
        why.message += "; the files and " + server_.name() + " are as they were before";
    } catch (const sdk::Error& error) {
        why.message += "; the old files are back, and " + server_.name() +
                       " could not be told so: " + std::string(error.what());
    }
}

void FileTarget::run_check(const sdk::Call& call, const Command& command,
                           const std::vector<std::string>& files, const std::string& folder,
                           const std::string& shown_folder, const char* code) const {
    const sdk::ProgramResult ran = command.carry_out(call, files);
    if (ran.exit_code == 0) return;
    const std::string said = said_by(ran.output, folder, shown_folder);
    throw sdk::Error(code,
                     "the operator's command " + command.name + " refuses it: " +
                         (ran.exit_code < 0 ? "it did not end in time"
                          : said.empty()    ? "it ended with " + std::to_string(ran.exit_code)
                                            : said),
                     "correct it in Git; nothing of it was written");
}

} // namespace holdfast::monitoring
