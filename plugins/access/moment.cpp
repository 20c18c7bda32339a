#include "moment.hpp"

#include <ctime>

namespace holdfast::access {

namespace {

constexpr std::int64_t day_s = 86400;

// Days since 1970-01-01 of the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level
// Date Algorithms").
std::int64_t days_of(int year, int month, int day) {
    year -= month <= 2;
    const int era = (year >= 0 ? year : year - 399) / 400;
    const int of_era = year - era * 400;
    const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return static_cast<std::int64_t>(era) * 146097 + day_of_era - 719468;
}

int days_in(int year, int month) {
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

class MomentReader {
public:
    explicit MomentReader(std::string_view text) : text_(text) {}
    bool number(int digits, int& out) {
        out = 0;
        for (int i = 0; i < digits; ++i, ++at_) {
            if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') return false;
            out = out * 10 + (text_[at_] - '0');
        }
        return true;
    }
    bool take(std::string_view any) {
        const bool fits = at_ < text_.size() && any.find(text_[at_]) != std::string_view::npos;
        if (fits) ++at_;
        return fits;
    }
    void skip_fraction() {
        if (!take(".")) return;
        while (take("0123456789")) {
        }
    }
    bool at_end() const { return at_ == text_.size(); }
    char last() const { return text_[at_ - 1]; }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace

std::optional<std::int64_t> parse_moment(std::string_view text) {
    MomentReader read(text);
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (!read.number(4, year) || !read.take("-") || !read.number(2, month) || !read.take("-") ||
        !read.number(2, day) || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return std::nullopt;
    const std::int64_t midnight = days_of(year, month, day) * day_s;
    if (read.at_end()) return (midnight + day_s) * 1000;
    if (!read.take("Tt ") || !read.number(2, hour) || !read.take(":") || !read.number(2, minute) ||
        hour > 23 || minute > 59)
        return std::nullopt;
    if (read.take(":") && (!read.number(2, second) || second > 60)) return std::nullopt;
    read.skip_fraction();
    int ahead_h = 0, ahead_m = 0, sign = 1;
    if (!read.take("Zz")) {
        if (!read.take("+-")) return std::nullopt;
        sign = read.last() == '-' ? -1 : 1;
        if (!read.number(2, ahead_h) || !read.take(":") || !read.number(2, ahead_m)) return std::nullopt;
    }
    if (!read.at_end()) return std::nullopt;
    const std::int64_t of_day = hour * 3600 + minute * 60 + second - sign * (ahead_h * 3600 + ahead_m * 60);
    return (midnight + of_day) * 1000;
}

std::string to_text(std::int64_t at_ms) {
    const std::int64_t seconds = at_ms / 1000;
    const std::time_t time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    char out[32];
    std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return out;
}

} // namespace holdfast::access
