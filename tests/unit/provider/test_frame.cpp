#include "fixture.hpp"

#include "provider/frame.hpp"

using namespace holdfast;

TEST_CASE("a call survives its journey, empty texts and all") {
    const std::vector<Item> items{
        {.action = ItemAction::update,
         .kind = "k",
         .identity = "\"a\"",
         .declared = "{}",
         .recorded = "r",
         .observed = "o",
         .version = "v",
         .private_data = std::string_view("\0p", 2),
         .refresh = "f"},
        {.action = ItemAction::remove},
    };
    const Call call{.scope = "zone", .scope_version = "7", .options = "{\"a\":1}", .items = items};
    std::string body;
    write_call(body, Operation::apply, call);
    CallFrame frame;
    REQUIRE(read_call(body, frame));
    CHECK(frame.operation == Operation::apply);
    CHECK(frame.deadline_ns == 0);
    CHECK(frame.scope == "zone");
    CHECK(frame.scope_version == "7");
    REQUIRE(frame.items.size() == 2);
    CHECK(frame.items[0].action == HOLDFAST_UPDATE);
    CHECK(text_of(frame.items[0].private_data) == std::string_view("\0p", 2));
    CHECK(text_of(frame.items[0].refresh) == "f");
    CHECK(frame.items[1].action == HOLDFAST_DELETE);
    CHECK(text_of(frame.items[1].declared).empty());
}

TEST_CASE("what items come after travels with them, wherever in the frame it lies") {
    const std::vector<std::uint32_t> of_second{0}, of_fourth{0, 1, 2};
    std::vector<Item> items(4, Item{.kind = "k", .identity = "odd"});
    items[1].after = of_second;
    items[3].after = of_fourth;
    const Call call{.scope = "x", .items = items};
    std::string body;
    write_call(body, Operation::apply, call);
    CallFrame frame;
    for (int again = 0; again < 2; ++again) { // a frame is used again and again
        REQUIRE(read_call(body, frame));
        CHECK(frame.items[0].after_count == 0);
        REQUIRE(frame.items[1].after_count == 1);
        CHECK(frame.items[1].after[0] == 0);
        CHECK(frame.items[2].after_count == 0);
        REQUIRE(frame.items[3].after_count == 3);
        CHECK(std::vector<std::uint32_t>(frame.items[3].after, frame.items[3].after + 3) == of_fourth);
    }
    for (std::size_t size = 0; size < body.size(); ++size)
        CHECK_FALSE(read_call(body.substr(0, size), frame));
}

TEST_CASE("the words for actions and outcomes are the contract's numbers") {
    CHECK(static_cast<unsigned>(ItemAction::refresh) == HOLDFAST_REFRESH);
    CHECK(static_cast<unsigned>(ItemAction::remove) == HOLDFAST_DELETE);
    CHECK(static_cast<unsigned>(Outcome::must_replace) == HOLDFAST_MUST_REPLACE);
    CHECK(static_cast<unsigned>(Outcome::skipped) == HOLDFAST_SKIPPED);
    CHECK(no_item == HOLDFAST_CALL);
    CHECK(scope_item == HOLDFAST_SCOPE);
    CHECK(operation_of(Method::health) == Operation::health);
}

TEST_CASE("a result survives its journey, and a damaged one is noticed wherever it is cut") {
    RawResult result{.item = 3,
                     .outcome = HOLDFAST_PARTIAL,
                     .document = "{\"a\":1}",
                     .version = "v",
                     .detail = "{}",
                     .pointer = "/spec"};
    std::string body(size_of(result), '\0');
    CHECK(write_result(body.data(), result) == body.data() + body.size());
    FrameReader reader(body);
    RawResult back;
    REQUIRE(read_result(reader, back));
    CHECK(reader.at_end());
    CHECK(back.item == 3);
    CHECK(back.outcome == HOLDFAST_PARTIAL);
    CHECK(back.document == result.document);
    CHECK(back.version == "v");
    CHECK(back.pointer == "/spec");
    CHECK(back.identity.empty());
    for (std::size_t size = 0; size < body.size(); ++size) {
        FrameReader cut(std::string_view(body).substr(0, size));
        CHECK_FALSE(read_result(cut, back));
    }
}

TEST_CASE("a call frame that is cut, or claims more than it has, is refused") {
    const std::vector<Item> items(3, Item{.kind = "k", .identity = "\"a\""});
    std::string body;
    write_call(body, Operation::observe, Call{.items = items});
    CallFrame frame;
    REQUIRE(read_call(body, frame));
    for (std::size_t size = 0; size < body.size(); ++size)
        CHECK_FALSE(read_call(body.substr(0, size), frame));
    CHECK_FALSE(read_call(body + "x", frame));
}
