#include "provider/frame.hpp"

#include <array>

namespace holdfast {

namespace {

// Most texts of an item or a result are empty: a bit mask says which are there, and only those have a
// length.
constexpr std::array item_texts{&holdfast_item::kind,         &holdfast_item::identity,
                                &holdfast_item::declared,     &holdfast_item::recorded,
                                &holdfast_item::observed,     &holdfast_item::version,
                                &holdfast_item::private_data, &holdfast_item::refresh};
constexpr std::uint16_t after_flag = 1U << item_texts.size();
constexpr std::uint16_t wants_health_flag = after_flag << 1U;

void write_item(FrameWriter& writer, const holdfast_item& item) {
    std::uint16_t mask = 0;
    for (std::size_t i = 0; i < item_texts.size(); ++i)
        if ((item.*item_texts[i]).size > 0) mask = static_cast<std::uint16_t>(mask | (1U << i));
    if (item.after_count > 0) mask = static_cast<std::uint16_t>(mask | after_flag);
    if ((item.flags & HOLDFAST_WANTS_HEALTH) != 0)
        mask = static_cast<std::uint16_t>(mask | wants_health_flag);
    writer.add(static_cast<std::uint16_t>(item.action));
    writer.add(mask);
    for (const auto member : item_texts)
        if ((item.*member).size > 0) writer.add_text(text_of(item.*member));
    if (item.after_count == 0) return;
    writer.add(static_cast<std::uint32_t>(item.after_count));
    for (std::size_t i = 0; i < item.after_count; ++i) writer.add(item.after[i]);
}

// The indices are copied, since in the frame they may lie at any address; read_call() points at them.
holdfast_item read_item(FrameReader& reader, std::vector<std::uint32_t>& after) {
    holdfast_item item{};
    item.action = reader.take<std::uint16_t>();
    const auto mask = reader.take<std::uint16_t>();
    for (std::size_t i = 0; i < item_texts.size(); ++i)
        if ((mask & (1U << i)) != 0) item.*item_texts[i] = abi_bytes(reader.take_text());
    if ((mask & wants_health_flag) != 0) item.flags = HOLDFAST_WANTS_HEALTH;
    if ((mask & after_flag) == 0) return item;
    const auto count = reader.take<std::uint32_t>();
    for (; item.after_count < count && reader.ok(); ++item.after_count)
        after.push_back(reader.take<std::uint32_t>());
    return item;
}

enum ResultFlag : std::uint16_t { malformed_flag = 1, oversized_flag = 2 };

template <typename T>
char* put(char* to, T number) {
    std::memcpy(to, &number, sizeof number);
    return to + sizeof number;
}

} // namespace

holdfast_item abi_item(const Item& item) {
    holdfast_item out{};
    out.action = static_cast<std::uint32_t>(item.action);
    out.kind = abi_bytes(item.kind);
    out.identity = abi_bytes(item.identity);
    out.declared = abi_bytes(item.declared);
    out.recorded = abi_bytes(item.recorded);
    out.observed = abi_bytes(item.observed);
    out.version = abi_bytes(item.version);
    out.private_data = abi_bytes(item.private_data);
    out.refresh = abi_bytes(item.refresh);
    out.flags = item.wants_health ? HOLDFAST_WANTS_HEALTH : 0;
    out.after = item.after.data();
    out.after_count = item.after.size();
    return out;
}

void write_call(std::string& out, Operation operation, const Call& call) {
    FrameWriter writer(out);
    writer.add(operation);
    writer.add(monotonic_ns(call.deadline));
    writer.add_text(call.scope);
    writer.add_text(call.scope_version);
    writer.add_text(call.options);
    writer.add(static_cast<std::uint32_t>(call.items.size()));
    for (const Item& item : call.items) write_item(writer, abi_item(item));
}

bool read_call(std::string_view body, CallFrame& out) {
    FrameReader reader(body);
    out.operation = reader.take<Operation>();
    out.deadline_ns = reader.take<std::int64_t>();
    out.scope = reader.take_text();
    out.scope_version = reader.take_text();
    out.options = reader.take_text();
    const auto count = reader.take<std::uint32_t>();
    out.items.clear();
    out.after.clear();
    for (std::uint32_t i = 0; i < count && reader.ok(); ++i)
        out.items.push_back(read_item(reader, out.after));
    const std::uint32_t* after = out.after.data(); // it has stopped growing
    for (holdfast_item& item : out.items) {
        if (item.after_count > 0) item.after = after;
        after += item.after_count;
    }
    return reader.ok() && reader.at_end();
}

std::size_t size_of(const RawResult& result) {
    std::size_t size = 3 * sizeof(std::uint32_t);
    for (const auto member : raw_result_texts)
        if (!(result.*member).empty()) size += sizeof(std::uint32_t) + (result.*member).size();
    return size;
}

char* write_result(char* to, const RawResult& result) {
    std::uint16_t mask = 0;
    for (std::size_t i = 0; i < raw_result_texts.size(); ++i)
        if (!(result.*raw_result_texts[i]).empty()) mask = static_cast<std::uint16_t>(mask | (1U << i));
    to = put(to, result.item);
    to = put(to, result.outcome);
    to = put(to, static_cast<std::uint16_t>((result.is_malformed ? malformed_flag : 0) |
                                            (result.is_oversized ? oversized_flag : 0)));
    to = put(to, mask);
    for (const auto member : raw_result_texts) {
        const std::string_view text = result.*member;
        if (text.empty()) continue;
        to = put(to, static_cast<std::uint32_t>(text.size()));
        std::memcpy(to, text.data(), text.size());
        to += text.size();
    }
    return to;
}

bool read_result(FrameReader& from, RawResult& out) {
    out = RawResult{};
    out.item = from.take<std::uint32_t>();
    out.outcome = from.take<std::uint32_t>();
    const auto flags = from.take<std::uint16_t>();
    const auto mask = from.take<std::uint16_t>();
    out.is_malformed = (flags & malformed_flag) != 0;
    out.is_oversized = (flags & oversized_flag) != 0;
    for (std::size_t i = 0; i < raw_result_texts.size(); ++i)
        if ((mask & (1U << i)) != 0) out.*raw_result_texts[i] = from.take_text();
    return from.ok();
}

void write_hint(std::string& out, const holdfast_hint& hint) {
    FrameWriter writer(out);
    writer.add(hint.reach);
    writer.add(hint.pid);
    writer.add(hint.at_ns);
    for (const auto member :
         {&holdfast_hint::scope, &holdfast_hint::kind, &holdfast_hint::identity, &holdfast_hint::actor})
        writer.add_text(text_of(hint.*member));
}

bool read_hint(std::string_view body, Hint& out) {
    FrameReader reader(body);
    const auto reach = reader.take<std::uint32_t>();
    out.reach = reach == HOLDFAST_HINT_ITEM    ? Hint::Reach::item
                : reach == HOLDFAST_HINT_SCOPE ? Hint::Reach::scope
                                               : Hint::Reach::all;
    out.pid = reader.take<std::int64_t>();
    out.at_ns = reader.take<std::int64_t>();
    for (std::string* text : {&out.scope, &out.kind, &out.identity, &out.actor}) *text = reader.take_text();
    return reader.ok() && reader.at_end();
}

void write_setup(std::string& out, const Setup& setup) {
    FrameWriter writer(out);
    writer.add_text(setup.plugin);
    writer.add_text(setup.path);
    writer.add_text(setup.blob_directory);
    writer.add(setup.max_document_bytes);
}

bool read_setup(std::string_view body, Setup& out) {
    FrameReader reader(body);
    out.plugin = reader.take_text();
    out.path = reader.take_text();
    out.blob_directory = reader.take_text();
    out.max_document_bytes = reader.take<std::uint64_t>();
    return reader.ok() && reader.at_end();
}

} // namespace holdfast
