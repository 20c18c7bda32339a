#include "control/message.hpp"

#include <unistd.h>

#include "base/json.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

std::string address_file(const std::string& store) { return store + "/daemon.json"; }

std::uint32_t small_number(const Value& message, std::string_view pointer) {
    const Value* value = find_at(message, pointer);
    const std::int64_t number = value && value->if_integer() ? *value->if_integer() : 0;
    return number > 0 && number <= std::int64_t{UINT32_MAX} ? static_cast<std::uint32_t>(number) : 0;
}

} // namespace

Value diagnostic_to_message(const Diagnostic& problem) {
    Map message;
    message.set("severity", to_string(problem.severity));
    message.set("code", problem.code);
    message.set("message", problem.message);
    const auto set = [&](std::string_view key, const std::string& text) {
        if (!text.empty()) message.set(key, text);
    };
    set("hint", problem.hint);
    set("subject", problem.subject);
    set("pointer", problem.pointer);
    set("excerpt", problem.excerpt);
    if (!problem.span.file.empty())
        message.set("place", Value::map({{"file", problem.span.file},
                                         {"line", problem.span.position.line},
                                         {"column", problem.span.position.column},
                                         {"length", problem.span.length}}));
    List context;
    for (const std::string& doing : problem.context) context.emplace_back(doing);
    if (!context.empty()) message.set("context", std::move(context));
    return message;
}

Diagnostic diagnostic_from_message(const Value& message) {
    Diagnostic problem;
    const std::string_view severity = message.text_at("severity", "error");
    problem.severity = severity == "warning" ? Severity::warning
                       : severity == "note"  ? Severity::note
                                             : Severity::error;
    problem.code = message.text_at("code");
    problem.message = message.text_at("message");
    problem.hint = message.text_at("hint");
    problem.subject = message.text_at("subject");
    problem.pointer = message.text_at("pointer");
    problem.excerpt = message.text_at("excerpt");
    problem.context = texts_of(message.find("context"));
    if (const Value* place = message.find("place")) {
        problem.span.file = place->text_at("file");
        problem.span.position = {small_number(*place, "/line"), small_number(*place, "/column")};
        problem.span.length = small_number(*place, "/length");
    }
    return problem;
}

Value diagnostics_to_message(const Diagnostics& problems) {
    List list;
    for (const Diagnostic& problem : problems) list.push_back(diagnostic_to_message(problem));
    return list;
}

Diagnostics diagnostics_from_message(const Value* messages) {
    Diagnostics problems;
    const List* list = messages ? messages->if_list() : nullptr;
    if (list)
        for (const Value& message : *list) problems.add(diagnostic_from_message(message));
    return problems;
}

Status write_daemon_address(const std::string& store, const DaemonAddress& address) {
    const Value content = Value::map({{"format", "holdfast.daemon/1"},
                                      {"socket", address.socket},
                                      {"pid", address.pid},
                                      {"host", address.host},
                                      {"version", address.version}});
    return write_file_atomically(address_file(store), to_pretty_json(content), 0600);
}

void remove_daemon_address(const std::string& store) { unlink(address_file(store).c_str()); }

std::optional<DaemonAddress> read_daemon_address(const std::string& store) {
    const Result<std::string> text = read_file(address_file(store), 64U << 10);
    if (!text) return std::nullopt;
    const Result<Value> content = parse_json(*text);
    if (!content || content->text_at("format") != "holdfast.daemon/1") return std::nullopt;
    DaemonAddress address{.socket = std::string(content->text_at("socket")),
                          .host = std::string(content->text_at("host")),
                          .version = std::string(content->text_at("version"))};
    if (const Value* pid = content->find("pid"); pid && pid->if_integer()) address.pid = *pid->if_integer();
    if (address.socket.empty()) return std::nullopt;
    return address;
}

} // namespace holdfast
