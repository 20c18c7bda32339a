#pragma once
// From the resources of a stack to its leaves: references resolved, secrets masked, documents compiled.
// What hangs on an output that is not known yet stays a leaf that waits.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "manifest/load.hpp"
#include "manifest/reference.hpp"
#include "reconcile/session.hpp"

namespace holdfast {

// What an output reference stands for now; asked only for leaves of the same and of other stacks that are
// declared or recorded.
using OutputResolver = std::function<Resolution(const Reference& reference)>;

// One stack's declared side. `resources` and `leaves` only grow; a resource that waits has one leaf that
// waits, which `redeclare` replaces in place. A leaf that a document no longer compiles to keeps its place
// and is marked as dropped.
class Declaration {
public:
    Declaration(Session& session, const StackDocument& stack);

    // A resource while leaves are made of it.
    struct Draft {
        const Resource* resource = nullptr;
        Leaf whole; // the document itself
        bool compiles = false;
        std::vector<Leaf> leaves;
        Diagnostics problems;
    };

    // Reads and checks the documents. Afterwards `problems()` holds everything that is wrong with them.
    void load();
    // The same for these files alone (load_files); where `loaded().only_whole` says something, that is no
    // use.
    void load_files(std::span<const std::string> paths);
    // What these files of another commit of the stack held.
    LoadedStack files_of(const Tree& tree, std::span<const std::string> paths);
    // Makes leaves of all resources that name no outputs, and waiting leaves of the others.
    void declare();
    // Tries the resource of a waiting leaf, or of one whose producers have changed, again. The leaf is
    // replaced; leaves that a compiled document gives besides are appended, those that it no longer gives
    // are dropped. The leaves that it has now go to `made`; none where it still waits or has errors.
    void redeclare(std::size_t leaf, const OutputResolver& outputs, std::vector<std::size_t>& made);
    bool is_dropped(std::size_t leaf) const { return !dropped_.empty() && dropped_.contains(leaf); }
    const std::set<std::size_t>& dropped() const { return dropped_; }
    // Takes dropped leaves away for good; gives the former index of each that is left.
    std::vector<std::size_t> remove_dropped();

    const StackDocument& stack() const { return stack_; }
    const LoadedStack& loaded() const { return loaded_; }
    std::vector<Leaf>& leaves() { return leaves_; }
    const std::vector<Leaf>& leaves() const { return leaves_; }
    const Diagnostics& problems() const { return problems_; }
    Diagnostics& problems() { return problems_; }
    // Resources without references whose document could not become a leaf.
    const std::vector<ResourceId>& unloaded() const { return unloaded_; }
    // Leaves by their producer, for the producers of the same stack.
    const std::vector<std::size_t>* consumers_of(const Address& producer) const;
    const Description* description(const std::string& provider) const;
    // The provider instances that the stack's documents go to.
    std::vector<std::string> providers() const;

    // What the leaf was made of; null once nothing needs it: no leaf has references, depends-on, refresh-on
    // or was compiled.
    const Resource* resource_of(std::size_t leaf) const;
    // The document is compiled together with all others of its provider, so it means nothing without them.
    bool compiles_with_others(const Resource& resource) const;
    // When what is declared becomes something else by itself, since a plugin said so of a leaf. In
    // milliseconds since 1970; 0: never.
    std::int64_t until_ms() const { return until_ms_; }
    // Name and path of each secret that a document took.
    const std::set<std::vector<std::string>>& secrets_taken() const { return secrets_taken_; }

    // What a plugin said of a leaf when it ordered it.
    struct Remark {
        std::size_t leaf;
        Diagnostics problems;
        bool is_left = false; // its object is not Holdfast's to make
    };
    // Asks the plugins that know how their objects hang together (holdfast.order/1).
    std::vector<Remark> order(std::stop_token stop);
    // Why a change of one file concerns the whole stack; empty: it does not. A plugin may have said of a leaf
    // that it is to be refreshed by others, and what these are only the whole stack says.
    std::string_view why_whole_by_files() const {
        return is_refreshed_by_others_ ? "it has documents that act on a change of any other" : "";
    }
    // The leaf counts as not declared.
    void drop(std::size_t leaf) { dropped_.insert(leaf); }
    // Fills in what depends on other leaves: refresh hashes, and dependencies on compiled documents.
    void link();
    // The same for one leaf, once others have changed.
    void relink(std::size_t leaf);

