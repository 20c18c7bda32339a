// A spike, not the firewall plugin: nftables through the provider contract, to find out what fits.
//
// A scope is a table ("inet web"); its chains and sets are leaves. One apply is one netlink transaction.
// The kernel is the canonicaliser: what is declared is loaded into a network namespace that lives as long
// as one call, under names of its own over a copy of the live table, and listed back.

#include "ruleset.hpp"

#include <exception>
#include <thread>

#include <sched.h>

namespace {

using namespace spike;

std::vector<Wanted> read_items(Items items) {
    std::vector<Wanted> out;
    for (const Item& item : items) {
        Wanted wanted{item.index(), item.action(), std::string(item.kind()), "", {}};
        wanted.name = parse_json(item.identity()).get<std::string>();
        if (!item.declared().empty()) wanted.spec = parse_json(item.declared()).value("spec", Json::object());
        out.push_back(std::move(wanted));
    }
    return out;
}

std::string document_of(const std::string& table, const std::pair<std::string, std::string>& object,
                        Json spec) {
    const std::size_t slash = object.first.rfind('/');
    spec["table"] = table;
    spec["name"] = object.second;
    return dump_json({{"apiVersion", object.first.substr(0, slash)},
                      {"kind", object.first.substr(slash + 1)},
                      {"spec", std::move(spec)}});
}

Diagnostic diagnostic(const char* code, std::string message, Retry retry = Retry::never) {
    Diagnostic out;
    out.code = code;
    out.message = std::move(message);
    out.retry = retry;
    return out;
}

class NftSpike : public Provider, public Canonicalize, public Checkpoint {
public:
    static constexpr const char* plugin_name = "spike-nft";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe();

    NftSpike(const Call&, std::string_view) {}

    // The real plugin would take the machine-id and the namespace's inode.
    std::string target() const override { return "nftables"; }

    void validate(const Call&, Items items, Results& results) override {
        // A rule is one statement on one line: nothing may end it and begin a command of its own.
        for (const Item& item : items) {
            const Json document = parse_json(item.declared());
            const Json* rules = find(document, "/spec/rules");
            for (std::size_t i = 0; rules && i < rules->size(); ++i) {
                if ((*rules)[i].get<std::string>().find_first_of(";\n\\") == std::string::npos) continue;
                Diagnostic bad =
                    diagnostic("nft.not-one-rule", "a rule holds no semicolon, backslash or line break");
                bad.pointer = "/spec/rules/" + std::to_string(i);
                results.failed(item, bad);
                break;
            }
        }
    }

    void observe(const Scope& scope, Items items, Results& results) override {
        const std::string table(scope.name());
        const std::uint32_t before = generation(); // older than the listing at worst: a spurious conflict
        const std::string listing = nft_.list(table);
        const Objects live = parse_table(listing);
        results.scope_version(version(before, listing));
        for (const Wanted& wanted : read_items(items)) {
            const auto found = live.find({wanted.kind, wanted.name});
            if (found == live.end())
                results.absent(items[wanted.index]);
            else
                results.done(items[wanted.index], document_of(table, found->first, found->second));
        }
    }

    void list(const Scope& scope, const ListRequest& request, Results& results) override {
        const std::string table(scope.name());
        for (const auto& [object, spec] : parse_table(nft_.list(table)))
            if (object.first == request.kind)
                results.object(object.first, quote(object.second), document_of(table, object, spec), table);
    }

    void canonicalize(const Scope& scope, Items items, Results& results) override {
        const std::string table(scope.name());
        const std::string listing = nft_.list(table);
        const Objects live = parse_table(listing);
        std::exception_ptr problem;
        std::thread([&] {
            try {
                if (unshare(CLONE_NEWNET) != 0)
                    throw Error("nft.no-namespace", "a scratch network namespace cannot be made");
                Nft scratch;
                const Nft::Answer copied = scratch.run("add table " + table + "\n" + listing);
                if (!copied.ok)
                    throw Error("nft.scratch", "the live table cannot be copied: " + copied.error);
                canonicalize_in(scratch, table, live, items, results);
            } catch (...) {
                problem = std::current_exception();
            }
        }).join();
        if (problem) std::rethrow_exception(problem);
    }

    void apply(const Scope& scope, Items items, Results& results) override {
        const std::string table(scope.name());
        const std::uint32_t before = generation();
        const std::string listing = nft_.list(table);
        if (!scope.version().empty() && !is_still(scope.version(), listing)) return conflict(items, results);
        const Script script = transaction(table, read_items(items), parse_table(listing));
        if (const Nft::Answer answer = nft_.run(script.text()); !answer.ok)
            return blame(script.culprit(answer.error), answer.error, items, results);
        const std::string after = nft_.list(table);
        // The engine may have more for this table. Where somebody else wrote at the same time, it keeps the
        // old version and meets a conflict.
        if (generation() - before <= 1) results.scope_version(version(before + 1, after));
        const Objects live = parse_table(after);
        for (const Wanted& change : read_items(items)) {
            const auto found = live.find({change.kind, change.name});
            results.done(items[change.index],
                         found == live.end() ? "" : document_of(table, found->first, found->second));
        }
    }

    std::string snapshot(const Scope& scope) override {
        const std::string table(scope.name());
        return "add table " + table + "\ndelete table " + table + "\n" + nft_.list(table);
    }

