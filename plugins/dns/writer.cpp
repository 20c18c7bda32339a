#include "writer.hpp"

#include <algorithm>

#include "check.hpp"

namespace holdfast::dns {

namespace {

constexpr unsigned max_attempts = 5; // while others write elsewhere in the zone

bool is_error(const sdk::Diagnostic& problem) { return problem.severity == sdk::Severity::error; }

std::string text_of(const std::optional<RrSet>& set, TypeNumber type) {
    if (!set) return "nothing";
    std::string out = "ttl " + std::to_string(set->ttl);
    for (std::size_t i = 0; i < set->values.size() && i < 4; ++i)
        out += (i == 0 ? " " : ", ") + rdata_text(type, set->values[i]);
    return set->values.size() > 4 ? out + ", ..." : out;
}

sdk::Diagnostic marked(const Key& key, const std::string& owner) {
    return problem("dns.marked",
                   key.part() + " is marked as owned by \"" + owner + "\", in " +
                       Markers::marker_of(key).part(),
                   "leave it to them, or remove that TXT record by hand to take it over");
}

} // namespace

Writer::Writer(Backend& backend, const sdk::Scope& scope, const WriterOptions& options, const ZoneData* known)
    : backend_(backend), scope_(scope), options_(options), origin_(parse_zone(scope.name())) {
    const bool is_current = known && known->origin == origin_ && known->version == scope.version();
    if (is_current && backend.compares()) zone_ = *known;
}

// A write succeeds as a whole or leaves the zone as it was, but for zones' worth of changes, which take more
// than one message (see README.md). What others did elsewhere in the zone does not hinder: it is read again,
// and only a change of what we are about to write is a conflict.
void Writer::apply(sdk::Items items, sdk::Results& results) {
    if (!read_items(items, results)) return;
    if (!zone_) read_zone();
    Written written;
    for (unsigned attempt = 1;; ++attempt) {
        settle_changes();
        if (const auto found = culprits(); !found.empty()) return blame(found, items, results);
        written = write();
        const bool again =
            written.end == Written::End::conflict && written.count == 0 && attempt < max_attempts;
        if (!again || scope_.should_stop()) break;
        read_zone();
    }
    try {
        after_ =
            written.count > 0 || written.end != Written::End::done ? backend_.read(scope_, origin_) : *zone_;
    } catch (const sdk::Error& error) {
        // What was written cannot be seen. The engine looks again.
        if (written.end == Written::End::done) written.why = error.diagnostic();
        for (Wanted& wanted : wanted_)
            if (wanted.fate == Wanted::Fate::written) wanted.fate = Wanted::Fate::uncertain;
    }
    report(items, written, results);
}

bool Writer::read_items(sdk::Items items, sdk::Results& results) {
    std::map<std::size_t, sdk::Diagnostic> culprits;
    for (const sdk::Item& item : items) {
        try {
            wanted_.push_back(read_item(item));
        } catch (const sdk::Error& error) {
            culprits.emplace(item.index(), error.diagnostic());
        }
    }
    if (!culprits.empty()) blame(culprits, items, results);
    return culprits.empty();
}

// Without a declared time to live an RRset keeps its own, unless it was we who gave it.
Writer::Wanted Writer::read_item(const sdk::Item& item) const {
    Wanted wanted{item.index(), {}, {}, {}, {}};
    wanted.change.key = key_of_identity(item.identity());
    if (!item.observed().empty()) {
        const Desired seen = read_leaf(item.observed());
        wanted.expected = RrSet{seen.ttl.value_or(0), seen.values};
    } else if (item.action() == sdk::Action::create) {
        wanted.expected.emplace();
    }
    if (item.action() == sdk::Action::remove) return wanted;
    const Desired desired = read_leaf(item.declared());
    if (desired.values.empty())
        throw sdk::Error("dns.no-values", wanted.change.key.part() + " is declared without values",
                         "an RRset has at least one; remove the document to remove the RRset");
    backend_.check_type(wanted.change.key.type);
    std::uint32_t ttl = default_ttl;
    const bool had_ttl = !item.recorded().empty() && read_leaf(item.recorded()).ttl.has_value();
    if (desired.ttl)
        ttl = *desired.ttl;
    else if (wanted.expected && *wanted.expected && !had_ttl)
        ttl = (*wanted.expected)->ttl;
    wanted.change.after = RrSet{ttl, desired.values};
    return wanted;
}

void Writer::read_zone() { zone_ = backend_.read_to_write(scope_, origin_); }

void Writer::settle_changes() {
    for (Wanted& wanted : wanted_) {
        const RrSet* live = zone_->find(wanted.change.key);
        wanted.change.before = live ? std::optional(*live) : std::nullopt;
        const bool is_so = wanted.change.before == wanted.change.after;
        wanted.fate = is_so ? Wanted::Fate::unchanged : Wanted::Fate::not_written;
        wanted.remarks.clear();
    }
}

bool Writer::has_conflict(std::map<std::size_t, sdk::Diagnostic>& culprits) const {
    for (const Wanted& wanted : wanted_) {
        if (!wanted.expected || wanted.fate == Wanted::Fate::unchanged ||
            *wanted.expected == wanted.change.before)
            continue;
        const TypeNumber type = wanted.change.key.type;
        culprits.emplace(wanted.item,
                         problem("dns.conflict",
                                 wanted.change.key.part() + " is not what was observed any more: there is " +
                                     text_of(wanted.change.before, type) + ", and there was " +
                                     text_of(*wanted.expected, type) + "; nothing was written",
                                 "plan again: the plan will show what is there now", sdk::Retry::conflict));
    }
    return !culprits.empty();
}

std::map<std::size_t, sdk::Diagnostic> Writer::culprits() {
    std::map<std::size_t, sdk::Diagnostic> out;
    if (has_conflict(out)) {
        // All of them are planned again, so none is to blame more than the others.
        for (const Wanted& wanted : wanted_) out.emplace(wanted.item, out.begin()->second);
        return out;
    }
    const bool is_marked = Markers::stand_in(*zone_);
    std::vector<Change> changes;
    std::vector<std::size_t> of;
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        if (wanted_[i].fate == Wanted::Fate::unchanged) continue;
        changes.push_back(wanted_[i].change);
        of.push_back(i);
        const std::string other =
            is_marked ? options_.markers.other_owner(*zone_, changes.back().key) : std::string();
        if (!other.empty()) out.emplace(wanted_[i].item, marked(changes.back().key, other));
        const bool is_apex_ns = changes.back().key == Key{"@", type::ns};
        if (is_apex_ns && changes.back().before && !options_.may_change_apex_ns)
            out.emplace(
                wanted_[i].item,
                problem("dns.apex-ns",
                        "the name servers of the zone itself would change from " +
                            text_of(changes.back().before, type::ns) + " to " +
                            text_of(changes.back().after, type::ns),
                        "if that is meant, and the parent zone says the same, set allowApexNs: true in "
                        "the provider's config"));
    }
    for (auto& [index, why] : check_changes(*zone_, changes))
        if (is_error(why))
            out.emplace(wanted_[of[index]].item, why);
        else
            wanted_[of[index]].remarks.push_back(why);
    return out;
}

