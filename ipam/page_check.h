#pragma once

#include <cstddef>
#include <span>

namespace ipam {

/// Whether the file of a database holds together, so that LMDB, which believes what it reads,
/// neither leaves its pages nor writes over other memory: the pages of the newest snapshot are of
/// the kinds that they should be, each has one place in one of its two trees or in the list of the
/// free ones, and what is in them is whole, apart and in order. What is in the values is the
/// reader's business. Costs a microsecond for some ten leases.
///
/// `capacity` is the most that the file may grow to, bytes. REQUIRES: nobody writes meanwhile.
bool holds_together(std::span<const std::byte> file, std::size_t capacity);

} // namespace ipam
