#include "ruleset.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <sstream>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nftables/libnftables.h>

namespace spike {

Nft::Nft() : context_(nft_ctx_new(NFT_CTX_DEFAULT)) {
    if (!context_) throw Error("nft.no-netlink", "libnftables gives no context");
    nft_ctx_buffer_output(context_);
    nft_ctx_buffer_error(context_);
    nft_ctx_output_set_flags(context_, NFT_CTX_OUTPUT_STATELESS);
}

Nft::~Nft() { nft_ctx_free(context_); }

// By way of a file in memory: of commands in a buffer libnftables does not say in which line the error is.
Nft::Answer Nft::run(const std::string& commands) {
    const int file = memfd_create("commands", MFD_CLOEXEC);
    if (file < 0 || write(file, commands.data(), commands.size()) != static_cast<ssize_t>(commands.size()))
        throw Error("nft.memory", "the commands cannot be written to a file in memory");
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    const bool ok = nft_run_cmd_from_filename(context_, path.c_str()) == 0;
    close(file);
    return {ok, nft_ctx_get_output_buffer(context_), nft_ctx_get_error_buffer(context_)};
}

std::string Nft::list(const std::string& table) {
    const Answer answer = run("list table " + table);
    if (answer.ok) return answer.output;
    if (answer.error.find("No such file or directory") != std::string::npos) return {};
    throw Error("nft.unreadable", "table " + table + " cannot be listed: " + answer.error,
                "the provider needs CAP_NET_ADMIN in its network namespace");
}

std::uint32_t generation() {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) return 0;
    struct {
        nlmsghdr header;
        nfgenmsg body;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    alignas(nlmsghdr) char answer[512];
    ssize_t got = send(fd, &request, sizeof request, 0);
    if (got > 0) got = recv(fd, answer, sizeof answer, 0);
    close(fd);
    constexpr std::size_t first_attribute = NLMSG_ALIGN(sizeof request);
    if (got < static_cast<ssize_t>(first_attribute + NLA_HDRLEN + 4)) return 0;
    const auto byte = [&](std::size_t i) { return std::uint32_t(static_cast<unsigned char>(answer[i])); };
    const std::size_t value = first_attribute + NLA_HDRLEN; // NFTA_GEN_ID comes first, in network order
    return byte(value) << 24U | byte(value + 1) << 16U | byte(value + 2) << 8U | byte(value + 3);
}

namespace {

std::string trim(const std::string& text) {
    const std::size_t start = text.find_first_not_of(" \t");
    return start == std::string::npos ? "" : text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);)
        if (part = trim(part); !part.empty()) parts.push_back(part);
    return parts;
}

// "type filter hook input priority filter; policy accept;"
Json parse_base(const std::string& line) {
    const auto between = [&](const char* start, const char* end) {
        const std::size_t from = line.find(start);
        return from == std::string::npos
                   ? ""
                   : line.substr(from + strlen(start),
                                 line.find(end, from + strlen(start)) - from - strlen(start));
    };
    return {{"type", between("type ", " ")},
            {"hook", between("hook ", " ")},
            {"priority", between("priority ", ";")},
            {"policy", between("policy ", ";")}};
}

Json parse_chain(const std::vector<std::string>& lines) {
    Json spec{{"rules", Json::array()}};
    for (const std::string& line : lines) {
        if (line.rfind("type ", 0) == 0 && line.find(" hook ") != std::string::npos)
            spec["base"] = parse_base(line);
        else
            spec["rules"].push_back(line);
    }
    return spec;
}

Json parse_set(const std::vector<std::string>& lines) {
    Json spec{{"elements", Json::array()}, {"flags", Json::array()}};
    std::string elements;
    for (const std::string& line : lines) {
        if (line.rfind("type ", 0) == 0)
            spec["type"] = line.substr(5);
        else if (line.rfind("flags ", 0) == 0)
            spec["flags"] = split(line.substr(6), ',');
        else if (line.rfind("elements = {", 0) == 0)
            elements = line.substr(12);
        else if (!elements.empty())
            elements += line;
    }
    if (!elements.empty()) elements.resize(elements.rfind('}'));
    spec["elements"] = split(elements, ',');
    std::sort(spec["elements"].begin(), spec["elements"].end());
    return spec;
}

} // namespace

