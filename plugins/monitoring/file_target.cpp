#include "file_target.hpp"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "files.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_looks{50};
constexpr auto if_there_is_a_thread = std::launch::async | std::launch::deferred; // else when it is wanted
constexpr std::size_t most_exclusions = 64; // of single edits, before they are tried one after the other

void put_back(const std::string& path, const std::optional<std::string>& text) {
    if (text)
        StagedFile(real_path(path), *text).put_in_place();
    else
        remove_file(real_path(path));
}

std::string document(const Key& key, Json spec, bool is_loaded) {
    spec["loaded"] = is_loaded;
    return sdk::dump_json(document_of(key.kind, std::move(spec)));
}

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

bool FileTarget::runs(const sdk::Call& call, const Key& key, const Json& spec, const Leaves& loaded,
                      const Evidence& evidence) {
    const auto found = loaded.find(key);
    return found != loaded.end() && is_loaded(call, spec, found->second, evidence);
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
            const Json* const spec = find(files, key);
            if (!spec) {
                results.absent(item);
                continue;
            }
            const bool is_run = runs(scope, key, *spec, *loaded_, {item.private_data()});
            sdk::Result seen = sdk::Result::done(document(key, *spec, is_run), version_of(*spec));
            if (is_run) seen.private_data = note(*spec, loaded_->at(key));
            results.emit(item, seen);
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
            if (key.kind == kind && !results.object(kind_id(kind), key.identity,
                                                    document(key, spec, runs(call, key, spec, loaded, {})),
                                                    scope(), version_of(spec)))
                return;
    }
}

