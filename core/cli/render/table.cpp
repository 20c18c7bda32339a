#include "cli/render/table.hpp"

#include <algorithm>
#include <numeric>

#include "base/text.hpp"
#include "cli/render/style.hpp"

namespace holdfast {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t narrowest = 8;

std::size_t total(const std::vector<std::size_t>& widths) {
    return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + gap * (widths.size() - 1);
}

void take_from(std::size_t& width, std::size_t& excess) {
    const std::size_t spare = width > narrowest ? width - narrowest : 0;
    const std::size_t taken = std::min(spare, excess);
    width -= taken;
    excess -= taken;
}

void fit(std::vector<std::size_t>& widths, std::size_t available) {
    const std::size_t needed = total(widths);
    if (needed <= available) return;
    std::size_t excess = needed - available;
    take_from(widths.back(), excess);
    for (std::size_t i = 1; i < widths.size() && excess > 0; ++i)
        take_from(*std::max_element(widths.begin(), widths.end() - 1), excess);
}

// Colour sequences do not survive a cut, so a cell that is too wide loses its colour.
std::string cut(const std::string& cell, std::size_t width) {
    if (display_width(cell) <= width) return cell;
    std::string plain;
    for (std::size_t i = 0; i < cell.size(); ++i) {
        if (cell[i] == '\x1b')
            i = std::min(cell.find('m', i), cell.size() - 1);
        else
            plain += cell[i];
    }
    return shorten(plain, width);
}

} // namespace

std::string Table::render(std::size_t width, std::size_t indent, LastColumn last) const {
    std::string out;
    for (const std::string& line : lines(width, indent, last)) out += line + '\n';
    return out;
}

std::vector<std::string> Table::lines(std::size_t width, std::size_t indent, LastColumn last) const {
    std::size_t columns = 0;
    for (const auto& row : rows_) columns = std::max(columns, row.size());
    if (columns == 0) return {};
    std::vector<std::size_t> widths(columns, 0);
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
    }
    fit(widths, width > indent ? width - indent : 0);
    std::vector<std::string> out;
    const auto finish = [&](std::string line) {
        line.erase(line.find_last_not_of(' ') + 1);
        out.push_back(std::move(line));
    };
    for (const auto& row : rows_) {
        std::string line(indent, ' ');
        for (std::size_t i = 0; i + 1 < row.size(); ++i) line += pad(cut(row[i], widths[i]), widths[i] + gap);
        const std::size_t room = row.empty() ? 0 : widths[row.size() - 1];
        if (last == LastColumn::shortened || row.size() < columns) {
            finish(line + (row.empty() ? "" : cut(row.back(), room)));
            continue;
        }
        const std::string below(display_width(line), ' ');
        for (const std::string& part : wrap(row.back(), room)) {
            finish(line + part);
            line = below;
        }
    }
    return out;
}

} // namespace holdfast
