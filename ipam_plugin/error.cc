#include "ipam_plugin/error.h"

#include "ipam/error.h"

namespace ipam_plugin {

cni::Error describe(const std::exception& exception) {
    constexpr unsigned io_failure = 5;
    constexpr unsigned exhausted = 101;
    constexpr unsigned unavailable = 102;
    unsigned code = cni::code_of(exception);
    if (dynamic_cast<const ipam::Exhausted*>(&exception) != nullptr)
        code = exhausted;
    if (dynamic_cast<const ipam::Unavailable*>(&exception) != nullptr)
        code = unavailable;
    if (dynamic_cast<const ipam::StoreError*>(&exception) != nullptr)
        code = io_failure;
    return {code, exception.what()};
}

} // namespace ipam_plugin
