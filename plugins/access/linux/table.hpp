#pragma once
// A file of rows with fields between colons: passwd(5), shadow(5), group(5), gshadow(5). Lines that are no
// rows (comments, NIS) stay as and where they are.

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace holdfast::access {

using Row = std::vector<std::string>;

class Table {
public:
    Table(std::string name, std::size_t fields) : name_(std::move(name)), fields_(fields) {}

    const std::string& name() const { return name_; } // in /etc
    void read(std::optional<std::string> text);
    bool exists() const { return exists_; }
    bool is_changed() const { return is_changed_; }
    const std::string& text_before() const { return before_; }
    std::string text() const;

    // Null where there is none. Good until the next change.
    const Row* find(const std::string& name) const;
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
    std::string name_;
    std::size_t fields_;
    bool exists_ = false, is_changed_ = false;
    std::string before_;
    std::vector<Line> lines_;
    std::unordered_map<std::string, std::size_t> places_;
};

std::vector<std::string> split(std::string_view text, char at); // "" is no element
std::string joined(const std::vector<std::string>& texts, char with);

} // namespace holdfast::access
