#pragma once

#include "json/field.h"

#include <string>

namespace cni {

/// Where the log goes, and how much of it.
struct LogSettings {
    std::string file; ///< empty: standard error
    std::string level = "info";
};

/// The keys logFile and logLevel. Throws json::FieldError.
LogSettings read_log(const json::Field& config);

/// Where the program's log goes from now on; standard error before. Never standard output, which
/// belongs to the result. Throws json::FieldError where the file cannot be opened.
void open_log(const LogSettings& settings);

void log_info(const std::string& line);
void log_warning(const std::string& line);
void log_error(const std::string& line);

} // namespace cni
