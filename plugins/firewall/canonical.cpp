#include "canonical.hpp"

#include <algorithm>

#include <linux/netlink.h>

#include "surroundings.hpp"

namespace holdfast::firewall {

namespace {

constexpr std::size_t most_cached_bytes = 128U << 20;
constexpr int most_rounds = 16;

bool is_managed(const Json& spec, const char* list) {
    const auto found = spec.find(list);
    return found != spec.end() && found->is_array();
}

} // namespace

// One load of several declarations into the scratch namespace, and what came of it.
class Load {
public:
    Load(Scratch& scratch, const TableName& table, const LiveTable& live, const std::vector<Asked>& asked,
         std::vector<Canonical>& out)
        : scratch_(scratch), table_(table), live_(live), asked_(asked), out_(out), at_(table.text() + " ") {}

    // Again without the lines that were refused, until the rest is taken: so all errors are told at once.
    void run(const std::vector<std::size_t>& which, const std::vector<std::string>& interfaces) {
        left_ = which;
        for (int round = 0; round < most_rounds; ++round) {
            write();
            scratch_.make_interfaces(script_.text(), interfaces);
            const Nft::Answer answer = scratch_.nft_->run(script_.text());
            if (answer.ok) return read();
            if (!blame(answer)) break;
        }
        for (const std::size_t i : left_)
            if (out_[i].problems.empty())
                out_[i].problems.push_back(problem("firewall.refused",
                                                   "nft refuses something here and does not say what",
                                                   "load the rules with `nft -c -f` to find out"));
    }

private:
    void write();
    void write_set(std::size_t i);
    void write_elements(std::size_t i);
    void write_rules(std::size_t i);
    bool is_refused(std::size_t i, const std::string& pointer) const {
        return refused_.count({i, pointer}) > 0;
    }
    bool blame(const Nft::Answer& answer);
    void read();
    Json next_guest(const std::string& chain, const LiveTable& listed);
    Json read_chain(const Asked& asked, const LiveTable& listed) const;
    Json read_set(const Asked& asked, const LiveTable& listed) const;
    const std::vector<std::string>* known_elements(const Asked& asked) const;

