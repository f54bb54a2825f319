#include "plugin/program.h"

int main() {
    plugin::Program program;
    return cni::run(program);
}
