#include "plugin/error.h"

#include "cni/environment.h"
#include "cni/version.h"
#include "ipam/error.h"
#include "mesh/conflict.h"
#include "netlink/netns.h"
#include "plugin/config.h"
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
        const cni::Error error = describe(exception);
        EXPECT_EQ(error.code, code) << exception.what();
        EXPECT_EQ(error.message, exception.what());
    };
    check(1, cni::VersionError("version"));
    check(2, json::UnsupportedError("unsupported"));
    check(4, cni::EnvironmentError("environment"));
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
    check(104, mesh::NoTunnels());
    check(105, AlreadyAttached("already attached"));
    check(51, cni::Failure(cni::limited_connectivity, "what STATUS finds"));
}

TEST(ErrorTable, SaysWhoMayWhereThePermissionIsMissing) {
    for (const int number : {EPERM, EACCES}) {
        EXPECT_THAT(describe(netlink::Error(number, "make the tunnel ipip-ac10057f")).message,
                    EndsWith("; run the plugin as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN"));
        EXPECT_THAT(describe(std::system_error(number, std::generic_category(), "stamp")).message,
                    HasSubstr("run the plugin as root"));
    }
}

TEST(ErrorTable, BecomesTheDocumentOfTheSpecification) {
    const std::string text = cni::to_json({.code = 7, .message = "mtu: \"\xff\" is\nnot"}, "0.4.0");
    EXPECT_EQ(
        json::parse(text),
        (json::Value{{"cniVersion", "0.4.0"}, {"code", 7}, {"msg", "mtu: \"\ufffd\" is\nnot"}}));
}

TEST(ErrorTable, HasRoomForMoreThanOneFailure) {
    cni::Failures failures;
    failures.attempt([] { throw std::runtime_error("first"); });
    failures.attempt([] {});
    EXPECT_THROW(failures.report(), std::runtime_error);
    failures.attempt([] { throw std::runtime_error("second"); });
    try {
        failures.report();
        ADD_FAILURE() << "nothing failed";
    } catch (const cni::MoreFailures& more) {
        EXPECT_THROW(std::rethrow_exception(more.first()), std::runtime_error);
        EXPECT_EQ(more.others(), std::vector<std::string>{"second"});
    }
    EXPECT_EQ(json::parse(cni::to_json({.code = 5, .message = "a", .details = "b"}, "1.1.0")),
              json::parse(R"({"cniVersion": "1.1.0", "code": 5, "msg": "a", "details": "b"})"));
}

} // namespace
} // namespace plugin
