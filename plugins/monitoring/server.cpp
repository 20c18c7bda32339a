#include "server.hpp"

#include "names.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

constexpr const char* base64_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t group = 0;
        const std::size_t size = std::min<std::size_t>(3, bytes.size() - at);
        for (std::size_t i = 0; i < 3; ++i)
            group = group << 8U | (i < size ? static_cast<unsigned char>(bytes[at + i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            out += i <= size ? base64_letters[group >> (18 - 6 * i) & 63U] : '=';
    }
    return out;
}

// Servers say why in JSON or in plain text.
std::string reason_in(const sdk::HttpResponse& response) {
    const Json body = Json::parse(response.body, nullptr, false);
    for (const char* key : {"error", "message"})
        if (body.is_object() && body.contains(key) && body[key].is_string())
            return body[key].get<std::string>();
    if (body.is_string()) return body.get<std::string>();
    return sdk::in_one_line(std::string_view(response.body).substr(0, 500));
}

} // namespace

Server::Server(std::string name, const Json& config)
    : name_(std::move(name)), url_(sdk::text_at(config, "/url")), ca_file_(sdk::text_at(config, "/caFile")) {
    while (!url_.empty() && url_.back() == '/') url_.pop_back();
    const std::string token = sdk::text_at(config, "/token"), user = sdk::text_at(config, "/username");
    if (!token.empty() && !user.empty())
        throw sdk::Error("monitoring.config", "the config of " + name_ + " has a token and a username",
                         "keep one of them");
    if (!token.empty()) authorization_ = "Authorization: Bearer " + token;
    if (!user.empty())
        authorization_ = "Authorization: Basic " + base64(user + ":" + sdk::text_at(config, "/password"));
}

sdk::HttpResponse Server::ask(const sdk::Call& call, sdk::HttpRequest request,
                              const std::string& path) const {
    request.url = url_ + path;
    request.headers.emplace_back("Accept: application/json");
    if (!authorization_.empty()) request.headers.push_back(authorization_);
    Json options{{"maxResponseBytes", 1U << 30U}, {"timeoutMs", 60000}};
    if (!ca_file_.empty()) options["caFile"] = ca_file_;
    request.options = options.dump();
    return call.http(request);
}

Json Server::json(const sdk::Call& call, const std::string& method, const std::string& path,
                  const Json& body) const {
    sdk::HttpRequest request;
    request.method = method;
    if (!body.is_null()) {
        request.body = sdk::dump_json(body);
        request.headers = {"Content-Type: application/json"};
    }
    const sdk::HttpResponse response = ask(call, std::move(request), path);
    if (response.status < 200 || response.status >= 300)
        throw sdk::Error(refusal(response, method + " " + path.substr(0, path.find('?'))));
    if (response.body.empty()) return {};
    return sdk::parse_json(response.body, "monitoring.bad-answer");
}

sdk::Diagnostic Server::refusal(const sdk::HttpResponse& response, const std::string& what) const {
    if (response.status == 0)
        return problem("monitoring.unreachable",
                       name_ + " gives no answer at " + url_ + ": " + response.error,
                       "see that it runs, and check its URL in the provider's config", sdk::Retry::after);
    const std::string reason = reason_in(response);
    sdk::Diagnostic why = problem("monitoring.refused", name_ + " refuses " + what + ": HTTP " +
                                                            std::to_string(response.status) +
                                                            (reason.empty() ? "" : ", " + reason));
    switch (response.status) {
        case 401:
        case 403: why.hint = "check token, or username and password, in the provider's config"; break;
        case 404: why.hint = "check the URL in the provider's config, and the server's version"; break;
        default: why.hint = "see its log"; break;
    }
    if (response.status >= 500 || response.status == 429) why.retry = sdk::Retry::after;
    return why;
}

sdk::ProgramResult Command::carry_out(const sdk::Call& call, const std::vector<std::string>& files) const {
    std::vector<std::string> words;
    bool has_place = false;
    for (const std::string& word : run) {
        if (word == "%s") {
            words.insert(words.end(), files.begin(), files.end());
            has_place = true;
        } else {
            words.push_back(word);
        }
    }
    if (!has_place) words.insert(words.end(), files.begin(), files.end());
    return sdk::run_program(call, words, timeout);
}

Command read_command(const Json& config, const char* key) {
    Command out;
    const auto command = config.find(key);
    if (command == config.end() || !command->is_object()) return out;
    out.name = sdk::text_at(*command, "/name");
    for (const Json& word : command->value("run", Json::array())) out.run.push_back(word.get<std::string>());
    out.timeout = std::chrono::milliseconds(command->value("timeoutMs", std::int64_t{10'000}));
    return out;
}

void Reload::carry_out(const sdk::Call& call) const {
    if (command_.is_set()) {
        const sdk::ProgramResult ran = command_.carry_out(call);
        if (ran.exit_code == 0) return;
        throw sdk::Error("monitoring.reload",
                         "the operator's command " + command_.name +
                             (ran.exit_code < 0 ? " did not end in time"
                                                : " ended with " + std::to_string(ran.exit_code)) +
                             (ran.output.empty() ? "" : ": " + sdk::in_one_line(ran.output)),
                         "run it by hand, and see the log of " + server_.name());
    }
    sdk::HttpRequest request;
    request.method = "POST";
    const sdk::HttpResponse response = server_.ask(call, std::move(request), "/-/reload");
    if (response.status >= 200 && response.status < 300) return;
    sdk::Diagnostic why = server_.refusal(response, "to reload");
    if (response.status != 0) {
        why.code = "monitoring.reload";
        why.hint = response.status == 403
                       ? "start it with --web.enable-lifecycle, or name a command to reload it in the "
                         "provider's config"
                       : "its log says what it does not like, which may be a file that is not Holdfast's";
        why.retry = sdk::Retry::never;
    }
    throw sdk::Error(why);
}

std::string said_by(const std::string& output, const std::string& path, const std::string& shown) {
    std::string kept;
    for (std::size_t at = 0; at < output.size();) {
        const std::size_t end = std::min(output.find('\n', at), output.size());
        std::string line = output.substr(at, end - at);
        at = end + 1;
        if (const std::size_t why = line.find("  FAILED: "); why != std::string::npos)
            line.erase(0, why + 10);
        const std::size_t start = line.find_first_not_of(" \t");
        bool is_heading = start == std::string::npos;
        for (const char* heading : {"Checking ", "SUCCESS", "FAILED:", "Unit Testing:", "Found:",
                                    "amtool: error: failed to validate"})
            is_heading = is_heading || line.compare(start, std::string_view(heading).size(), heading) == 0;
        if (!is_heading) kept += line + "\n";
    }
    for (std::size_t at = 0; !path.empty() && (at = kept.find(path, at)) != std::string::npos;
         at += shown.size())
        kept.replace(at, path.size(), shown);
    return sdk::in_one_line(kept, 6);
}

std::optional<double> metric_in(const std::string& text, const std::string& name) {
    for (std::size_t at = 0; (at = text.find(name + " ", at)) != std::string::npos; ++at)
        if (at == 0 || text[at - 1] == '\n') return std::strtod(text.c_str() + at + name.size(), nullptr);
    return std::nullopt;
}

std::string percent_encoded(std::string_view text) {
    static const char* const digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              c == '-' || c == '_' || c == '.' || c == '~';
        if (is_plain) {
            out += c;
            continue;
        }
        out += '%';
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

} // namespace holdfast::monitoring
