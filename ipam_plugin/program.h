#pragma once

#include "cni/run.h"

namespace ipam_plugin {

/// The IPAM plugin ipip-ipam: for any interface plugin what host-local is, with leases that end
/// with the boot, and with CHECK, GC and STATUS.
class Program : public cni::Plugin {
  public:
    json::Value add(const cni::Call& call) override;
    void del(const cni::Call& call) override;
    void check(const cni::Call& call) override;
    void gc(const cni::Call& call) override;
    void status(const cni::Call& call) override;
    cni::Error describe(const std::exception& exception) const override;
};

} // namespace ipam_plugin
