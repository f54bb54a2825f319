#include "test/system/modules.h"

#include "test/kernel/scene.h"

#include <fstream>

namespace scene {

namespace {

const char* const setting = "/proc/sys/kernel/modprobe";

} // namespace

bool unload(const std::string& module) {
    return Namespace().run("modprobe -r " + module).status == 0;
}

ModulesRefused::ModulesRefused() {
    std::getline(std::ifstream(setting), modprobe_);
    std::ofstream(setting) << "/bin/false";
}

ModulesRefused::~ModulesRefused() {
    std::ofstream(setting) << modprobe_;
}

} // namespace scene
