#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

/// Ends the run where `condition` does not hold: libFuzzer keeps the input that led there.
inline void expect(bool condition, const std::string& what) {
    if (condition)
        return;
    std::fprintf(stderr, "does not hold: %s\n", what.c_str());
    std::abort();
}
