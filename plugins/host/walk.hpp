#pragma once
// Everything of one type beneath the root, in order.

#include <functional>
#include <string>

#include "document.hpp"
#include "live.hpp"

namespace holdfast::host {

class Root;

// What to do with one object; false ends the walk.
using Visit = std::function<bool(const std::string& path, const Live& live)>;

// Visits objects of `type` that come after the path `after` ("": all), names in byte order, a directory
// before what is in it, on the root's own file system only. Names that are not UTF-8 go to `skipped`,
// since no document can name them. Throws sdk::Error for what cannot be read: a list that is short is
// worse than none. What disappears meanwhile is left out.
void walk(const Root& root, Type type, const std::string& after, const Visit& visit,
          const std::function<void(const std::string& path)>& skipped);

} // namespace holdfast::host
