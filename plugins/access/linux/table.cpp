#include "table.hpp"

#include <algorithm>

namespace holdfast::access {

std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(at), text.size());
        out.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

std::string joined(const std::vector<std::string>& texts, char with) {
    std::string out;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (i > 0) out += with;
        out += texts[i];
    }
    return out;
}

namespace {

Row fields_of(std::string_view line) {
    Row out;
    for (std::size_t from = 0;;) {
        const std::size_t end = line.find(':', from);
        out.emplace_back(line.substr(from, end == std::string_view::npos ? end : end - from));
        if (end == std::string_view::npos) return out;
        from = end + 1;
    }
}

} // namespace

void Table::read(std::optional<std::string> text) {
    exists_ = text.has_value();
    before_ = std::move(text).value_or("");
    is_changed_ = false;
    lines_.clear();
    places_.clear();
    const std::string_view all = before_;
    for (std::size_t from = 0; from < all.size();) {
        const std::size_t end = std::min(all.find('\n', from), all.size());
        Line line;
        line.text = std::string(all.substr(from, end - from));
        from = end + 1;
        const bool is_row = !line.text.empty() && line.text[0] != '#' && line.text[0] != '+' &&
                            line.text[0] != '-' && line.text[0] != ':';
        if (is_row) line.row = fields_of(line.text);
        if (line.row.size() < fields_) line.row.clear(); // what is cut short is left to a person
        if (!line.row.empty()) places_.emplace(line.row[0], lines_.size());
        lines_.push_back(std::move(line));
    }
}

std::string Table::text() const {
    std::string out;
    for (const Line& line : lines_)
        if (!line.is_gone) out.append(line.text).append("\n");
    return out;
}

const Row* Table::find(const std::string& name) const {
    const auto place = places_.find(name);
    return place == places_.end() ? nullptr : &lines_[place->second].row;
}

// New rows stand before what is asked of NIS, which everything behind it would come after.
void Table::set(const Row& row) {
    const auto place = places_.find(row[0]);
    if (place != places_.end()) {
        Line& line = lines_[place->second];
        if (line.row == row) return;
        line.row = row;
        line.text = joined(row, ':');
        is_changed_ = true;
        return;
    }
    is_changed_ = true;
    std::size_t at = lines_.size();
    while (at > 0 && !lines_[at - 1].text.empty() &&
           (lines_[at - 1].text[0] == '+' || lines_[at - 1].text[0] == '-'))
        --at;
    lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(at), Line{joined(row, ':'), row, false});
    if (at + 1 != lines_.size())
        for (auto& [name, index] : places_)
            if (index >= at) ++index;
    places_[row[0]] = at;
}

void Table::erase(const std::string& name) {
    const auto place = places_.find(name);
    if (place == places_.end()) return;
    Line& line = lines_[place->second];
    line.is_gone = true;
    line.row.clear();
    places_.erase(place);
    is_changed_ = true;
}

} // namespace holdfast::access
