#include "plugin/program.h"

#include "cni/log.h"
#include "plugin/config.h"
#include "plugin/error.h"
#include "plugin/recover.h"
#include "plugin/verbs.h"
#include "pods/recovery.h"

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

/// Runs `verb`, once more where the leases were damaged and are whole again. What a verb undoes
/// when it throws, or can do twice, makes that possible.
template <typename Verb>
auto with_whole_leases(const cni::Call& call, Verb verb) {
    try {
        return verb();
    } catch (const ipam::DamagedStore& damage) {
        cni::log_warning(recover_leases(read_identity(call.config).state_dir, damage));
    }
    return verb();
}

} // namespace

json::Value Program::add(const cni::Call& call) {
    return with_whole_leases(call, [&] { return plugin::add(here_, call, prepare(call)); });
}

void Program::del(const cni::Call& call) {
    const auto del = [&] {
        with_whole_leases(call, [&] { plugin::del(here_, call, prepare_cleaning(call)); });
    };
    try {
        del();
    } catch (const pods::Untold& untold) {
        // What this pod's own link does not tell goes with it.
        if (!del_link_among(untold.links(), call, read_identity(call.config)))
            throw;
        del();
    }
}

void Program::check(const cni::Call& call) {
    with_whole_leases(call, [&] { plugin::check(here_, call, prepare(call)); });
}

void Program::gc(const cni::Call& call) {
    with_whole_leases(call, [&] { plugin::gc(here_, call, prepare_cleaning(call)); });
}

void Program::status(const cni::Call& call) {
    try {
        with_whole_leases(call, [&] {
            plugin::status(here_, call,
                           read_config(call)); // says nothing in the log: it is asked every second
        });
    } catch (const NotReady& error) {
        throw cni::Failure(cni::not_available, error.what());
    } catch (const ipam::StoreError& error) { // damaged beyond what could be made anew
        throw cni::Failure(cni::not_available, error.what());
    }
}

cni::Error Program::describe(const std::exception& exception) const {
    return plugin::describe(exception);
}

} // namespace plugin
