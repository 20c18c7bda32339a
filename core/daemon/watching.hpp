#pragma once
// Hints of changes on targets, for all stacks of a daemon. They come from a session of its own, so that no
// pass holds up a watch, and no watch ends with the session of a pass.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/locked.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

// Any thread. A hint of an object wakes the stack that has recorded it; one of a scope, or of an object that
// nobody has recorded, every stack with something in that scope: the pass that follows finds out whom it
// concerns.
class Watching {
public:
    using Open = std::function<Result<std::unique_ptr<Session>>()>;
    using OnHint = std::function<void(const std::string& stack)>;

    // `open` makes the session; it is asked again after `reopen`.
    explicit Watching(Open open) : open_(std::move(open)) {}
    ~Watching();
    Watching(const Watching&) = delete;
    Watching& operator=(const Watching&) = delete;

    // Nothing is watched as long as nobody listens.
    void set_on_hint(OnHint on_hint);
    // After a pass: the stack is watched from now on, with the objects that it has recorded by now. Takes as
    // long as its providers take to open; where another thread is at it already, that one does it. Gives
    // warnings of providers that cannot be watched.
    Diagnostics take_in(const std::string& stack, bool has_other_objects);
    // Whether from now on hints tell of every change of what the stack has recorded.
    bool covers(const std::string& stack) const;
    // The next `take_in` subscribes everything anew, in a new session.
    void reopen();
    // What was hinted for the stack since it was asked last.
    std::vector<Touched> touched(const std::string& stack);

private:
    using Scope = std::pair<std::string, std::string>; // provider, scope
    struct State {
        std::unique_ptr<Session> session; // not here while a thread subscribes
        std::set<std::string> stacks;
        std::map<Scope, std::set<std::string>> stacks_of;
        // Whose an object is, by a hash of it: a scope may be that of hundreds of stacks.
        std::unordered_map<std::uint64_t, std::uint32_t> stack_of_object; // place in `names`
        std::vector<std::string> names;                                   // the first: of several
        std::set<std::string> covered; // of `stacks`, those all of whose providers are watched
        bool is_stale = false, is_busy = false, is_old = false;
    };
    static std::uint64_t hash_of(std::string_view provider, std::string_view scope, std::string_view kind,
                                 std::string_view identity);
    void hear(const Touched& touched);
    void tell(const std::string& stack, const Touched& touched);
    std::shared_ptr<TouchedQueue> queue_of(const std::string& stack);
    Diagnostics subscribe(std::unique_ptr<Session>& session);

    const Open open_;
    mutable Locked<State> state_;
    Locked<std::shared_ptr<const OnHint>> on_hint_;
    Locked<std::map<std::string, std::shared_ptr<TouchedQueue>>> touched_; // by stack
};

} // namespace holdfast
