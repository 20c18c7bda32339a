#include "listing.hpp"

#include <algorithm>
#include <charconv>

namespace holdfast::firewall {

namespace {

constexpr std::string_view handle_mark = " # handle ";

bool starts_with(std::string_view text, std::string_view head) { return text.substr(0, head.size()) == head; }

// Takes " # handle 12" off the end of the line.
std::optional<std::uint64_t> take_handle(std::string_view& line) {
    const std::size_t at = line.rfind(handle_mark);
    if (at == line.npos) return std::nullopt;
    const std::string_view digits = line.substr(at + handle_mark.size());
    std::uint64_t handle = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), handle);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    line = line.substr(0, at);
    return handle;
}

std::string without_quotes(std::string_view text) {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    return std::string(text);
}

// "type filter hook ingress device "eth0" priority filter + 10; policy drop;"
ChainBase parse_base(std::string_view line) {
    ChainBase base;
    const std::size_t end = line.find(';');
    std::string_view first = line.substr(0, end), rest = end == line.npos ? "" : line.substr(end + 1);
    const auto take_word = [&](std::string_view& from) {
        from = trimmed(from);
        const std::size_t size = std::min(from.find(' '), from.size());
        const std::string word(from.substr(0, size));
        from.remove_prefix(size);
        return word;
    };
    take_word(first); // type
    base.type = take_word(first);
    take_word(first); // hook
    base.hook = take_word(first);
    const std::size_t priority = first.rfind("priority ");
    base.device = trimmed(first.substr(0, priority));
    if (starts_with(base.device, "device "))
        base.device = without_quotes(std::string_view(base.device).substr(7));
    if (priority != first.npos) base.priority = trimmed(first.substr(priority + 9));
    const std::size_t policy = rest.find("policy ");
    if (policy != rest.npos) base.policy = rest.substr(policy + 7, rest.find(';', policy) - policy - 7);
    return base;
}

// Reads line by line; where in the tree it stands, the number of tabs says.
class Parser {
public:
    explicit Parser(bool has_elements) : has_elements_(has_elements) {}

    std::map<std::string, LiveTable> parse(std::string_view listing) {
        while (!listing.empty()) {
            const std::size_t end = std::min(listing.find('\n'), listing.size());
            take(listing.substr(0, end));
            listing.remove_prefix(std::min(end + 1, listing.size()));
        }
        return std::move(tables_);
    }

private:
    void take(std::string_view line) {
        if (trimmed(line).empty()) return;
        if (elements_) return take_elements(line);
        std::size_t depth = 0;
        while (depth < line.size() && line[depth] == '\t') ++depth;
        line.remove_prefix(depth);
        if (depth == 0) take_table(line);
        if (depth == 1 && table_) take_head(line);
        if (depth >= 2 && table_) take_member(line);
    }

    void take_table(std::string_view line) {
        if (starts_with(line, "# Warning: table ")) is_of_iptables_ = line.find("iptables-nft") != line.npos;
        if (!starts_with(line, "table ")) return;
        take_handle(line);
        line.remove_prefix(6);
        table_ = &tables_[std::string(trimmed(line.substr(0, line.rfind('{'))))];
        table_->exists = true;
        table_->is_of_iptables = is_of_iptables_;
        is_of_iptables_ = false;
    }

    void take_head(std::string_view line) {
        chain_ = nullptr, set_ = nullptr, object_ = nullptr;
        take_handle(line);
        if (starts_with(line, "flags ")) return table_->flags = split_elements(line.substr(6)), void();
        if (line.empty() || line.back() != '{') return; // "}", or the table's comment
        line = trimmed(line.substr(0, line.size() - 1));
        const std::string name(line.substr(line.rfind(' ') + 1));
        if (starts_with(line, "chain ")) {
            chain_ = &table_->chains[name];
        } else if (starts_with(line, "set ") || starts_with(line, "map ")) {
            set_ = &table_->sets[name];
            set_->is_map = starts_with(line, "map ");
            if (has_elements_) set_->elements.emplace();
        } else {
            object_ = &table_->objects[std::string(line)];
        }
    }

    void take_member(std::string_view line) {
        if (chain_) return take_rule(line);
        if (set_ && starts_with(line, "elements = {")) {
            elements_.emplace();
            return take_elements(line.substr(12));
        }
        if (set_) set_->lines.emplace_back(line);
        if (object_) object_->lines.emplace_back(trimmed(line));
    }

    void take_rule(std::string_view line) {
        std::string_view text = line;
        if (const auto handle = take_handle(text)) {
            chain_->rules.push_back({std::string(text), *handle});
        } else if (starts_with(line, "type ") && line.find(" hook ") != line.npos) {
            chain_->base = parse_base(line);
        } // else the chain's comment
    }

    // Elements go over many lines, up to one that ends with a brace outside of quotes.
    void take_elements(std::string_view line) {
        line = trimmed(line);
        const bool is_last = !line.empty() && line.back() == '}';
        *elements_ += is_last ? trimmed(line.substr(0, line.size() - 1)) : line;
        *elements_ += ' ';
        if (!is_last) return;
        std::vector<std::string> all = split_elements(*elements_);
        std::sort(all.begin(), all.end());
        if (has_elements_) set_->elements = std::move(all);
        elements_.reset();
    }

    const bool has_elements_;
    bool is_of_iptables_ = false;
    std::map<std::string, LiveTable> tables_;
    LiveTable* table_ = nullptr;
    LiveChain* chain_ = nullptr;
    LiveSet* set_ = nullptr;
    LiveObject* object_ = nullptr;
    std::optional<std::string> elements_; // being collected
};

} // namespace

bool is_dynamic(const LiveSet& set) {
    return std::any_of(set.lines.begin(), set.lines.end(), [](const std::string& line) {
        return starts_with(line, "flags ") && line.find("dynamic") != line.npos;
    });
}

bool times_out(const LiveSet& set) {
    return std::any_of(set.lines.begin(), set.lines.end(), [](const std::string& line) {
        return starts_with(line, "timeout ") ||
               (starts_with(line, "flags ") && line.find("timeout") != line.npos);
    });
}

std::map<std::string, LiveTable> parse_listing(std::string_view listing, bool has_elements) {
    return Parser(has_elements).parse(listing);
}

LiveTable parse_table_listing(std::string_view listing, const TableName& table, bool has_elements) {
    auto tables = parse_listing(listing, has_elements);
    const auto found = tables.find(table.text());
    return found == tables.end() ? LiveTable{} : std::move(found->second);
}

} // namespace holdfast::firewall
