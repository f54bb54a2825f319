#pragma once

#include <stdexcept>

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

} // namespace ipam
