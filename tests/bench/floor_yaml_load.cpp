// What yaml-cpp alone needs: YAML::Load of every document of a file, documents separated by a line "---".

#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include <yaml-cpp/yaml.h>

int main(int, char** argv) {
    std::ifstream file(argv[1]);
    std::string line, document;
    std::size_t nodes = 0;
    auto load = [&] {
        if (!document.empty()) nodes += YAML::Load(document).size();
        document.clear();
    };
    while (std::getline(file, line)) {
        if (line == "---")
            load();
        else
            document += line + '\n';
    }
    load();
    std::cout << nodes << "\n";
}
