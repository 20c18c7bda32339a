#pragma once
// Which of a stack's objects have to stand before which, read out of the documents themselves: a namespace
// before what lies in it, a definition before what it defines, what is named before what names it.

#include <string>
#include <vector>

#include "steering.hpp"

namespace holdfast::kubernetes {

struct Place { // of one object in the order
    std::vector<std::size_t> after;
    int wave = 0; // the document's own, or that of a hook that needs it sooner
    Steering steering;
};

// Pure. The documents as they were written; `name_space` is that of those that name none.
std::vector<Place> order_of(const std::vector<Json>& documents, const std::string& name_space);

} // namespace holdfast::kubernetes
