#include "cni/host_files.h"

#include <algorithm>
#include <cctype>

namespace cni {

bool is_draft_of(std::string_view target, std::string_view name) {
    constexpr std::size_t filled_in = 6; // mkstemp(3): letters and digits
    if (name.size() != target.size() + filled_in + 2 || name.front() != '.' ||
        name.substr(1, target.size()) != target || name[target.size() + 1] != '.')
        return false;
    return std::ranges::all_of(name.substr(target.size() + 2),
                               [](unsigned char c) { return std::isalnum(c) != 0; });
}

} // namespace cni
