#include "rules_answer.hpp"

#include <utility>

#include "duration.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

void put_seconds(Json& out, const char* key, double seconds) {
    const auto ms = static_cast<std::int64_t>(seconds * 1000 + 0.5);
    if (ms != 0) out[key] = print_duration(ms);
}

struct Rule {
    std::string name, query;
    bool is_alert = false;
    double duration = 0, keep_firing_for = 0;
    Json labels, annotations;

    Json spec() && {
        Json out{{is_alert ? "alert" : "record", std::move(name)}, {"expr", std::move(query)}};
        if (!labels.empty()) out["labels"] = std::move(labels);
        if (!annotations.empty()) out["annotations"] = std::move(annotations);
        put_seconds(out, "for", duration);
        put_seconds(out, "keep_firing_for", keep_firing_for);
        return out;
    }
};

struct Group {
    std::string name, file;
    double interval = 0;
    std::int64_t limit = 0;
    Json rules = Json::array();

    LoadedGroup loaded() && {
        Json out{{"name", std::move(name)}, {"rules", std::move(rules)}};
        put_seconds(out, "interval", interval);
        if (limit != 0) out["limit"] = limit;
        return {std::move(file), std::move(out)};
    }
};

// Told by the parser what comes, one piece after the other.
class Reader {
public:
    std::vector<LoadedGroup> groups;
    bool has_groups = false;

    // NOLINTBEGIN: these names and signatures are nlohmann's
    bool null() {
        has_groups = has_groups || (place() == Place::data && key_ == "groups");
        return true;
    }
    bool boolean(bool) { return true; }
    bool number_integer(std::int64_t value) { return number(static_cast<double>(value)); }
    bool number_unsigned(std::uint64_t value) { return number(static_cast<double>(value)); }
    bool number_float(double value, const std::string&) { return number(value); }
    bool binary(Json::binary_t&) { return true; }
    bool key(std::string& name) {
        key_.swap(name);
        return true;
    }
    bool string(std::string& value) {
        switch (place()) {
            case Place::group:
                if (key_ == "name") group_.name.swap(value);
                if (key_ == "file") group_.file.swap(value);
                break;
            case Place::rule:
                if (key_ == "name") rule_.name.swap(value);
                if (key_ == "query") rule_.query.swap(value);
                if (key_ == "type") rule_.is_alert = value == "alerting";
                break;
            case Place::labels: rule_.labels[key_] = std::move(value); break;
            case Place::annotations: rule_.annotations[key_] = std::move(value); break;
            default: break;
        }
        return true;
    }
    bool start_object(std::size_t) {
        places_.push_back(object_here());
        if (places_.back() == Place::group) group_ = {};
        if (places_.back() == Place::rule) rule_ = {};
        return true;
    }
    bool end_object() {
        if (place() == Place::group) groups.push_back(std::move(group_).loaded());
        if (place() == Place::rule) group_.rules.push_back(std::move(rule_).spec());
        places_.pop_back();
        return true;
    }
    bool start_array(std::size_t) {
        const bool are_groups = place() == Place::data && key_ == "groups";
        const bool are_rules = place() == Place::group && key_ == "rules";
        has_groups = has_groups || are_groups;
        places_.push_back(are_groups ? Place::groups : are_rules ? Place::rules : Place::elsewhere);
        return true;
    }
    bool end_array() {
        places_.pop_back();
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const Json::exception&) { return false; }
    // NOLINTEND

private:
    enum class Place { nowhere, answer, data, groups, group, rules, rule, labels, annotations, elsewhere };

    Place place() const { return places_.empty() ? Place::nowhere : places_.back(); }

    Place object_here() const {
        switch (place()) {
            case Place::nowhere: return Place::answer;
            case Place::answer: return key_ == "data" ? Place::data : Place::elsewhere;
            case Place::groups: return Place::group;
            case Place::rules: return Place::rule;
            case Place::rule:
                return key_ == "labels"        ? Place::labels
                       : key_ == "annotations" ? Place::annotations
                                               : Place::elsewhere;
            default: return Place::elsewhere;
        }
    }

    bool number(double value) {
        if (place() == Place::group) {
            if (key_ == "interval") group_.interval = value;
            if (key_ == "limit") group_.limit = static_cast<std::int64_t>(value);
        } else if (place() == Place::rule) {
            if (key_ == "duration") rule_.duration = value;
            if (key_ == "keepFiringFor") rule_.keep_firing_for = value;
        }
        return true;
    }

    std::vector<Place> places_; // from the outside in
    std::string key_;           // read last
    Group group_;
    Rule rule_;
};

} // namespace

std::optional<std::vector<LoadedGroup>> read_rules_answer(std::string_view body) {
    Reader reader;
    const bool is_json = Json::sax_parse(body.begin(), body.end(), &reader);
    if (!is_json || !reader.has_groups) return std::nullopt;
    return std::move(reader.groups);
}

} // namespace holdfast::monitoring
