#include "cni/log.h"

#include "json/field.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace cni {

namespace {

struct Log {
    LogSettings settings;
    std::unique_ptr<spdlog::logger> logger; ///< made with the first line: most calls have none
};

Log& log() {
    static Log instance;
    return instance;
}

// Not spdlog's registry: its default logger writes to standard output, and every ADD would pay for
// it.
std::unique_ptr<spdlog::logger> make_logger(const LogSettings& settings) {
    spdlog::sink_ptr sink;
    if (settings.file.empty())
        sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
    else
        sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(settings.file);
    auto logger = std::make_unique<spdlog::logger>("ipip", std::move(sink));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n[%P] %l: %v");
    logger->set_level(spdlog::level::from_str(settings.level));
    return logger;
}

/// A line may quote what came from outside; it stays one line, and a terminal does not act on it.
std::string printable(const std::string& line) {
    std::string clean;
    for (const char c : line)
        if (std::isprint(static_cast<unsigned char>(c)))
            clean += c;
        else
            clean += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return clean;
}

void write(spdlog::level::level_enum level, const std::string& line) {
    if (!log().logger)
        log().logger = make_logger(log().settings);
    log().logger->log(level, printable(line));
}

} // namespace

LogSettings read_log(const json::Field& config) {
    LogSettings log;
    if (const auto file = config.find("logFile"); file && !file->string().empty())
        log.file = file->absolute_path("/var/log/ipip-cni.log");
    if (const auto level = config.find("logLevel")) {
        log.level = level->string();
        constexpr std::array<std::string_view, 6> levels{"trace",   "debug", "info",
                                                         "warning", "error", "off"};
        if (std::ranges::find(levels, log.level) == levels.end())
            level->fail(level->shown() +
                        " is unknown; use trace, debug, info, warning, error or off");
    }
    return log;
}

void open_log(const LogSettings& settings) {
    log() = {settings, nullptr};
    if (settings.file.empty())
        return;
    try { // at once, so that it is told while nothing has been done yet
        log().logger = make_logger(settings);
    } catch (const spdlog::spdlog_ex& error) {
        log().settings.file.clear();
        throw json::FieldError("logFile: \"" + settings.file +
                               "\" cannot be opened: " + error.what());
    }
}

void log_info(const std::string& line) {
    write(spdlog::level::info, line);
}
void log_warning(const std::string& line) {
    write(spdlog::level::warn, line);
}
void log_error(const std::string& line) {
    write(spdlog::level::err, line);
}

} // namespace cni
