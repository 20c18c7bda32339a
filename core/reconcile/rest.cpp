#include "reconcile/rest.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace holdfast {

namespace {

// Raised whenever the same inputs lead to another plan or ledger than before.
constexpr std::string_view engine_version = "2";

// Past these a pass over everything is as quick, or nearly.
constexpr std::size_t few_files = 200, share_of_leaves = 20;

Value addresses(const std::set<Address>& all) {
    List list;
    for (const Address& address : all) {
        List one{Value(address.stack)};
        for (const std::string_view piece : address.id.texts()) one.emplace_back(piece);
        list.emplace_back(std::move(one));
    }
    return Value(std::move(list));
}

Value texts(const auto& all) {
    List list;
    for (const std::string& text : all) list.emplace_back(text);
    return Value(std::move(list));
}

Value map_of(const std::map<std::string, std::string>& all) {
    Value map;
    map.as_map();
    for (const auto& [key, value] : all) map.as_map().set(key, value);
    return map;
}

std::vector<std::string> texts_at(const Value& node) {
    std::vector<std::string> texts;
    if (const List* list = node.if_list())
        for (const Value& item : *list)
            if (const std::string* text = item.if_string()) texts.push_back(*text);
    return texts;
}

std::map<std::string, std::string> map_at(const Value& root, std::string_view key) {
    std::map<std::string, std::string> found;
    const Value* value = root.find(key);
    if (const Map* map = value ? value->if_map() : nullptr)
        for (const MapEntry& entry : *map)
            if (const std::string* text = entry.value.if_string()) found.emplace(entry.key, *text);
    return found;
}

} // namespace

std::string to_json(const RestFacts& facts) {
    List secrets;
    for (const auto& secret : facts.secrets) secrets.push_back(texts(secret));
    return to_json(Value::map({{"onlyWhole", facts.only_whole},
                               {"alwaysWhole", facts.always_whole},
                               {"wholeByFiles", facts.whole_by_files},
                               {"takenIn", map_of(facts.taken_in)},
                               {"files", static_cast<std::int64_t>(facts.files)},
                               {"documents", static_cast<std::int64_t>(facts.documents)},
                               {"leaves", static_cast<std::int64_t>(facts.leaves)},
                               {"until", facts.until_ms},
                               {"targets", map_of(facts.targets)},
                               {"taken", addresses(facts.taken)},
                               {"secrets", Value(std::move(secrets))},
                               {"before", texts(facts.stacks_before)},
                               {"hashes", map_of(facts.hashes)}}));
}

std::optional<RestFacts> parse_rest_facts(std::string_view json) {
    const Result<Value> root = parse_json(json);
    if (!root || !root->is_map()) return std::nullopt;
    RestFacts facts;
    const auto number = [&](std::string_view key) {
        const Value* value = root->find(key);
        const std::int64_t* count = value ? value->if_integer() : nullptr;
        return count && *count > 0 ? static_cast<std::size_t>(*count) : 0;
    };
    facts.only_whole = root->text_at("onlyWhole");
    facts.always_whole = root->text_at("alwaysWhole");
    facts.whole_by_files = root->text_at("wholeByFiles");
    facts.taken_in = map_at(*root, "takenIn");
    facts.files = number("files");
    facts.documents = number("documents");
    facts.leaves = number("leaves");
    facts.until_ms = static_cast<std::int64_t>(number("until"));
    facts.targets = map_at(*root, "targets");
    facts.hashes = map_at(*root, "hashes");
    const auto each = [&](std::string_view key, auto take) {
        const Value* value = root->find(key);
        if (const List* list = value ? value->if_list() : nullptr)
            for (const Value& item : *list) take(item);
    };
    each("taken", [&](const Value& item) {
        std::vector<std::string> parts = texts_at(item);
        parts.resize(6);
        facts.taken.insert({parts[0], {parts[1], parts[2], parts[3], parts[4], parts[5]}});
    });
    each("secrets", [&](const Value& item) { facts.secrets.insert(texts_at(item)); });
    each("before", [&](const Value& item) {
        if (const std::string* text = item.if_string()) facts.stacks_before.insert(*text);
    });
    return facts;
}

// ---- inputs

