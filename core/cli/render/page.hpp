#pragma once
// A page of text under construction: indentation, wrapped paragraphs, and places (file:line) at the right
// edge. On a wide terminal they have a column of their own that the text never enters.

#include <string>
#include <string_view>

#include "cli/render/style.hpp"

namespace holdfast {

class Page {
public:
    // `place_width`: columns of the longest place, or 0 where places stand on their headings' lines only.
    Page(std::size_t width, bool colour, std::size_t place_width = 0);

    const Palette& colours() const { return palette_; }
    std::size_t width() const { return width_; }
    // Columns that text may use.
    std::size_t body_width() const { return body_width_; }
    std::size_t room_after(std::size_t indent) const {
        return body_width_ > indent + 16 ? body_width_ - indent : 16;
    }

    // `text` may hold colours. A place that finds no room beside it goes to a line of its own.
    void line(std::size_t indent, std::string_view text, std::string_view place = {});
    // Wrapped; the lines after the first are indented by `hanging` more.
    void paragraph(std::size_t indent, std::string_view text, std::size_t hanging = 0,
                   std::string_view colour = {});
    void blank(); // at most one in a row, none at the top
    void raw(std::string_view text) { text_ += text; }
    // "text      right": pushed to the right edge where it fits, else on the next line.
    void line_with_right(std::string_view text, std::string_view right);

    std::string take() && { return std::move(text_); }

private:
    std::string text_;
    std::size_t width_, body_width_;
    const Palette& palette_;
};

} // namespace holdfast
