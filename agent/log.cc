#include "agent/log.h"

#include <cctype>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace agent {

namespace {

spdlog::logger& logger() {
    static spdlog::logger instance = [] {
        spdlog::logger made("ipipd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made.set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
        return made;
    }();
    return instance;
}

/// A line may quote what came from outside; it stays one line, and a terminal does not act on it.
std::string printable(const std::string& line) {
    std::string clean;
    for (const char c : line)
        clean += std::isprint(static_cast<unsigned char>(c))
                     ? std::string(1, c)
                     : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return clean;
}

} // namespace

void set_log_level(const std::string& level) {
    logger().set_level(spdlog::level::from_str(level));
}
void log_debug(const std::string& line) {
    logger().debug(printable(line));
}
void log_info(const std::string& line) {
    logger().info(printable(line));
}
void log_warning(const std::string& line) {
    logger().warn(printable(line));
}
void log_error(const std::string& line) {
    logger().error(printable(line));
}

} // namespace agent
