#pragma once
// The documents of one file in a compact binary form, so that a file that was fine before needs no YAML,
// no JSON and no schema check again. Private to manifest.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/annotations.hpp"
#include "model/leaf.hpp"

namespace holdfast {

// A document of a file as far as it depends on nothing but its text and its plugin's schema.
struct ParsedDocument {
    ResourceId id;
    Symbol api_version;
    std::string plugin; // that checked it
    Steering steering;
    Document document;
    std::string identity;
    Symbol scope;
    bool has_references = false;
    bool compiles = false;
    std::uint32_t line = 0, index = 0;
};

// Raised whenever the reading of files changes its results.
constexpr std::uint32_t record_version = 3;

std::string encode_record(const std::vector<ParsedDocument>& documents);
// Nothing for bytes that are not such a record.
std::optional<std::vector<ParsedDocument>> decode_record(std::string_view bytes);

} // namespace holdfast
