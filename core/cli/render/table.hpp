#pragma once
// Rows with aligned columns, measured in the columns of a terminal.

#include <string>
#include <vector>

namespace holdfast {

enum class LastColumn { shortened, wrapped };

class Table {
public:
    // Cells may hold colour sequences. A row may be shorter than the longest one.
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    // More cells at the end of the newest row.
    void add_to_last(const std::vector<std::string>& cells) {
        rows_.back().insert(rows_.back().end(), cells.begin(), cells.end());
    }
    bool empty() const { return rows_.empty(); }

    // Each row on a line. Where they do not fit into `width`, the last column is shortened first, then
    // the widest of the others; no column gets narrower than 8. `indent` blanks stand before each line.
    std::string render(std::size_t width, std::size_t indent = 0,
                       LastColumn last = LastColumn::shortened) const;
    // The same lines one by one, without their newlines.
    std::vector<std::string> lines(std::size_t width, std::size_t indent = 0,
                                   LastColumn last = LastColumn::shortened) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

} // namespace holdfast
