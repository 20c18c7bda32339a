#include "base/text.hpp"
#include "store_fixture.hpp"

using namespace holdfast;

namespace {

using Lines = std::vector<std::string>;

Lines exported(Store& store) {
    Lines lines;
    store.export_to([&](std::string_view line) { lines.emplace_back(line); });
    return lines;
}

Status imported(Store& store, const Lines& lines) {
    std::size_t next = 0;
    return store.import_from([&](std::string& line) {
        if (next == lines.size()) return false;
        line = lines[next++];
        return true;
    });
}

std::unique_ptr<Store> full_store() {
    auto store = opened(":memory:");
    PassRecord pass = pass_of("P1", "web");
    store->begin_pass(pass);
    const Address motd = address_of("web", "motd");
    store->commit({.steps = {step_of("P1", motd, Action::create, StepState::intended),
                             step_of("P1", address_of("web", "b"), Action::remove, StepState::intended),
                             step_of("P1", motd, Action::create, StepState::done)},
                   .upserts = {entry_of("web", "motd"), entry_of("dns", "b\"\n")}});
    pass.state = PassState::interrupted;
    store->end_pass(pass);
    store->approve("web", sha256("plan"), "ana", 7);
    store->remember_stack({"web", Deletion::remove, "3f2a", R"({"files":"m1"})", 5});
    store->audit(1, "ana", "apply", "web", "");
    store->audit(2, "li", "forget", "web", "x");
    return store;
}

} // namespace

TEST_CASE("an import of an export is the same store, and goes on as it") {
    auto store = full_store();
    const Lines lines = exported(*store);
    CHECK(lines.size() == 1 + 2 + 1 + 3 + 1 + 1 + 2 + 1);
    auto copy = opened(":memory:");
    const Status status = imported(*copy, lines);
    if (!status) FAIL(render(status.error()));
    CHECK(exported(*copy) == lines);
    CHECK(copy->masking_key() == store->masking_key());
    CHECK(text_of(copy->entry(address_of("web", "motd")).value()) == text_of(entry_of("web", "motd")));
    CHECK(copy->is_approved("web", sha256("plan")));
    CHECK(copy->open_steps("web").size() == 1);
    CHECK(codes_of(copy->check()) == codes_of(store->check()));
    for (Store* each : {store.get(), copy.get()}) {
        each->audit(3, "ana", "apply", "web", "");
        each->begin_pass(pass_of("P2", "web"));
        each->commit({.steps = {step_of("P2", address_of("web", "b"), Action::remove, StepState::done)}});
    }
    CHECK(exported(*copy) == exported(*store));
}

TEST_CASE("an export from before the order was recorded is taken in") {
    auto store = opened(":memory:");
    LedgerEntry entry = entry_of("web", "motd");
    entry.after = {};
    entry.wave = 0;
    store->commit({.upserts = {entry}});
    const Lines lines = exported(*store);
    CHECK(lines[1].find("\"after\"") == std::string::npos);
    CHECK(lines[1].find("\"wave\"") == std::string::npos);
    auto copy = opened(":memory:");
    REQUIRE(imported(*copy, lines).ok());
    CHECK(text_of(copy->entry(entry.address).value()) == text_of(entry));
}

TEST_CASE("an import into a store that holds something is refused") {
    const Lines lines = exported(*full_store());
    auto store = opened(":memory:");
    store->audit(1, "ana", "apply", "web", "");
    const std::string key = store->masking_key();
    CHECK(imported(*store, lines).error().code == "store.not-empty");
    CHECK(store->masking_key() == key);
}

TEST_CASE("a broken export is refused whole, with the line that is wrong") {
    Lines lines = exported(*full_store());
    auto [at, replacement, message] = GENERATE(table<std::size_t, std::string, std::string>({
        {0, R"({"format":"tar"})", "line 1 of the export: this is not an export of a Holdfast store"},
        {0, R"({"format":"holdfast-store","version":99})",
         "line 1 of the export: the export has another version"},
        {0, R"({"format":"holdfast-store","version":1,"masking_key":"AA=="})",
         "line 1 of the export: the masking key"},
        {1, "{", "line 2 of the export: "},
        {1, "[]", "line 2 of the export: the line is not a JSON object"},
        {1, R"({"type":"secret"})", "line 2 of the export: \"secret\" is no kind of record"},
        {1, R"({"type":"entry","stack":7})", "line 2 of the export: \"stack\" is missing or is not text"},
        {4, R"({"type":"approval","stack":"a","plan":"zz","actor":"a","at_ms":1})",
         "line 5 of the export: \"plan\" is missing or is not a hash"},
        {4, R"({"type":"approval","stack":"a","plan":")" + to_hex({}) + R"(","actor":"a","at_ms":1.5})",
         "line 5 of the export: \"at_ms\" is missing or is not an integer"},
    }));
    CAPTURE(at, replacement);
    lines[at] = replacement;
    auto store = opened(":memory:");
    const Status status = imported(*store, lines);
    REQUIRE_FALSE(status);
    CHECK_THAT(status.error().message, StartsWith(message));
    CHECK(status.error().code == "store.import");
    CHECK(store->all_entries(Detail::brief).empty());
    CHECK(imported(*store, exported(*full_store())));
}

TEST_CASE("an export that was cut off, or has lost a line, or has one too many, is refused") {
    Lines lines = exported(*full_store());
    SECTION("its end") { lines.pop_back(); }
    SECTION("a line in the middle") { lines.erase(lines.begin() + 1); }
    SECTION("everything") { lines.clear(); }
    SECTION("nothing, but something follows its end") { lines.push_back(lines.back()); }
    auto store = opened(":memory:");
    CHECK(imported(*store, lines).error().code == "store.import");
}

TEST_CASE("an export whose audit log was edited is refused") {
    Lines lines = exported(*full_store());
    for (std::string& line : lines)
        if (const auto at = line.find(R"("actor":"li")"); at != std::string::npos)
            line.replace(at, 12, R"("actor":"me")");
    auto store = opened(":memory:");
    CHECK(imported(*store, lines).error().code == "store.audit-broken");
    CHECK(store->audit_log(5).empty());
}

TEST_CASE("a step of an unknown pass is refused with its line") {
    Lines lines = exported(*full_store());
    std::erase_if(lines,
                  [](const std::string& line) { return line.find(R"("type":"pass")") != std::string::npos; });
    auto store = opened(":memory:");
    const Status status = imported(*store, lines);
    REQUIRE_FALSE(status);
    CHECK_THAT(status.error().message, StartsWith("line 4 of the export: "));
}
