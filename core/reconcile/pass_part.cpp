// A pass over the part of a stack that changed since it came to rest.
//
// At rest, every ledger entry of the stack belongs to a document of the commit of that time, and every
// document that is to be made has its entries. So what differs now can be found from both ends: the files
// that differ say which documents came, went or are others, and hints say which entries' objects may be. From
// there the ledger leads to whatever hangs on these: leaves whose outputs they take, and leaves that come
// after them. Their files are loaded as well, until nothing is missing. What is left out then would come out
// as unchanged, so the planner is asked about the part only, as in a later round of a whole pass
// (plan/plan.hpp).
//
// Wherever this chain of reasons has a weak link (a plan that has to wait for a person, an error, an object
// that may be another stack's) everything is looked at instead: that pass is the one that explains and
// decides.

#include <algorithm>

#include <fmt/core.h>

#include "reconcile/pass.hpp"

namespace holdfast {

namespace {

// Each level of what hangs on what is one more load.
constexpr std::size_t most_levels = 10, most_files_around = 1000;

bool is_document_of(const ResourceId& document, const ResourceId& leaf) {
    return document == leaf || document == leaf.resource() || document == leaf.parent();
}

} // namespace

const Difference& Pass::compare_with_rest() {
    if (!difference_) difference_ = difference_from_rest(session_, stack(), options_, outcome_.is_removed);
    return *difference_;
}

bool Pass::declare_part() {
    part_.emplace();
    outcome_.looked = StackOutcome::Looked::at_part;
    facts_ = difference_->facts;
    if (std::string why = gather_part(); !why.empty()) return start_over(std::move(why)), false;
    return true;
}

void Pass::start_over(std::string why) {
    part_.reset();
    forget_all();
    const bool is_removed = outcome_.is_removed;
    outcome_ = {};
    outcome_.stack = stack().name;
    outcome_.is_removed = is_removed;
    outcome_.why_everything = std::move(why);
}

std::string Pass::gather_part() {
    Part& part = *part_;
    if (!read_files_before()) return "what the changed files held before cannot be read";
    if (part.was_together) return "the changed files held documents that mean something only together";
    for (const TreeChange& change : difference_->files) {
        if (change.type != TreeFile::Type::file)
            return fmt::format("{} is a symlink or a submodule", change.path);
        if (change.new_blob.empty()) continue;
        part.files.insert(change.path);
        part.changed.insert(change.path);
    }
    part.may_change_files = part.changed;
    for (std::size_t level = 0; level < most_levels; ++level) {
        forget_all();
        declaration_->load_files(std::vector<std::string>(part.files.begin(), part.files.end()));
        if (!declaration_->loaded().only_whole.empty()) return declaration_->loaded().only_whole;
        if (level == 0) { // the changed files, and nothing else
            facts_.files += declaration_->loaded().files;
            facts_.documents += declaration_->loaded().documents;
        }
        if (std::string why = why_not_apart(); !why.empty()) return why;
        declaration_->declare();
        if (is_broken()) return "something is wrong with what changed";
        index_leaves();
        read_part_of_ledger();
        if (std::string why = why_entries_do_not_fit(); !why.empty()) return why;
        std::set<std::string> more;
        if (std::string why = find_what_hangs_on_it(more); !why.empty()) return why;
        if (more.empty()) return {};
        if (part.files.size() + more.size() > part.changed.size() + most_files_around)
            return "too much hangs on what changed";
        part.files.merge(more);
    }
    return "what hangs on what changed goes too deep";
}

// The documents of the changed files as they were when the stack came to rest.
bool Pass::read_files_before() {
    std::vector<std::string> paths;
    for (const TreeChange& change : difference_->files)
        if (!change.old_blob.empty()) paths.push_back(change.path);
    if (paths.empty()) return true;
    const Repository* repository = session_.repository_of(stack());
    if (!repository) return false;
    const auto tree = repository->at(difference_->rest.commit);
    if (!tree) return false;
    const LoadedStack before = declaration_->files_of(**tree, paths);
    if (!before.only_whole.empty() || before.problems.has_errors() || is_broken()) return false;
    for (const Resource& resource : before.resources) {
        if (declaration_->compiles_with_others(resource)) part_->was_together = true;
        part_->before.insert(resource.id.parent());
    }
    facts_.files -= std::min(before.files, facts_.files);
    facts_.documents -= std::min(before.documents, facts_.documents);
    return true;
}

// What a document says of itself that cannot be judged without the others.
std::string Pass::why_not_apart() {
    for (const Resource& resource : declaration_->loaded().resources) {
        const std::string name = short_name(resource.id.parent());
        if (resource.policy.observe_only) return fmt::format("{} is only observed", name);
        if (declaration_->compiles_with_others(resource))
            return fmt::format("{} means nothing without the other documents of its provider", name);
        auto is_new = [&](const Address& named) {
            return !named.stack.empty() && named.stack != stack().name && !facts_.taken.contains(named);
        };
        if (std::any_of(resource.depends_on.begin(), resource.depends_on.end(), is_new) ||
            std::any_of(resource.refresh_on.begin(), resource.refresh_on.end(), is_new))
            return fmt::format("{} waits for something of another stack that was not waited for before",
                               name);
        if (!resource.moved_from.empty() &&
            session_.store().entries_of(stack().name, std::vector{resource.id}).empty())
            return fmt::format("{} was moved from another name", name);
    }
    return {};
}

// The entries of every document that is or was in the files; then which have no leaf, and the other way
// round.
void Pass::read_part_of_ledger() {
    Part& part = *part_;
    std::set<ResourceId> documents = part.before;
    for (const Leaf& leaf : declaration_->leaves()) documents.insert(leaf.address.id.parent());
    part.entries = session_.store().entries_of(stack().name,
                                               std::vector<ResourceId>(documents.begin(), documents.end()));
    input_.recorded = part.entries;
    index_leaves();
    part.gone.clear();
    for (const LedgerEntry& entry : part.entries)
        if (!leaf_at(entry.address)) part.gone.insert(entry.address);
}

std::string Pass::why_entries_do_not_fit() const {
    for (const LedgerEntry& entry : part_->entries)
        if (entry.state != EntryState::applied)
            return fmt::format("{} is recorded as {}", short_name(entry.address.id), to_string(entry.state));
    for (const Leaf& leaf : declaration_->leaves()) {
        const bool is_new_here =
            part_->changed.contains(leaf.origin.file) && !part_->before.contains(leaf.address.id.parent());
        if (is_new_here && entry_at(leaf.address))
            return fmt::format("{} may be declared in two files", short_name(leaf.address.id));
    }
    if (!part_->gone.empty() && leaves_of_stack(declaration_->leaves().size()) == 0)
        return "nothing would be declared any more";
    return {};
}

bool Pass::is_declared_in_part(const Address& address) const {
    if (leaf_at(address)) return true;
    const std::vector<Leaf>& leaves = declaration_->leaves();
    return std::any_of(leaves.begin(), leaves.end(),
                       [&](const Leaf& leaf) { return is_document_of(address.id, leaf.address.id); });
}

// Adds the file that declares a recorded leaf. Not empty: why it is not known.
std::string Pass::file_of(const Address& address, std::set<std::string>& more) const {
    const auto entries = session_.store().entries_of(stack().name, std::vector{address.id});
    bool is_known = false;
    for (const LedgerEntry& entry : entries) {
        if (!is_document_of(address.id, entry.address.id)) continue;
        is_known = !entry.file.empty() && !part_->gone.contains(entry.address);
        if (part_->files.contains(entry.file)) is_known = false; // it was loaded, and did not hold it
        if (!is_known) break;
        more.insert(entry.file);
    }
    if (is_known) return {};
    return fmt::format("it is not recorded which file declares {}", short_name(address.id));
}

std::string Pass::find_what_hangs_on_it(std::set<std::string>& more) {
    for (const Address& address : difference_->touched) {
        if (!is_declared_in_part(address) && !part_->gone.contains(address))
            if (std::string why = file_of(address, more); !why.empty()) return why;
        if (const auto leaf = leaf_at(address))
            part_->may_change_files.insert(declaration_->leaves()[*leaf].origin.file);
    }
    const std::vector<Leaf>& leaves = declaration_->leaves();
    for (std::size_t i = 0; i < leaves.size(); ++i)
        if (std::string why = find_needed(leaves[i], declaration_->resource_of(i), more); !why.empty())
            return why;
    return find_followers(more);
}

// What the leaf cannot be declared without, and whether all that it depends on is as it is to be.
std::string Pass::find_needed(const Leaf& leaf, const Resource* resource, std::set<std::string>& more) {
    const std::string name = short_name(leaf.address.id);
    std::vector<Address> needed;
    for (const Address& producer : leaf.producers) {
        if (producer.stack == stack().name)
            needed.push_back(producer);
        else if (!facts_.taken.contains(producer))
            return fmt::format("{} takes something of another stack that was not taken before", name);
    }
    if (resource)
        for (const Address& named : resource->refresh_on)
            if (named.stack.empty() || named.stack == stack().name)
                needed.push_back({stack().name, named.id});
    for (const Address& address : needed)
        if (!is_declared_in_part(address))
            if (std::string why = file_of(address, more); !why.empty()) return why;
    for (const Address& before : leaf.depends_on) {
        if (before.stack != stack().name || is_declared_in_part(before)) continue;
        const std::optional<LedgerEntry> entry = session_.store().entry(before);
        const bool is_settled = entry && entry->state == EntryState::applied && !part_->gone.contains(before);
        if (!is_settled)
            return fmt::format("{} depends on {}, which has no leaf of that name", name,
                               short_name(before.id));
        if (entry->wave > leaf.policy.wave)
            return fmt::format("{} depends on a document of a later wave", name);
    }
    return {};
}

// Whoever comes after a leaf that may change may take its outputs, and has to be planned with it; whoever
// comes after one that is gone has to be told.
std::string Pass::find_followers(std::set<std::string>& more) {
    std::vector<Address> leaders(part_->gone.begin(), part_->gone.end());
    const std::vector<Leaf>& leaves = declaration_->leaves();
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        const Resource* resource = declaration_->resource_of(i);
        const bool hangs_on_others =
            !leaves[i].producers.empty() || (resource && !resource->refresh_on.empty());
        if (hangs_on_others || part_->may_change_files.contains(leaves[i].origin.file))
            leaders.push_back(leaves[i].address);
    }
    if (leaders.empty()) return {};
    for (const Address& follower : session_.store().followers(stack().name, leaders)) {
        if (leaf_at(follower) || part_->gone.contains(follower)) continue;
        if (std::string why = file_of(follower, more); !why.empty()) return why;
    }
    return {};
}

