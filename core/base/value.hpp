#pragma once
// The document tree: what YAML and JSON documents are made of. A value type with value semantics; every
// node remembers where it was written. Maps are kept sorted by key, so two equal documents are equal
// however they were spelled, and printing one is canonical.

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/position.hpp"
#include "base/symbol.hpp"

namespace holdfast {

class Value;
struct MapEntry;
using List = std::vector<Value>;

// A map from text to Value, sorted by the bytes of the key (RFC 8785 sorts by UTF-16; for the keys people
// use the two agree). Lookup is a binary search.
class Map {
public:
    // What needs a whole MapEntry is defined behind it, below.
    Map() noexcept;
    Map(const Map& other);
    Map(Map&& other) noexcept;
    Map& operator=(const Map& other);
    Map& operator=(Map&& other) noexcept;
    ~Map();
    // Sorts `entries`. Of equal keys the last stays; the manifest loader reports them before.
    static Map from_unsorted(std::vector<MapEntry> entries);

    bool empty() const;
    std::size_t size() const;
    const Value* find(std::string_view key) const;
    Value* find(std::string_view key);
    const MapEntry* find_entry(std::string_view key) const;
    bool contains(std::string_view key) const { return find(key) != nullptr; }
    // The value at `key`, made null where there was none.
    Value& operator[](std::string_view key);
    Value& set(std::string_view key, Value value);
    bool erase(std::string_view key);

    std::vector<MapEntry>::const_iterator begin() const;
    std::vector<MapEntry>::const_iterator end() const;
    std::vector<MapEntry>::iterator begin();
    std::vector<MapEntry>::iterator end();

private:
    std::vector<MapEntry> entries_;
};

class Value {
public:
    enum class Type : std::uint8_t { null, boolean, integer, real, string, list, map };

    Value() = default;
    Value(std::nullptr_t) {}
    Value(bool value) : content_(value) {}
    Value(int value) : content_(std::int64_t{value}) {}
    Value(unsigned value) : content_(std::int64_t{value}) {}
    Value(std::int64_t value) : content_(value) {}
    Value(double value) : content_(value) {}
    Value(const char* value) : content_(std::string(value)) {}
    Value(std::string_view value) : content_(std::string(value)) {}
    Value(Symbol value) : content_(value.str()) {}
    Value(std::string value) : content_(std::move(value)) {}
    Value(List value) : content_(std::move(value)) {}
    Value(Map value) : content_(std::move(value)) {}
    // Value::map({{"a", 1}, {"b", "x"}}), Value::list({1, 2})
    static Value map(std::initializer_list<std::pair<std::string_view, Value>> entries);
    static Value list(std::initializer_list<Value> items);

    Type type() const { return static_cast<Type>(content_.index()); }
    std::string_view type_name() const; // "null", "boolean", "integer", "number", "string", "list", "map"
    bool is_null() const { return type() == Type::null; }
    bool is_bool() const { return type() == Type::boolean; }
    bool is_integer() const { return type() == Type::integer; }
    bool is_number() const { return is_integer() || type() == Type::real; }
    bool is_string() const { return type() == Type::string; }
    bool is_list() const { return type() == Type::list; }
    bool is_map() const { return type() == Type::map; }
    bool is_scalar() const { return !is_list() && !is_map(); }

    // The content where the type fits, else null.
    const bool* if_bool() const { return std::get_if<bool>(&content_); }
    const std::int64_t* if_integer() const { return std::get_if<std::int64_t>(&content_); }
    const double* if_real() const { return std::get_if<double>(&content_); }
    const std::string* if_string() const { return std::get_if<std::string>(&content_); }
    const List* if_list() const { return std::get_if<List>(&content_); }
    const Map* if_map() const { return std::get_if<Map>(&content_); }
    List* if_list() { return std::get_if<List>(&content_); }
    Map* if_map() { return std::get_if<Map>(&content_); }
    // Turns a null into an empty map or list; asserts on any other type.
    Map& as_map();
    List& as_list();

    // For a map, the value at `key`; null where there is none or this is no map.
    const Value* find(std::string_view key) const;
    // The text at `key`, or `otherwise`.
    std::string_view text_at(std::string_view key, std::string_view otherwise = {}) const;

    Position position;

    // Positions do not count. 1 and 1.0 are equal, as they are in JSON.
    friend bool operator==(const Value& a, const Value& b);

private:
    std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Map> content_;
};

struct MapEntry {
    std::string key;
    Value value;
    Position key_position;
};

inline Map::Map() noexcept = default;
inline Map::Map(const Map& other) = default;
inline Map::Map(Map&& other) noexcept = default;
inline Map& Map::operator=(const Map& other) = default;
inline Map& Map::operator=(Map&& other) noexcept = default;
inline Map::~Map() = default;
inline bool Map::empty() const { return entries_.empty(); }
inline std::size_t Map::size() const { return entries_.size(); }
inline std::vector<MapEntry>::const_iterator Map::begin() const { return entries_.begin(); }
inline std::vector<MapEntry>::const_iterator Map::end() const { return entries_.end(); }
inline std::vector<MapEntry>::iterator Map::begin() { return entries_.begin(); }
inline std::vector<MapEntry>::iterator Map::end() { return entries_.end(); }

inline Value Value::list(std::initializer_list<Value> items) { return Value(List(items)); }

// The strings of a list; what is no list, or no string in it, counts as not there. `list` may be null.
std::vector<std::string> texts_of(const Value* list);
// The same of a map.
std::map<std::string, std::string> texts_by_key(const Value* map);

// JSON pointers, RFC 6901.

// "a/b~c" -> "a~1b~0c"
std::string escape_pointer_token(std::string_view token);
std::string append_pointer(std::string_view pointer, std::string_view token);
std::string append_pointer(std::string_view pointer, std::size_t index);
// "/a~1b/0" -> {"a/b", "0"}. A pointer that does not begin with "/" counts as one that does.
std::vector<std::string> split_pointer(std::string_view pointer);
// Null where nothing stands there.
const Value* find_at(const Value& root, std::string_view pointer);
Value* find_at(Value& root, std::string_view pointer);
// Makes the maps on the way. False where the way is blocked by a scalar or by a list index out of range.
bool set_at(Value& root, std::string_view pointer, Value value);
// False where nothing stood there.
bool erase_at(Value& root, std::string_view pointer);
// The place of what stands at `pointer`, or of the nearest parent that stands in the text. With
// `of_key`, the place of the key that names it.
Position position_at(const Value& root, std::string_view pointer, bool of_key = false);

} // namespace holdfast
