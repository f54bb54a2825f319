#include "ipam_plugin/program.h"

int main() {
    ipam_plugin::Program program;
    return cni::run(program);
}
