#include "golden.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/catch.hpp"

void check_golden(const std::string& name, const std::string& text) {
    const std::string path = std::string(HOLDFAST_SOURCE_DIR) + "/tests/unit/cli/golden/" + name;
    if (std::getenv("HOLDFAST_ACCEPT")) {
        std::ofstream(path, std::ios::binary) << text;
        return;
    }
    std::ifstream file(path, std::ios::binary);
    INFO("golden file " << path << (file ? "" : " is missing: run once with HOLDFAST_ACCEPT=1"));
    std::stringstream expected;
    expected << file.rdbuf();
    CHECK(text == expected.str());
}
