#include "compile.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "check.hpp"

namespace holdfast::dns {

namespace {

using sdk::Json;

// One declared RRset while it is put together; several lines of a Zone may add to it.
struct Draft {
    Desired desired;
    std::string pointer, ttl_pointer;
};

class Compiler {
public:
    Compiler(const Json& document, sdk::Diagnostics& problems) : document_(document), problems_(problems) {}

    std::vector<Compiled> compile() {
        const bool is_zone = sdk::text_at(document_, "/kind") == "Zone";
        const char* const zone_pointer = is_zone ? "/spec/name" : "/spec/zone";
        if (!attempt(zone_pointer, [&] { origin_ = parse_zone(sdk::text_at(document_, zone_pointer)); }))
            return {};
        if (is_zone)
            read_zone();
        else
            read_set(spec(), "/spec");
        std::vector<Declared> declared;
        for (const auto& [key, draft] : drafts_)
            declared.push_back({key, &draft.desired.values, draft.pointer});
        check_together(declared, origin_, problems_);
        return leaves(!is_zone);
    }

private:
    const Json& spec() const { return document_.at("spec"); }

    // Runs `body`; what it throws is a problem at `pointer`.
    template <typename Body>
    bool attempt(const std::string& pointer, Body body) {
        return sdk::attempt(problems_, pointer, body);
    }

    void complain(const char* code, const std::string& pointer, std::string message, std::string hint = {}) {
        sdk::Diagnostic why = problem(code, std::move(message), std::move(hint));
        why.pointer = pointer;
        problems_.push_back(std::move(why));
    }

    void read_zone() {
        if (const Json* ttl = sdk::find(document_, "/spec/ttl"))
            attempt("/spec/ttl", [&] { zone_ttl_ = read_ttl(*ttl); });
        const Json* records = sdk::find(document_, "/spec/records");
        if (!records || !records->is_array()) return;
        for (std::size_t i = 0; i < records->size(); ++i) {
            const std::string pointer = "/spec/records/" + std::to_string(i);
            const Json& record = (*records)[i];
            if (record.is_string())
                attempt(pointer, [&] { read_line(record.get<std::string>(), pointer); });
            else if (record.is_object())
                read_set(record, pointer);
        }
    }

    static std::uint32_t read_ttl(const Json& ttl) {
        return parse_ttl(ttl.is_string() ? ttl.get<std::string>() : ttl.dump());
    }

    void read_set(const Json& from, const std::string& pointer) {
        Draft draft;
        draft.pointer = pointer;
        bool is_good =
            attempt(pointer + "/name", [&] { draft.desired.key.name = own_name(text_in(from, "name")); });
        is_good &=
            attempt(pointer + "/type", [&] { draft.desired.key.type = own_type(text_in(from, "type")); });
        if (const auto ttl = from.find("ttl"); ttl != from.end() && !ttl->is_null()) {
            draft.ttl_pointer = pointer + "/ttl";
            is_good &= attempt(draft.ttl_pointer, [&] { draft.desired.ttl = read_ttl(*ttl); });
        }
        if (!is_good) return;
        const Json values = from.value("values", Json::array());
        const bool is_list = values.is_array();
        for (std::size_t i = 0; i < (is_list ? values.size() : 1); ++i) {
            const Json& value = is_list ? values[i] : values;
            if (!value.is_string()) continue; // the schema has said so
            const std::string place = pointer + "/values" + (is_list ? "/" + std::to_string(i) : "");
            is_good &= attempt(place, [&] { read_value(draft, value.get<std::string>(), place); });
        }
        if (is_good) enter(std::move(draft));
    }

    static std::string text_in(const Json& from, const char* key) {
        const auto found = from.find(key);
        return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
    }

    void read_value(Draft& draft, const std::string& text, const std::string& pointer) {
        Wire value = parse_rdata(draft.desired.key.type, text, origin_);
        if (std::find(draft.desired.values.begin(), draft.desired.values.end(), value) !=
            draft.desired.values.end())
            throw sdk::Error("dns.duplicate", "the value \"" + text + "\" stands there twice",
                             "an RRset holds each value once; remove one of the two");
        draft.desired.values.push_back(std::move(value));
        const bool is_text = draft.desired.key.type == type::txt || draft.desired.key.type == type::spf;
        if (is_text && !text.empty() && text.front() != '"' && text.find('\\') != std::string::npos) {
            sdk::Diagnostic note =
                problem("dns.backslash", "the backslash in this text is served as it stands",
                        "for an escape write the text in double quotes, as in a zone file");
            note.severity = sdk::Severity::warning;
            note.pointer = pointer;
            problems_.push_back(std::move(note));
        }
    }

