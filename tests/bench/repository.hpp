#pragma once
// Repositories for the measurements, written through `git fast-import`: packed, no checkout.

#include <functional>
#include <string>

namespace bench {

struct RepositoryShape {
    std::size_t documents = 1000;
    bool chain = false; // each depends on the one before
    std::string plugin = "memory";
    std::string config; // YAML flow map for the provider's config
    std::string kind = "Object";
};

// `document(i)` gives the text of stack/d<i/1000>/o<i>.yaml.
void make_repository(const std::string& path, const std::string& project, std::size_t documents,
                     const std::function<std::string(std::size_t)>& document);

// Eight spec fields, about 600 bytes.
std::string object_document(std::size_t i, bool depends_on_previous);
std::string file_document(std::size_t i);

} // namespace bench
