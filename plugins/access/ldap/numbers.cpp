#include "numbers.hpp"

#include <algorithm>
#include <iterator>

#include "access/linux/account_files.hpp"

namespace holdfast::access {

namespace {

// In the lines that are kept; no account's name begins with it.
std::string mark_of(Kind kind) { return kind == Kind::group ? "%" : ""; }

} // namespace

std::string same_entry(const Entry& entry) {
    const std::string csn = entry.first("entrycsn");
    return csn.empty() ? "" : "(entryCSN=" + in_filter(csn) + ")";
}

void LdapNumbers::read_kept() {
    if (kept_) return;
    kept_.emplace();
    connection_.search(settings_.groups, LdapConnection::Reach::below, "(cn=holdfast-numbers)",
                       {"description", "entryCSN"}, [&](Entry entry) { kept_ = std::move(entry); });
}

LdapNumbers::Owners& LdapNumbers::owners(Kind kind) {
    std::optional<Owners>& found = kind == Kind::group ? groups_ : accounts_;
    if (found) return *found;
    read_kept(); // first: what is given after this look makes write() fail
    Owners out;
    const bool is_group = kind == Kind::group;
    const char* const attribute = is_group ? "gidNumber" : "uidNumber";
    connection_.search(is_group ? settings_.groups : settings_.people, LdapConnection::Reach::below,
                       std::string("(") + attribute + "=*)", {is_group ? "cn" : "uid", attribute},
                       [&](const Entry& entry) {
                           if (const auto number = number_of(entry.first(lower_case(attribute))))
                               out.now[*number] = lower_case(entry.first(is_group ? "cn" : "uid"));
                       });
    for (std::string line : kept_->all("description")) {
        const bool is_of_group = line.rfind('%', 0) == 0;
        if (is_of_group != is_group) continue;
        line.erase(0, is_of_group ? 1 : 0);
        const std::size_t colon = line.find(':');
        const auto number = colon == std::string::npos ? std::nullopt : number_of(line.substr(colon + 1));
        if (!number) continue;
        out.ever[*number] = line.substr(0, colon);
        out.by_name[line.substr(0, colon)] = *number;
    }
    return found.emplace(std::move(out));
}

void LdapNumbers::remember(Kind kind, const std::string& name, std::int64_t number) {
    if (owners(kind).ever.emplace(number, name).second)
        added_.push_back(mark_of(kind) + name + ":" + std::to_string(number));
}

std::int64_t LdapNumbers::take(Kind kind, const std::string& name, std::optional<std::int64_t> declared) {
    Owners& all = owners(kind);
    if (declared) {
        const std::string number = std::to_string(*declared);
        if (const auto user = all.now.find(*declared); user != all.now.end())
            throw sdk::Error("access.uid-taken", "uid " + number + " is that of the account " + user->second,
                             "declare another, or none: then the next free one is taken");
        if (const auto owner = all.ever.find(*declared); owner != all.ever.end() && owner->second != name)
            throw sdk::Error("access.uid-reused",
                             "uid " + number + " was that of " + owner->second + ", whose files " + name +
                                 " would own",
                             "declare another; numbers of former accounts stay theirs (" + dn() + ")");
        all.now[*declared] = name;
        return *declared;
    }
    const auto former = all.by_name.find(name);
    std::int64_t number = former == all.by_name.end() ? 0 : former->second;
    if (number == 0 || all.now.count(number)) {
        number = settings_.first_id;
        for (const auto* some : {&all.now, &all.ever}) {
            const auto beyond = some->upper_bound(settings_.last_id);
            if (beyond != some->begin()) number = std::max(number, std::prev(beyond)->first + 1);
        }
    }
    if (number > settings_.last_id)
        throw sdk::Error("access.no-ids", "no number is free up to " + std::to_string(settings_.last_id),
                         "widen idRange; numbers of former accounts and groups are never given again");
    remember(kind, name, number);
    all.now[number] = name;
    return number;
}

bool LdapNumbers::write() {
    if (added_.empty()) return true;
    const bool is_new = kept_->attributes.empty();
    try {
        connection_.finish(
            is_new ? connection_.add(dn(), {{Modify::add, "objectClass", {"device"}},
                                            {Modify::add, "cn", {"holdfast-numbers"}},
                                            {Modify::add, "description", added_}})
                   : connection_.modify(dn(), {{Modify::add, "description", added_}}, same_entry(*kept_)));
    } catch (const sdk::Error& error) {
        if (error.diagnostic().retry == sdk::Retry::conflict) return false;
        throw;
    }
    return true;
}

} // namespace holdfast::access
