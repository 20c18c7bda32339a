#pragma once
// Makes one batch of changes. Everything appears under its name at once and whole, nothing is overwritten
// that is not what was observed, and a result is given only once the change is on disk.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <holdfast/provider.hpp>

#include "document.hpp"
#include "live.hpp"

namespace holdfast::host {

class Root;
class Names;

struct WriterOptions {
    bool may_change_owner = true;
};

class Writer {
public:
    Writer(Root& root, Names& names, const sdk::Scope& scope, sdk::Results& results, WriterOptions options)
        : root_(root), names_(names), scope_(scope), results_(results), options_(options) {}

    void apply(sdk::Items changes);

private:
    using Directory = std::shared_ptr<const Fd>;
    // One object about to be written: where it is, what it is to be, and what is there.
    struct Task {
        const sdk::Change& change;
        Desired desired;
        Content content;   // file: what is wanted
        std::string bytes; // file: the same where it is in memory
        Directory directory;
        std::string name;
        Live live;
    };
    struct Access {
        uid_t owner;
        gid_t group;
        mode_t mode;
    };

    bool is_held_back(sdk::Items changes, const sdk::Change& change);
    void perform(const sdk::Change& change);
    sdk::Result write(const sdk::Change& change);
    sdk::Result create(Task& task);
    sdk::Result update(Task& task);
    sdk::Result remove(const sdk::Change& change);
    sdk::Result refresh(const sdk::Change& change);

    void create_file(Task& task);
    void create_directory(Task& task);
    void create_symlink(Task& task);
    void replace_file(Task& task);
    void replace_symlink(Task& task);
    sdk::Result change_access(Task& task);
    void remove_directory(const Directory& parent, const std::string& name, const std::string& path);
    // What a create finds in its place: the same object, as after a lost reply, or a conflict.
    sdk::Result already_there(Task& task);

    void load_content(Task& task) const;
    void fill(const Fd& file, const Task& task) const;
    Access wanted_access(const Task& task, const struct stat& start) const;
    bool has_wanted_access(const Task& task) const;
    bool has_wanted_content(const Task& task) const;
    void demand_owner_change(const Task& task) const;

    Directory parent(std::string_view path);
    static void enter(const Fd& directory);
    sdk::Result result_of(sdk::Outcome outcome, Task& task);
    // The entries of this directory changed: it is synced before the results that wait for it are given.
    void touch(const Directory& directory) { unsynced_[directory.get()] = directory; }
    void settle();

    struct Waiting {
        sdk::Change change;
        sdk::Result result;
    };
    Root& root_;
    Names& names_;
    const sdk::Scope& scope_;
    sdk::Results& results_;
    WriterOptions options_;
    std::vector<Waiting> waiting_;
    std::map<const Fd*, Directory> unsynced_;
    std::set<const Fd*> entered_;
};

// The order in which a batch is made, as indices: whatever comes after others behind them, and else what
// the file system needs. Deletes come last, inner ones first, except where they
// make room: a file that gives way to a directory of the same path. Directories come before what is in them.
std::vector<std::size_t> order_of(sdk::Items changes);

} // namespace holdfast::host
