#include "surroundings.hpp"

#include <algorithm>

namespace holdfast::firewall {

void Surroundings::add(const Key& key, const Json& spec) {
    leave_out(key);
    if (key.kind == Kind::chain) declared_.push_back("add chain " + table_.text() + " " + key.name);
    if (key.kind == Kind::set)
        declared_.push_back((is_map(spec) ? "add map " : "add set ") + table_.text() + " " + key.name + " " +
                            set_definition(spec));
    if (is_object(key.kind))
        declared_.push_back("add " + object_head(key.kind, key.name) + " " +
                            object_definition(key.kind, spec));
}

std::vector<std::string> Surroundings::lines() const {
    const std::string at = table_.text() + " ";
    std::vector<std::string> out;
    std::set<std::string> declared;
    for (const Key& key : out_)
        if (is_object(key.kind)) declared.insert(object_head(key.kind, key.name));
    for (const auto& [head, object] : live_.objects) {
        if (declared.count(head)) continue;
        const std::size_t name = head.rfind(' ');
        out.push_back("add " + head.substr(0, name) + " " + at + head.substr(name + 1) + " " +
                      object_definition(object, Devices::left_out));
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
