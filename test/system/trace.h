#pragma once

#include "test/system/cluster.h"

#include <string>
#include <vector>

namespace scene {

/// One call of a plugin, with the netlink messages that it sends, as strace(1) shows them.
class Trace {
  public:
    Trace(const Host& host, const Call& call);

    const Output& output() const { return output_; }
    std::size_t messages() const { return count("nlmsg_type="); }
    /// Those that ask for all of a kind, so that the answer grows with their number.
    std::size_t dumps() const { return count("NLM_F_DUMP") + count("NLM_F_ROOT"); }

  private:
    std::size_t count(const std::string& word) const;

    Output output_;
    std::string text_;
};

/// `call` with every request to the kernel refused whose number, from 1, `which` names as strace(1)
/// has it: "3", "3+", "1..2".
Call with_refused_requests(Call call, const std::string& which);

} // namespace scene
