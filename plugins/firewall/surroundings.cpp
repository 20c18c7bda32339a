#include "surroundings.hpp"

#include <algorithm>

namespace holdfast::firewall {

void Surroundings::add(const Key& key, const Json& spec) {
    leave_out(key);
    if (key.kind == Kind::chain) declared_.push_back("add chain " + table_.text() + " " + key.name);
    if (key.kind == Kind::set)
        declared_.push_back((is_map(spec) ? "add map " : "add set ") + table_.text() + " " + key.name + " " +
                            set_definition(spec));
}

std::vector<std::string> Surroundings::lines() const {
    const std::string at = table_.text() + " ";
    std::vector<std::string> out;
    for (const OtherObject& other : live_.others) {
        const std::size_t name = other.head.rfind(' ');
        std::string line =
            "add " + other.head.substr(0, name) + " " + at + other.head.substr(name + 1) + " {";
        for (const std::string& member : other.lines)
            if (member.rfind("devices", 0) != 0) line += " " + member + ";";
        out.push_back(line + " }");
    }
    for (const auto& [name, set] : live_.sets)
        if (!out_.count({Kind::set, "", name}))
            out.push_back((set.is_map ? "add map " : "add set ") + at + name + " " + set_definition(set));
    for (const auto& [name, chain] : live_.chains)
        if (!out_.count({Kind::chain, "", name})) out.push_back("add chain " + at + name);
    return out;
}

std::string Surroundings::signature() const {
    std::vector<std::string> all = lines();
    all.insert(all.end(), declared_.begin(), declared_.end());
    std::sort(all.begin(), all.end());
    std::string out;
    for (const std::string& line : all) out += line + "\n";
    return out;
}

} // namespace holdfast::firewall