Objects parse_table(const std::string& listing) {
    Objects objects;
    std::istringstream text(listing);
    std::string kind, name;
    std::vector<std::string> body;
    for (std::string line; std::getline(text, line);) {
        if (line == "\t}") {
            if (kind == "chain") objects[{chain_kind, name}] = parse_chain(body);
            if (kind == "set") objects[{set_kind, name}] = parse_set(body);
            kind.clear();
        } else if (line.size() > 3 && line[0] == '\t' && line[1] != '\t' && line.back() == '{') {
            std::istringstream(line) >> kind >> name;
            body.clear();
        } else if (!kind.empty() && !trim(line).empty()) {
            body.push_back(trim(line));
        }
    }
    return objects;
}

void Script::add(std::size_t item, const std::string& line) {
    text_ += line + "\n";
    items_.push_back(item);
}

std::optional<std::size_t> Script::culprit(const std::string& error) const {
    const std::size_t colon = error.find(':');
    std::size_t line = 0;
    if (colon != std::string::npos) std::from_chars(&error[colon + 1], error.data() + error.size(), line);
    if (line == 0 || line > items_.size() || items_[line - 1] == no_item) return std::nullopt;
    return items_[line - 1];
}

static std::string joined(const Json& list) {
    std::string out;
    for (const Json& entry : list) out += (out.empty() ? "" : ", ") + entry.get<std::string>();
    return out;
}

void add_set(Script& script, std::size_t item, const std::string& at, const Json& spec) {
    const std::string flags = spec.contains("flags") ? joined(spec["flags"]) : "";
    script.add(item, "add set " + at + " { type " + text_at(spec, "/type") + "; " +
                         (flags.empty() ? "" : "flags " + flags + "; ") + "}");
    script.add(item, "flush set " + at);
    const std::string elements = joined(spec.value("elements", Json::array()));
    if (!elements.empty()) script.add(item, "add element " + at + " { " + elements + " }");
}

void add_chain(Script& script, std::size_t item, const std::string& at, const Json& spec) {
    std::string base;
    if (const Json* b = find(spec, "/base"))
        base = " { type " + text_at(*b, "/type") + " hook " + text_at(*b, "/hook") + " priority " +
               text_at(*b, "/priority", "filter") + "; policy " + text_at(*b, "/policy", "accept") + "; }";
    script.add(item, "add chain " + at + base);
}

void add_rules(Script& script, std::size_t item, const std::string& at, const Json& spec) {
    script.add(item, "flush chain " + at);
    for (const Json& rule : spec.value("rules", Json::array()))
        script.add(item, "add rule " + at + " " + rule.get<std::string>());
}

Script transaction(const std::string& table, const std::vector<Wanted>& changes, const Objects& live) {
    Script script;
    script.add(Script::no_item, "add table " + table);
    const auto each = [&](const char* kind, bool removed, auto&& what) {
        for (const Wanted& change : changes)
            if (change.kind == kind && (change.action == Action::remove) == removed)
                what(change, table + " " + change.name);
    };
    each(set_kind, false, [&](auto& c, auto at) { add_set(script, c.index, at, c.spec); });
    each(chain_kind, false, [&](auto& c, auto at) { add_chain(script, c.index, at, c.spec); });
    each(chain_kind, false, [&](auto& c, auto at) { add_rules(script, c.index, at, c.spec); });
    const auto is_there = [&](const Wanted& c) { return live.count({c.kind, c.name}) != 0; };
    each(chain_kind, true, [&](auto& c, auto at) {
        if (is_there(c)) script.add(c.index, "flush chain " + at);
    });
    each(chain_kind, true, [&](auto& c, auto at) {
        if (is_there(c)) script.add(c.index, "delete chain " + at);
    });
    each(set_kind, true, [&](auto& c, auto at) {
        if (is_there(c)) script.add(c.index, "delete set " + at);
    });
    return script;
}

} // namespace spike
