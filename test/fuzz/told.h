#pragma once

#include "cni/error.h"
#include "test/fuzz/expect.h"
#include "json/field.h"

#include <exception>

/// An error is of one of these kinds, and `told` of it, as a plugin does, has a code of its own and
/// can be read.
template <typename... Kinds>
void expect_told(const std::exception& error, const cni::Error& told) {
    expect((... || (dynamic_cast<const Kinds*>(&error) != nullptr)),
           "the error is one of those that are meant for it: " + told.message);
    expect(told.code != 99, "the error has a code of its own: " + told.message);
    expect(!told.message.empty() && told.message.size() < 1000, "the message can be read");
    expect(json::parse(cni::to_json(told, "1.1.0")).at("code") == told.code, "the error is JSON");
}
