#include "git/mirror_record.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "sys/file.hpp"

namespace holdfast::git {

namespace {

constexpr std::array<std::string_view, 6> kinds{"head", "branch", "tag", "semver", "name", "commit"};

std::int64_t number_at(const Value& value, std::string_view key) {
    const Value* found = value.find(key);
    const std::int64_t* number = found ? found->if_integer() : nullptr;
    return number ? *number : 0;
}

Value list_of(const std::vector<std::string>& texts) {
    List list;
    for (const std::string& text : texts) list.emplace_back(text);
    return Value(std::move(list));
}

Value value_of(const MirroredRef& ref) {
    Value value = Value::map({{"kind", kinds[static_cast<std::size_t>(ref.ref.kind)]},
                              {"value", ref.ref.value},
                              {"name", ref.name},
                              {"object", ref.object},
                              {"commit", ref.commit},
                              {"access", ref.access},
                              {"fetchedAtMs", ref.fetched_at_ms}});
    value.as_map().set("history", list_of(ref.history));
    value.as_map().set("names", list_of(ref.names));
    if (ref.problem)
        value.as_map().set("problem", Value::map({{"code", ref.problem->code},
                                                  {"message", ref.problem->message},
                                                  {"hint", ref.problem->hint},
                                                  {"isTransient", ref.problem->retry == Retry::after}}));
    return value;
}

MirroredRef ref_of(const Value& value) {
    MirroredRef ref;
    const auto kind = std::find(kinds.begin(), kinds.end(), value.text_at("kind"));
    ref.ref.kind = static_cast<SourceRef::Kind>(kind == kinds.end() ? 0 : kind - kinds.begin());
    ref.ref.value = value.text_at("value");
    ref.name = value.text_at("name");
    ref.object = value.text_at("object");
    ref.commit = value.text_at("commit");
    ref.access = value.text_at("access");
    ref.fetched_at_ms = number_at(value, "fetchedAtMs");
    ref.history = texts_of(value.find("history"));
    ref.names = texts_of(value.find("names"));
    ref.names.resize(ref.history.size());
    if (const Value* problem = value.find("problem")) {
        ref.problem = failure(problem->text_at("code"), std::string(problem->text_at("message")),
                              std::string(problem->text_at("hint")));
        const Value* transient = problem->find("isTransient");
        if (transient && transient->if_bool() && *transient->if_bool()) ref.problem->retry = Retry::after;
    }
    return ref;
}

} // namespace

const MirroredRef* MirrorRecord::find(const SourceRef& ref) const {
    const auto found =
        std::find_if(refs.begin(), refs.end(), [&](const MirroredRef& known) { return known.ref == ref; });
    return found == refs.end() ? nullptr : &*found;
}

void MirrorRecord::put(MirroredRef ref) {
    const auto found = std::find_if(refs.begin(), refs.end(),
                                    [&](const MirroredRef& known) { return known.ref == ref.ref; });
    if (found == refs.end())
        refs.push_back(std::move(ref));
    else
        *found = std::move(ref);
}

MirrorRecord read_record(const std::string& path) {
    MirrorRecord record;
    const Result<std::string> text = read_file(path);
    if (!text) return record;
    const Result<Value> value = parse_json(*text);
    const Value* refs = value && value->is_map() ? value->find("refs") : nullptr;
    if (const List* list = refs ? refs->if_list() : nullptr)
        for (const Value& item : *list)
            if (item.is_map()) record.refs.push_back(ref_of(item));
    return record;
}

Status write_record(const std::string& path, const RemoteUrl& url, const MirrorRecord& record) {
    Value value = Value::map({{"url", url.text()}});
    List refs;
    for (const MirroredRef& ref : record.refs) refs.push_back(value_of(ref));
    value.as_map().set("refs", Value(std::move(refs)));
    return write_file_atomically(path, to_json(value) + "\n", 0600);
}

} // namespace holdfast::git
