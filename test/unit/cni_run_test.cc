#include "cni/run.h"

#include "netlink/fd.h"
#include "test/unit/plugin_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

namespace cni {
namespace {

/// Its ADD says where the pod is, in whichever bytes the path has.
class Named : public Plugin {
  public:
    json::Value add(const Call& call) override { return {{"sandbox", *call.environment.netns}}; }
    void del(const Call&) override {}
    void check(const Call&) override {}
    void gc(const Call&) override {}
    void status(const Call&) override {}
    Error describe(const std::exception& error) const override { return {99, error.what()}; }
};

TEST(Run, WritesAResultThatQuotesWhatIsNoUtf8) {
    const netlink::Fd input(::memfd_create("input", MFD_CLOEXEC));
    const netlink::Fd output(::memfd_create("output", MFD_CLOEXEC));
    ASSERT_EQ(::pwrite(input.get(), "{}", 2, 0), 2);
    Named plugin;
    const auto get =
        plugin::environment_of(plugin::add_variables({{"CNI_NETNS", "/run/netns/caf\xe9"}}));
    EXPECT_EQ(run(plugin, get, input.get(), output.get()), 0);
    std::string said(static_cast<std::size_t>(::lseek(output.get(), 0, SEEK_END)), '\0');
    ASSERT_EQ(::pread(output.get(), said.data(), said.size(), 0),
              static_cast<ssize_t>(said.size()));
    EXPECT_EQ(json::parse(said).at("sandbox"), "/run/netns/caf\xef\xbf\xbd");
}

} // namespace
} // namespace cni