    // What documents name of other stacks in depends-on and refresh-on, and in moved-from.
    const std::set<Address>& awaited_elsewhere() const { return awaited_elsewhere_; }
    const std::set<Address>& moved_from_elsewhere() const { return moved_from_elsewhere_; }
    // What another stack has recorded for a leaf, or for all leaves of a document. Asked once.
    const std::vector<LedgerEntry>& recorded_elsewhere(const Address& address);

private:
    void load_rendered(const Tree& tree, const Catalog& catalog);
    std::optional<Catalog> catalog();
    // What the plugin made of one document; `secrets` are the values that it holds.
    struct Compiled {
        std::vector<Value> secrets;
        std::vector<Leaf> leaves;
        Diagnostics problems;
    };
    // And of those that went into one call.
    struct CompileCall {
        std::vector<Compiled> compiled; // by document
        Diagnostics of_none;            // said of no single document
        bool is_told_apart = true;      // all that was said is of one of them
        CallEnd end;
    };
    // Resources, by the provider that compiles them together.
    using Together = std::map<std::string, std::vector<std::size_t>>;
    void declare_some(std::size_t first, std::size_t end, Together& together);
    void declare_together(const std::string& provider, const std::vector<std::size_t>& resources);
    std::string why_not_together(const std::string& provider) const;
    void tell_what_each_lacks(Draft& draft) const;
    void enter(std::size_t resource, Draft draft);
    // Takes the document out of a resource that cannot be declared again.
    Draft draft_of(Resource& resource, const OutputResolver& outputs);
    Leaf plain_leaf(Resource& resource) const;
    // Fills in the leaves of documents that the provider `name` compiles.
    void compile(const std::string& name, std::span<Draft* const> drafts);
    CompileCall call_compile(Provider& provider, std::span<Draft* const> drafts);
    static void take(CompileCall call, std::span<Draft* const> drafts);
    void take_compiled(const Draft& draft, const ItemResult& result, Compiled& to);
    void note_until(std::string_view detail);
    void resolve(const Resource& resource, const KindInfo& kind, const OutputResolver& outputs, Leaf& leaf,
                 Diagnostics& problems);
    void identify(const KindInfo& kind, const Value& document, Leaf& leaf) const;
    void mask(const KindInfo& kind, const Value& document, Leaf& leaf) const;
    Resolution resolve_one(const Resource& resource, const KindInfo& kind, const Reference& reference,
                           std::string_view pointer, const OutputResolver& outputs);
    void place(Diagnostics& problems, const Resource& resource) const;
    void find_reference_cycles();
    void release_resources();
    std::size_t place_of(const Leaf& leaf, std::size_t index) const;
    bool drop_others(std::size_t resource, const std::set<std::size_t>& made);
    void order_provider(Provider& provider, const std::vector<std::size_t>& leaves,
                        std::vector<Remark>& remarks, std::stop_token stop);
    void refresh_on(std::size_t leaf, const std::vector<std::size_t>& leaves, const List& named);
    void expand_dependencies(Leaf& leaf);
    void link_refresh(Leaf& leaf, const Resource& resource);
    Address own(const Address& named) const;
    void note_elsewhere();

    Session& session_;
    const StackDocument& stack_;
    std::map<std::string, std::shared_ptr<const Description>> descriptions_;
    LoadedStack loaded_;
    std::vector<Leaf> leaves_;
    std::vector<std::size_t> resource_of_; // by leaf
    std::set<std::size_t> dropped_;        // leaves
    std::unordered_map<Address, std::vector<std::size_t>> consumers_;
    std::unordered_map<ResourceId, std::vector<std::size_t>> by_parent_; // of `link`
    std::unordered_map<Address, std::size_t> by_address_;
    std::set<Address> awaited_elsewhere_, moved_from_elsewhere_;
    std::map<Address, std::vector<LedgerEntry>> recorded_elsewhere_;
    std::set<std::vector<std::string>> secrets_taken_;
    std::vector<ResourceId> unloaded_;
    Diagnostics problems_;
    std::int64_t until_ms_ = 0;
    bool is_refreshed_by_others_ = false;
    const KindInfo* last_kind_ = nullptr; // of `draft_of`, with its provider
    std::string last_provider_;
};

} // namespace holdfast
