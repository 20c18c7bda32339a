#include "cli/render/page.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace holdfast {

namespace {
constexpr std::size_t narrowest_page = 40;
constexpr std::size_t gap = 2;
} // namespace

Page::Page(std::size_t width, bool colour, std::size_t place_width)
    : width_(std::max(width, narrowest_page)),
      body_width_(place_width == 0 ? width_ : width_ - std::min(place_width + gap, width_ / 3)),
      palette_(palette(colour)) {}

void Page::line(std::size_t indent, std::string_view text, std::string_view place) {
    std::string line = std::string(indent, ' ') + std::string(text);
    if (place.empty()) {
        line.erase(line.find_last_not_of(' ') + 1);
        text_ += line + '\n';
        return;
    }
    const std::size_t used = display_width(line), needed = display_width(place);
    if (used + gap + needed <= width_) {
        text_ += pad(line, width_ - needed) + paint(palette_.place, place) + '\n';
        return;
    }
    const std::string at = shorten_front(place, width_ - std::min(width_ - gap, indent + 4));
    text_ += line + '\n' + std::string(indent + 4, ' ') + paint(palette_.place, at) + '\n';
}

void Page::paragraph(std::size_t indent, std::string_view text, std::size_t hanging,
                     std::string_view colour) {
    for (const std::string& part : wrap(text, room_after(indent), hanging)) {
        const std::size_t blanks = std::min(part.find_first_not_of(' '), part.size());
        line(indent + blanks, paint(colour, std::string_view(part).substr(blanks)));
    }
}

void Page::blank() {
    if (!text_.empty() && !text_.ends_with("\n\n")) text_ += '\n';
}

void Page::line_with_right(std::string_view text, std::string_view right) {
    const std::size_t used = display_width(text), needed = display_width(right);
    if (used + gap + needed <= width_) {
        text_ += pad(text, width_ - needed) + std::string(right) + '\n';
    } else {
        text_ += std::string(text) + '\n' + std::string(right) + '\n';
    }
}

} // namespace holdfast
