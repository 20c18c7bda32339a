#pragma once
// YAML text -> documents with positions, from yaml-cpp's events straight into our own tree.

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/value.hpp"

namespace holdfast {

// How plain scalars are read. `strict`: ours; what YAML 1.1 and 1.2 read differently (yes, 0644, 1:30) is
// an error that asks for quotes. `kubernetes`: as kubectl does (0644 is 420, yes is true). `kustomize`: as
// kustomize writes out what it reads (0644 is 420, yes is text).
enum class ScalarRules { strict, kubernetes, kustomize };

struct YamlLimits {
    std::size_t max_bytes = 4U << 20;  // of one file
    std::size_t max_nodes = 1'000'000; // after aliases are expanded: stops alias bombs
    std::size_t max_depth = 100;
};

struct YamlDocument {
    Value tree;
    std::uint32_t line = 0; // of its first node
};

// All documents of a file; empty ones are left out. Problems (syntax, duplicate keys, invalid UTF-8, tabs,
// ambiguous scalars, unknown tags) go to `problems` with place and excerpt; a file with a syntax error
// gives the documents before it. `file` is used for the places only.
std::vector<YamlDocument> parse_yaml(std::string_view text, const std::string& file, ScalarRules rules,
                                     Diagnostics& problems, const YamlLimits& limits = {});

// YAML for people, that parse_yaml reads back: block style, strings quoted only where they must be. Keys
// in the order that people expect (apiVersion, kind, metadata, spec), the rest sorted.
std::string to_yaml(const Value& value);

// The source line `line` of `text`, without its end; for excerpts. Long lines are cut.
std::string excerpt_of(std::string_view text, std::uint32_t line);

} // namespace holdfast
