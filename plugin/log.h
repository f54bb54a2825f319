#pragma once

#include "plugin/config.h"

#include <string>

namespace plugin {

/// Where the program's log goes from now on; standard error before. Never standard output, which
/// belongs to the result. Throws json::FieldError where the file cannot be opened.
void open_log(const LogSettings& settings);

void log_info(const std::string& line);
void log_warning(const std::string& line);
void log_error(const std::string& line);

} // namespace plugin
