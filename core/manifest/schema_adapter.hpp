#pragma once
// Lets valijson look at a Value without a copy. Private to manifest.

#include <cmath>
#include <iterator>
#include <utility>

#include <valijson/internal/adapter.hpp>
#include <valijson/internal/basic_adapter.hpp>
#include <valijson/internal/frozen_value.hpp>

#include "base/value.hpp"

// valijson finds adapters and their traits in this namespace.
namespace valijson::adapters {

class HoldfastAdapter;
using HoldfastMember = std::pair<std::string, HoldfastAdapter>;

// An iterator that makes adapters of what it passes.
template <typename Inner, typename Outer, Outer (*Make)(const Inner&)>
class HoldfastIterator {
public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = Outer;
    using difference_type = std::ptrdiff_t;
    using pointer = Outer*;
    using reference = Outer&;

    HoldfastIterator() = default;
    explicit HoldfastIterator(const Inner* at) : at_(at) {}
    Outer operator*() const { return Make(*at_); }
    DerefProxy<Outer> operator->() const { return DerefProxy<Outer>(**this); }
    bool operator==(const HoldfastIterator& other) const { return at_ == other.at_; }
    bool operator!=(const HoldfastIterator& other) const { return at_ != other.at_; }
    HoldfastIterator& operator++() { return ++at_, *this; }
    HoldfastIterator operator++(int) { return HoldfastIterator(at_++); }
    HoldfastIterator& operator--() { return --at_, *this; }
    void advance(std::ptrdiff_t count) { at_ += count; }

private:
    const Inner* at_ = nullptr;
};

HoldfastAdapter make_item(const holdfast::Value& value);
HoldfastMember make_member(const holdfast::MapEntry& entry);
using HoldfastItemIterator = HoldfastIterator<holdfast::Value, HoldfastAdapter, make_item>;
using HoldfastMemberIterator = HoldfastIterator<holdfast::MapEntry, HoldfastMember, make_member>;

class HoldfastArray {
public:
    using const_iterator = HoldfastItemIterator;
    using iterator = HoldfastItemIterator;
    HoldfastArray() = default;
    explicit HoldfastArray(const holdfast::List& list) : begin_(list.data()), size_(list.size()) {}
    const_iterator begin() const { return const_iterator(begin_); }
    const_iterator end() const { return const_iterator(begin_ + size_); }
    std::size_t size() const { return size_; }

private:
    const holdfast::Value* begin_ = nullptr;
    std::size_t size_ = 0;
};

class HoldfastObject {
public:
    using const_iterator = HoldfastMemberIterator;
    using iterator = HoldfastMemberIterator;
    HoldfastObject() = default;
    explicit HoldfastObject(const holdfast::Map& map) : map_(&map) {}
    const_iterator begin() const { return const_iterator(first()); }
    const_iterator end() const { return const_iterator(first() + size()); }
    const_iterator find(const std::string& key) const {
        const holdfast::MapEntry* entry = map_ ? map_->find_entry(key) : nullptr;
        return entry ? const_iterator(entry) : end();
    }
    std::size_t size() const { return map_ ? map_->size() : 0; }

private:
    const holdfast::MapEntry* first() const { return size() ? &*map_->begin() : nullptr; }
    const holdfast::Map* map_ = nullptr;
};

class HoldfastFrozenValue final : public FrozenValue {
public:
    explicit HoldfastFrozenValue(holdfast::Value value) : value_(std::move(value)) {}
    FrozenValue* clone() const override { return new HoldfastFrozenValue(value_); }
    bool equalTo(const Adapter& other, bool strict) const override;

private:
    holdfast::Value value_;
};

class HoldfastValue {
public:
    HoldfastValue() = default;
    explicit HoldfastValue(const holdfast::Value& value) : value_(&value) {}

    FrozenValue* freeze() const { return new HoldfastFrozenValue(*value_); }
    opt::optional<HoldfastArray> getArrayOptional() const {
        if (!isArray()) return {};
        return HoldfastArray(*value_->if_list());
    }
    opt::optional<HoldfastObject> getObjectOptional() const {
        if (!isObject()) return {};
        return HoldfastObject(*value_->if_map());
    }
    bool getArraySize(std::size_t& result) const {
        return isArray() && (result = value_->if_list()->size(), true);
    }
    bool getObjectSize(std::size_t& result) const {
        return isObject() && (result = value_->if_map()->size(), true);
    }
    bool getBool(bool& result) const { return isBool() && (result = *value_->if_bool(), true); }
    bool getDouble(double& result) const { return isDouble() && (result = *value_->if_real(), true); }
    bool getInteger(std::int64_t& result) const {
        if (!isInteger()) return false;
        result = value_->is_integer() ? *value_->if_integer() : static_cast<std::int64_t>(*value_->if_real());
        return true;
    }
    bool getString(std::string& result) const { return isString() && (result = *value_->if_string(), true); }

    static bool hasStrictTypes() { return true; }
    bool isArray() const { return value_->is_list(); }
    bool isBool() const { return value_->is_bool(); }
    bool isDouble() const { return value_->is_number() && !isInteger(); }
    // Draft 6 and later: 5.0 is an integer.
    bool isInteger() const {
        if (value_->is_integer()) return true;
        const double* real = value_->if_real();
        return real && std::abs(*real) < 9007199254740992.0 && *real == std::floor(*real);
    }
    bool isNull() const { return value_->is_null(); }
    bool isNumber() const { return value_->is_number(); }
    bool isObject() const { return value_->is_map(); }
    bool isString() const { return value_->is_string(); }

private:
    static const holdfast::Value& nothing() {
        static const holdfast::Value empty = holdfast::Value(holdfast::Map{});
        return empty;
    }
    const holdfast::Value* value_ = &nothing();
};

class HoldfastAdapter
    : public BasicAdapter<HoldfastAdapter, HoldfastArray, HoldfastMember, HoldfastObject, HoldfastValue> {
public:
    HoldfastAdapter() = default;
    explicit HoldfastAdapter(const holdfast::Value& value) : BasicAdapter(HoldfastValue(value)) {}
};

template <>
struct AdapterTraits<HoldfastAdapter> {
    using DocumentType = holdfast::Value;
    static std::string adapterName() { return "HoldfastAdapter"; }
};

inline HoldfastAdapter make_item(const holdfast::Value& value) { return HoldfastAdapter(value); }
inline HoldfastMember make_member(const holdfast::MapEntry& entry) {
    return {entry.key, HoldfastAdapter(entry.value)};
}
inline bool HoldfastFrozenValue::equalTo(const Adapter& other, bool strict) const {
    return HoldfastAdapter(value_).equalTo(other, strict);
}

} // namespace valijson::adapters
