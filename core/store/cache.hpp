#pragma once
// Parsed documents by key, in a file of its own: it holds nothing that cannot be made again, so a damaged
// or unwritable one is thrown away or left out, and never stops a pass.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/database.hpp"

namespace holdfast {

class CacheFile {
public:
    // Opens nothing yet: most commands do not need it.
    CacheFile(std::string path, Access access) : path_(std::move(path)), access_(access) {}

    using Found = std::function<void(std::size_t index, std::string_view bytes)>;
    // Calls `found` in no particular order.
    void read(std::span<const std::string> keys, const Found& found);
    void write(std::span<const std::pair<std::string, std::string>> entries);
    void trim(std::int64_t now_ms, std::int64_t keep_ms);
    void release_memory();

private:
    static constexpr std::size_t few_used_slots = 1U << 16;

    Database* database();
    void note_used_once();
    void open();
    void give_up(const Error& error);

    std::string path_;
    Access access_;
    bool is_usable_ = true;
    std::unique_ptr<Database> database_;
    std::vector<std::int64_t> used_;         // slots that were found since the last trim
    std::size_t most_used_ = few_used_slots; // of so many some are there twice, or more are in use
};

} // namespace holdfast
