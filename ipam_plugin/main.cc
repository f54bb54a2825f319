#include "ipam_plugin/program.h"

int main() {
    ipam_plugin::Program program;
    cni::run_and_exit(program);
}
