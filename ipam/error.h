#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace ipam {

/// Every address of a set of ranges is taken. what() names the ranges and how many they hold.
class Exhausted : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// An address that was asked for cannot be had: outside the ranges, reserved, or taken (and by
/// whom).
class Unavailable : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The store's files cannot be read or written. what() names the path and the mend.
class StoreError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What the store's file holds cannot be read, or was set aside by another process: rebuild() makes
/// it anew from what is known of the leases otherwise.
class DamagedStore : public StoreError {
  public:
    DamagedStore(const std::string& what, std::uint64_t inode) : StoreError(what), inode_(inode) {}

    /// The file that it was, whatever bears its name by now.
    std::uint64_t inode() const { return inode_; }

  private:
    std::uint64_t inode_;
};

} // namespace ipam
