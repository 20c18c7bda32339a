#include "script.hpp"

#include <algorithm>

namespace holdfast::firewall {

void Script::add(std::string_view line, Place place) {
    text_ += line;
    text_ += '\n';
    lines_.push_back({std::move(place), {}});
}

// All of them on one line: of a set of intervals nft looks at the whole set again for each command.
void Script::add_elements(std::string_view head, const Entries& entries, Place place) {
    if (entries.empty()) return;
    const std::size_t start = text_.size();
    Line line{std::move(place), {}};
    line.columns.reserve(entries.size());
    text_ += head;
    text_ += " { ";
    for (std::size_t i = 0; i < entries.size(); ++i) {
        if (i) text_ += ", ";
        line.columns.emplace_back(text_.size() - start + 1, entries[i].second);
        text_ += entries[i].first;
    }
    text_ += " }\n";
    lines_.push_back(std::move(line));
}

std::vector<Script::Culprit> Script::culprits(const Nft::Answer& answer) const {
    std::vector<Culprit> out;
    for (const NftError& error : answer.errors()) {
        Culprit culprit{{}, error.line, error.message};
        if (error.line >= 1 && error.line <= lines_.size()) {
            const Line& line = lines_[error.line - 1];
            culprit.place = line.place;
            const auto after =
                std::upper_bound(line.columns.begin(), line.columns.end(), error.column,
                                 [](std::size_t column, const auto& c) { return column < c.first; });
            if (after != line.columns.begin())
                culprit.place.pointer += "/" + std::to_string(std::prev(after)->second);
        } else {
            culprit.line = 0;
        }
        out.push_back(std::move(culprit));
    }
    return out;
}

sdk::Diagnostic refusal(const Script::Culprit& culprit) {
    const auto says = [&](const char* text) { return culprit.message.find(text) != std::string::npos; };
    sdk::Diagnostic out =
        problem("firewall.refused", "nft refuses this: " + culprit.message, "", culprit.place.pointer);
    if (says("No such file or directory") && culprit.place.lacks)
        out.hint = culprit.place.lacks;
    else if (says("No such file or directory"))
        out.hint =
            "it names a chain, set or object that the table does not have; declare it, or correct the name";
    else if (says("Interface does not exist"))
        out.hint = "iif and oif need the interface to exist; iifname and oifname do not";
    else if (says("syntax error"))
        out.hint = "write it as in `nft add rule`; a word of nft's language cannot be a name";
    else if (says("Operation not supported"))
        out.hint =
            "the kernel does not do this here: nat and masquerade need a chain of type nat, and some hooks "
            "and types exist in some families only";
    else if (says("Device or resource busy"))
        out.hint = "something in the table still uses it; remove that as well";
    else if (says("File exists"))
        out.hint = "it is there already, or its place is taken: a device belongs to one flow table at a time";
    else if (says("conflicting intervals"))
        out.hint = "two entries overlap; correct one of them, or say autoMerge: true";
    else if (says("Could not resolve"))
        out.hint = "it is neither a number nor a name that this machine knows";
    else if (says("Operation not permitted"))
        out.hint = "the table belongs to a program that keeps it (flags owner), or CAP_NET_ADMIN is missing";
    return out;
}

} // namespace holdfast::firewall
