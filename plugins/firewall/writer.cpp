#include "writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "firewall.hpp"

namespace holdfast::firewall {

namespace {

// Whether what stands there is what was wanted. What the wanted spec leaves open is not compared.
bool is_as_wanted(const Json& wanted, const Json& seen) {
    if (!seen.is_object()) return false;
    for (const auto& [member, value] : wanted.items())
        if (!seen.contains(member) || seen[member] != value) return false;
    return true;
}

std::string spoken(const Key& key) {
    const std::string name = key.kind == Kind::rule ? key.name + " in chain " + key.chain : key.name;
    return std::string(kind_name(key.kind)) + " " + name;
}

} // namespace

void Writer::apply(const sdk::Scope& scope, sdk::Items items, sdk::Results& results) {
    read_items(items);
    const LiveTable& now = look();
    TableView view(table_, now);
    for (Wanted& wanted : wanted_) wanted.before = seen_spec(view, wanted.change.key, wanted.private_data);
    compare_versions(items);
    if (scope.should_stop()) return;
    if (!has_problems()) canonicalize(now);
    if (!has_problems()) check_together(now);
    if (has_problems()) return answer_problems(items, results);
    std::vector<Change> changes;
    for (const Wanted& wanted : wanted_) changes.push_back(wanted.change);
    const Transaction transaction(table_, now, changes);
    if (transaction.empty()) return answer(items, results, false);
    if (scope.should_stop()) return;
    if (write(transaction) == End::failed) return answer_problems(items, results);
    try {
        answer(items, results, true);
    } catch (const sdk::Error& error) { // written all the same: an Error out of here would deny it
        sdk::Result unknown;
        unknown.outcome = sdk::Outcome::unknown;
        unknown.diagnostics.push_back(error.diagnostic());
        for (const sdk::Item& item : items)
            if (!results.has(item)) results.emit(item, unknown);
    }
}

void Writer::read_items(sdk::Items items) {
    for (const sdk::Item& item : items) {
        Wanted wanted;
        wanted.change.item = item.index();
        wanted.change.key = key_of(*kind_of(item.kind()), item.identity());
        wanted.change.is_removed = item.action() == sdk::Action::remove;
        wanted.private_data = item.private_data();
        if (!item.declared().empty()) wanted.declared = sdk::parse_json(item.declared())["spec"];
        wanted_.push_back(std::move(wanted));
    }
}

const LiveTable& Writer::look() {
    std::set<std::string> sets, words; // words: of objects, whose maps make room where one is made anew
    for (const Wanted& wanted : wanted_) {
        if (wanted.change.key.kind == Kind::set) sets.insert(wanted.change.key.name);
        if (is_object(wanted.change.key.kind)) words.insert(object_word(wanted.change.key.kind));
    }
    return live_.read(table_, [&](const std::string& name, const LiveSet& set) {
        return sets.count(name) > 0 || words.count(object_word_of_map(set)) > 0;
    });
}

// libnftables 1.0.6 cannot make its transaction depend on anything, so this is looked at just before.
void Writer::compare_versions(sdk::Items items) {
    for (const sdk::Item& item : items) {
        Wanted& wanted = wanted_[item.index()];
        if (item.action() == sdk::Action::update && wanted.before.is_null())
            conflict(wanted, " is gone since it was observed");
        else if (item.version().empty() || wanted.before.is_null())
            continue;
        else if (item.version() != version_of(wanted.before))
            conflict(wanted, " was changed since it was observed");
    }
}

void Writer::conflict(Wanted& wanted, const std::string& what) {
    sdk::Diagnostic why =
        problem("firewall.conflict", spoken(wanted.change.key) + " of table " + table_.text() + what,
                "nothing was written; it is looked at again");
    why.retry = sdk::Retry::conflict;
    wanted.problems.push_back(std::move(why));
}

void Writer::canonicalize(const LiveTable& now) {
    std::vector<Asked> asked;
    std::vector<Wanted*> whose;
    for (Wanted& wanted : wanted_) {
        if (wanted.change.is_removed) continue;
        asked.push_back({wanted.change.key, wanted.declared});
        whose.push_back(&wanted);
    }
    std::vector<Canonical> found = scratch_.canonicalize(table_, now, asked, live_.interfaces());
    for (std::size_t i = 0; i < whose.size(); ++i) {
        whose[i]->change.spec = std::move(found[i].spec);
        whose[i]->problems = std::move(found[i].problems);
    }
}

// What the items say together, and with what else the table holds.
void Writer::check_together(const LiveTable& now) {
    std::set<std::string> removed_rules, closed_chains;
    for (const Wanted& wanted : wanted_) {
        const Key& key = wanted.change.key;
        if (key.kind == Kind::rule && wanted.change.is_removed)
            removed_rules.insert(key.chain + " " + key.name);
        if (key.kind == Kind::chain && !wanted.change.is_removed && wanted.change.spec.contains("guests"))
            closed_chains.insert(key.name);
    }
    for (Wanted& wanted : wanted_) {
        const Key& key = wanted.change.key;
        if (key.kind == Kind::rule && !wanted.change.is_removed && closed_chains.count(key.chain))
            wanted.problems.push_back(
                problem("firewall.not-shared",
                        "chain " + key.chain + " declares all of its rules, and this is another",
                        "say shared: true in the Chain document", "/spec/chain"));
        if (key.kind == Kind::table && wanted.change.is_removed) check_table_removal(wanted, now);
        const auto chain = now.chains.find(key.name);
        if (key.kind != Kind::chain || !wanted.change.is_removed || chain == now.chains.end()) continue;
        for (const LiveRule& rule : chain->second.rules)
            if (const auto guest = read_tagged(rule.text);
                guest && !removed_rules.count(key.name + " " + guest->tag.name))
                wanted.problems.push_back(
                    problem("firewall.in-use", "chain " + key.name + " still holds rule " + guest->tag.name,
                            "remove the Rule document as well, or wait until its own stack has"));
    }
}

void Writer::check_table_removal(const Wanted& table, const LiveTable& now) {
    std::set<std::string> going;
    for (const Wanted& wanted : wanted_)
        if (wanted.change.is_removed)
            going.insert(is_object(wanted.change.key.kind)
                             ? object_head(wanted.change.key.kind, wanted.change.key.name)
                             : spoken(wanted.change.key));
    std::string left;
    const auto consider = [&](const std::string& what) {
        if (!going.count(what)) left += (left.empty() ? "" : ", ") + what;
    };
    for (const auto& [name, chain] : now.chains) consider("Chain " + name);
    for (const auto& [name, set] : now.sets) consider("Set " + name);
    for (const auto& [head, object] : now.objects) consider(head);
    if (left.empty()) return;
    const_cast<Wanted&>(table).problems.push_back(
        problem("firewall.not-empty", "table " + table_.text() + " still holds " + left,
                "a table goes when it is empty: remove these first, or declare them"));
}

bool Writer::has_problems() const {
    return std::any_of(wanted_.begin(), wanted_.end(), [](const Wanted& w) { return !w.problems.empty(); });
}

Writer::End Writer::write(const Transaction& transaction) {
    if (const auto end = write_elements(transaction)) return *end;
    const Nft::Answer answer = live_.run(transaction.script().text());
    if (answer.ok) return End::done;
    blame(transaction, answer);
    return End::failed;
}

// One element into a large set: libnftables would first fetch all sets of the ruleset that hold intervals.
// The kernel's own bytes of the elements come from the scratch namespace, and this transaction names the
// generation that it was made for, so nobody's write in between is lost. Nothing where it has to go the
// other way.
std::optional<Writer::End> Writer::write_elements(const Transaction& transaction) {
    const auto* texts = transaction.only_elements();
    if (!texts) return std::nullopt;
    const LiveTable& now = look();
    std::vector<ElementBatch> batches;
    std::map<std::string, std::vector<std::string>> after;
    for (const auto& [set, change] : *texts) {
        const auto live = now.sets.find(set);
        if (live == now.sets.end() || !live->second.elements) return std::nullopt;
        auto removed = scratch_.encode(table_, now, set, change.removed);
        auto added = scratch_.encode(table_, now, set, change.added);
        if (!removed || !added) return std::nullopt;
        batches.push_back({set, *std::move(removed), *std::move(added)});
        std::set<std::string> elements(live->second.elements->begin(), live->second.elements->end());
        for (const std::string& text : change.removed) elements.erase(text);
        elements.insert(change.added.begin(), change.added.end());
        after[set].assign(elements.begin(), elements.end());
    }
    const int error = live_.write_elements(table_, batches, after);
    if (error == 0) return End::done;
    if (error != ERESTART) return std::nullopt;
    for (Wanted& wanted : wanted_)
        conflict(wanted, " may have changed: somebody wrote to the ruleset meanwhile");
    return End::failed;
}

void Writer::blame(const Transaction& transaction, const Nft::Answer& answer) {
    bool any = false;
    for (const Script::Culprit& culprit : transaction.script().culprits(answer)) {
        const bool is_gone =
            culprit.place.by_handle && culprit.message.find("No such file") != std::string::npos;
        for (Wanted& wanted : wanted_) {
            if (culprit.place.item != Script::nobody && culprit.place.item != wanted.change.item) continue;
            if (is_gone)
                conflict(wanted, " was changed while it was written");
            else
                wanted.problems.push_back(refusal(culprit));
            any = true;
        }
    }
    if (any) return;
    for (Wanted& wanted : wanted_)
        wanted.problems.push_back(problem("firewall.refused", "nft refuses the transaction: " + answer.error,
                                          "load the rules with `nft -c -f` to find out why"));
}

void Writer::answer_problems(sdk::Items items, sdk::Results& results) {
    for (const sdk::Item& item : items) {
        const Wanted& wanted = wanted_[item.index()];
        if (wanted.problems.empty()) {
            results.skipped(item);
            continue;
        }
        sdk::Result failed;
        failed.outcome = sdk::Outcome::failed;
        failed.diagnostics = wanted.problems;
        results.emit(item, failed);
    }
}

// What stands there now is read, and not believed.
void Writer::answer(sdk::Items items, sdk::Results& results, bool has_written) {
    const LiveTable& now = look();
    TableView view(table_, now);
    for (const sdk::Item& item : items) {
        Wanted& wanted = wanted_[item.index()];
        const Change& change = wanted.change;
        sdk::Result result;
        result.private_data = change.is_removed ? "" : private_data_of(change.key, wanted.declared);
        const Json seen = seen_spec(view, change.key, result.private_data);
        const bool is_good = change.is_removed ? seen.is_null() : is_as_wanted(change.spec, seen);
        const bool was_so = !has_written || seen == wanted.before;
        result.outcome = !is_good ? sdk::Outcome::partial
                         : was_so ? sdk::Outcome::unchanged
                                  : sdk::Outcome::done;
        if (!seen.is_null()) {
            result.document = document_of(change.key.kind, seen);
            result.version = version_of(seen);
        }
        if (!is_good) {
            conflict(wanted, " was written, and somebody else wrote to it at the same time");
            wanted.problems.back().hint = "it is looked at again";
            result.diagnostics = wanted.problems;
        }
        results.emit(item, result);
    }
}

void list_table(const TableName& table, const LiveTable& live, Kind kind, sdk::Results& results) {
    const auto tell = [&](const Key& key, const Json& spec) {
        results.object(kind_id(kind), identity_of(key, table), document_of(kind, spec), table.text());
    };
    if (kind == Kind::table && live.exists) tell({kind, "", ""}, table_spec(table, live));
    if (kind == Kind::set)
        for (const auto& [name, set] : live.sets)
            tell({kind, "", name}, without_defaults(set_spec(table, name, set)));
    if (is_object(kind))
        for (const auto& [head, object] : live.objects) {
            const std::string name = name_of_object(head);
            if (kind_of_object(head) == kind)
                tell({kind, "", name}, without_object_defaults(kind, object_spec(kind, table, name, object)));
        }
    for (const auto& [name, chain] : live.chains) {
        if (kind == Kind::chain) {
            Json spec = chain_spec(table, name, chain);
            if (!spec["guests"].empty()) spec["shared"] = true;
            if (spec["hook"] == "none") spec.erase("hook");
            spec.erase("guests");
            tell({kind, "", name}, spec);
        }
        if (kind != Kind::rule) continue;
        for (const Standing& one : standing_of(chain.rules))
            if (one.tag) tell({kind, name, one.tag->name}, rule_spec(table, name, *one.tag, one.rule));
    }
}

} // namespace holdfast::firewall