    Scratch& scratch_;
    const TableName& table_;
    const LiveTable& live_;
    const std::vector<Asked>& asked_;
    std::vector<Canonical>& out_;
    const std::string at_;                                  // "inet edge "
    std::vector<std::size_t> left_;                         // what is to be found out
    std::set<std::pair<std::size_t, std::string>> refused_; // items, and pointers into them
    std::set<std::size_t> dropped_surroundings_;
    std::map<std::string, std::size_t> guests_read_; // by chain, how far
    Script script_;
};

// Objects and sets before chains, since nothing but rules and elements names them; elements after chains,
// since verdicts name these.
void Load::write() {
    script_ = {};
    Surroundings around(table_, live_);
    for (const Asked& one : asked_) around.leave_out(one.key);
    script_.add("add table " + table_.text());
    std::size_t number = 0;
    for (const std::string& line : around.lines())
        if (!dropped_surroundings_.count(number++)) script_.add(line);
    for (std::size_t i = 0; i < asked_.size(); ++i) {
        const Key& key = asked_[i].key;
        if (is_object(key.kind) && !is_refused(i, "/spec"))
            script_.add("add " + std::string(object_word(key.kind)) + " " + at_ + key.name + " " +
                            object_definition(key.kind, asked_[i].spec),
                        object_place(i, key.kind));
    }
    for (std::size_t i = 0; i < asked_.size(); ++i)
        if (asked_[i].key.kind == Kind::set) write_set(i);
    for (std::size_t i = 0; i < asked_.size(); ++i) {
        if (asked_[i].key.kind != Kind::chain) continue;
        const std::string definition = is_refused(i, "/spec/hook") ? "" : chain_definition(asked_[i].spec);
        script_.add("add chain " + at_ + asked_[i].key.name + " " + definition, {i, "/spec/hook"});
    }
    for (const std::size_t i : left_)
        if (asked_[i].key.kind == Kind::set && is_managed(asked_[i].spec, "elements")) write_elements(i);
    for (const std::size_t i : left_)
        if (asked_[i].key.kind == Kind::chain) write_rules(i);
    for (const std::size_t i : left_)
        if (asked_[i].key.kind == Kind::rule && !is_refused(i, "/spec/rule"))
            script_.add("add rule " + at_ + asked_[i].key.chain + " " +
                            tagged(trimmed(asked_[i].spec["rule"].get_ref<const std::string&>()),
                                   tag_of(asked_[i].spec)),
                        {i, "/spec/rule"});
}

void Load::write_set(std::size_t i) {
    const std::string pointer = asked_[i].spec.contains("typeof") ? "/spec/typeof" : "/spec/type";
    if (!is_refused(i, pointer))
        script_.add("add " + std::string(is_map(asked_[i].spec) ? "map " : "set ") + at_ +
                        asked_[i].key.name + " " + set_definition(asked_[i].spec),
                    {i, pointer});
}

void Load::write_elements(std::size_t i) {
    if (is_refused(i, "/spec/elements") || is_refused(i, "/spec/type") || is_refused(i, "/spec/typeof"))
        return;
    const std::vector<std::string>* known = known_elements(asked_[i]);
    const bool has_refused = !out_[i].problems.empty();
    Script::Entries entries;
    const Json& list = asked_[i].spec["elements"];
    for (std::size_t e = 0; e < list.size(); ++e) {
        const std::string& text = list[e].get_ref<const std::string&>();
        if (has_refused && is_refused(i, "/spec/elements/" + std::to_string(e))) continue;
        if (!known || !std::binary_search(known->begin(), known->end(), text)) entries.emplace_back(text, e);
    }
    script_.add_elements("add element " + at_ + asked_[i].key.name, entries, {i, "/spec/elements"});
}

void Load::write_rules(std::size_t i) {
    const Json& rules = asked_[i].spec.value("rules", Json::array());
    for (std::size_t r = 0; r < rules.size(); ++r) {
        std::string pointer = "/spec/rules/" + std::to_string(r);
        if (!is_refused(i, pointer))
            script_.add("add rule " + at_ + asked_[i].key.name + " " + rule_text(rules[r]),
                        {i, std::move(pointer)});
    }
}

// False where no line is to blame.
bool Load::blame(const Nft::Answer& answer) {
    bool any = false;
    for (const Script::Culprit& culprit : script_.culprits(answer)) {
        if (culprit.line <= 1) { // no place, or the table itself
            for (const std::size_t i : left_) out_[i].problems.push_back(refusal(culprit));
            return false;
        }
        if (culprit.place.item != Script::nobody) {
            any |= refused_.insert({culprit.place.item, culprit.place.pointer}).second;
            out_[culprit.place.item].problems.push_back(refusal(culprit));
        } else { // something foreign in the table that nft cannot take back
            std::size_t number = 0, line = 2;
            while (dropped_surroundings_.count(number)) ++number;
            for (; line < culprit.line; ++line) {
                ++number;
                while (dropped_surroundings_.count(number)) ++number;
            }
            dropped_surroundings_.insert(number);
            any = true;
        }
    }
    return any;
}

// A live set of the same definition tells what is canonical already. Not where entries are merged with their
// neighbours.
const std::vector<std::string>* Load::known_elements(const Asked& asked) const {
    const auto set = live_.sets.find(asked.key.name);
    if (set == live_.sets.end() || !set->second.elements || asked.spec.value("autoMerge", false))
        return nullptr;
    const Json live = set_spec(table_, asked.key.name, set->second);
    for (const char* const member : {"type", "typeof"})
        if (live.value(member, Json()) != asked.spec.value(member, Json())) return nullptr;
    if (live["data"] != asked.spec.value("data", Json(""))) return nullptr;
    return live["autoMerge"] == false ? &*set->second.elements : nullptr;
}

void Load::read() {
    const Nft::Answer answer = scratch_.nft_->list("list table " + table_.text(), Nft::Elements::listed);
    const LiveTable listed = parse_table_listing(answer.output, table_, true);
    const Nft::Answer removed = scratch_.nft_->run("delete table " + table_.text());
    if (!answer.ok || !removed.ok)
        throw sdk::Error("firewall.scratch", "the rules were loaded to be compared, and cannot be listed: " +
                                                 answer.error + removed.error);
    for (const std::size_t i : left_) {
        if (!out_[i].problems.empty()) continue;
        const Asked& asked = asked_[i];
        Json& spec = out_[i].spec;
        switch (asked.key.kind) {
            case Kind::table:
                spec = {{"table", table_.text()}, {"dormant", asked.spec.value("dormant", false)}};
                break;
            case Kind::set: spec = read_set(asked, listed); break;
            case Kind::chain: spec = read_chain(asked, listed); break;
            case Kind::rule: spec = next_guest(asked.key.chain, listed); break;
            default:
                spec = object_spec(asked.key.kind, table_, asked.key.name,
                                   listed.objects.at(object_head(asked.key.kind, asked.key.name)));
        }
        if (spec.is_null())
            throw sdk::Error("firewall.scratch", "a rule was loaded to be compared, and is not listed");
    }
}

// They stand in a chain as they were loaded: in the order asked.
Json Load::next_guest(const std::string& chain, const LiveTable& listed) {
    const std::vector<LiveRule>& rules = listed.chains.at(chain).rules;
    for (std::size_t& at = guests_read_[chain]; at < rules.size();)
        if (const auto guest = read_tagged(rules[at++].text))
            return rule_spec(table_, chain, guest->tag, guest->rule);
    return nullptr;
}

Json Load::read_chain(const Asked& asked, const LiveTable& listed) const {
    Json spec = chain_spec(table_, asked.key.name, listed.chains.at(asked.key.name));
    if (!is_managed(asked.spec, "rules")) spec.erase("rules");
    spec["guests"] = Json::array(); // the scratch chain's are those of Rule documents
    if (asked.spec.value("shared", false) || !spec.contains("rules")) spec.erase("guests");
    return spec;
}

Json Load::read_set(const Asked& asked, const LiveTable& listed) const {
    Json spec = set_spec(table_, asked.key.name, listed.sets.at(asked.key.name));
    if (!is_managed(asked.spec, "elements")) return spec.erase("elements"), spec;
    const std::vector<std::string>* known = known_elements(asked);
    if (!known) return spec;
    std::vector<std::string> all = spec["elements"].get<std::vector<std::string>>();
    for (const Json& element : asked.spec["elements"])
        if (std::binary_search(known->begin(), known->end(), element.get_ref<const std::string&>()))
            all.push_back(element);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    spec["elements"] = std::move(all);
    return spec;
}

Scratch::Scratch() : thread_({NamespaceThread::Where::Kind::new_one, "", "holdfast-trial"}) {
    thread_.run([&] {
        nft_ = std::make_unique<Nft>();
        netlink_ = std::make_unique<Netlink>(NETLINK_NETFILTER);
        route_ = std::make_unique<Netlink>(NETLINK_ROUTE);
        probe(*nft_);
    });
}

Scratch::~Scratch() {
    thread_.run([&] {
        nft_.reset();
        netlink_.reset();
        route_.reset();
    });
}

// Only of what exists where the rules go may a rule say iif.
void Scratch::make_interfaces(const std::string& script, const std::vector<std::string>& interfaces) {
    const bool names_any =
        std::any_of(std::begin(interface_words), std::end(interface_words),
                    [&](const char* word) { return script.find(word) != std::string::npos; });
    if (!names_any) return;
    for (const std::string& name : interfaces)
        if (name != "lo" && !made_interfaces_.count(name) && script.find(name) != std::string::npos &&
            make_interface(*route_, name))
            made_interfaces_.insert(name);
}

std::vector<Canonical> Scratch::canonicalize(const TableName& table, const LiveTable& live,
                                             const std::vector<Asked>& asked,
                                             const std::vector<std::string>& interfaces) {
    std::vector<Canonical> out(asked.size());
    Surroundings around(table, live);
    for (const Asked& one : asked) around.add(one.key, one.spec);
    const std::string surrounding = table.text() + "|" + fingerprint(around.signature()) + "|";
    std::vector<std::string> keys;
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        keys.push_back(surrounding + kind_name(asked[i].key.kind) +
                       fingerprint(sdk::dump_json(asked[i].spec)));
        const auto found = cache_.find(keys[i]);
        if (found == cache_.end())
            missing.push_back(i);
        else
            out[i].spec = Json::parse(found->second);
    }
    if (missing.empty()) return out;
    thread_.run([&] { Load(*this, table, live, asked, out).run(missing, interfaces); });
    for (const std::size_t i : missing) {
        if (out[i].spec.is_null()) continue;
        std::string json = sdk::dump_json(out[i].spec);
        cache_bytes_ += json.size() + keys[i].size() + 100;
        cache_[keys[i]] = std::move(json);
    }
    if (cache_bytes_ > most_cached_bytes) cache_.clear(), cache_bytes_ = 0;
    return out;
}

