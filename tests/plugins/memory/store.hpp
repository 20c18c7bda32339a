#pragma once
// The objects of the test provider: an append-only file, mapped, with a hash index over it in memory. It
// outlives every process; a writer that is killed leaves either the old or the new record.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memory {

// Points into the mapping; valid until the store is closed.
struct Object {
    std::string_view kind, scope, identity, document;
    std::uint64_t generation = 0; // writes of this object so far, over its whole life
};

class Store {
public:
    explicit Store(const std::string& path); // throws std::runtime_error
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Takes in what other processes wrote since.
    void refresh();
    const Object* find(std::string_view kind, std::string_view scope, std::string_view identity);
    // What the object was before its last write; nothing if that was its first. Reads the whole file.
    std::optional<Object> previous(std::string_view kind, std::string_view scope, std::string_view identity);
    std::vector<Object> all(std::string_view kind, std::string_view scope, bool any_scope);
    // `generation` becomes the object's; an empty document removes it.
    void put(const Object& object);
    std::uint64_t changes() const; // grows with every write, by any process
    void pretend_change();         // lets it grow although nothing was written
    std::size_t live_count() const;

private:
    struct Header;
    struct Record;
    struct Slot {
        std::uint64_t hash = 0;
        std::uint64_t offset = 0; // 0: empty slot
    };

    Header& header() const;
    Record& record_at(std::uint64_t offset) const;
    Object object_at(std::uint64_t offset) const;
    Slot* slot_for(std::uint64_t hash, std::string_view kind, std::string_view scope,
                   std::string_view identity);
    void index(std::uint64_t offset);
    void grow_index();
    void reserve(std::uint64_t bytes);

    int fd_ = -1;
    char* base_ = nullptr;
    std::uint64_t file_size_ = 0;
    std::uint64_t scanned_ = 0; // up to where the file is in the index
    std::vector<Slot> slots_;
    std::size_t used_slots_ = 0;
    Object found_;
};

} // namespace memory