namespace {

// The bindings name every member, so that a new one does not compile until it is hashed here.
void add(Hasher& hasher, const Policy& policy) {
    const auto& [protect, observe_only, adopt, deletion, drift, replace, wave, ignore] = policy;
    hasher.add(fmt::format("{} {} {} {} {} {} {}", protect, observe_only, to_string(adopt),
                           to_string(deletion), to_string(drift), static_cast<int>(replace), wave));
    for (const std::string& pointer : ignore) hasher.add(pointer);
}

Hash hash_of(const StackDocument& stack) {
    const auto& [name, source, path, providers, vars, render, defaults, prune, deletion, limits, depends_on,
                 schedule, allow_insecure_secret_fields, confirm, origin] =
        stack; // schedule, confirm: change no outcome
    const auto& [max_share, share_from, all_from, max_leaves] = limits;
    Hasher hasher;
    hasher.add(name).add(source).add(path).add(to_json(Value(vars)));
    for (const auto& [group, instances] : providers) hasher.add(group).add(join(instances, " "));
    add(hasher, defaults);
    hasher.add(fmt::format("{} {} {} {} {} {} {}", prune, to_string(deletion), max_share, share_from,
                           all_from, max_leaves, allow_insecure_secret_fields));
    for (const std::string& before : depends_on) hasher.add(before);
    if (render) {
        const auto& [tool, release, namespace_name, values] = *render;
        hasher.add(to_string(tool)).add(release).add(namespace_name);
        for (const std::string& file : values) hasher.add(file);
    }
    hasher.add(origin.file); // is no manifest itself
    return hasher.finish();
}

Hash hash_of_secrets(Session& session, const StackDocument& stack, const RestFacts& facts) {
    Hasher hasher;
    hasher.add(session.store().masking_key());
    for (const std::vector<std::string>& secret : facts.secrets) {
        if (secret.empty()) continue;
        const Result<Value> value = session.secrets().value(
            secret.front(), {secret.begin() + 1, secret.end()}, "stack:" + stack.name);
        hasher.add(join(secret, ".")).add(value ? to_json(*value) : "error " + value.error().code);
    }
    return hasher.finish();
}

// What the ledger of other stacks says of the leaves that this one names.
Hash hash_of_taken(Session& session, const RestFacts& facts) {
    Hasher hasher;
    for (const Address& address : facts.taken) {
        const std::optional<LedgerEntry> entry = session.store().entry(address);
        hasher.add(to_string(address)).add(entry ? to_string(entry->state) : "none");
        if (entry) hasher.add(as_bytes(entry->declared_hash)).add(entry->observed);
    }
    return hasher.finish();
}

} // namespace

std::map<std::string, std::string> hashes_of_inputs(Session& session, const StackDocument& stack,
                                                    const RestFacts& facts) {
    std::map<std::string, std::string> hashes;
    hashes["the engine"] = engine_version;
    hashes["its Stack document"] = short_hex(hash_of(stack), 32);
    const Tree* tree = session.files(stack).tree;
    hashes["a .holdfastignore above its folder"] = tree ? short_hex(rules_above(*tree, stack), 32) : "none";
    for (const auto& [name, target] : facts.targets) {
        const Result<Hash> version = session.provider_version(name);
        hashes[fmt::format("provider {}, its plugin or a secret in its config", name)] =
            version ? short_hex(*version, 32) : "error " + version.error().code;
    }
    if (!facts.secrets.empty())
        hashes["a secret that it takes"] = short_hex(hash_of_secrets(session, stack, facts), 32);
    if (!facts.taken.empty())
        hashes["something that it takes from another stack"] = short_hex(hash_of_taken(session, facts), 32);
    return hashes;
}

// ---- the difference

namespace {

class Comparison {
public:
    Comparison(Session& session, const StackDocument& stack, const RunOptions& options)
        : session_(session), stack_(stack), options_(options) {}

    // The reasons for looking at everything, in the order in which they are cheap to find.
    Difference run(bool is_removed) {
        const bool is_ordinary = options_.only.empty() && options_.exclude.empty() &&
                                 options_.replace.empty() && !options_.saved &&
                                 !session_.options().working_tree && !is_removed &&
                                 (options_.mode == Mode::plan || options_.mode == Mode::apply);
        if (!is_ordinary) return everything("what is asked for is no ordinary pass over a commit");
        tree_ = session_.files(stack_).tree;
        if (!tree_) return everything("what it is read from cannot be read");
        if (!read_rest() || is_over() || !inputs_are_equal() || !has_no_open_steps()) return std::move(out_);
        if (!find_touched()) return std::move(out_);
        if (!is_same(*tree_, out_.facts.taken_in))
            return everything("files that it takes in from outside of its folder have changed");
        const bool is_same_tree = tree_->id_of(stack_.path) == out_.rest.tree;
        if (is_same_tree && out_.touched.empty()) {
            out_.kind = Difference::Kind::nothing;
            return std::move(out_);
        }
        if (!may_look_at_part()) return std::move(out_);
        if (!is_same_tree && !find_changed_files()) return std::move(out_);
        out_.kind = Difference::Kind::part;
        return std::move(out_);
    }

private:
    Difference everything(std::string why) {
        out_.why = std::move(why);
        return std::move(out_);
    }
    bool not_so(std::string why) {
        out_.why = std::move(why);
        return false;
    }

    bool read_rest() {
        std::optional<Store::Rest> rest = session_.store().rest(stack_.name);
        if (!rest) return not_so("no pass of this stack has converged yet");
        if (!rest->lasts) return not_so("its ledger was written to after the last pass that converged");
        std::optional<RestFacts> facts = parse_rest_facts(rest->facts);
        if (!facts) return not_so("what was remembered of the last pass cannot be read");
        if (!facts->always_whole.empty()) return not_so(facts->always_whole);
        out_.rest = *std::move(rest);
        out_.facts = *std::move(facts);
        return true;
    }

