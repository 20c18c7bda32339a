#include "manifest/overlay/selector.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/ids.hpp"
#include "base/text.hpp"

namespace holdfast {

namespace {

Diagnostic bad_selector(std::string_view text, std::string_view why) {
    return failure("overlay.bad-selector", fmt::format("the selector \"{}\" cannot be read: {}", text, why),
                   "as with kubectl: app=web, tier!=test, env in (dev, prod), release, !old");
}

// Cuts at commas that stand in no brackets.
std::vector<std::string_view> split_terms(std::string_view text) {
    std::vector<std::string_view> terms;
    int depth = 0;
    std::size_t from = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i == text.size() || (text[i] == ',' && depth == 0)) {
            terms.push_back(trim(text.substr(from, i - from)));
            from = i + 1;
        } else if (text[i] == '(') {
            ++depth;
        } else if (text[i] == ')') {
            --depth;
        }
    }
    return terms;
}

bool is_label_key(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_' || c == '.' || c == '/';
    });
}

bool fits(const std::optional<Pattern>& pattern, std::string_view text) {
    return !pattern || pattern->matches(text);
}

} // namespace

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
    LabelSelector selector;
    if (trim(text).empty()) return selector;
    for (std::string_view term : split_terms(text)) {
        Term one;
        std::string_view key = term;
        if (const std::size_t open = term.find('('); open != term.npos) {
            if (!term.ends_with(')')) return bad_selector(text, "a \")\" is missing");
            key = trim(term.substr(0, open));
            one.is_wanted = !key.ends_with(" notin");
            if (one.is_wanted && !key.ends_with(" in"))
                return bad_selector(text, "\"in\" or \"notin\" is missing");
            key = trim(key.substr(0, key.rfind(' ')));
            for (std::string_view value : split(term.substr(open + 1, term.size() - open - 2), ','))
                one.values.emplace_back(trim(value));
        } else if (const std::size_t equals = term.find('='); equals != term.npos) {
            one.is_wanted = equals == 0 || term[equals - 1] != '!';
            key = trim(term.substr(0, equals - (one.is_wanted ? 0 : 1)));
            std::string_view value = term.substr(equals + 1);
            if (value.starts_with('=')) value.remove_prefix(1);
            one.values.emplace_back(trim(value));
        } else if (term.starts_with('!')) {
            one.is_wanted = false;
            key = trim(term.substr(1));
        }
        if (!is_label_key(key)) return bad_selector(text, fmt::format("\"{}\" is no label", key));
        one.key = key;
        selector.terms_.push_back(std::move(one));
    }
    return selector;
}

bool LabelSelector::matches(const Value* labels) const {
    return std::all_of(terms_.begin(), terms_.end(), [&](const Term& term) {
        const Value* value = labels ? labels->find(term.key) : nullptr;
        const std::string* text = value ? value->if_string() : nullptr;
        const bool has = text && (term.values.empty() || std::find(term.values.begin(), term.values.end(),
                                                                   *text) != term.values.end());
        return has == term.is_wanted;
    });
}

std::optional<TargetSelector> TargetSelector::read(const Value& target, Diagnostics& problems) {
    TargetSelector selector;
    const std::size_t before = problems.size();
    const auto report = [&](Diagnostic problem, const Value& value) {
        problem.span.position = value.position;
        problem.span.length = static_cast<std::uint32_t>(value.if_string()->size());
        problems.add(std::move(problem));
    };
    const auto pattern = [&](std::string_view key, std::optional<Pattern>& out) {
        const Value* value = target.find(key);
        if (!value || !value->if_string() || value->if_string()->empty()) return;
        Result<Pattern> compiled = Pattern::compile(*value->if_string());
        if (compiled)
            out = *std::move(compiled);
        else
            report(compiled.error(), *value);
    };
    const auto labels = [&](std::string_view key, std::optional<LabelSelector>& out) {
        const Value* value = target.find(key);
        if (!value || !value->if_string()) return;
        Result<LabelSelector> parsed = LabelSelector::parse(*value->if_string());
        if (parsed)
            out = *std::move(parsed);
        else
            report(parsed.error(), *value);
    };
    pattern("group", selector.group_);
    pattern("version", selector.version_);
    pattern("kind", selector.kind_);
    pattern("name", selector.name_);
    pattern("namespace", selector.name_space_);
    labels("labelSelector", selector.labels_);
    labels("annotationSelector", selector.annotations_);
    if (problems.size() != before) return std::nullopt;
    return selector;
}

bool TargetSelector::selects(const OverlayResource& resource) const {
    if (resource.is_deleted || !fits(kind_, resource.kind())) return false;
    if (group_ || version_) {
        const ApiVersion parts = split_api_version(resource.api_version());
        if (!fits(group_, parts.group) || !fits(version_, parts.version)) return false;
    }
    if (name_) {
        const bool was_original = !resource.former.empty() && name_->matches(resource.former.front().name);
        if (!was_original && !name_->matches(resource.name())) return false;
    }
    if (name_space_ && !name_space_->matches(resource.original_id().name_space) &&
        !name_space_->matches(resource.id().name_space))
        return false;
    const Value* metadata = resource.tree.find("metadata");
    if (labels_ && !labels_->matches(metadata ? metadata->find("labels") : nullptr)) return false;
    return !annotations_ || annotations_->matches(metadata ? metadata->find("annotations") : nullptr);
}

std::vector<OverlayResource*> TargetSelector::select(OverlayResources& resources) const {
    std::vector<OverlayResource*> selected;
    if (const std::string* name = name_ ? name_->literal() : nullptr) {
        const std::vector<OverlayResource*>& named = resources.named(*name);
        std::copy_if(named.begin(), named.end(), std::back_inserter(selected),
                     [&](const OverlayResource* resource) { return selects(*resource); });
        return selected;
    }
    for (OverlayResource& resource : resources)
        if (selects(resource)) selected.push_back(&resource);
    return selected;
}

} // namespace holdfast
