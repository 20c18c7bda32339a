#pragma once
// Objects that stand in files which a server reads when it is told to. Shared by Prometheus' rules and
// Alertmanager's configuration; what a file looks like and how it is checked is the derived class's.
//
// A change goes this way. Every edit is tried on a copy, and the operator's checking program reads the copy:
// what it does not like fails there, alone, and the rest goes on. All new files are written beside the old
// ones before the first is renamed, so that a full disk changes nothing. Then the server is told to reload,
// and is asked what it runs. Only if that is what the files say the change is done; else the old files come
// back, and the server is told once more. An object that stands in its file but does not run is observed with
// `loaded: false`, so whoever is killed between rename and reload plans the reload again.

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "files.hpp"
#include "part.hpp"
#include "server.hpp"

namespace holdfast::monitoring {

using Leaves = std::map<Key, sdk::Json>; // specs

struct ConfigFile {
    std::string text;
    sdk::Json content;
    Leaves leaves;
    std::optional<sdk::Diagnostic> broken; // why it cannot be read; then there are no leaves
};
using Files = std::map<std::string, std::shared_ptr<const ConfigFile>>; // by path

struct Edit {
    std::size_t item = 0;
    Key key;
    sdk::Json spec;  // null: it is to go
    sdk::Json tests; // null: none
};

using Drafts = std::map<std::string, std::string>; // what files are to say, by path; empty: the file goes

// What speaks for an object being run as its file says, besides what the server tells.
struct Evidence {
    std::string_view note; // from when it was seen to run last; empty: none
    bool is_read = false;  // since the server has read all files, nobody has touched its own
};

class FileTarget : public Part {
public:
    FileTarget(const Server& server, Reload reload, Command check, std::chrono::milliseconds patience)
        : server_(server), reload_(std::move(reload)), check_(std::move(check)), patience_(patience) {}

    void observe(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void list(const sdk::Call& call, const std::string& kind, sdk::Results& results) override;
    void canonicalize(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) override;
    void review(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;
    void apply(const sdk::Scope& scope, sdk::Items changes, sdk::Results& results) override;

protected:
    using Failures = std::map<std::size_t, sdk::Diagnostic>; // by item

    // ---- what the derived class says ----
    virtual std::vector<std::string> paths() const = 0; // that exist or may
    virtual std::string path_of(const Key& key) const = 0;
    virtual sdk::Json parse(const std::string& text, const std::string& path) const = 0;
    virtual Leaves leaves_in(const sdk::Json& content, const std::string& path) const = 0;
    // A file with `edits`, in their order, which are all of it; an empty text: it goes. `there` is null where
    // there is none.
    virtual std::string text_with(const ConfigFile* there, const std::vector<const Edit*>& edits) const = 0;
    // A declared spec in the one form; `observed` may be null. Fields that are no object's are left out.
    virtual sdk::Json canonical(const sdk::Call& call, const Key& key, sdk::Json spec,
                                const sdk::Json& observed) = 0;
    // What is to stand there, of what does, what is declared, and what was recorded.
    virtual sdk::Json to_be(const sdk::Json& there, sdk::Json declared, const sdk::Json& recorded) const {
        return merged(there, std::move(declared), recorded);
    }
    // What the server runs. Throws where it does not say.
    virtual Leaves ask_loaded(const sdk::Call& call) = 0;
    virtual bool is_loaded(const sdk::Call& call, const sdk::Json& spec, const sdk::Json& loaded,
                           const Evidence& evidence) = 0;
    // Of an object that runs: what spares the next look some work. Recorded as its private data.
    virtual std::string note(const sdk::Json& /*spec*/, const sdk::Json& /*loaded*/) const { return {}; }
    // Throws with what the checking program says; `drafts` are the files that change, and `files` all
    // others.
    virtual void check(const sdk::Call& call, const Drafts& drafts, const Files& files,
                       const std::vector<Edit>& edits) = 0;
    // Why an object is not removed when nobody declares it any more; nothing: it is.
    virtual std::optional<sdk::Diagnostic> reason_to_stay(const Key&) const { return std::nullopt; }
    // May move edits to the failures, for reasons that concern all of them together. Asked of a plan, whose
    // specs are as they were declared, and again of what is about to be written.
    virtual void refuse(const Files&, const Leaves& /*loaded*/, std::vector<Edit>&, Failures&) {}
    virtual std::string where_to_look() const = 0; // hint for what was not loaded
    // Between writing and reloading.
    virtual std::chrono::milliseconds wait_before_reload() const { return {}; }
    // True where one edit is checked without the others.
    virtual bool are_independent() const = 0;

    Files read_files();
    const Server& server() const { return server_; }
    const Command& check_command() const { return check_; }
    // Runs the checking program on what is in `paths`; messages say `shown` for their folder.
    void run_check(const sdk::Call& call, const Command& command, const std::vector<std::string>& files,
                   const std::string& folder, const std::string& shown_folder, const char* code) const;

private:
    struct Written {
        std::string path;
        std::optional<std::string> before, after; // nothing: no such file
        std::unique_ptr<StagedFile> staged;       // nothing: it goes, or says that already
        std::optional<FileStamp> stamp;           // once it is in place
    };
    // What can be done while the checking program runs.
    struct Prepared {
        std::vector<Written> files;
        std::vector<sdk::Result> answers; // an edit's each, once it runs
    };

    const sdk::Json* find(const Files& files, const Key& key) const;
    bool runs(const sdk::Call& call, const Key& key, const sdk::Json& spec, const Leaves& loaded,
              const Evidence& evidence);
    std::optional<Edit> judge(const sdk::Scope& scope, const sdk::Change& change, const Files& files,
                              const Leaves& loaded, sdk::Results& results);
    Drafts drafts_with(const Files& files, const std::vector<Edit>& edits) const;
    static Prepared prepare(const Files& files, const Drafts& drafts, const std::vector<Edit>& edits);
    Prepared check_and_prepare(const sdk::Call& call, const Files& files, std::vector<Edit>& edits,
                               Failures& failures);
    std::optional<sdk::Diagnostic> complaint(const sdk::Call& call, const Files& files, const Drafts& drafts,
                                             const std::vector<Edit>& edits);
    std::optional<sdk::Diagnostic> complaint(const sdk::Call& call, const Files& files,
                                             const std::vector<Edit>& edits) {
        return complaint(call, files, drafts_with(files, edits), edits);
    }
    std::vector<Edit> sift(const sdk::Call& call, const Files& files, std::vector<Edit> edits,
                           const sdk::Diagnostic& why, Failures& failures);
    std::vector<Edit> sift_halves(const sdk::Call& call, const Files& files, std::vector<Edit> edits,
                                  const sdk::Diagnostic& why, Failures& failures);
    std::vector<Edit> sift_dependent(const sdk::Call& call, const Files& files, std::vector<Edit> edits,
                                     const sdk::Diagnostic& why, Failures& failures);
    Leaves commit(const sdk::Call& call, std::vector<Written>& files, const std::vector<Edit>& edits);
    static void put_in_place(std::vector<Written>& files);
    void reload(const sdk::Call& call) const;
    Leaves verify(const sdk::Call& call, const std::vector<Written>& written, const std::vector<Edit>& edits);
    static bool are_untouched(const std::vector<Written>& written);
    void give_back(const sdk::Call& call, const std::vector<Written>& written, sdk::Diagnostic& why) const;

    Server server_;
    Reload reload_;
    Command check_;
    std::chrono::milliseconds patience_;
    Files known_;                  // as they were read last
    std::optional<Leaves> loaded_; // as the last observe found it
};

} // namespace holdfast::monitoring
