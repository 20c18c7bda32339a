// The program holdfastd.

#include <iostream>

#include "daemon/startup.hpp"
#include "sys/memory.hpp"

int main(int argc, char** argv) {
    try {
        holdfast::share_memory_pool();
        return holdfast::run_holdfastd({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << "holdfastd: " << error.what() << "; this is a defect of Holdfast: please report it\n";
        return 1;
    }
}
