#include "base/semver.hpp"

#include <algorithm>
#include <cctype>

#include <semver.h>

#include "base/text.hpp"

namespace holdfast {

namespace {

// libsv keeps pointers into the text that it read, so that text has to live as long.
class Version {
public:
    explicit Version(std::string_view text) {
        if (text.starts_with('v')) text.remove_prefix(1);
        is_valid_ = !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) &&
                    semvern(&parsed_, text.data(), text.size()) == 0;
    }
    ~Version() { semver_dtor(&parsed_); }
    Version(const Version&) = delete;
    Version& operator=(const Version&) = delete;

    bool is_valid() const { return is_valid_; }
    bool is_prerelease() const { return parsed_.prerelease.len > 0; }
    const semver_t* get() const { return &parsed_; }

private:
    semver_t parsed_{};
    bool is_valid_ = false;
};

// The alternatives of a range are read one by one: where one of several is wrong, libsv loses the others.
class Range {
public:
    explicit Range(std::string_view text) : names_prerelease_(names_prerelease(text)) {
        is_valid_ = true;
        for (std::size_t from = 0; is_valid_ && from != std::string_view::npos;) {
            const std::size_t bar = text.find("||", from);
            take(trim(text.substr(from, bar == std::string_view::npos ? bar : bar - from)));
            from = bar == std::string_view::npos ? bar : bar + 2;
        }
    }
    // semver_range_dtor leaves the comparators behind.
    ~Range() {
        for (semver_range_t& one : alternatives_) {
            semver_comp_dtor(&one.comp);
            one.comp.next = nullptr;
            semver_range_dtor(&one);
        }
    }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;

    bool is_valid() const { return is_valid_; }
    bool matches(const Version& version) const {
        return is_valid_ && version.is_valid() && (names_prerelease_ || !version.is_prerelease()) &&
               std::any_of(alternatives_.begin(), alternatives_.end(), [&](const semver_range_t& one) {
                   return semver_range_pmatch(version.get(), &one);
               });
    }

private:
    // "1.0.0 - 2.0.0" is a range of releases, "1.0.0-rc.1" names a pre-release.
    static bool names_prerelease(std::string_view text) {
        for (std::size_t i = 1; i + 1 < text.size(); ++i)
            if (text[i] == '-' && text[i - 1] != ' ' && text[i + 1] != ' ') return true;
        return false;
    }

    // libsv takes an empty range for "any"; who leaves it empty has forgotten it.
    void take(std::string_view text) {
        semver_range_t& one = alternatives_.emplace_back();
        is_valid_ = !text.empty() && semver_rangen(&one, text.data(), text.size()) == 0;
    }

    std::vector<semver_range_t> alternatives_;
    bool names_prerelease_ = false, is_valid_ = false;
};

} // namespace

bool is_semver_range(std::string_view range) { return Range(range).is_valid(); }

bool semver_matches(std::string_view version, std::string_view range) {
    return Range(range).matches(Version(version));
}

std::optional<int> compare_semver(std::string_view a, std::string_view b) {
    const Version left(a), right(b);
    if (!left.is_valid() || !right.is_valid()) return std::nullopt;
    return semver_pcmp(left.get(), right.get());
}

std::optional<std::size_t> highest_match(const std::vector<std::string>& versions, std::string_view range) {
    const Range wanted(range);
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < versions.size(); ++i) {
        const Version version(versions[i]);
        if (!wanted.matches(version)) continue;
        if (!best || semver_pcmp(version.get(), Version(versions[*best]).get()) > 0) best = i;
    }
    return best;
}

} // namespace holdfast