void Writer::blame(const std::map<std::size_t, sdk::Diagnostic>& culprits, sdk::Items items,
                   sdk::Results& results) {
    for (const sdk::Item& item : items) {
        const auto found = culprits.find(item.index());
        if (found == culprits.end())
            results.skipped(item);
        else
            results.failed(item, found->second);
    }
}

void Writer::choose_what_to_send() {
    sent_.clear();
    markers_.clear();
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        if (wanted_[i].fate == Wanted::Fate::unchanged) continue;
        sent_.push_back({i});
        if (auto marker = options_.markers.change_for(*zone_, wanted_[i].change)) {
            sent_.push_back({i, markers_.size()});
            markers_.push_back(*std::move(marker));
        }
    }
    std::sort(sent_.begin(), sent_.end(),
              [this](const Sent& a, const Sent& b) { return change_of(a).key < change_of(b).key; });
}

Written Writer::write() {
    choose_what_to_send();
    if (sent_.empty()) return {};
    std::vector<Change> changes;
    changes.reserve(sent_.size());
    for (const Sent& sent : sent_) changes.push_back(change_of(sent));
    Written written = backend_.write(scope_, *zone_, changes);
    mark(written);
    return written;
}

void Writer::mark(const Written& written) {
    using Fate = Wanted::Fate;
    const Fate concerned = written.end == Written::End::unknown ? Fate::uncertain : Fate::not_written;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
        if (sent_[i].is_marker()) continue;
        const bool is_concerned =
            i < written.count + written.concerned || written.end == Written::End::conflict;
        wanted_[sent_[i].wanted].fate = i < written.count ? Fate::written
                                        : is_concerned    ? concerned
                                                          : Fate::other;
    }
    written_ = written.count;
}

// The next apply in this pass goes by the version that this one left, unless somebody else wrote as well.
bool Writer::is_as_expected() const {
    std::map<Key, RrSet> expected = zone_->sets;
    for (std::size_t i = 0; i < written_; ++i) {
        const Change& change = change_of(sent_[i]);
        if (change.after)
            expected[change.key] = *change.after;
        else
            expected.erase(change.key);
    }
    return expected == after_->sets;
}

void Writer::report(sdk::Items items, const Written& written, sdk::Results& results) {
    if (after_ && written.end == Written::End::done && is_as_expected())
        results.scope_version(after_->version);
    for (const Wanted& wanted : wanted_) report_one(wanted, items[wanted.item], written, results);
}

void Writer::report_one(const Wanted& wanted, const sdk::Item& item, const Written& written,
                        sdk::Results& results) {
    using Fate = Wanted::Fate;
    sdk::Result result;
    result.diagnostics = wanted.remarks;
    result.refreshed = item.refresh();
    const RrSet* now = after_ ? after_->find(wanted.change.key) : nullptr;
    if (now) result.document = document_of(origin_, wanted.change.key, *now);
    switch (wanted.fate) {
        case Fate::unchanged: result.outcome = sdk::Outcome::unchanged; break;
        case Fate::other: result = {}, result.outcome = sdk::Outcome::skipped; break;
        case Fate::not_written: result = sdk::Result::failed(written.why); break;
        case Fate::uncertain:
            result.outcome = sdk::Outcome::unknown;
            result.diagnostics.push_back(written.why);
            break;
        case Fate::written:
            const bool is_so = now ? wanted.change.after == *now : !wanted.change.after;
            if (is_so) break;
            result.outcome = sdk::Outcome::partial;
            result.diagnostics.push_back(
                problem("dns.ignored",
                        "the server said yes, and holds " +
                            text_of(now ? std::optional(*now) : std::nullopt, wanted.change.key.type) +
                            " at " + wanted.change.key.part(),
                        "somebody else may have written since, or the server ignores such a change"));
    }
    results.emit(item, result);
}

} // namespace holdfast::dns