    // "www 300 IN A 192.0.2.10", as in a zone file: what stands after the type is one value.
    void read_line(std::string_view line, const std::string& pointer) {
        Draft draft;
        draft.pointer = pointer;
        draft.desired.key.name = own_name(next_word(line));
        std::string word = next_word(line);
        if (!word.empty() && word[0] >= '0' && word[0] <= '9') {
            draft.desired.ttl = parse_ttl(word);
            draft.ttl_pointer = pointer;
            word = next_word(line);
        }
        if (word == "IN" || word == "in") word = next_word(line);
        if (word.empty())
            throw sdk::Error("dns.line", "the line names no type", "write: name [ttl] type data");
        draft.desired.key.type = own_type(word);
        read_value(draft, std::string(line), pointer);
        enter(std::move(draft));
    }

    static std::string next_word(std::string_view& line) {
        const auto skip_blanks = [&] {
            while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
        };
        skip_blanks();
        std::size_t size = 0;
        while (size < line.size() && line[size] != ' ' && line[size] != '\t') ++size;
        const std::string word(line.substr(0, size));
        line.remove_prefix(size);
        skip_blanks();
        return word;
    }

    std::string own_name(std::string_view text) const {
        const Wire name = lower(parse_name(text, origin_, Relative::any_labels));
        if (!is_within(name, origin_))
            throw sdk::Error("dns.outside",
                             "\"" + std::string(text) + "\" does not lie in the zone " + zone_text(origin_),
                             "leave the final dot out for a name inside the zone");
        return relative_text(name, origin_);
    }

    static TypeNumber own_type(std::string_view text) {
        const TypeNumber type = parse_type(text);
        if (is_servers_own(type))
            throw sdk::Error("dns.read-only", "records of type " + type_text(type) + " are the server's own",
                             "the SOA and what signing makes are configured at the server; remove this");
        return type;
    }

    // Lines of one name and type are one RRset.
    void enter(Draft draft) {
        const auto [place, is_new] = drafts_.try_emplace(draft.desired.key, draft);
        if (is_new) return;
        Draft& first = place->second;
        if (draft.desired.ttl && first.desired.ttl && *draft.desired.ttl != *first.desired.ttl)
            complain("dns.ttls", draft.ttl_pointer,
                     "two records of " + draft.desired.key.part() + " have different times to live",
                     "an RRset has one (RFC 2181 section 5.2): write the same at both, or at one of them");
        if (!first.desired.ttl) first.desired.ttl = draft.desired.ttl;
        for (Wire& value : draft.desired.values) {
            auto& values = first.desired.values;
            if (std::find(values.begin(), values.end(), value) != values.end())
                complain("dns.duplicate", draft.pointer,
                         "a value of " + draft.desired.key.part() + " stands there twice",
                         "an RRset holds each value once; remove one of the two");
            values.push_back(std::move(value));
        }
    }

    std::vector<Compiled> leaves(bool stands_alone) {
        std::vector<Compiled> out;
        for (auto& [key, draft] : drafts_) {
            std::vector<Wire>& values = draft.desired.values;
            std::sort(values.begin(), values.end());
            Json leaf{{"apiVersion", api_version}, {"kind", "RecordSet"}};
            if (stands_alone && document_.contains("metadata")) leaf["metadata"] = document_["metadata"];
            Json& spec = leaf["spec"];
            spec = {{"name", key.name}, {"type", type_text(key.type)}, {"zone", zone_text(origin_)}};
            if (const auto ttl = draft.desired.ttl ? draft.desired.ttl : zone_ttl_) spec["ttl"] = *ttl;
            spec["values"] = Json::array();
            for (const Wire& value : values) spec["values"].push_back(rdata_text(key.type, value));
            out.push_back({origin_, key, sdk::dump_json(leaf), draft.pointer, stands_alone});
        }
        return out;
    }

    const Json& document_;
    sdk::Diagnostics& problems_;
    Wire origin_;
    std::optional<std::uint32_t> zone_ttl_;
    std::map<Key, Draft> drafts_;
};

} // namespace

std::vector<Compiled> compile_document(std::string_view document, sdk::Diagnostics& problems) {
    const Json json = sdk::parse_json(document, "dns.document");
    if (!json.contains("spec") || !json["spec"].is_object()) return {}; // the schema has said so
    return Compiler(json, problems).compile();
}

} // namespace holdfast::dns
