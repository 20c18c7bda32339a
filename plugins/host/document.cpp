#include "document.hpp"

#include <cstdio>

#include "names.hpp"
#include "path.hpp"

namespace holdfast::host {

namespace {

using sdk::Json;

constexpr std::string_view names_of_types[] = {"", "File", "Directory", "Symlink", ""};

sdk::Diagnostic problem(const char* code, std::string pointer, std::string message, std::string hint) {
    sdk::Diagnostic out;
    out.code = code;
    out.pointer = std::move(pointer);
    out.message = std::move(message);
    out.hint = std::move(hint);
    return out;
}

const std::string* text_in(const Json& spec, const char* key) {
    auto found = spec.find(key);
    return found != spec.end() && found->is_string() ? found->get_ptr<const std::string*>() : nullptr;
}

const Json& spec_of(const Json& document) {
    static const Json none = Json::object();
    if (!document.is_object()) return none;
    auto found = document.find("spec");
    return found != document.end() && found->is_object() ? *found : none;
}

std::optional<Blob> blob_in(const Json& spec) {
    auto found = spec.find("source");
    if (found == spec.end() || !found->is_object()) return std::nullopt;
    const std::string* hash = text_in(*found, "sha256");
    auto size = found->find("size");
    if (!hash || size == found->end() || !size->is_number_integer()) return std::nullopt;
    return Blob{*hash, size->get<std::uint64_t>()};
}

void check_file(const Json& spec, sdk::Diagnostics& out) {
    const bool has_source = spec.contains("source");
    if (has_source && spec.contains("content"))
        out.push_back(problem("host.content-and-source", "/spec/source",
                              "both content and source are declared", "keep one of them"));
    // A string is what people write; the engine has turned it into a blob where it could.
    if (has_source && !blob_in(spec) && !spec["source"].is_string())
        out.push_back(problem("host.source", "/spec/source", "source is neither a path nor a blob",
                              "write a path relative to this document"));
}

void check_symlink(const Json& spec, sdk::Diagnostics& out) {
    const std::string* target = text_in(spec, "target");
    if (!target || target->empty() || target->size() > 4095 || target->find('\0') != std::string::npos)
        out.push_back(problem("host.target", "/spec/target",
                              "the link's target must have 1 to 4095 bytes, none null",
                              "write what readlink would show"));
}

// Both spellings of an account, the name preferred; unknown ones stay, and apply says that they are.
template <typename Id, typename NameOf>
std::string canonical_account(const std::string& declared, Id id, NameOf name_of) {
    return id ? name_of(*id) : declared;
}

// A blob that would be observed inline is declared inline.
Content content_of_blob(const Blob& blob, const sdk::Host& host) {
    if (blob.size <= max_inline_bytes)
        if (auto bytes = host.read_blob(blob.sha256, max_inline_bytes)) return content_of(*bytes);
    Content out;
    out.sha256 = blob.sha256;
    out.size = blob.size;
    return out;
}

// What is declared inline but would be observed by its hash must be found in the blob store later.
Content content_of_text(const std::string& text, const sdk::Host& host) {
    Content out = content_of(text);
    if (out.is_inline) return out;
    const auto put = host.put_blob(text);
    if (!put)
        throw sdk::Error("host.blob", "the blob store did not take the content", "see the log of the host");
    out.sha256 = *put;
    return out;
}

} // namespace

Type type_of_kind(std::string_view kind) {
    if (kind.size() <= api_version.size() || kind.substr(0, api_version.size()) != api_version)
        return Type::none;
    kind.remove_prefix(api_version.size() + 1);
    for (const Type type : {Type::file, Type::directory, Type::symlink})
        if (kind == kind_of(type)) return type;
    return Type::none;
}

std::string_view kind_of(Type type) { return names_of_types[static_cast<int>(type)]; }

const std::string& kind_id_of(Type type) {
    static const std::string ids[] = {"", std::string(api_version) + "/File",
                                      std::string(api_version) + "/Directory",
                                      std::string(api_version) + "/Symlink", ""};
    return ids[static_cast<int>(type)];
}

const char* noun_of(Type type) {
    switch (type) {
        case Type::file: return "a file";
        case Type::directory: return "a directory";
        case Type::symlink: return "a symbolic link";
        case Type::other: return "a device, socket or pipe";
        case Type::none: break;
    }
    return "nothing";
}

std::string mode_text(unsigned mode) {
    char text[8];
    std::snprintf(text, sizeof text, "%04o", mode & 07777U);
    return text;
}

std::optional<unsigned> parse_mode(std::string_view text) {
    if (text.size() < 3 || text.size() > 5) return std::nullopt;
    unsigned mode = 0;
    for (const char c : text) {
        if (c < '0' || c > '7') return std::nullopt;
        mode = mode * 8 + static_cast<unsigned>(c - '0');
    }
    return mode <= 07777U ? std::optional<unsigned>(mode) : std::nullopt;
}

sdk::Diagnostics problems_of(Type type, const Json& document) {
    const Json& spec = spec_of(document);
    sdk::Diagnostics out;
    const std::string* path = text_in(spec, "path");
    if (PathProblem wrong = problem_of(path ? *path : std::string_view()))
        out.push_back(problem("host.path", "/spec/path", wrong.message, wrong.hint));
    if (spec.contains("mode")) {
        const std::string* mode = text_in(spec, "mode");
        if (!mode || !parse_mode(*mode))
            out.push_back(problem("host.mode", "/spec/mode", "the mode must be octal digits in quotes",
                                  "write \"0644\" or \"0755\""));
    }
    if (type == Type::file) check_file(spec, out);
    if (type == Type::symlink) check_symlink(spec, out);
    return out;
}

Desired parse_desired(Type type, std::string_view text) {
    return desired_of(type, sdk::parse_json(text, "host.document"));
}

Desired desired_of(Type type, const Json& document) {
    for (const sdk::Diagnostic& wrong : problems_of(type, document)) throw sdk::Error(wrong);
    const Json& spec = spec_of(document);
    Desired out;
    out.type = type;
    out.path = clean(*text_in(spec, "path"));
    if (const std::string* mode = text_in(spec, "mode")) out.mode = parse_mode(*mode);
    if (const std::string* owner = text_in(spec, "owner")) out.owner = *owner;
    if (const std::string* group = text_in(spec, "group")) out.group = *group;
    if (const std::string* content = text_in(spec, "content")) out.text = *content;
    if (const std::string* target = text_in(spec, "target")) out.target = *target;
    out.source = blob_in(spec);
    if (type == Type::file && spec.contains("source") && !out.source)
        throw sdk::Error("host.source",
                         "the source of " + out.path + " was not turned into a blob by the engine",
                         "this is a defect of the engine");
    return out;
}

std::string canonical(Type type, std::string_view text, const sdk::Host& host, Names& names) {
    Json document = sdk::parse_json(text, "host.document");
    const Desired desired = desired_of(type, document);
    Json& spec = document["spec"];
    spec["path"] = desired.path;
    if (desired.mode) spec["mode"] = mode_text(*desired.mode);
    if (desired.owner)
        spec["owner"] = canonical_account(*desired.owner, names.user_id(*desired.owner),
                                          [&](uid_t id) { return names.user_name(id); });
    if (desired.group)
        spec["group"] = canonical_account(*desired.group, names.group_id(*desired.group),
                                          [&](gid_t id) { return names.group_name(id); });
    if (desired.text || desired.source) {
        const Content content =
            desired.text ? content_of_text(*desired.text, host) : content_of_blob(*desired.source, host);
        spec.erase("content");
        spec.erase("source");
        if (content.is_inline)
            spec["content"] = content.text;
        else
            spec["source"] = {{"sha256", content.sha256}, {"size", content.size}};
    }
    return sdk::dump_json(document);
}

} // namespace holdfast::host
