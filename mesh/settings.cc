#include "mesh/settings.h"

#include <algorithm>
#include <vector>

namespace mesh {

namespace {

using Values = std::vector<std::string>;

/// Which of the values the field has.
std::size_t choose(const json::Field& field, const Values& values) {
    const auto found = std::ranges::find(values, field.string());
    if (found != values.end())
        return static_cast<std::size_t>(found - values.begin());
    std::string choice;
    for (const std::string& value : values)
        choice += (choice.empty() ? "\"" : " or \"") + value + '"';
    field.fail(field.shown() + " is unknown; use " + choice);
}

/// A key with several known values of which this version does the first.
void require_first(const json::Field& document, const char* key, const Values& values) {
    if (const auto field = document.find(key); field && choose(*field, values) != 0)
        field->unsupported("is not supported yet; use \"" + values.front() + '"');
}

Topology read_topology(const json::Field& field) {
    return choose(field, {"pairs", "shared"}) == 0 ? Topology::pairs : Topology::shared;
}

template <typename Read>
auto value_or(const json::Field& document, const char* key, Read read,
              decltype(read(document)) absent) {
    const auto field = document.find(key);
    return field ? read(*field) : absent;
}

bool boolean(const json::Field& field) {
    return field.boolean();
}

std::uint32_t read_mtu(const json::Field& field) {
    // Below 576 nothing is sure to work (RFC 791); above, the outer header must still fit.
    const auto mtu = field.integer(0, 65515);
    if (mtu != 0 && mtu < 576)
        field.fail(field.shown() +
                   " is less than IPv4 needs; use 0 to have it found out, or 576 to 65515");
    return static_cast<std::uint32_t>(mtu);
}

} // namespace

Settings read_settings(const json::Field& document, std::string network) {
    require_first(document, "direct", {"never", "same-subnet"});
    require_first(document, "encapsulation", {"ipip", "fou"});
    if (const auto port = document.find("fouPort"))
        port->integer(1, 65535);
    return {
        .network = std::move(network),
        .topology = value_or(document, "topology", read_topology, Topology::pairs),
        .mtu = value_or(document, "mtu", read_mtu, 0),
        .ttl = static_cast<std::uint8_t>(value_or(
            document, "ttl", [](const json::Field& field) { return field.integer(1, 255); }, 64)),
        .masquerade = value_or(document, "ipMasq", boolean, false),
        .check_source = value_or(document, "sourceCheck", boolean, true)};
}

} // namespace mesh
