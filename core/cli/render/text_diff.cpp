#include "cli/render/text_diff.hpp"

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"

namespace holdfast {

std::vector<std::string_view> lines_of(std::string_view text) {
    if (text.empty()) return {};
    if (text.back() == '\n') text.remove_suffix(1);
    return split(text, '\n');
}

namespace {

using Lines = std::vector<std::string_view>;

// What a plan shows must come quickly: texts that differ in more lines than this are shown as replaced.
constexpr int most_edits = 1500;

void add_all(std::vector<DiffLine>& out, LineKind kind, const Lines& lines, std::size_t from,
             std::size_t to) {
    for (std::size_t i = from; i < to; ++i) out.push_back({kind, lines[i], 0});
}

// Myers' greedy algorithm ("An O(ND) difference algorithm and its variations", 1986). reach[k] is how far
// one gets in `a` on diagonal k (= position in a minus position in b) with d edits. The reaches of every
// d are kept, so that the way can be followed back from the end. Works on a[from, a_end), b[from, b_end).
class ShortestEdit {
public:
    ShortestEdit(const Lines& a, const Lines& b, std::size_t from, std::size_t a_end, std::size_t b_end)
        : a_(a), b_(b), from_(from), n_(static_cast<int>(a_end - from)), m_(static_cast<int>(b_end - from)) {}

    // False where it takes more than `most_edits`.
    bool run(std::vector<DiffLine>& out) {
        for (int d = 0; d <= std::min(n_ + m_, most_edits); ++d) {
            if (advance(d)) {
                follow_back(d, out);
                return true;
            }
        }
        return false;
    }

private:
    std::string_view a(int i) const { return a_[from_ + static_cast<std::size_t>(i)]; }
    std::string_view b(int i) const { return b_[from_ + static_cast<std::size_t>(i)]; }
    static std::size_t slot(int d, int k) { return static_cast<std::size_t>(k + d); }

    // The furthest point on diagonal k before its snake, coming from the reaches of d - 1.
    int step(int d, int k) const {
        const std::vector<int>& last = reaches_[static_cast<std::size_t>(d - 1)];
        const bool goes_down = k == -d || (k != d && last[slot(d - 1, k - 1)] < last[slot(d - 1, k + 1)]);
        return goes_down ? last[slot(d - 1, k + 1)] : last[slot(d - 1, k - 1)] + 1;
    }

    bool advance(int d) {
        std::vector<int> reach(static_cast<std::size_t>(2 * d + 1), 0);
        bool is_complete = false;
        for (int k = -d; k <= d; k += 2) {
            int x = d == 0 ? 0 : step(d, k);
            // A diagonal that has left the rectangle stays where it is.
            while (x >= 0 && x < n_ && x - k >= 0 && x - k < m_ && a(x) == b(x - k)) ++x;
            reach[slot(d, k)] = x;
            is_complete |= x >= n_ && x - k >= m_;
        }
        reaches_.push_back(std::move(reach));
        return is_complete;
    }

    void follow_back(int d, std::vector<DiffLine>& out) const {
        std::vector<DiffLine> backwards;
        int x = n_, y = m_;
        for (; d > 0; --d) {
            const int k = x - y;
            const int start = step(d, k);
            while (x > start) {
                backwards.push_back({LineKind::kept, a(--x), 0});
                --y;
            }
            const std::vector<int>& last = reaches_[static_cast<std::size_t>(d - 1)];
            const bool goes_down = k == -d || (k != d && last[slot(d - 1, k - 1)] < last[slot(d - 1, k + 1)]);
            if (goes_down)
                backwards.push_back({LineKind::added, b(--y), 0});
            else
                backwards.push_back({LineKind::removed, a(--x), 0});
        }
        while (x > 0) backwards.push_back({LineKind::kept, a(--x), 0});
        out.insert(out.end(), backwards.rbegin(), backwards.rend());
    }

    const Lines& a_;
    const Lines& b_;
    std::size_t from_;
    int n_, m_;
    std::vector<std::vector<int>> reaches_;
};

// Leaves `context` equal lines around every change; the rest becomes gaps. A gap of one line is shown.
std::vector<DiffLine> with_gaps(const std::vector<DiffLine>& lines, std::size_t context) {
    std::vector<bool> is_shown(lines.size(), false);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].kind == LineKind::kept) continue;
        const std::size_t from = i >= context ? i - context : 0;
        for (std::size_t j = from; j < std::min(i + context + 1, lines.size()); ++j) is_shown[j] = true;
    }
    std::vector<DiffLine> out;
    for (std::size_t i = 0; i < lines.size();) {
        std::size_t hidden = 0;
        while (i + hidden < lines.size() && !is_shown[i + hidden]) ++hidden;
        if (hidden > 1) out.push_back({LineKind::gap, {}, hidden});
        if (hidden == 1) out.push_back(lines[i]);
        i += hidden;
        if (i < lines.size()) out.push_back(lines[i++]);
    }
    return out;
}

} // namespace

std::vector<DiffLine> diff_lines(std::string_view before, std::string_view after, std::size_t context) {
    const Lines a = lines_of(before), b = lines_of(after);
    std::size_t prefix = 0;
    while (prefix < a.size() && prefix < b.size() && a[prefix] == b[prefix]) ++prefix;
    std::size_t a_end = a.size(), b_end = b.size();
    while (a_end > prefix && b_end > prefix && a[a_end - 1] == b[b_end - 1]) --a_end, --b_end;

    std::vector<DiffLine> lines;
    add_all(lines, LineKind::kept, a, 0, prefix);
    if (!ShortestEdit(a, b, prefix, a_end, b_end).run(lines)) {
        add_all(lines, LineKind::removed, a, prefix, a_end);
        add_all(lines, LineKind::added, b, prefix, b_end);
    }
    add_all(lines, LineKind::kept, a, a_end, a.size());
    return with_gaps(lines, context);
}

} // namespace holdfast
