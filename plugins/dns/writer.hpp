#pragma once
// One apply: what was asked for against what stands there, checked, written, and read back.

#include <map>
#include <optional>
#include <vector>

#include "backend.hpp"
#include "markers.hpp"

namespace holdfast::dns {

struct WriterOptions {
    bool may_change_apex_ns = false;
    Markers markers;
};

class Writer {
public:
    // `known`: the zone as it was read last, or null. Everything outlives the writer.
    Writer(Backend& backend, const sdk::Scope& scope, const WriterOptions& options, const ZoneData* known);

    // Every item gets its result. Afterwards take_zone() is what stands there, if that is known.
    void apply(sdk::Items items, sdk::Results& results);
    std::optional<ZoneData> take_zone() { return std::move(after_); }

private:
    struct Wanted {
        std::size_t item;
        Change change;
        std::optional<std::optional<RrSet>> expected; // what the engine had observed, if it says so
        sdk::Diagnostics remarks;
        enum class Fate { unchanged, written, not_written, uncertain, other } fate = Fate::unchanged;
    };

    bool read_items(sdk::Items items, sdk::Results& results);
    Wanted read_item(const sdk::Item& item) const;
    void read_zone();
    void settle_changes();
    std::map<std::size_t, sdk::Diagnostic> culprits();
    void blame(const std::map<std::size_t, sdk::Diagnostic>& culprits, sdk::Items items,
               sdk::Results& results);
    bool has_conflict(std::map<std::size_t, sdk::Diagnostic>& culprits) const;
    Written write();
    // A change that is sent: of one of `wanted_`, or of its marker. Small, since they are sorted.
    struct Sent {
        std::size_t wanted, marker = no_marker; // places in wanted_ and markers_
        static constexpr std::size_t no_marker = static_cast<std::size_t>(-1);
        bool is_marker() const { return marker != no_marker; }
    };
    void choose_what_to_send();
    const Change& change_of(const Sent& sent) const {
        return sent.is_marker() ? markers_[sent.marker] : wanted_[sent.wanted].change;
    }
    void mark(const Written& written);
    void report(sdk::Items items, const Written& written, sdk::Results& results);
    void report_one(const Wanted& wanted, const sdk::Item& item, const Written& written,
                    sdk::Results& results);
    bool is_as_expected() const;

    Backend& backend_;
    const sdk::Scope& scope_;
    const WriterOptions& options_;
    Wire origin_;
    std::optional<ZoneData> zone_, after_;
    std::vector<Wanted> wanted_;
    std::vector<Change> markers_;
    std::vector<Sent> sent_;  // in order
    std::size_t written_ = 0; // so many of them for certain
};

} // namespace holdfast::dns
