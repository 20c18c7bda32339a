#pragma once
// A plugin's file, found and checked before any of its code runs. The file is opened once: what was
// hashed and looked into is what gets loaded, whatever happens to the name in the meantime.

#include <memory>

#include "provider/host.hpp"
#include "sys/file.hpp"

namespace holdfast {

struct CheckedFile {
    PluginFile file;
    Fd descriptor; // kept open as long as the library is loaded; see library.cpp
};

// `libholdfast-<plugin>.so` in the first folder of the search path that holds it.
Result<std::string> locate_plugin(const HostOptions& options, const std::string& plugin);
// Names of all plugins on the search path, each once.
std::vector<std::string> plugin_names(const HostOptions& options);
// Owner and modes of the file and its folder, pin, symbols. Errors as PluginHost::find.
Result<CheckedFile> check_plugin(const HostOptions& options, const std::string& plugin,
                                 const std::string& path);

} // namespace holdfast
