// What a plugin, or a worker gone mad, may answer. The first byte chooses: a description; results for three
// items of a call, as texts "=== field" or as a frame off the socket; the other frames.

#include "base/json.hpp"
#include "fuzz.hpp"
#include "provider/frame.hpp"
#include "provider/guard.hpp"

using namespace holdfast;
using holdfast::fuzz::claim;

namespace {

constexpr std::size_t item_count = 3;

// Feeds answers to a guarded call and checks what the engine gets to see of them.
class GuardedCallOf {
public:
    explicit GuardedCallOf(std::uint8_t choice)
        : items_(item_count),
          call_{.method = static_cast<Method>(choice % 12), .items = items_},
          on_result_([this](const ItemResult& result) { see(result); }),
          guard_({plugin_, provider_, call_}, on_result_) {}

    void take(const RawResult& raw) { guard_.take(raw); }
    void finish(std::uint32_t status) {
        const CallEnd end = guard_.finish({.status = status, .why = {}});
        for (const Diagnostic& why : end.why) render(why);
        for (std::size_t i = 0; i < item_count; ++i)
            claim(!has_one_each() || seen_[i] == 1, "an item without exactly one result");
        if (end.ok) claim(!end.why.has_errors(), "a call that is well, and has errors");
    }

private:
    // Not of a list or a compile, which have any number of objects, nor of calls that are about no items.
    bool has_one_each() const {
        switch (call_.method) {
            case Method::validate:
            case Method::observe:
            case Method::apply:
            case Method::upgrade:
            case Method::canonicalize:
            case Method::health: return true;
            default: return false;
        }
    }

    void see(const ItemResult& result) {
        for (const Diagnostic& diagnostic : result.diagnostics) render(diagnostic);
        const bool is_numbered_by_plugin = call_.method == Method::list;
        claim(is_numbered_by_plugin || result.item < item_count || result.item == no_item ||
                  result.item == scope_item,
              "a result for an item that nobody asked for");
        if (result.item < item_count) ++seen_[result.item];
        if (!result.detail.empty()) claim(bool(parse_json(result.detail)), "a detail that is no JSON");
        to_string(result.outcome);
    }

    const std::string plugin_ = "fuzz", provider_ = "fuzzed";
    std::vector<Item> items_;
    Call call_;
    OnResult on_result_;
    Guard guard_;
    std::size_t seen_[item_count] = {};
};

void answer_in_texts(std::uint8_t choice, std::string_view input) {
    GuardedCallOf call(choice);
    const auto parts = fuzz::parts_of(input);
    for (std::size_t i = 0; i < parts.size();) {
        RawResult raw{.item = static_cast<std::uint32_t>(parts[i].second.size() % 5)};
        raw.outcome = static_cast<std::uint32_t>(parts[i].first.size() % 11);
        if (raw.item == 4) raw.item = HOLDFAST_CALL;
        for (std::size_t field = 0; field < raw_result_texts.size() && i < parts.size(); ++field, ++i) {
            std::string_view text = parts[i].second;
            if (text.ends_with('\n')) text.remove_suffix(1);
            raw.*raw_result_texts[field] = text;
        }
        call.take(raw);
    }
    call.finish(choice / 12U % 4U);
}

void answer_in_frames(std::uint8_t choice, std::string_view input) {
    GuardedCallOf call(choice);
    FrameReader frame(input);
    RawResult raw;
    while (!frame.at_end() && read_result(frame, raw)) {
        std::string written(size_of(raw), '\0');
        write_result(written.data(), raw);
        FrameReader again(written);
        RawResult same;
        claim(read_result(again, same) && same.document == raw.document && same.item == raw.item,
              "a result is read back as another");
        call.take(raw);
    }
    call.finish(HOLDFAST_OK);
}

void read_frames(std::string_view input) {
    CallFrame call;
    if (read_call(input, call)) claim(call.items.size() <= input.size(), "items out of nowhere");
    Hint hint;
    read_hint(input, hint);
    Setup setup;
    read_setup(input, setup);
}

void describe(std::string_view input) {
    const Result<Value> tree = parse_json(input);
    if (!tree) {
        render(tree.error());
        return;
    }
    claim(to_json(*parse_json(to_json(*tree))) == to_json(*tree), "JSON is read back as something else",
          to_json(*tree));
    const Result<Description> description = parse_description(*tree);
    if (!description) {
        render(description.error());
        return;
    }
    for (const KindInfo& kind : description->kinds) {
        claim(description->find(kind.api_version, kind.kind) != nullptr, "a kind that is not found");
        for (const ListRule& rule : kind.lists) list_rule(kind, rule.pointer);
    }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    switch (data[0] % 4) {
        case 0: describe(input); break;
        case 1: answer_in_texts(data[1], input); break;
        case 2: answer_in_frames(data[1], input); break;
        default: read_frames(input);
    }
    return 0;
}
