#pragma once
// What a table holds besides chains and sets, and rules name: counters, quotas, limits, what connection
// tracking is told, flow tables. What they count is theirs: it is in no document, and no difference.

#include <optional>
#include <string>
#include <string_view>

#include <holdfast/json.hpp>

#include "listing.hpp"
#include "names.hpp"
#include "script.hpp"

namespace holdfast::firewall {

using sdk::Json;

// "counter", "ct helper": how commands of nft call the kind.
const char* object_word(Kind kind);
// "counter hits": how a listing calls one.
std::string object_head(Kind kind, std::string_view name);

// Of a head; nothing for what nobody declares.
std::optional<Kind> kind_of_object(std::string_view head);
std::string name_of_object(std::string_view head);

// What is listed, in the form in which it is compared: without what it has counted, and with all options.
Json object_spec(Kind kind, const TableName& table, const std::string& name, const LiveObject& live);
// As people write it, without what says nothing.
Json without_object_defaults(Kind kind, Json spec);

// Where an error in its line belongs.
Script::Place object_place(std::size_t item, Kind kind);

// "{ over 25 mbytes; }"; empty for a counter.
std::string object_definition(Kind kind, const Json& spec);
// From its lines, with what it has counted where these have it, and its comment. Devices are left out where
// they need not exist.
enum class Devices { named, left_out };
std::string object_definition(const LiveObject& live, Devices devices);

// Whether the kernel goes from one to the other in place, and so keeps what was counted. It has no way to
// change a limit or what connection tracking is told: an `add` of one that exists does nothing and says so to
// nobody.
bool changes_in_place(Kind kind, const Json& from, const Json& to);
// Whether a rule, as listed, names the object.
bool names_object(std::string_view rule, Kind kind, std::string_view name);
// Whether an element of a map of objects, as listed, gives this one.
bool gives_object(std::string_view element, std::string_view name);
// "counter" for a map whose elements are counters; empty for other sets.
std::string object_word_of_map(const LiveSet& set);

} // namespace holdfast::firewall
