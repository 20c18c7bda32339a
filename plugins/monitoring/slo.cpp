// A service level objective to rules, with multiwindow, multi-burn-rate alerts: "The Site Reliability
// Workbook" (Google, 2018), chapter 5, "Alerting on SLOs", approach 6 and table 5-8.
//
// The error budget is 1 - objective. Burning it at rate 1 uses it up in exactly the SLO's period. Somebody is
// paged for 2 % of the budget in an hour (for 30 days that is burn rate 14.4) or 5 % in six (6), and gets a
// ticket for 10 % in three days (1) or in one day at three times the rate (3). Each alert also wants the rate
// in a window of a twelfth (5 m, 30 m, 2 h, 6 h), so that it ends soon after the errors do. For another
// period the rates are scaled, so that each alert still stands for its share of the budget.

#include <array>
#include <cmath>
#include <cstdio>

#include "compile.hpp"
#include "duration.hpp"
#include "rules.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr double workbook_period_ms = 30.0 * 24 * 3600 * 1000;
constexpr std::array<const char*, 7> windows{"5m", "30m", "1h", "2h", "6h", "1d", "3d"};

struct Burn {
    double rate; // for a period of 30 days
    const char *long_window, *short_window;
};
constexpr std::array<Burn, 2> page{{{14.4, "1h", "5m"}, {6, "6h", "30m"}}};
constexpr std::array<Burn, 2> ticket{{{3, "1d", "2h"}, {1, "3d", "6h"}}};

std::string number_text(double value) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.12g", value);
    return text.data();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
        text.replace(at, what.size(), by);
    return text;
}

class SloCompiler {
public:
    SloCompiler(const Json& document, sdk::Diagnostics& problems)
        : spec_(document.at("spec")), problems_(problems), name_(sdk::text_at(document, "/metadata/name")) {
        labels_ = {{"slo", name_}};
        if (const std::string service = sdk::text_at(spec_, "/service"); !service.empty())
            labels_["service"] = service;
    }

    void compile(std::vector<Compiled>& out) {
        const std::string errors = sdk::text_at(spec_, "/indicator/errors");
        const std::string total = sdk::text_at(spec_, "/indicator/total");
        for (const auto& [key, text] : {std::pair("errors", errors), std::pair("total", total)})
            if (text.find("$window") == std::string::npos)
                complain(problems_, "monitoring.slo", std::string("/spec/indicator/") + key,
                         "the expression does not say over which time",
                         "write $window where it belongs: sum(rate(http_requests_total[$window]))");
        if (!read_objective() || !read_period()) return;
        Json rules = Json::array();
        for (const char* window : windows)
            rules.push_back({{"record", ratio_name(window)},
                             {"expr", "(" + replaced(errors, "$window", window) + ")\n/\n(" +
                                          replaced(total, "$window", window) + ")"},
                             {"labels", labels_}});
        add_alert(rules, "page", page);
        add_alert(rules, "ticket", ticket);
        Json group{{"name", "slo:" + name_}, {"rules", std::move(rules)}};
        Compiled leaf = rule_group_leaf(sdk::text_at(spec_, "/file", default_rule_file), std::move(group),
                                        "/spec", problems_);
        leaf.part = "rules";
        out.push_back(std::move(leaf));
    }

private:
    static std::string ratio_name(const std::string& window) { return "slo:error_ratio:rate" + window; }

    bool read_objective() {
        const auto objective = spec_.find("objective");
        const double percent =
            objective != spec_.end() && objective->is_number() ? objective->get<double>() : 0;
        if (!(percent > 0 && percent < 100)) {
            complain(problems_, "monitoring.slo", "/spec/objective",
                     "the objective is no percentage below 100",
                     "write what share of the requests is to succeed: 99.9");
            return false;
        }
        budget_ = (100 - percent) / 100;
        return true;
    }

    bool read_period() {
        const std::string text = sdk::text_at(spec_, "/period", "30d");
        const auto period = parse_duration(text);
        if (!period || *period < std::int64_t{7} * 24 * 3600 * 1000) {
            complain(problems_, "monitoring.slo", "/spec/period",
                     "\"" + text + "\" is no period of a week or longer",
                     "write 30d, 4w or 90d: shorter ones are over before the alerts' windows are");
            return false;
        }
        scale_ = static_cast<double>(*period) / workbook_period_ms;
        return true;
    }

    std::string selector(const char* window) const {
        std::string out = ratio_name(window) + "{";
        for (const auto& [key, value] : labels_.items())
            out += (out.back() == '{' ? "" : ", ") + key + "=" + sdk::quote(value.get<std::string>());
        return out + "}";
    }

    void add_alert(Json& rules, const char* severity, const std::array<Burn, 2>& burns) const {
        const Json* const settings = sdk::find(spec_, (std::string("/alerts/") + severity).c_str());
        if (settings && settings->is_object() && settings->value("disabled", false)) return;
        std::string expr;
        for (const Burn& burn : burns) {
            const double limit = burn.rate * scale_ * budget_;
            if (limit >= 1) continue; // more than every request would have to fail
            const std::string above = " > " + number_text(limit);
            expr += (expr.empty() ? "" : "\nor\n") + std::string("(") + selector(burn.long_window) + above +
                    " and " + selector(burn.short_window) + above + ")";
        }
        if (expr.empty()) return;
        Json labels = labels_,
             annotations{{"summary", "The error budget of " + name_ + " is burning too fast"}};
        labels["severity"] = severity;
        for (const Json* from :
             {sdk::find(spec_, "/labels"), settings ? sdk::find(*settings, "/labels") : nullptr})
            if (from && from->is_object()) labels.update(*from);
        for (const Json* from :
             {sdk::find(spec_, "/annotations"), settings ? sdk::find(*settings, "/annotations") : nullptr})
            if (from && from->is_object()) annotations.update(*from);
        rules.push_back({{"alert", sdk::text_at(spec_, "/alert", "ErrorBudgetBurn")},
                         {"expr", expr},
                         {"labels", labels},
                         {"annotations", annotations}});
    }

    const Json& spec_;
    sdk::Diagnostics& problems_;
    std::string name_;
    Json labels_;
    double budget_ = 0, scale_ = 1;
};

} // namespace

void compile_slo(const Json& document, std::vector<Compiled>& out, sdk::Diagnostics& problems) {
    SloCompiler(document, problems).compile(out);
}

} // namespace holdfast::monitoring
