#pragma once
// nftables as text: libnftables in a few calls, a table's listing as JSON documents, and the commands that
// make it so. Text in, text out: the JSON of libnftables 1.0.6 drops and invents things.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <holdfast/json.hpp>

struct nft_ctx;

namespace spike {

using namespace holdfast::sdk;

inline constexpr const char* chain_kind = "nft.spike.holdfast.dev/v1alpha1/Chain";
inline constexpr const char* set_kind = "nft.spike.holdfast.dev/v1alpha1/Set";

// One libnftables context: text commands in, text listing out. Its socket belongs to the network namespace
// of the thread that made it, but libnftables reopens it after an interrupted dump: never move it across.
class Nft {
public:
    struct Answer {
        bool ok;
        std::string output, error;
    };

    Nft();
    ~Nft();
    Nft(const Nft&) = delete;
    Nft& operator=(const Nft&) = delete;

    // All of it happens, or nothing.
    Answer run(const std::string& commands);
    // The table as text; empty where there is none. What cannot be read is an error, never empty.
    std::string list(const std::string& table);

private:
    nft_ctx* context_;
};

// The ruleset's generation, which each transaction in this namespace increases; 0 where it is not told.
std::uint32_t generation();

// What a listing holds: (kind, name) -> spec without table and name.
using Objects = std::map<std::pair<std::string, std::string>, Json>;
Objects parse_table(const std::string& listing);

// A script whose lines know which item they are for, since libnftables' errors name the line.
class Script {
public:
    static constexpr std::size_t no_item = SIZE_MAX;
    void add(std::size_t item, const std::string& line);
    const std::string& text() const { return text_; }
    // "/proc/self/fd/5:3:12-15: Error: ..." -> the item of line 3.
    std::optional<std::size_t> culprit(const std::string& error) const;

private:
    std::string text_;
    std::vector<std::size_t> items_;
};

// `at` is "inet web blocked".
void add_set(Script& script, std::size_t item, const std::string& at, const Json& spec);
void add_chain(Script& script, std::size_t item, const std::string& at, const Json& spec);
void add_rules(Script& script, std::size_t item, const std::string& at, const Json& spec);

struct Wanted {
    std::size_t index;
    Action action;
    std::string kind, name;
    Json spec;
};

// Sets before the chains that name them, chains before rules that jump to them; deletes backwards.
Script transaction(const std::string& table, const std::vector<Wanted>& changes, const Objects& live);

} // namespace spike
