#include "manifest/cache_record.hpp"

#include <cstring>
#include <initializer_list>

namespace holdfast {

namespace {

// Numbers are written as the machine has them: the cache does not leave it.
class Writer {
public:
    template <typename Number>
    void number(Number value) {
        char bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        out.append(bytes, sizeof bytes);
    }
    void text(std::string_view value) {
        number(static_cast<std::uint32_t>(value.size()));
        out += value;
    }
    void id(const ResourceId& value) {
        for (const std::string_view piece : value.texts()) text(piece);
    }
    std::string out;
};

class RecordReader {
public:
    explicit RecordReader(std::string_view bytes) : rest_(bytes) {}

    template <typename Number>
    Number number() {
        Number value{};
        if (rest_.size() < sizeof value) return fail(), value;
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_.remove_prefix(sizeof value);
        return value;
    }
    std::string_view text() {
        const auto size = number<std::uint32_t>();
        if (rest_.size() < size) return fail(), std::string_view{};
        const std::string_view value = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return value;
    }
    void id(ResourceId& value) {
        value.group = text();
        value.kind = text();
        value.name_space = text();
        value.name = text();
        value.part = text();
    }
    std::uint32_t count() { // every element takes at least four bytes
        const auto value = number<std::uint32_t>();
        if (value > rest_.size()) return fail(), 0;
        return value;
    }
    bool failed() const { return failed_; }
    bool at_end() const { return rest_.empty(); }

private:
    void fail() {
        failed_ = true;
        rest_ = {};
    }
    std::string_view rest_;
    bool failed_ = false;
};

// Which parts a record has: nearly all documents have none of the rarer ones.
enum Flag : std::uint8_t { references = 1, compiled = 2, steered = 4 };

template <typename T>
void write_choice(Writer& writer, const std::optional<T>& value) {
    writer.number(value ? static_cast<std::int32_t>(*value) : INT32_MIN);
}

template <typename T>
void read_choice(RecordReader& reader, std::optional<T>& value) {
    const auto number = reader.number<std::int32_t>();
    if (number != INT32_MIN) value = static_cast<T>(number);
}

void write_steering(Writer& writer, const Steering& steering) {
    writer.text(steering.provider);
    write_choice(writer, steering.protect);
    write_choice(writer, steering.observe_only);
    write_choice(writer, steering.deletion);
    write_choice(writer, steering.adopt);
    write_choice(writer, steering.drift);
    write_choice(writer, steering.replace);
    write_choice(writer, steering.wave);
    writer.number(static_cast<std::uint32_t>(steering.ignore.size()));
    for (const std::string& pointer : steering.ignore) writer.text(pointer);
    for (const auto* ids : {&steering.depends_on, &steering.moved_from, &steering.refresh_on}) {
        writer.number(static_cast<std::uint32_t>(ids->size()));
        for (const Address& address : *ids) {
            writer.text(address.stack);
            writer.id(address.id);
        }
    }
}

void read_steering(RecordReader& reader, Steering& steering) {
    steering.provider = reader.text();
    read_choice(reader, steering.protect);
    read_choice(reader, steering.observe_only);
    read_choice(reader, steering.deletion);
    read_choice(reader, steering.adopt);
    read_choice(reader, steering.drift);
    read_choice(reader, steering.replace);
    read_choice(reader, steering.wave);
    steering.ignore.resize(reader.count());
    for (std::string& pointer : steering.ignore) pointer = reader.text();
    for (auto* ids : {&steering.depends_on, &steering.moved_from, &steering.refresh_on}) {
        ids->resize(reader.count());
        for (Address& address : *ids) {
            address.stack = reader.text();
            reader.id(address.id);
        }
    }
}

void write_document(Writer& writer, const ParsedDocument& document) {
    const bool is_steered = document.steering != Steering{};
    writer.number(static_cast<std::uint8_t>((document.has_references ? references : 0) |
                                            (document.compiles ? compiled : 0) | (is_steered ? steered : 0)));
    writer.id(document.id);
    for (const std::string_view text :
         std::initializer_list<std::string_view>{document.api_version, document.plugin,
                                                 document.document.json, document.identity, document.scope})
        writer.text(text);
    writer.out += as_bytes(document.document.hash);
    writer.number(document.line);
    writer.number(document.index);
    if (is_steered) write_steering(writer, document.steering);
}

void read_document(RecordReader& reader, ParsedDocument& document) {
    const auto flags = reader.number<std::uint8_t>();
    document.has_references = flags & references;
    document.compiles = flags & compiled;
    reader.id(document.id);
    document.api_version = reader.text();
    document.plugin = reader.text();
    document.document.json = reader.text();
    document.identity = reader.text();
    document.scope = reader.text();
    document.document.hash.bytes = reader.number<decltype(Hash::bytes)>();
    document.line = reader.number<std::uint32_t>();
    document.index = reader.number<std::uint32_t>();
    if (flags & steered) read_steering(reader, document.steering);
}

} // namespace

std::string encode_record(const std::vector<ParsedDocument>& documents) {
    Writer writer;
    writer.number(record_version);
    writer.number(static_cast<std::uint32_t>(documents.size()));
    for (const ParsedDocument& document : documents) write_document(writer, document);
    return std::move(writer.out);
}

std::optional<std::vector<ParsedDocument>> decode_record(std::string_view bytes) {
    RecordReader reader(bytes);
    if (reader.number<std::uint32_t>() != record_version) return std::nullopt;
    std::vector<ParsedDocument> documents(reader.count());
    for (ParsedDocument& document : documents) read_document(reader, document);
    if (reader.failed() || !reader.at_end()) return std::nullopt;
    return documents;
}

} // namespace holdfast
