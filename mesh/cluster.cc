#include "mesh/cluster.h"

#include <sys/stat.h>

namespace mesh {

std::string file_version(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        return {};
    std::string version;
    for (const auto number :
         {static_cast<std::uintmax_t>(status.st_dev), static_cast<std::uintmax_t>(status.st_ino),
          static_cast<std::uintmax_t>(status.st_size)})
        version += std::to_string(number) + ' ';
    for (const timespec& time : {status.st_mtim, status.st_ctim})
        version += std::to_string(time.tv_sec) + '.' + std::to_string(time.tv_nsec) + ' ';
    return version;
}

} // namespace mesh
