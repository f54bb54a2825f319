#include "plugin/program.h"

#include "cni/log.h"
#include "plugin/config.h"
#include "plugin/error.h"
#include "plugin/verbs.h"

namespace plugin {

namespace {

/// For verbs that must take away what they can also when a key has become wrong.
Identity prepare_cleaning(const cni::Call& call) {
    try {
        cni::open_log(cni::read_log(call.config));
    } catch (const json::FieldError& error) {
        cni::log_warning(error.what());
    }
    return read_identity(call.config);
}

Config prepare(const cni::Call& call) {
    Config config = read_config(call);
    cni::open_log(cni::read_log(call.config));
    for (const std::string& key : config.unknown_keys)
        cni::log_warning(key + ": is an unknown key and has no effect");
    return config;
}

} // namespace

json::Value Program::add(const cni::Call& call) {
    return plugin::add(here_, call, prepare(call));
}

void Program::del(const cni::Call& call) {
    plugin::del(here_, call, prepare_cleaning(call));
}

void Program::check(const cni::Call& call) {
    plugin::check(here_, call, prepare(call));
}

void Program::gc(const cni::Call& call) {
    plugin::gc(here_, call, prepare_cleaning(call));
}

void Program::status(const cni::Call& call) {
    try {
        plugin::status(here_, call,
                       read_config(call)); // says nothing in the log: it is asked every second
    } catch (const NotReady& error) {
        throw cni::Failure(cni::not_available, error.what());
    }
}

cni::Error Program::describe(const std::exception& exception) const {
    return plugin::describe(exception);
}

} // namespace plugin
