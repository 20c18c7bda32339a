#pragma once
// Commands for nft whose lines know what they are for, so that an error finds the entry that caused it.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "names.hpp"
#include "nft.hpp"

namespace holdfast::firewall {

class Script {
public:
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

    struct Place {
        std::size_t item = nobody;   // whose line it is
        std::string pointer;         // into its document
        bool by_handle = false;      // it names a rule by its handle, which somebody else may have removed
        const char* lacks = nullptr; // what usually lacks where the kernel finds no such thing
    };
    struct Culprit {
        Place place;
        std::size_t line = 0;
        std::string message;
    };

    void add(std::string_view line) { add(line, Place{}); }
    void add(std::string_view line, Place place);
    // "HEAD { a, b }". `entries`: text, and its index in the document's list at `place.pointer`.
    using Entries = std::vector<std::pair<std::string_view, std::size_t>>;
    void add_elements(std::string_view head, const Entries& entries, Place place);

    bool empty() const { return lines_.empty(); }
    const std::string& text() const { return text_; }
    // Whom the errors of a run are about.
    std::vector<Culprit> culprits(const Nft::Answer& answer) const;

private:
    struct Line {
        Place place;
        std::vector<std::pair<std::size_t, std::size_t>> columns; // of elements: where each begins, its index
    };
    std::string text_;
    std::vector<Line> lines_;
};

// As people say it: "Could not process rule: No such file or directory" says too little by itself.
sdk::Diagnostic refusal(const Script::Culprit& culprit);

} // namespace holdfast::firewall
