#include <algorithm>
#include <cctype>

#include <fmt/core.h>

#include "cli/commands.hpp"
#include "cli/provider_templates.hpp"
#include "cli/render/style.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

constexpr std::size_t longest_name = 40;

// Narrower than the name of a plugin has to be: it also becomes a C++ class and an API group.
bool can_be_template_name(std::string_view name) {
    const auto is_fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !name.empty() && name.size() <= longest_name && name.front() >= 'a' && name.front() <= 'z' &&
           name.back() != '-' && std::all_of(name.begin(), name.end(), is_fine);
}

// "my-dns" -> "MyDns"
std::string class_name(std::string_view name) {
    std::string out;
    bool begins_word = true;
    for (const char c : name) {
        if (c != '-') out += begins_word ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
        begins_word = c == '-';
    }
    return out;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
}

// The templates are the examples, which are called hello throughout.
std::string filled_in(std::string_view text, std::string_view name) {
    std::string out(text);
    replace_all(out, "hello", name);
    replace_all(out, "Hello", class_name(name));
    return out;
}

} // namespace

int run_provider_new(const ProviderOptions& options, Context& context) {
    if (!can_be_template_name(options.name))
        return context.fail(
            failure("cli.bad-value", fmt::format("\"{}\" cannot be the name of a provider", options.name),
                    fmt::format("small letters, digits and hyphens, a letter first, at most {}: my-dns",
                                longest_name)));
    const std::string& root = context.global.directory;
    const std::string folder = "provider-" + options.name;
    const std::string path = root.empty() || root == "." ? folder : root + "/" + folder;
    if (exists(path))
        return context.fail(failure("provider.folder-exists",
                                    fmt::format("{} exists already; nothing was written", path),
                                    "choose another name, or move that folder away"));
    if (const Status made = make_directories(path); !made) return context.fail(made.error());
    List written;
    for (const ProviderTemplate& file : provider_templates(options.c ? "c" : "cxx")) {
        const std::string name = filled_in(file.name, options.name);
        if (const Status done = write_file_atomically(path + "/" + name, filled_in(file.text, options.name));
            !done)
            return context.fail(done.error());
        written.emplace_back(folder + "/" + name);
        if (!context.json()) context.print(fmt::format("wrote {}\n", printable(path + "/" + name)));
    }
    if (context.json())
        context.print_json(
            Value::map({{"format", "holdfast.provider-new/1"}, {"files", std::move(written)}}));
    else
        context.print(
            fmt::format("\nNext: cd {} && cmake -B build && cmake --build build && ctest --test-dir build\n"
                        "The guide is docs/providers.md.\n",
                        printable(path)));
    return exit_done;
}

} // namespace holdfast