    bool is_over() {
        const std::int64_t until = out_.facts.until_ms;
        return until != 0 && session_.clock().now_ms() >= until &&
               !not_so("the time has come at which what it declares becomes something else");
    }

    bool inputs_are_equal() {
        const auto now = hashes_of_inputs(session_, stack_, out_.facts);
        for (const auto& [what, hash] : now) {
            auto before = out_.facts.hashes.find(what);
            if (before == out_.facts.hashes.end() || before->second != hash)
                return not_so(fmt::format("{} has changed", what));
        }
        return now.size() == out_.facts.hashes.size() ||
               not_so("something that it took in before is not there any more");
    }

    bool has_no_open_steps() {
        return session_.store().open_steps(stack_.name).empty() ||
               not_so("steps of an interrupted pass are open");
    }

    std::size_t most_files() const { return std::max(few_files, out_.facts.leaves / share_of_leaves); }

    const ProviderDocument* exclusive_provider() const {
        for (const auto& [name, target] : out_.facts.targets)
            if (const ProviderDocument* provider = session_.project().provider(name))
                if (provider->ownership == Ownership::exclusive) return provider;
        return nullptr;
    }

    bool find_touched() {
        std::vector<Hash> keys;
        for (const Touched& touched : options_.touched) {
            const auto target = out_.facts.targets.find(touched.provider);
            if (target == out_.facts.targets.end()) continue;
            const Hint& hint = touched.hint;
            if (hint.reach == Hint::Reach::all)
                return not_so(fmt::format("anything of provider {} may have changed", touched.provider));
            if (const ProviderDocument* provider = exclusive_provider())
                return not_so(fmt::format("what provider {} holds is ours alone, and something of it changed",
                                          provider->name));
            if (hint.reach == Hint::Reach::scope && !take_scope(target->second, hint.scope))
                return not_so(
                    fmt::format("anything of the large scope \"{}\" of provider {} may have changed",
                                hint.scope, touched.provider));
            if (hint.reach == Hint::Reach::item) keys.push_back(key_of(target->second, hint));
        }
        if (keys.empty()) return true;
        for (const LedgerEntry& entry : session_.store().entries_of_objects(keys))
            if (entry.address.stack == stack_.name) out_.touched.insert(entry.address);
        return true;
    }

    bool take_scope(const std::string& target, const std::string& scope) {
        const std::size_t most = most_files();
        const auto found = session_.store().addresses_in_scope(stack_.name, target, scope, most + 1);
        out_.touched.insert(found.begin(), found.end());
        return found.size() <= most;
    }

    static Hash key_of(const std::string& target, const Hint& hint) {
        const std::size_t slash = hint.kind.rfind('/');
        const std::string version = slash == std::string::npos ? "" : hint.kind.substr(0, slash);
        const std::string kind = slash == std::string::npos ? hint.kind : hint.kind.substr(slash + 1);
        return TargetObject{target, hint.scope, split_api_version(version).group + "/" + kind, hint.identity}
            .key();
    }

    bool may_look_at_part() {
        if (!out_.facts.only_whole.empty()) return not_so(out_.facts.only_whole);
        if (const ProviderDocument* provider = exclusive_provider())
            return not_so(
                fmt::format("provider {} is exclusive: what nobody declares is removed", provider->name));
        return true;
    }

    bool find_changed_files() {
        const Repository* repository = session_.repository_of(stack_);
        if (!repository) return not_so("what it is read from cannot be read");
        const auto before = repository->at(out_.rest.commit);
        if (!before || (*before)->id_of(stack_.path) != out_.rest.tree)
            return not_so("the commit of the last pass that converged is gone");
        auto changes = tree_changes(**before, *tree_, stack_.path);
        if (!changes) return not_so("the two commits cannot be compared: " + changes.error().message);
        if (changes->size() > most_files())
            return not_so(fmt::format("{} have changed", count_of(changes->size(), "file", "files")));
        if (!changes->empty() && !out_.facts.whole_by_files.empty()) return not_so(out_.facts.whole_by_files);
        out_.files = *std::move(changes);
        return true;
    }

    Session& session_;
    const StackDocument& stack_;
    const RunOptions& options_;
    const Tree* tree_ = nullptr;
    Difference out_;
};

} // namespace

Difference difference_from_rest(Session& session, const StackDocument& stack, const RunOptions& options,
                                bool is_removed) {
    return Comparison(session, stack, options).run(is_removed);
}

bool is_at_rest(Session& session, const StackDocument& stack) {
    const std::optional<Store::Rest> rest = session.store().rest(stack.name);
    const Tree* tree = rest && rest->lasts ? session.files(stack).tree : nullptr;
    if (!tree || tree->id_of(stack.path) != rest->tree) return false;
    const std::optional<RestFacts> facts = parse_rest_facts(rest->facts);
    const bool is_over = facts && facts->until_ms != 0 && session.clock().now_ms() >= facts->until_ms;
    return facts && !is_over && facts->always_whole.empty() && is_same(*tree, facts->taken_in) &&
           facts->hashes == hashes_of_inputs(session, stack, *facts);
}

} // namespace holdfast
