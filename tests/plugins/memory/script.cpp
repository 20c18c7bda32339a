#include "script.hpp"

#include <cstdio>
#include <fstream>

#include <unistd.h>

#include <holdfast/json.hpp>

#include "script_lock.hpp"

namespace memory {

using holdfast::sdk::Json;
using holdfast::sdk::text_at;

namespace {

std::string last_part(std::string_view kind_id) {
    return std::string(kind_id.substr(kind_id.find_last_of('/') + 1));
}

std::string without_quotes(std::string_view identity) {
    const Json text = Json::parse(identity, nullptr, false);
    return text.is_string() ? text.get<std::string>() : std::string(identity);
}

} // namespace

std::string short_name(std::string_view kind_id, std::string_view identity) {
    return last_part(kind_id) + "/" + without_quotes(identity);
}

std::optional<Fault> Script::take(std::string_view call, std::string_view kind_id, std::string_view identity,
                                  std::string_view effect, std::string_view other_effect) const {
    if (path_.empty() || ::access(path_.c_str(), F_OK) != 0) return std::nullopt;
    const ScriptLock lock(path_);
    std::ifstream file(path_);
    if (!file) return std::nullopt;
    Json faults = Json::parse(file, nullptr, false);
    if (!faults.is_array()) return std::nullopt;
    const std::string kind = last_part(kind_id), name = without_quotes(identity);
    for (std::size_t i = 0; i < faults.size(); ++i) {
        Json& fault = faults[i];
        Fault out{text_at(fault, "/call"),   text_at(fault, "/kind"), text_at(fault, "/name"),
                  text_at(fault, "/effect"), text_at(fault, "/code"), text_at(fault, "/message"),
                  text_at(fault, "/retry"),  fault.value("ms", 0)};
        if (out.call != call || out.kind != kind || (out.name != "*" && out.name != name)) continue;
        if (out.effect != effect && (other_effect.empty() || out.effect != other_effect)) continue;
        const int times = fault.value("times", 1) - 1;
        fault["times"] = times;
        if (times == 0) faults.erase(i);
        std::ofstream(path_ + ".new") << faults.dump();
        std::rename((path_ + ".new").c_str(), path_.c_str());
        return out;
    }
    return std::nullopt;
}

} // namespace memory
