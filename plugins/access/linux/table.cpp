#include "table.hpp"

#include <algorithm>
#include <charconv>

namespace holdfast::access {

std::optional<std::int64_t> number_of(const std::string& text) {
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return out;
}

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
    const std::string_view all = before_;
    for (std::size_t from = 0; from < all.size();) {
        const std::size_t end = std::min(all.find('\n', from), all.size());
        Line line;
        line.text = std::string(all.substr(from, end - from));
        from = end + 1;
        const bool is_row = !line.text.empty() && line.text[0] != '#' && line.text[0] != '+' &&
                            line.text[0] != '-' && line.text[0] != ':';
        if (is_row) line.row = fields_of(line.text);
        if (line.row.size() < columns_.count) line.row.clear(); // what is cut short is left to a person
        lines_.push_back(std::move(line));
    }
    index_anew();
}

void Table::index_anew() {
    places_.clear();
    by_id_.clear();
    by_member_.clear();
    for (std::size_t place = 0; place < lines_.size(); ++place)
        if (!lines_[place].row.empty()) enter(place);
}

void Table::enter(std::size_t place) {
    const Row& row = lines_[place].row;
    places_.emplace(row[0], place);
    if (columns_.id != Columns::none)
        if (const auto id = number_of(row[columns_.id])) by_id_[*id].insert(place);
    if (columns_.members != Columns::none)
        for (const std::string& member : split(row[columns_.members], ',')) by_member_[member].insert(place);
}

void Table::leave(std::size_t place) {
    const Row& row = lines_[place].row;
    places_.erase(row[0]);
    const auto without = [&](auto& index, const auto& key) {
        const auto found = index.find(key);
        if (found == index.end()) return;
        found->second.erase(place);
        if (found->second.empty()) index.erase(found);
    };
    if (columns_.id != Columns::none)
        if (const auto id = number_of(row[columns_.id])) without(by_id_, *id);
    if (columns_.members != Columns::none)
        for (const std::string& member : split(row[columns_.members], ',')) without(by_member_, member);
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

const Row* Table::with_id(std::int64_t id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &lines_[*found->second.begin()].row;
}

std::optional<std::int64_t> Table::highest_id(std::int64_t first, std::int64_t last) const {
    const auto behind = by_id_.upper_bound(last);
    if (behind == by_id_.begin() || std::prev(behind)->first < first) return std::nullopt;
    return std::prev(behind)->first;
}

std::set<std::string> Table::with_member(const std::string& member) const {
    std::set<std::string> out;
    const auto found = by_member_.find(member);
    if (found != by_member_.end())
        for (const std::size_t place : found->second) out.insert(lines_[place].row[0]);
    return out;
}

// New rows stand before what is asked of NIS, which everything behind it would come after.
void Table::set(const Row& row) {
    const auto place = places_.find(row[0]);
    if (place != places_.end()) {
        Line& line = lines_[place->second];
        if (line.row == row) return;
        const std::size_t at = place->second;
        leave(at);
        line.row = row;
        line.text = joined(row, ':');
        enter(at);
        is_changed_ = true;
        return;
    }
    is_changed_ = true;
    std::size_t at = lines_.size();
    while (at > 0 && !lines_[at - 1].text.empty() &&
           (lines_[at - 1].text[0] == '+' || lines_[at - 1].text[0] == '-'))
        --at;
    lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(at), Line{joined(row, ':'), row, false});
    if (at + 1 == lines_.size())
        enter(at);
    else
        index_anew();
}

void Table::erase(const std::string& name) {
    const auto place = places_.find(name);
    if (place == places_.end()) return;
    const std::size_t at = place->second;
    leave(at);
    lines_[at].is_gone = true;
    lines_[at].row.clear();
    is_changed_ = true;
}

} // namespace holdfast::access
