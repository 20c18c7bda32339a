#include "store.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The file is a header and records, each a multiple of 8 bytes. A later record of the same object replaces
// the earlier one, an empty document is its absence. `used` is raised only when a record is whole, so that a
// killed writer's half record is never seen; the page cache outlives the process.

namespace memory {

namespace {

constexpr std::uint64_t magic = 0x314D454D46444C48; // "HLDFMEM1"
constexpr std::uint64_t reserved_address_space = 8ULL << 30;
constexpr std::uint64_t first_size = 1U << 20;

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    return (hash ^ 0xFFU) * 0x100000001B3ULL;
}

std::uint64_t hash_of(std::string_view kind, std::string_view scope, std::string_view identity) {
    return mix(mix(mix(0xCBF29CE484222325ULL, kind), scope), identity) | 1U;
}

} // namespace

struct Store::Header {
    std::uint64_t magic;
    std::atomic<std::uint64_t> used;
    std::atomic<std::uint64_t> changes;
    std::uint64_t unused;
};

struct Store::Record {
    std::uint64_t size; // of the whole record
    std::uint64_t generation;
    std::uint32_t kind, scope, identity, document; // lengths of the texts that follow, in this order

    char* text() { return reinterpret_cast<char*>(this + 1); }
};

Store::Header& Store::header() const { return *reinterpret_cast<Header*>(base_); }
Store::Record& Store::record_at(std::uint64_t offset) const {
    return *reinterpret_cast<Record*>(base_ + offset);
}

Store::Store(const std::string& path) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) throw std::runtime_error("cannot open " + path + ": " + std::strerror(errno));
    flock(fd_, LOCK_EX);
    struct stat status {};
    fstat(fd_, &status);
    if (status.st_size < static_cast<off_t>(first_size) && ftruncate(fd_, first_size) != 0)
        throw std::runtime_error("cannot enlarge " + path);
    fstat(fd_, &status);
    file_size_ = static_cast<std::uint64_t>(status.st_size);
    void* memory =
        mmap(nullptr, reserved_address_space, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + path);
    base_ = static_cast<char*>(memory);
    if (header().magic == 0) {
        header().used = sizeof(Header);
        header().magic = magic;
    }
    const bool is_ours = header().magic == magic;
    flock(fd_, LOCK_UN);
    if (!is_ours) throw std::runtime_error(path + " is not a file of the memory provider");
    scanned_ = sizeof(Header);
    slots_.resize(1024);
    refresh();
}

Store::~Store() {
    if (base_) munmap(base_, reserved_address_space);
    if (fd_ >= 0) close(fd_);
}

Object Store::object_at(std::uint64_t offset) const {
    Record& record = record_at(offset);
    const char* at = record.text();
    const auto take = [&](std::uint32_t size) {
        const std::string_view text(at, size);
        at += size;
        return text;
    };
    Object out;
    out.kind = take(record.kind);
    out.scope = take(record.scope);
    out.identity = take(record.identity);
    out.document = take(record.document);
    out.generation = record.generation;
    return out;
}

// The slot of that object, or the empty one where it would go (linear probing).
Store::Slot* Store::slot_for(std::uint64_t hash, std::string_view kind, std::string_view scope,
                             std::string_view identity) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = (hash >> 8U) & mask;; i = (i + 1) & mask) {
        Slot& slot = slots_[i];
        if (slot.offset == 0) return &slot;
        if (slot.hash != hash) continue;
        const Object object = object_at(slot.offset);
        if (object.identity == identity && object.scope == scope && object.kind == kind) return &slot;
    }
}

void Store::grow_index() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    const std::size_t mask = slots_.size() - 1;
    for (const Slot& slot : old) {
        if (slot.offset == 0) continue;
        std::size_t i = (slot.hash >> 8U) & mask;
        while (slots_[i].offset != 0) i = (i + 1) & mask;
        slots_[i] = slot;
    }
}

