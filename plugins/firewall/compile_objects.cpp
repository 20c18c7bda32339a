// An Objects document as the objects that it lists.

#include "check.hpp"
#include "compile.hpp"

namespace holdfast::firewall {

namespace {

struct ObjectList {
    const char* member;
    Kind kind;
    const char* value; // the field that the text beside a name is; null where all fields stand there
};
constexpr ObjectList object_lists[] = {
    {"quotas", Kind::quota, "quota"},
    {"limits", Kind::limit, "rate"},
    {"ctHelpers", Kind::ct_helper, nullptr},
    {"ctTimeouts", Kind::ct_timeout, nullptr},
    {"ctExpectations", Kind::ct_expectation, nullptr},
    {"synproxies", Kind::synproxy, nullptr},
    {"flowtables", Kind::flowtable, nullptr},
};

std::string pointer_token(const std::string& name) { // RFC 6901
    std::string out;
    for (const char c : name) out += c == '~' ? std::string("~0") : c == '/' ? "~1" : std::string(1, c);
    return out;
}

class ObjectLister {
public:
    ObjectLister(const std::string& table, sdk::Diagnostics& problems) : table_(table), problems_(problems) {}

    std::vector<Compiled> list(const Json& spec) {
        const std::vector<std::string> counters = texts_in(spec, "counters");
        for (std::size_t i = 0; i < counters.size(); ++i)
            add(Kind::counter, counters[i], "/spec/counters/" + std::to_string(i), Json::object());
        for (const ObjectList& list : object_lists) {
            const auto found = spec.find(list.member);
            if (found == spec.end() || !found->is_object()) continue;
            for (const auto& [name, value] : found->items())
                add(list.kind, name, std::string("/spec/") + list.member + "/" + pointer_token(name),
                    list.value ? Json{{list.value, value}} : value);
        }
        return std::move(out_);
    }

private:
    void add(Kind kind, const std::string& name, const std::string& pointer, Json spec) {
        const bool has_fields = kind >= Kind::ct_helper;
        spec["table"] = table_;
        spec["name"] = name;
        for (sdk::Diagnostic problem : check_document(kind, {{"spec", spec}})) {
            const bool is_field = has_fields && problem.pointer != "/spec/name";
            problem.pointer = pointer + (is_field ? problem.pointer.substr(5) : std::string());
            problems_.push_back(std::move(problem));
        }
        out_.push_back({{kind, "", name}, object_head(kind, name), pointer, std::move(spec)});
    }

    const std::string& table_;
    sdk::Diagnostics& problems_;
    std::vector<Compiled> out_;
};

} // namespace

std::vector<Compiled> compile_objects(const Json& spec, const std::string& table,
                                      sdk::Diagnostics& problems) {
    return ObjectLister(table, problems).list(spec);
}

} // namespace holdfast::firewall
