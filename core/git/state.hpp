#pragma once
// What a Repository holds, for the two files that implement it.

#include "git/libgit2.hpp"

namespace holdfast {

struct Repository::State {
    git::SharedRepository repository;
    std::string work_directory, git_directory;
};

} // namespace holdfast
