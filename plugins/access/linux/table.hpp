#pragma once
// A file of rows with fields between colons: passwd(5), shadow(5), group(5), gshadow(5). Lines that are no
// rows (comments, NIS) stay as and where they are.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace holdfast::access {

using Row = std::vector<std::string>;

// Where what stands; `none` where a file has no such column.
struct Columns {
    static constexpr std::size_t none = ~std::size_t{0};
    std::size_t count;
    std::size_t id = none, members = none;
};

// What it is asked for it finds without reading all rows.
class Table {
public:
    Table(std::string name, Columns columns) : name_(std::move(name)), columns_(columns) {}

    const std::string& name() const { return name_; } // in /etc
    void read(std::optional<std::string> text);
    bool exists() const { return exists_; }
    bool is_changed() const { return is_changed_; }
    const std::string& text_before() const { return before_; }
    std::string text() const;

    // Rows are good until the next change; null where there is none.
    const Row* find(const std::string& name) const;
    const Row* with_id(std::int64_t id) const; // the first in the file
    std::optional<std::int64_t> highest_id(std::int64_t first, std::int64_t last) const;
    // Names of the rows that list it among their members.
    std::set<std::string> with_member(const std::string& member) const;

    void set(const Row& row);
    void erase(const std::string& name);
    // Every row, in the file's order.
    template <typename Body>
    void each(Body body) const {
        for (const Line& line : lines_)
            if (!line.row.empty()) body(line.row);
    }

private:
    struct Line {
        std::string text; // as it stands in the file
        Row row;          // empty: no row
        bool is_gone = false;
    };
    void enter(std::size_t place); // into the indexes
    void leave(std::size_t place);
    void index_anew();

    std::string name_;
    Columns columns_;
    bool exists_ = false, is_changed_ = false;
    std::string before_;
    std::vector<Line> lines_;
    std::unordered_map<std::string, std::size_t> places_; // the first of each name
    std::map<std::int64_t, std::set<std::size_t>> by_id_;
    std::unordered_map<std::string, std::set<std::size_t>> by_member_;
};

std::optional<std::int64_t> number_of(const std::string& text);
std::vector<std::string> split(std::string_view text, char at); // "" is no element
std::string joined(const std::vector<std::string>& texts, char with);

} // namespace holdfast::access
