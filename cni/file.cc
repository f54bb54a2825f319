#include "cni/file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <unistd.h>

namespace cni {

std::optional<std::string> read_all(int descriptor, std::size_t most) {
    std::string text;
    for (std::array<char, 4096> block;;) { // NOLINT: written before it is read
        const ssize_t size = ::read(descriptor, block.data(), block.size());
        if (size == 0)
            return text;
        if (size < 0 && errno != EINTR)
            return std::nullopt;
        text.append(block.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
        if (text.size() > most) {
            errno = EFBIG;
            return std::nullopt;
        }
    }
}

std::optional<std::string> read_file(const std::filesystem::path& path) {
    using Close = int (*)(std::FILE*); // closes it also where memory is out
    const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "re"), std::fclose);
    if (!file)
        return std::nullopt;
    return read_all(::fileno(file.get()), std::numeric_limits<std::size_t>::max());
}

} // namespace cni
