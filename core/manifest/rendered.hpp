#pragma once
// What an external renderer printed -> documents, each with the file of Git that it comes from as far as the
// tool says so. Private to manifest.

#include <string>
#include <string_view>
#include <vector>

#include "manifest/overlay/build.hpp"
#include "manifest/overlay/source_map.hpp"

namespace holdfast {

struct RenderedDocuments {
    std::vector<OverlayDocument> documents; // positions are of `sources`: what was printed
    SourceMap sources;
    Diagnostics problems;
};

RenderedDocuments read_rendered(std::string_view text, const Tree& tree, const StackDocument& stack,
                                Router& router);

} // namespace holdfast
