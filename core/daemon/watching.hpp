#pragma once
// Hints of changes on targets, for all stacks of a daemon. They come from a session of its own, so that no
// pass holds up a watch, and no watch ends with the session of a pass.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/locked.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

// Any thread. A hint wakes every stack that has recorded something in its scope: the pass that follows finds
// out whom it concerns, which costs the others next to nothing.
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
        bool is_stale = false, is_busy = false, is_old = false;
    };
    void hear(const Touched& touched);
    std::shared_ptr<TouchedQueue> queue_of(const std::string& stack);
    Diagnostics subscribe(std::unique_ptr<Session>& session);

    const Open open_;
    Locked<State> state_;
    Locked<std::shared_ptr<const OnHint>> on_hint_;
    Locked<std::map<std::string, std::shared_ptr<TouchedQueue>>> touched_; // by stack
};

} // namespace holdfast