    void restore(const Scope&, std::string_view snapshot) override {
        if (const Nft::Answer answer = nft_.run(std::string(snapshot)); !answer.ok)
            throw Error("nft.restore", "the snapshot cannot be restored: " + answer.error);
    }

private:
    // Each item under a name of its own, so that what is live neither helps nor hinders it; but under its
    // real name too, empty, where it is new, so that others in the batch can refer to it.
    void canonicalize_in(Nft& scratch, const std::string& table, const Objects& live, Items items,
                         Results& results) {
        const std::vector<Wanted> wanted = read_items(items);
        for (const Wanted& w : wanted) {
            if (live.count({w.kind, w.name}) != 0) continue;
            Script script;
            Json stub = w.spec;
            stub.erase("elements"), stub.erase("base");
            w.kind == set_kind ? add_set(script, w.index, table + " " + w.name, stub)
                               : add_chain(script, w.index, table + " " + w.name, stub);
            scratch.run(script.text());
        }
        for (const Wanted& w : wanted) {
            const std::string name = "holdfast_scratch_" + std::to_string(w.index);
            Script script;
            w.kind == set_kind ? add_set(script, w.index, table + " " + name, w.spec)
                               : add_chain(script, w.index, table + " " + name, w.spec);
            if (w.kind == chain_kind) add_rules(script, w.index, table + " " + name, w.spec);
            const Nft::Answer answer = scratch.run(script.text());
            if (!answer.ok)
                results.failed(items[w.index], diagnostic("nft.refused", reason(answer.error)));
            else
                answer_canonical(table, live, w, parse_table(scratch.list(table))[{w.kind, name}], items,
                                 results);
        }
    }

    // The kernel changes a chain's policy in place, but neither its type, hook nor priority.
    static void answer_canonical(const std::string& table, const Objects& live, const Wanted& wanted,
                                 Json spec, Items items, Results& results) {
        std::vector<std::string> replaced;
        const auto found = live.find({wanted.kind, wanted.name});
        for (const char* pointer : {"/base/type", "/base/hook", "/base/priority"})
            if (found != live.end() && text_at(found->second, pointer) != text_at(spec, pointer))
                replaced.push_back(std::string("/spec") + pointer);
        const std::string document = document_of(table, {wanted.kind, wanted.name}, std::move(spec));
        if (replaced.empty())
            results.done(items[wanted.index], document);
        else
            results.must_replace(items[wanted.index], document, replaced);
    }

    // "/proc/self/fd/5:3:12-15: Error: Could not ...\n<the line>\n   ^^^" -> "Could not ..."
    static std::string reason(const std::string& error) {
        const std::size_t start = error.find("Error: ");
        const std::string rest = start == std::string::npos ? error : error.substr(start + 7);
        return rest.substr(0, rest.find('\n'));
    }

    static std::string version(std::uint32_t generation, const std::string& listing) {
        return std::to_string(generation) + " " + std::to_string(std::hash<std::string>()(listing));
    }

    // The generation belongs to the whole namespace: where it moved, the table itself decides.
    static bool is_still(std::string_view version_before, const std::string& listing) {
        const std::string now = version(generation(), listing);
        const auto table = [](std::string_view version) { return version.substr(version.find(' ')); };
        return now == version_before || table(now) == table(version_before);
    }

    static void conflict(Items items, Results& results) {
        for (const Item& item : items)
            results.failed(item,
                           diagnostic("nft.conflict", "the table is not what was observed", Retry::conflict));
    }

    static void blame(std::optional<std::size_t> culprit, const std::string& error, Items items,
                      Results& results) {
        for (const Item& item : items)
            if (culprit && *culprit != item.index())
                results.skipped(item);
            else
                results.failed(item, diagnostic("nft.refused", reason(error)));
    }

    Nft nft_;
};

std::string NftSpike::describe() {
    const auto kind = [](const char* name, Json spec) {
        return Json{{"apiVersion", "nft.spike.holdfast.dev/v1alpha1"},
                    {"kind", name},
                    {"schema", {{"type", "object"}, {"properties", {{"spec", std::move(spec)}}}}},
                    {"identity", {"/spec/name"}},
                    {"scope", {"/spec/table"}}};
    };
    const Json texts{{"type", "array"}, {"items", {{"type", "string"}}}};
    Json chain = kind(
        "Chain", {{"type", "object"}, {"required", {"table", "name"}}, {"properties", {{"rules", texts}}}});
    chain["lists"] = {{{"pointer", "/spec/rules"}, {"type", "ordered"}}};
    chain["rank"] = 1;
    Json set = kind(
        "Set",
        {{"type", "object"}, {"required", {"table", "name", "type"}}, {"properties", {{"elements", texts}}}});
    set["lists"] = {{{"pointer", "/spec/elements"}, {"type", "set"}},
                    {{"pointer", "/spec/flags"}, {"type", "set"}}};
    set["immutable"] = {"/spec/type", "/spec/flags"};
    return dump_json({{"name", plugin_name},
                      {"version", plugin_version},
                      {"groups", {"nft.spike.holdfast.dev"}},
                      {"kinds", {std::move(chain), std::move(set)}},
                      {"extensions", extensions_of<NftSpike>()},
                      {"atomic", true},
                      {"cas", "recheck"}});
}

} // namespace

HOLDFAST_PLUGIN(NftSpike);