// ---- planned

bool Pass::plan_part(const RunEvents& events, std::stop_token stop) {
    input_ = {};
    leaf_by_address_.clear();
    entry_by_address_.clear();
    input_.is_later_round = true;
    plan(nobody_, events, stop);
    std::string why = why_to_turn_back();
    if (why.empty()) why = why_objects_are_not_ours();
    if (!why.empty()) return start_over(std::move(why)), false;
    count_what_is_left(outcome_.rounds.front().plan);
    return true;
}

std::string Pass::why_to_turn_back() const {
    if (outcome_.rounds.empty() || outcome_.problems.has_errors())
        return "something is wrong with what changed";
    if (const std::string_view why = declaration_->why_whole_by_files(); !why.empty())
        return std::string(why);
    const PlanCounts& counts = outcome_.rounds.front().plan.counts;
    if (counts.parked > 0) return "something has to wait for an approval";
    if (counts.blocked > 0) return "something is blocked";
    if (counts.wait > 0) return "something waits for outputs";
    return {};
}

// Law 7 without loading the other stacks: what they have recorded is looked up by object, and they declare
// nothing else as long as they are at rest themselves.
std::string Pass::why_objects_are_not_ours() {
    index_leaves();
    bool any_made = false;
    std::vector<Hash> keys;
    for (const Leaf& leaf : input_.leaves) {
        any_made |= !entry_at(leaf.address);
        if (auto facts = input_.providers.find(leaf.provider); facts != input_.providers.end())
            keys.push_back(target_object(leaf, facts->second.target).key());
    }
    for (const LedgerEntry& entry : part_->entries)
        if (part_->gone.contains(entry.address)) keys.push_back(entry.object.key());
    for (const LedgerEntry& entry : session_.store().entries_of_objects(keys))
        if (!entry_at(entry.address))
            return fmt::format("{} holds an object that changed hands", to_string(entry.address));
    if (part_->gone.empty() && !any_made) return {};
    for (const StackDocument& other : session_.project().stacks)
        if (other.name != stack().name && !is_at_rest(session_, other))
            return fmt::format("stack {} may declare an object that came or went: it is not at rest",
                               other.name);
    return {};
}

// At rest a leaf has one entry. Of a whole stack, what was looked at is all of it.
std::size_t Pass::leaves_of_stack(std::size_t looked_at) const {
    if (!part_) return looked_at;
    const std::size_t all = difference_->facts.leaves + looked_at;
    return all - std::min(part_->entries.size(), all);
}

// The numbers of a pass are those of its stack.
void Pass::count_what_is_left(Plan& plan) {
    outcome_.files = facts_.files;
    outcome_.documents = facts_.documents;
    outcome_.leaves = leaves_of_stack(input_.leaves.size());
    plan.counts.unchanged += outcome_.leaves - std::min(input_.leaves.size(), outcome_.leaves);
}

} // namespace holdfast
