#pragma once
// One apply to the kernel: what was asked for against what stands there now, made before anything is broken,
// and looked at again.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <holdfast/provider.hpp>

#include "documents.hpp"
#include "kernel.hpp"
#include "settings.hpp"

namespace holdfast::routing {

class KernelWriter {
public:
    // Everything outlives the writer.
    KernelWriter(Kernel& kernel, const Settings& settings, const sdk::Scope& scope, sdk::Results& results)
        : kernel_(kernel), settings_(settings), scope_(scope), results_(results) {}

    // Every item gets its result, but for those that a cancel left untried.
    void apply(sdk::Items changes);

private:
    enum class Fate { pending, unchanged, written, failed, untried };
    struct Task {
        sdk::Change change;
        std::variant<Route, Rule, Group, DesiredLink> wanted; // of a removal only its key is set
        std::set<Prefix> dropped = {}; // addresses of a link that are no longer declared
        Fate fate = Fate::pending;
        std::unique_ptr<sdk::Diagnostic> why = nullptr;

        bool is_removal() const { return change.action() == sdk::Action::remove; }
        bool is_create() const { return change.action() == sdk::Action::create; }
        bool is_pending() const { return fate == Fate::pending; }
    };
    using Tasks = std::vector<Task*>;

    void read_task(const sdk::Change& change);
    void want(const Task& task);
    void judge(Task& task);
    void fail(Task& task, sdk::Diagnostic why);
    void fail(Task& task, int error, const std::string& text);

    template <typename Object>
    Tasks pending(bool removals) {
        Tasks out;
        for (Task& task : tasks_)
            if (task.is_pending() && task.is_removal() == removals &&
                std::holds_alternative<Object>(task.wanted))
                out.push_back(&task);
        return out;
    }
    // One request per task, by `put`, which fills in what add() gave. Failures end up in their tasks;
    // `is_fine` says which errors mean that there was nothing to do.
    using Put = std::function<void(nlmsghdr*, Task&)>;
    using Kind = std::function<std::pair<std::uint16_t, std::uint16_t>(const Task&)>; // type, flags
    void send(const Tasks& tasks, const Kind& kind, const Put& put, int is_fine = 0);

    void make_links();
    void make_groups();
    void make_members(Task& task, std::map<Nexthop, std::uint32_t>& made);
    void make_routes();
    void make_rules();
    void drop_rules();
    void drop_routes();
    void drop_twins();
    void drop_groups();
    void drop_members(const std::vector<std::uint32_t>& before);
    void send_routes(const Tasks& tasks);
    void judge_twins(Task& task, const Route& wanted);
    void check_group_is_unused(Task& task);

    void report();
    void report_one(Task& task);
    std::optional<std::string> live_document(const Picture& picture, const Task& task, bool& is_wanted) const;

    Kernel& kernel_;
    const Settings& settings_;
    const sdk::Scope& scope_;
    sdk::Results& results_;
    Wanted wanted_;
    Picture before_, after_;
    std::vector<Task> tasks_;
    std::map<std::uint32_t, std::vector<std::pair<std::uint32_t, std::uint32_t>>>
        members_;          // of groups to make
    std::string document_; // reused
};

// "the route to 10.0.0.0/8 (table main, metric 20)"
std::string name_of(const RouteKey& key, const Tables& tables);
// Whether the live document is what the change was planned with.
bool is_as_observed(const sdk::Change& change, const std::string& live);
// "Route [...] was changed after it was observed; nothing was written"
sdk::Diagnostic conflict(const std::string& what, const std::string& happened);
// A diagnostic for what the kernel said about one request.
sdk::Diagnostic refusal(int error, const std::string& text, const std::string& what);

} // namespace holdfast::routing
