#include "base/symbol.hpp"

#include <array>
#include <memory>
#include <unordered_map>

#include "base/locked.hpp"

namespace holdfast {

// Never destroyed, since symbols may be used by what is destroyed as late as that.
class SymbolTable {
public:
    static const Symbol::Kept* keep(std::string_view text, std::size_t hash) {
        static auto* const table = new Locked<SymbolTable>;
        return table->with([&](SymbolTable& all) { return all.kept(text, hash); });
    }

private:
    const Symbol::Kept* kept(std::string_view text, std::size_t hash) {
        if (auto found = all_.find(text); found != all_.end()) return found->second.get();
        auto made = std::make_unique<const Symbol::Kept>(Symbol::Kept{std::string(text), hash});
        const std::string_view key = made->text;
        return all_.emplace(key, std::move(made)).first->second.get();
    }

    std::unordered_map<std::string_view, std::unique_ptr<const Symbol::Kept>> all_; // by their own texts
};

// Of 100,000 documents most have the texts of the one before, so a thread looks first among those that it met
// last, each in the place that its hash gives it, and takes no lock.
const Symbol::Kept* Symbol::keep(std::string_view text) {
    if (text.empty()) return nullptr;
    constexpr std::size_t places = 256;
    thread_local std::array<const Kept*, places> met_last{};
    const std::size_t hash = std::hash<std::string_view>{}(text);
    const Kept*& last = met_last[hash % places];
    if (!last || last->hash != hash || last->text != text) last = SymbolTable::keep(text, hash);
    return last;
}

const std::string& Symbol::no_text() {
    static const auto* const none = new std::string;
    return *none;
}

} // namespace holdfast
