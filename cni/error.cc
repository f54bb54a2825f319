#include "cni/error.h"

#include "cni/environment.h"
#include "cni/version.h"
#include "json/field.h"

#include <system_error>

namespace cni {

namespace {

enum Code : unsigned {
    incompatible_version = 1,
    unsupported_field = 2,
    invalid_environment = 4,
    io_failure = 5,
    cannot_decode = 6,
    invalid_config = 7,
    internal = 99,
};

template <typename Exception>
bool is(const std::exception& exception) {
    return dynamic_cast<const Exception*>(&exception) != nullptr;
}

} // namespace

unsigned code_of(const std::exception& exception) {
    if (const auto* failure = dynamic_cast<const Failure*>(&exception))
        return failure->code();
    if (is<VersionError>(exception))
        return incompatible_version;
    if (is<json::UnsupportedError>(exception)) // before FieldError, its base
        return unsupported_field;
    if (is<json::FieldError>(exception))
        return invalid_config;
    if (is<json::SyntaxError>(exception))
        return cannot_decode;
    if (is<EnvironmentError>(exception))
        return invalid_environment;
    if (is<std::system_error>(exception))
        return io_failure;
    return internal;
}

std::string to_json(const Error& error, const std::string& version) {
    json::Value document{{"cniVersion", version}, {"code", error.code}, {"msg", error.message}};
    if (!error.details.empty())
        document["details"] = error.details;
    // A message may quote what came in, and that may be no UTF-8.
    return document.dump(4, ' ', false, json::Value::error_handler_t::replace);
}

void Failures::report() const {
    if (first_ && others_.empty())
        std::rethrow_exception(first_);
    if (first_)
        throw MoreFailures(all_, first_, others_);
}

} // namespace cni
