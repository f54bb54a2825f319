#pragma once

#include "cni/run.h"
#include "plugin/verbs.h"

namespace plugin {

/// The interface plugin ipip.
class Program : public cni::Plugin {
  public:
    json::Value add(const cni::Call& call) override;
    void del(const cni::Call& call) override;
    void check(const cni::Call& call) override;
    void gc(const cni::Call& call) override;
    void status(const cni::Call& call) override;
    cni::Error describe(const std::exception& exception) const override;

  private:
    Host here_;
};

} // namespace plugin
