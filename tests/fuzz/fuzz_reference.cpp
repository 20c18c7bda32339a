// References in documents, and the names that they are made of. The text is taken as a scalar, as a document
// where it is JSON, and as an id.

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "fuzz.hpp"
#include "manifest/reference.hpp"

using namespace holdfast;
using holdfast::fuzz::claim;

namespace {

// One of each kind of answer, by the reference's own text.
Resolution resolve(const Reference& reference, std::string_view pointer) {
    Resolution out;
    switch ((reference.text.size() + pointer.size() + reference.path.size()) % 6) {
        case 0: out.value = "text"; break;
        case 1: out.value = 17; break;
        case 2: out.value = Value::map({{"a", 1}}); break;
        case 3: out.state = Resolution::State::not_yet; break;
        case 4:
            out.state = Resolution::State::error;
            out.problem.code = "reference.test";
            break;
        default: out.value = "secret"; out.sensitive = true;
    }
    return out;
}

void check_document(const Value& document) {
    const bool may_hold = may_hold_references(to_json(document));
    const std::vector<ReferenceUse> uses = references_of(document);
    claim(may_hold || uses.empty(), "a reference that the quick look does not see", to_json(document));
    for (const ReferenceUse& use : uses)
        claim(find_at(document, use.pointer) != nullptr, "a reference at no place", use.pointer);
    const ResolvedDocument resolved = resolve_references(document, resolve);
    if (!may_hold)
        claim(resolved.document == document, "a document without references was changed", to_json(document));
    for (const std::string& pointer : resolved.sensitive)
        claim(find_at(resolved.document, pointer) != nullptr, "a secret at no place", pointer);
    for (const Diagnostic& problem : resolved.problems) render(problem);
    for (const ReferenceUse& use : uses) follow_path(document, use.reference.path);
}

void check_names(std::string_view text) {
    if (const Result<Address> address = parse_address(text)) {
        const Result<Address> again = parse_address(to_string(*address));
        claim(again && *again == *address, "an address is read back as another", to_string(*address));
    }
    if (const Result<ResourceId> id = parse_id(text)) {
        const Result<ResourceId> again = parse_id(to_string(*id));
        claim(again && *again == *id, "an id is read back as another", to_string(*id));
    }
    const std::string pointer = append_pointer("", text);
    claim(split_pointer(pointer) == std::vector<std::string>{std::string(text)},
          "a pointer's token is another", pointer);
    if (const auto duration = parse_duration(text))
        claim(parse_duration(duration_text(*duration)) == duration, "a duration is read back as another",
              duration_text(*duration));
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (!is_utf8(text)) return 0; // the manifest reader refuses it
    references_in(text);
    check_document(Value(text));
    if (const Result<Value> document = parse_json(text)) check_document(*document);
    check_names(text);
    return 0;
}
