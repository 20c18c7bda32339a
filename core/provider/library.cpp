#include "provider/library.hpp"

#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <boost/dll/shared_library.hpp>
#include <fmt/core.h>

#include "base/locked.hpp"

namespace holdfast {

namespace {

// The loader gets the file by its descriptor, so it cannot be handed another one than was checked. It
// takes two libraries of one name for the same, hence the descriptor that must never be reused; with our
// pid instead of "self" the name also works for a debugger. Without /proc the path has to do.
std::string loader_name(int descriptor, const std::string& path) {
    std::string name = fmt::format("/proc/{}/fd/{}", getpid(), descriptor);
    struct stat status {};
    return stat(name.c_str(), &status) == 0 ? name : path;
}

// Members up to `upgrade` are what version 1.0 had; `extension` as well. A table that is shorter was not
// made with any version of the header.
constexpr std::uint32_t smallest_table = sizeof(holdfast_plugin);

Status check_table(const holdfast_plugin& table, const std::string& plugin) {
    auto bad = [&](std::string_view what) -> Status {
        return failure("plugin.bad-table",
                       fmt::format("plugin \"{}\" exports a broken table: {}", plugin, what),
                       "this is a mistake in the plugin: tell its author, or build it again with its SDK");
    };
    if (table.size < smallest_table)
        return bad(
            fmt::format("it says it has {} bytes, version 1 has at least {}", table.size, smallest_table));
    if (!table.name || !table.version) return bad("it has no name or no version");
    if (!table.describe || !table.open || !table.close || !table.observe || !table.apply)
        return bad("describe, open, close, observe and apply must all be there");
    return Ok{};
}

// Plugins start threads, register atexit handlers and hold thread-local data, so nothing is unloaded, not
// even when the process ends.
void keep_for_ever(std::unique_ptr<boost::dll::shared_library> library) {
    static auto* const loaded = new Locked<std::vector<std::unique_ptr<boost::dll::shared_library>>>;
    loaded->with([&](auto& list) { list.push_back(std::move(library)); });
}

} // namespace

Result<const holdfast_plugin*> load_plugin(int descriptor, const std::string& plugin,
                                           const std::string& path) {
    namespace dll = boost::dll;
    try {
        auto library = std::make_unique<dll::shared_library>(
            loader_name(descriptor, path), dll::load_mode::rtld_now | dll::load_mode::rtld_local);
        const auto& table = library->get<holdfast_plugin>(HOLDFAST_PLUGIN_SYMBOL);
        keep_for_ever(std::move(library));
        if (Status status = check_table(table, plugin); !status) return status.error();
        return &table;
    } catch (const std::exception& error) {
        Diagnostic why = failure("plugin.unreadable",
                                 fmt::format("plugin \"{}\" cannot be loaded: {}", plugin, error.what()),
                                 "is a library that it needs missing? ldd tells: ldd " + path);
        why.subject = path;
        return why;
    }
}

} // namespace holdfast
