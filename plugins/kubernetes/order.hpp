#pragma once
// Which of a stack's objects have to stand before which, read out of the documents themselves: a namespace
// before what lies in it, a definition before what it defines, what is named before what names it. And what
// Argo CD's and Flux's annotations say of order and pruning, so that repositories made for them keep working.

#include <string>
#include <vector>

#include "document.hpp"

namespace holdfast::kubernetes {

struct Place { // of one object in the order
    std::vector<std::size_t> after;
    int wave = 0;
    bool is_kept = false; // never pruned
};

// Pure. The documents as they were written; `name_space` is that of those that name none.
std::vector<Place> order_of(const std::vector<Json>& documents, const std::string& name_space);

} // namespace holdfast::kubernetes
