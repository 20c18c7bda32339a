#include "nft.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include <nftables/libnftables.h>

#include <holdfast/json.hpp>

namespace holdfast::firewall {

namespace {

constexpr std::string_view mark = ": Error: ";

// The end of "/proc/self/fd/7:12:3-8": line and columns.
void read_place(std::string_view place, NftError& error) {
    const std::size_t last = place.rfind(':');
    const std::size_t before = last == place.npos || last == 0 ? place.npos : place.rfind(':', last - 1);
    if (before == place.npos) return;
    const std::string_view line = place.substr(before + 1, last - before - 1),
                           columns = place.substr(last + 1);
    const std::size_t dash = columns.find('-');
    if (dash == columns.npos) return;
    const auto number = [](std::string_view text, std::size_t& out) {
        std::from_chars(text.data(), text.data() + text.size(), out);
    };
    number(line, error.line);
    number(columns.substr(0, dash), error.column);
    number(columns.substr(dash + 1), error.last_column);
}

// A file in memory: of commands in a buffer libnftables 1.0.6 does not say in which line an error is.
class MemoryFile {
public:
    explicit MemoryFile(std::string_view content) : fd_(::memfd_create("commands", MFD_CLOEXEC)) {
        while (fd_ >= 0 && !content.empty()) {
            const ssize_t written = ::write(fd_, content.data(), content.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) break;
            content.remove_prefix(static_cast<std::size_t>(written));
        }
        if (fd_ < 0 || !content.empty()) {
            const int error = errno;
            if (fd_ >= 0) ::close(fd_);
            throw sdk::Error("firewall.memory",
                             std::string("the commands for nft cannot be kept in memory: ") +
                                 std::strerror(error));
        }
    }
    ~MemoryFile() { ::close(fd_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

private:
    int fd_;
};

} // namespace

// "PLACE: Error: WHAT\n<the line>\n   ^^^^\n", repeated; without a place "Error: WHAT".
std::vector<NftError> Nft::Answer::errors() const {
    std::vector<NftError> out;
    for (std::size_t at = 0; at < error.size();) {
        const std::size_t end = std::min(error.find('\n', at), error.size());
        const std::string_view line = std::string_view(error).substr(at, end - at);
        at = end + 1;
        NftError one;
        const std::size_t found = line.find(mark);
        if (found != line.npos) {
            read_place(line.substr(0, found), one);
            one.message = line.substr(found + mark.size());
        } else if (line.substr(0, 7) == "Error: ") {
            one.message = line.substr(7);
        } else {
            continue;
        }
        const bool is_known =
            std::any_of(out.begin(), out.end(), [&](const NftError& e) { return e.line == one.line; });
        if (!is_known) out.push_back(std::move(one));
    }
    return out;
}

Nft::Nft() : context_(::nft_ctx_new(NFT_CTX_DEFAULT)) {
    if (!context_)
        throw sdk::Error("firewall.library", "libnftables gives no context",
                         "the kernel has to offer nf_tables, and the provider needs CAP_NET_ADMIN");
    ::nft_ctx_buffer_output(context_);
    ::nft_ctx_buffer_error(context_);
}

Nft::~Nft() { ::nft_ctx_free(context_); }

Nft::Answer Nft::run_with(unsigned output_flags, std::string_view commands) {
    ::nft_ctx_output_set_flags(context_, output_flags);
    const MemoryFile file(commands);
    Answer answer;
    answer.ok = ::nft_run_cmd_from_filename(context_, file.path().c_str()) == 0;
    answer.output = ::nft_ctx_get_output_buffer(context_);
    answer.error = ::nft_ctx_get_error_buffer(context_);
    return answer;
}

Nft::Answer Nft::run(std::string_view commands) { return run_with(0, commands); }

Nft::Answer Nft::list(std::string_view command, Elements elements) {
    const unsigned terse = elements == Elements::left_out ? unsigned{NFT_CTX_OUTPUT_TERSE} : 0U;
    return run_with(NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_HANDLE | terse, command);
}

Nft::Answer Nft::list_with_state(std::string_view command) { return run_with(0, command); }

std::string Nft::version() {
    const Answer answer = run_with(NFT_CTX_OUTPUT_JSON, "list tables");
    const sdk::Json json = sdk::Json::parse(answer.output, nullptr, false);
    return json.is_object() ? sdk::text_at(json, "/nftables/0/metainfo/version") : std::string();
}

void probe(Nft& scratch) {
    constexpr std::string_view load =
        "table inet holdfast_probe {\n"
        "counter hits { packets 1 bytes 40\n}\n"
        "set s { type ipv4_addr; flags interval; auto-merge; comment \"c\";\n"
        "elements = { 10.0.0.0/25, 10.0.0.128/25 comment \"e, f\" }\n}\n"
        "map m { type ipv4_addr : verdict; elements = { 192.0.2.1 : jump later }\n}\n"
        "chain input { type filter hook input priority 0; policy drop;\n"
        "tcp dport { 443, 22 } counter accept comment \"hf 7 x\"\n"
        "meta l4proto tcp tcp dport 80 ip saddr vmap @m\ncounter name hits\n}\n"
        "chain later {\n}\n}\n";
    constexpr std::string_view wanted[] = {
        "auto-merge\n",
        "\tcounter hits { # handle ",
        "\t\tcounter name \"hits\" # handle ",
        "comment \"c\"\n",
        "type ipv4_addr : verdict\n",
        "192.0.2.1 : jump later",
        "type filter hook input priority filter; policy drop;\n",
        "tcp dport { 22, 443 } counter accept comment \"hf 7 x\" # handle ",
        "\t\ttcp dport 80 ip saddr vmap @m # handle "};
    const Nft::Answer loaded = scratch.run(load);
    const Nft::Answer listed = scratch.list("list table inet holdfast_probe", Nft::Elements::listed);
    scratch.run("delete table inet holdfast_probe");
    for (const std::string_view text : wanted)
        if (listed.output.find(text) == std::string::npos)
            throw sdk::Error("firewall.library",
                             "libnftables " + scratch.version() +
                                 (loaded.ok ? " does not list a table as it was loaded"
                                            : " cannot load a table: " + loaded.error),
                             loaded.ok ? "it lacks \"" + std::string(text.substr(0, text.find('\n'))) +
                                             "\"; report it with the version of libnftables"
                                       : "the kernel has to offer nf_tables with sets and maps");
}

} // namespace holdfast::firewall
