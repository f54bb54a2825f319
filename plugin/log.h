#pragma once

#include <string>

namespace plugin {

/// Where the program's log goes from now on: `file`, or standard error where it is empty. Never
/// standard output, which belongs to the result. `level` is one of the configuration's "logLevel".
/// Throws json::FieldError where the file cannot be opened.
void open_log(const std::string& file, const std::string& level);

void log_info(const std::string& line);
void log_warning(const std::string& line);
void log_error(const std::string& line);

} // namespace plugin
