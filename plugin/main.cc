#include "plugin/run.h"

#include <cstdlib>
#include <iostream>

int main() {
    std::ios::sync_with_stdio(false);
    return plugin::run([](const char* name) -> const char* { return std::getenv(name); }, std::cin,
                       std::cout);
}
