#pragma once

#include <string>

namespace agent {

// Lines on standard error, from any thread; journald and the kubelet keep them.

/// `level` is one of trace, debug, info, warning, error, off.
void set_log_level(const std::string& level);

void log_debug(const std::string& line);
void log_info(const std::string& line);
void log_warning(const std::string& line);
void log_error(const std::string& line);

} // namespace agent
