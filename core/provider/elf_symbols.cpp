#include "provider/elf_symbols.hpp"

#include <bit>
#include <cstring>
#include <elf.h>
#include <link.h>
#include <optional>

// boost::dll::library_info reads the static symbol table, which every packaged (stripped) library lacks,
// and believes each offset in the file. This reads the dynamic table (System V ABI, chapter 4), the one
// that dlsym will use, and believes nothing.

namespace holdfast {

namespace {

using Header = ElfW(Ehdr);
using Section = ElfW(Shdr);
using Symbol = ElfW(Sym);

template <typename T>
std::optional<T> read_at(std::string_view image, std::uint64_t offset) {
    if (offset > image.size() || image.size() - offset < sizeof(T)) return std::nullopt;
    T out;
    std::memcpy(&out, image.data() + offset, sizeof out);
    return out;
}

std::optional<std::string_view> slice(std::string_view image, const Section& section) {
    if (section.sh_offset > image.size() || image.size() - section.sh_offset < section.sh_size)
        return std::nullopt;
    return image.substr(section.sh_offset, section.sh_size);
}

constexpr unsigned char native_class = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
constexpr unsigned char native_order = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

std::optional<std::string> why_not_loadable(const std::optional<Header>& header) {
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return "it is not an ELF file";
    if (header->e_ident[EI_CLASS] != native_class || header->e_ident[EI_DATA] != native_order)
        return "it was built for another kind of machine";
    if (header->e_type != ET_DYN) return "it is an ELF file, but not a shared library";
    if (header->e_shentsize != sizeof(Section)) return "its section table is damaged";
    return std::nullopt;
}

std::optional<std::vector<std::string_view>> names_in(std::string_view symbols, std::string_view strings) {
    std::vector<std::string_view> names;
    for (std::size_t at = 0; at + sizeof(Symbol) <= symbols.size(); at += sizeof(Symbol)) {
        const Symbol symbol = *read_at<Symbol>(symbols, at);
        const unsigned binding = symbol.st_info >> 4U;
        if (symbol.st_shndx == SHN_UNDEF || (binding != STB_GLOBAL && binding != STB_WEAK)) continue;
        if (symbol.st_name >= strings.size()) return std::nullopt;
        const std::string_view rest = strings.substr(symbol.st_name);
        const std::size_t end = rest.find('\0');
        if (end == std::string_view::npos) return std::nullopt;
        names.push_back(rest.substr(0, end));
    }
    return names;
}

} // namespace

Result<std::vector<std::string_view>> exported_symbols(std::string_view image) {
    const auto header = read_at<Header>(image, 0);
    if (const auto why = why_not_loadable(header)) return failure("plugin.unreadable", *why);
    const Diagnostic damaged = failure("plugin.unreadable", "its symbol table is damaged or cut off");
    const std::uint64_t table_size = std::uint64_t{header->e_shnum} * sizeof(Section);
    if (header->e_shoff > image.size() || image.size() - header->e_shoff < table_size) return damaged;
    for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
        const auto section = read_at<Section>(image, header->e_shoff + i * sizeof(Section));
        if (!section) return damaged;
        if (section->sh_type != SHT_DYNSYM) continue;
        if (section->sh_link >= header->e_shnum) return damaged;
        const auto linked = read_at<Section>(image, header->e_shoff + section->sh_link * sizeof(Section));
        if (!linked) return damaged;
        const auto symbols = slice(image, *section);
        const auto strings = slice(image, *linked);
        if (!symbols || !strings) return damaged;
        auto names = names_in(*symbols, *strings);
        if (!names) return damaged;
        return *std::move(names);
    }
    return failure("plugin.unreadable", "it exports no symbols at all");
}

} // namespace holdfast