void FileTarget::canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        if (!results.listening() || scope.should_stop()) return;
        try {
            Json out = sdk::parse_json(item.declared(), "monitoring.document");
            Json& spec = out.at("spec");
            spec = canonical(scope, key_of(item), std::move(spec), spec_in(item.observed()));
            spec["loaded"] = true;
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
    Prepared prepared;
    Leaves now;
    try {
        prepared = check_and_prepare(scope, files, edits, failures);
        if (scope.should_stop()) return;
        if (!edits.empty()) now = commit(scope, prepared.files, edits);
    } catch (const sdk::Error& error) {
        for (const Edit& edit : edits) failures.emplace(edit.item, error.diagnostic());
        edits.clear();
    }
    for (const auto& [item, why] : failures) results.failed(changes[item], why);
    for (std::size_t i = 0; i < edits.size(); ++i) {
        const Edit& edit = edits[i];
        sdk::Result& done = prepared.answers[i];
        if (!edit.spec.is_null()) done.private_data = note(edit.spec, now.at(edit.key));
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
        static const Json nothing;
        const Json& observed = there ? *there : nothing;
        Json declared = spec_in(change.declared()), recorded = spec_in(change.recorded());
        if (declared.contains("tests")) edit.tests = declared["tests"];
        if (recorded.is_object()) recorded = canonical(scope, edit.key, std::move(recorded), observed);
        edit.spec = to_be(observed, canonical(scope, edit.key, std::move(declared), observed), recorded);
    }
    const bool is_so = is_removal ? !there : there && *there == edit.spec;
    if (is_so && (is_removal || runs(scope, edit.key, edit.spec, loaded, {change.private_data()}))) {
        sdk::Result out = sdk::Result::unchanged({});
        if (there) out.document = document(edit.key, *there, true), out.version = version_of(*there);
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

Drafts FileTarget::drafts_with(const Files& files, const std::vector<Edit>& edits) const {
    std::map<std::string, std::vector<const Edit*>> by_path;
    for (const Edit& edit : edits) by_path[path_of(edit.key)].push_back(&edit);
    Drafts out;
    for (const auto& [path, of_file] : by_path) {
        const auto file = files.find(path);
        out[path] = text_with(file == files.end() ? nullptr : file->second.get(), of_file);
    }
    return out;
}

// The files beside those that they are to replace, and what will be answered where all goes well.
FileTarget::Prepared FileTarget::prepare(const Files& files, const Drafts& drafts,
                                         const std::vector<Edit>& edits) {
    Prepared out;
    for (const auto& [path, text] : drafts) {
        Written& one = out.files.emplace_back();
        one.path = path;
        if (const auto file = files.find(path); file != files.end()) one.before = file->second->text;
        if (!text.empty()) one.after = text;
        if (one.after && one.after != one.before)
            one.staged = std::make_unique<StagedFile>(real_path(path), *one.after);
    }
    for (const Edit& edit : edits)
        out.answers.push_back(edit.spec.is_null() ? sdk::Result::done({})
                                                  : sdk::Result::done(document(edit.key, edit.spec, true),
                                                                      version_of(edit.spec)));
    return out;
}

// Leaves the edits that the checking program has nothing against. Throws where their files cannot be staged.
FileTarget::Prepared FileTarget::check_and_prepare(const sdk::Call& call, const Files& files,
                                                   std::vector<Edit>& edits, Failures& failures) {
    if (edits.empty()) return {};
    std::optional<sdk::Diagnostic> why;
    {
        const Drafts drafts = drafts_with(files, edits);
        std::future<Prepared> prepared =
            std::async(if_there_is_a_thread, [&] { return prepare(files, drafts, edits); });
        why = complaint(call, files, drafts, edits);
        if (!why) return prepared.get();
    }
    edits = sift(call, files, std::move(edits), *why, failures);
    return prepare(files, drafts_with(files, edits), edits);
}

std::optional<sdk::Diagnostic> FileTarget::complaint(const sdk::Call& call, const Files& files,
                                                     const Drafts& drafts, const std::vector<Edit>& edits) {
    try {
        check(call, drafts, files, edits);
        return std::nullopt;
    } catch (const sdk::Error& error) {
        return error.diagnostic();
    }
}

// The edits that the checking program has nothing against, together, where it has `why` against all of them.
std::vector<Edit> FileTarget::sift(const sdk::Call& call, const Files& files, std::vector<Edit> edits,
                                   const sdk::Diagnostic& why, Failures& failures) {
    if (!are_independent()) return sift_dependent(call, files, std::move(edits), why, failures);
    edits = sift_halves(call, files, std::move(edits), why, failures);
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
Leaves FileTarget::commit(const sdk::Call& call, std::vector<Written>& files,
                          const std::vector<Edit>& edits) {
    put_in_place(files);
    try {
        reload(call);
        return verify(call, files, edits);
    } catch (const sdk::Error& error) {
        sdk::Diagnostic why = error.diagnostic();
        give_back(call, files, why);
        throw sdk::Error(why);
    }
}

// All of them or none, but for a failing rename in the middle, after which those before it come back.
void FileTarget::put_in_place(std::vector<Written>& files) {
    for (const Written& one : files)
        if (read_file(one.path) != one.before)
            throw sdk::Error(
                problem("monitoring.conflict", one.path + " was changed just now; nothing was written",
                        "plan again: the plan will show what is there now", sdk::Retry::conflict));
    for (std::size_t i = 0; i < files.size(); ++i) {
        try {
            if (files[i].staged)
                files[i].staged->put_in_place();
            else if (!files[i].after)
                remove_file(real_path(files[i].path));
        } catch (const sdk::Error&) {
            for (std::size_t done = 0; done < i; ++done)
                if (files[done].after != files[done].before) put_back(files[done].path, files[done].before);
            throw;
        }
        files[i].stamp = stamp_of(real_path(files[i].path));
    }
}

void FileTarget::reload(const sdk::Call& call) const {
    std::this_thread::sleep_for(wait_before_reload());
    reload_.carry_out(call);
}

// Asked after the server has told what it runs: what it has read until then is what was written.
bool FileTarget::are_untouched(const std::vector<Written>& written) {
    return std::all_of(written.begin(), written.end(), [](const Written& one) {
        return stamp_of(real_path(one.path)) == one.stamp && read_file(one.path) == one.after;
    });
}

// A server that was told by a command may need a moment, and may be away for one.
Leaves FileTarget::verify(const sdk::Call& call, const std::vector<Written>& written,
                          const std::vector<Edit>& edits) {
    const auto until = SteadyClock::now() + patience_;
    for (;;) {
        const bool is_last = SteadyClock::now() >= until || call.should_stop();
        try {
            Leaves loaded = ask_loaded(call);
            const Evidence evidence{{}, reload_.is_done_when_answered() && are_untouched(written)};
            const auto wrong = std::find_if(edits.begin(), edits.end(), [&](const Edit& edit) {
                return edit.spec.is_null() ? loaded.count(edit.key) != 0
                                           : !runs(call, edit.key, edit.spec, loaded, evidence);
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
            const bool is_ours = read_file(one.path) == one.after; // else it is somebody else's by now
            if (is_ours && one.after != one.before) put_back(one.path, one.before);
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