void Store::index(std::uint64_t offset) {
    if (used_slots_ * 4 >= slots_.size() * 3) grow_index();
    const Object object = object_at(offset);
    const std::uint64_t hash = hash_of(object.kind, object.scope, object.identity);
    Slot* slot = slot_for(hash, object.kind, object.scope, object.identity);
    if (slot->offset == 0) ++used_slots_;
    *slot = {hash, offset};
}

void Store::refresh() {
    const std::uint64_t used = header().used.load(std::memory_order_acquire);
    while (scanned_ < used) {
        index(scanned_);
        scanned_ += record_at(scanned_).size;
    }
}

const Object* Store::find(std::string_view kind, std::string_view scope, std::string_view identity) {
    const Slot* slot = slot_for(hash_of(kind, scope, identity), kind, scope, identity);
    if (slot->offset == 0) return nullptr;
    found_ = object_at(slot->offset);
    return &found_;
}

std::optional<Object> Store::previous(std::string_view kind, std::string_view scope,
                                      std::string_view identity) {
    refresh();
    std::optional<Object> last, before;
    for (std::uint64_t offset = sizeof(Header); offset < scanned_; offset += record_at(offset).size) {
        const Object object = object_at(offset);
        if (object.identity != identity || object.scope != scope || object.kind != kind) continue;
        before = last;
        last = object;
    }
    return before;
}

std::vector<Object> Store::all(std::string_view kind, std::string_view scope, bool any_scope) {
    std::vector<Object> out;
    for (const Slot& slot : slots_) {
        if (slot.offset == 0) continue;
        const Object object = object_at(slot.offset);
        if (object.document.empty() || (!kind.empty() && object.kind != kind)) continue;
        if (any_scope || object.scope == scope) out.push_back(object);
    }
    return out;
}

void Store::reserve(std::uint64_t bytes) {
    struct stat status {};
    fstat(fd_, &status);
    file_size_ = static_cast<std::uint64_t>(status.st_size);
    const std::uint64_t needed = header().used + bytes;
    if (needed <= file_size_) return;
    std::uint64_t size = file_size_;
    while (size < needed) size *= 2;
    if (size > reserved_address_space || ftruncate(fd_, static_cast<off_t>(size)) != 0)
        throw std::runtime_error("the memory provider's file is full");
    file_size_ = size;
}

void Store::put(const Object& object) {
    flock(fd_, LOCK_EX);
    refresh();
    const std::uint64_t texts =
        object.kind.size() + object.scope.size() + object.identity.size() + object.document.size();
    const std::uint64_t size = (sizeof(Record) + texts + 7) & ~7ULL;
    try {
        reserve(size);
    } catch (...) {
        flock(fd_, LOCK_UN);
        throw;
    }
    const std::uint64_t offset = header().used;
    Record& record = record_at(offset);
    record.size = size;
    record.generation = object.generation;
    record.kind = static_cast<std::uint32_t>(object.kind.size());
    record.scope = static_cast<std::uint32_t>(object.scope.size());
    record.identity = static_cast<std::uint32_t>(object.identity.size());
    record.document = static_cast<std::uint32_t>(object.document.size());
    char* at = record.text();
    for (std::string_view text : {object.kind, object.scope, object.identity, object.document}) {
        if (!text.empty()) std::memcpy(at, text.data(), text.size());
        at += text.size();
    }
    header().used.store(offset + size, std::memory_order_release);
    header().changes.fetch_add(1);
    refresh();
    flock(fd_, LOCK_UN);
}

std::uint64_t Store::changes() const { return header().changes; }
void Store::pretend_change() { header().changes.fetch_add(1); }

std::size_t Store::live_count() const {
    std::size_t count = 0;
    for (const Slot& slot : slots_)
        if (slot.offset != 0 && record_at(slot.offset).document != 0) ++count;
    return count;
}

} // namespace memory
