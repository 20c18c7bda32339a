#pragma once
// libnftables in a few calls: commands as text in, listings as text out.
//
// Text and not JSON, in both directions: the JSON of libnftables 1.0.6 (Debian 12) prints garbage as table
// flags, drops auto-merge and comments, takes auto-merge without applying it, and names no place in its
// errors. The text of the same library does none of that, which `probe` makes sure of at the start.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct nft_ctx;

namespace holdfast::firewall {

// What libnftables complains of, at most ten a run: line and columns of the script from 1; 0 where it names
// none.
struct NftError {
    std::size_t line = 0, column = 0, last_column = 0;
    std::string message; // "Could not resolve service"
};

// One context. To be made, used and destroyed on one thread, in whose namespace it stays.
class Nft {
public:
    struct Answer {
        bool ok = false;
        std::string output, error;
        // Without repetitions of a line.
        std::vector<NftError> errors() const;
    };
    enum class Elements { listed, left_out };

    Nft();
    ~Nft();
    Nft(const Nft&) = delete;
    Nft& operator=(const Nft&) = delete;

    // One transaction: all of it happens, or nothing.
    Answer run(std::string_view commands);
    // `list` commands, with handles and without counters. Of sets that are no part of a rule the elements may
    // be left out.
    Answer list(std::string_view command, Elements elements);
    // With counters and all: what a snapshot holds.
    Answer list_with_state(std::string_view command);
    // "1.0.6"; empty where it does not tell.
    std::string version();

private:
    Answer run_with(unsigned output_flags, std::string_view commands);
    nft_ctx* context_;
};

// Loads one table of everything that this plugin relies on, and looks whether it comes back as it should.
// In a namespace of nobody's. Throws Error `firewall.library`.
void probe(Nft& scratch);

} // namespace holdfast::firewall