std::optional<std::vector<RawElement>> Scratch::encode(const TableName& table, const LiveTable& live,
                                                       const std::string& set,
                                                       const std::vector<std::string>& elements) {
    if (elements.empty()) return std::vector<RawElement>();
    const LiveSet& definition = live.sets.at(set);
    Surroundings around(table, live);
    around.leave_out({Kind::set, "", set});
    std::string script = "add table " + table.text() + "\n";
    for (const std::string& line : around.lines()) script += line + "\n";
    script += std::string(definition.is_map ? "add map " : "add set ") + table.text() + " " + set + " " +
              set_definition(definition) + "\nadd element " + table.text() + " " + set + " { ";
    for (const std::string& element : elements) script += element + ", ";
    script += "}\n";
    std::optional<std::vector<RawElement>> out;
    thread_.run([&] {
        if (!nft_->run(script).ok) return;
        out = firewall::elements(*netlink_, table, set);
        nft_->run("delete table " + table.text());
    });
    return out && out->size() == elements.size() ? std::move(out) : std::nullopt;
}

std::optional<std::string> Scratch::cannot_load(const std::string& text, const TableName& table,
                                                const std::vector<std::string>& interfaces) {
    Nft::Answer answer;
    thread_.run([&] {
        make_interfaces(text, interfaces);
        answer = nft_->run(text);
        if (answer.ok) nft_->run("delete table " + table.text());
    });
    return answer.ok ? std::nullopt : std::optional<std::string>(answer.error);
}

} // namespace holdfast::firewall
