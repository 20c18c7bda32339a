#include "log/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/json.hpp"
#include "sys/clock.hpp"

namespace holdfast {

namespace {

std::string_view word_of(LogLevel level) {
    switch (level) {
        case LogLevel::debug: return "debug";
        case LogLevel::info: return "info";
        case LogLevel::warning: return "warning";
        case LogLevel::error: return "error";
        case LogLevel::off: return "off";
    }
    return "info";
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
        case LogLevel::debug: return spdlog::level::debug;
        case LogLevel::info: return spdlog::level::info;
        case LogLevel::warning: return spdlog::level::warn;
        case LogLevel::error: return spdlog::level::err;
        case LogLevel::off: return spdlog::level::off;
    }
    return spdlog::level::info;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// A name from a target or a committer must not forge a second line or move the terminal's cursor.
std::string without_controls(std::string_view text) {
    std::string clean;
    for (const char c : text) {
        if (!is_control(c))
            clean += c;
        else if (c == '\n')
            clean += "\\n";
        else if (c == '\t')
            clean += "\\t";
        else
            clean += "?";
    }
    return clean;
}

// Quoted only where a reader could not tell where it ends.
std::string field_text(std::string_view value) {
    const bool is_plain = !value.empty() && value.find_first_of(" \"=\\") == std::string_view::npos;
    if (is_plain) return without_controls(value);
    std::string quoted;
    append_json_string(quoted, value);
    return without_controls(quoted);
}

} // namespace

LogLevel log_level_from(std::string_view word) {
    for (const LogLevel level : {LogLevel::debug, LogLevel::warning, LogLevel::error})
        if (word == word_of(level)) return level;
    return LogLevel::info;
}

struct Log::Sink {
    spdlog::logger logger{"holdfast", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
};

Log::Log(LogLevel level, LogFormat format, const Masker& masker)
    : level_(level), format_(format), masker_(masker), sink_(std::make_unique<Sink>()) {
    sink_->logger.set_pattern("%v");
    sink_->logger.set_level(spdlog_level(level));
}

void Log::set_level(LogLevel level) {
    level_ = level;
    sink_->logger.set_level(spdlog_level(level));
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (level == LogLevel::off || !is_on(level)) return;
    const std::string time = utc_time(SystemClock().now_ms());
    std::string line;
    if (format_ == LogFormat::json) {
        line = "{\"time\":\"" + time + "\",\"level\":\"" + std::string(word_of(level)) + "\",\"message\":";
        append_json_string(line, masker_.mask(message));
        for (const LogField& field : fields) {
            line += ',';
            append_json_string(line, field.key);
            line += ':';
            append_json_string(line, masker_.mask(field.value));
        }
        line += '}';
    } else {
        line = time + " " + std::string(word_of(level)) + ": " + without_controls(masker_.mask(message));
        for (const LogField& field : fields)
            line += " " + std::string(field.key) + "=" + field_text(masker_.mask(field.value));
    }
    // As an argument, never as a format: the text may hold braces.
    sink_->logger.log(spdlog_level(level), "{}", line);
}

} // namespace holdfast
