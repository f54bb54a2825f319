#include "plugin/program.h"

int main() {
    plugin::Program program;
    cni::run_and_exit(program);
}
