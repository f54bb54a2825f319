#include "plugin/error.h"

#include "ipam/error.h"
#include "mesh/plan.h"
#include "netlink/netns.h"
#include "plugin/config.h"
#include "plugin/environment.h"
#include "json/field.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

namespace plugin {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(ErrorTable, HasACodeForEachKindOfException) {
    const auto check = [](unsigned code, const std::exception& exception) {
        const CniError error = to_cni_error(exception);
        EXPECT_EQ(error.code, code) << exception.what();
        EXPECT_EQ(error.message, exception.what());
    };
    check(1, VersionError("version"));
    check(2, json::UnsupportedError("unsupported"));
    check(4, EnvironmentError("environment"));
    check(5, ipam::StoreError("store"));
    check(5, std::system_error(ENOSPC, std::generic_category(), "stamp"));
    check(5, std::filesystem::filesystem_error("directory",
                                               std::make_error_code(std::errc::io_error)));
    check(6, json::SyntaxError("syntax"));
    check(7, json::FieldError("field"));
    check(11, NotReady("not ready"));
    check(99, std::runtime_error("a bug"));
    check(99, std::bad_alloc());
    check(100, netlink::Error(ENOBUFS, "add a route"));
    check(101, ipam::Exhausted("exhausted"));
    check(102, ipam::Unavailable("unavailable"));
    check(103, mesh::Conflict("conflict"));
    check(104, mesh::NoTunnels("no tunnels"));
    check(105, AlreadyAttached("already attached"));
}

TEST(ErrorTable, SaysWhoMayWhereThePermissionIsMissing) {
    for (const int number : {EPERM, EACCES}) {
        EXPECT_THAT(to_cni_error(netlink::Error(number, "make the tunnel ipip-ac10057f")).message,
                    EndsWith("; run the plugin as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN"));
        EXPECT_THAT(
            to_cni_error(std::system_error(number, std::generic_category(), "stamp")).message,
            HasSubstr("run the plugin as root"));
    }
}

TEST(ErrorTable, BecomesTheDocumentOfTheSpecification) {
    const std::string text = to_json({.code = 7, .message = "mtu: \"\xff\" is\nnot"}, "0.4.0");
    EXPECT_EQ(
        json::parse(text),
        (json::Value{{"cniVersion", "0.4.0"}, {"code", 7}, {"msg", "mtu: \"\ufffd\" is\nnot"}}));
}

} // namespace
} // namespace plugin
