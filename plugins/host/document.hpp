#pragma once
// The documents of this plugin: what people declare, checked and in canonical form.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/json.hpp>

#include "content.hpp"

namespace holdfast::host {

enum class Type { none, file, directory, symlink, other };

constexpr std::string_view api_version = "host.holdfast.dev/v1alpha1";
// "host.holdfast.dev/v1alpha1/File" -> file; none for what is not ours.
Type type_of_kind(std::string_view kind);
std::string_view kind_of(Type type); // "File"
const std::string& kind_id_of(Type type);
const char* noun_of(Type type); // "a file", for messages

struct Blob {
    std::string sha256;
    std::uint64_t size = 0;
};

// A declared object. What is not declared is empty and neither compared nor changed.
struct Desired {
    Type type = Type::none;
    std::string path;
    std::optional<unsigned> mode;
    std::optional<std::string> owner, group;
    std::optional<std::string> text; // File: content as written in the document
    std::optional<Blob> source;      // File: content in the blob store
    std::string target;              // Symlink
};

// Everything that is wrong with a document and that its schema cannot say.
sdk::Diagnostics problems_of(Type type, const sdk::Json& document);
// Throws sdk::Error with the first problem.
Desired parse_desired(Type type, std::string_view document);
Desired desired_of(Type type, const sdk::Json& document);

// The declared document as it would be observed: clean path, four digits of mode, names for the numbers
// of users and groups, `content` for short text and `source` for everything else.
class Names;
std::string canonical(Type type, std::string_view document, const sdk::Host& host, Names& names);

std::string mode_text(unsigned mode); // "0644"
std::optional<unsigned> parse_mode(std::string_view text);

} // namespace holdfast::host
