#pragma once
// Builds document trees from the events of a YAML reader: anchors and aliases, merge keys, duplicate
// keys, tags, scalar rules and limits. Private to manifest.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "manifest/yaml.hpp"

namespace holdfast {

// How a scalar was written. `plain` ones are subject to the scalar rules.
enum class ScalarStyle { plain, quoted };

class TreeBuilder {
public:
    TreeBuilder(std::string_view text, const std::string& file, ScalarRules rules, Diagnostics& problems,
                const YamlLimits& limits)
        : text_(text), file_(file), rules_(rules), problems_(problems), limits_(limits) {}

    // Thrown through the reader when going on makes no sense; the problem has been reported.
    struct Stop {};

    void start_document(Position position);
    // `anchor` 0 means none; `tag` is empty, "!" or a full tag.
    void null(Position position, std::size_t anchor);
    void scalar(Position position, std::string_view tag, std::size_t anchor, std::string_view text,
                ScalarStyle style);
    void alias(Position position, std::size_t anchor);
    void start_list(Position position, std::string_view tag, std::size_t anchor);
    void end_list();
    void start_map(Position position, std::string_view tag, std::size_t anchor);
    void end_map();
    void end_document();

    std::vector<YamlDocument> take() { return std::move(documents_); }
    Diagnostic& report(std::string_view code, std::string message, Position position, std::size_t length,
                       std::string hint = {});

private:
    struct Frame {
        bool is_map = false;
        bool has_key = false;
        bool merges = false; // holds a plain "<<"
        Position position{};
        std::size_t anchor = 0;
        std::string key{};
        Position key_position{};
        std::vector<MapEntry> entries{};
        List items{};
    };
    struct Anchored {
        Value value;
        std::size_t cost = 0;
    };

    void open(bool is_map, Position position, std::string_view tag, std::size_t anchor);
    void put(Value value, std::size_t anchor);
    void put_key(const Value& value);
    void spend(std::size_t nodes, Position position);
    Value read_scalar(Position position, std::string_view tag, std::string_view text, ScalarStyle style);
    Value read_tagged(Position position, std::string_view tag, std::string_view text);
    bool awaits_key() const { return !frames_.empty() && frames_.back().is_map && !frames_.back().has_key; }
    Map finish_map(std::vector<MapEntry> entries, bool merges);
    void merge(std::vector<MapEntry>& entries);
    void report_duplicates(const std::vector<MapEntry>& sorted);

    std::string_view text_;
    const std::string& file_;
    ScalarRules rules_;
    Diagnostics& problems_;
    const YamlLimits& limits_;
    std::vector<Frame> frames_;
    std::unordered_map<std::size_t, Anchored> anchors_;
    std::vector<YamlDocument> documents_;
    Value root_;
    Position first_;
    bool is_empty_ = true;
    std::size_t nodes_ = 0;
};

} // namespace holdfast
