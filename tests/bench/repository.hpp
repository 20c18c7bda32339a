#pragma once
// Repositories for the measurements, written through `git fast-import`: packed, no checkout.

#include <functional>
#include <string>

namespace bench {

// How an object hangs on the one before it.
enum class Link { none, depends_on, reference };

// `document(i)` gives the text of stack/d<i/1000>/o<i>.yaml, or of the file that `name(i)` says.
void make_repository(const std::string& path, const std::string& project, std::size_t documents,
                     const std::function<std::string(std::size_t)>& document,
                     const std::function<std::string(std::size_t)>& name = {});

// Eight spec fields, about 600 bytes.
std::string object_document(std::size_t i, Link link = Link::none);
std::string file_document(std::size_t i);

} // namespace bench
