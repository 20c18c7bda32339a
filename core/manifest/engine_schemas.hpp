#pragma once
// JSON Schemas of the engine's own documents, holdfast.dev/v1alpha1: what checks them is also what
// `holdfast schema` prints.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "manifest/load.hpp" // engine_schema()

namespace holdfast {

inline constexpr std::string_view engine_group = "holdfast.dev";
inline constexpr std::string_view engine_api_version = "holdfast.dev/v1alpha1";

// "Project", "Provider", "Source", "Stack".
const std::vector<std::string>& engine_kinds();

// Compiled once per process: a project may have hundreds of documents of one kind. Any thread.
std::shared_ptr<const SchemaChecker> engine_checker(const std::string& kind);

} // namespace holdfast
