#pragma once
// The one way to log: level, message, fields; secrets masked. spdlog writes it.

#include <atomic>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "log/masker.hpp"

namespace holdfast {

enum class LogLevel { debug, info, warning, error, off };
enum class LogFormat { text, json };

// "debug", "info", "warning", "error"; info for any other word.
LogLevel log_level_from(std::string_view word);

struct LogField {
    std::string_view key;
    std::string value;
};

// Thread-safe. Built in `main` and handed down.
class Log {
public:
    // Writes to standard error. `masker` outlives the log.
    Log(LogLevel level, LogFormat format, const Masker& masker);
    ~Log();

    bool is_on(LogLevel level) const { return level >= level_; }
    void set_level(LogLevel level);
    void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
    void debug(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::debug, message, fields);
    }
    void info(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::info, message, fields);
    }
    void warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::warning, message, fields);
    }
    void error(std::string_view message, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::error, message, fields);
    }

private:
    struct Sink;
    std::atomic<LogLevel> level_;
    LogFormat format_;
    const Masker& masker_;
    std::unique_ptr<Sink> sink_;
};

} // namespace holdfast
