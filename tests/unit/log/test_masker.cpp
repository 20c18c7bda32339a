#include "log/masker.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "support/catch.hpp"

using namespace holdfast;

namespace {

const std::string masked(mask_text);

} // namespace

TEST_CASE("a secret is taken out of text in each common form") {
    Masker masker;
    masker.add("p@ss \"word\"/1");
    auto text = GENERATE(as<std::string>{}, "p@ss \"word\"/1", "p@ss \\\"word\\\"/1",
                         "p%40ss%20%22word%22%2F1", "p%40ss%20%22word%22%2f1", "cEBzcyAid29yZCIvMQ==");
    CAPTURE(text);
    CHECK(masker.holds_secret(text));
    CHECK(masker.mask("a " + text + " b").starts_with("a " + masked));
    CHECK(masker.mask("a " + text + " b").ends_with(masked + " b"));
}

TEST_CASE("base64 of a text that contains the secret gives nothing away, whatever stands before it") {
    Masker masker;
    masker.add("correct-horse-battery");
    const std::string before = GENERATE("", "u", "us", "user:");
    const std::string encoded = to_base64(before + "correct-horse-battery" + " and more");
    const std::string text = masker.mask(encoded);
    CHECK(masker.holds_secret(encoded));
    // At most the digits that the secret shares with its neighbours are left, at either end.
    const std::size_t at = text.find(masked);
    REQUIRE(at != std::string::npos);
    CHECK(at <= before.size() * 8 / 6 + 1);
}

TEST_CASE("no tail of an overlapping secret is left standing") {
    Masker masker;
    masker.add("abcd");
    masker.add("cdefg");
    masker.add("abcdefgh");
    CHECK(masker.mask("xabcdefgy") == "x" + masked + "y");
    CHECK(masker.mask("abcdefgh") == masked);
    CHECK(masker.mask("aaaa abab") == "aaaa abab");
}

TEST_CASE("each line of a key is masked, its markers are not") {
    Masker masker;
    masker.add("-----BEGIN KEY-----\r\nMIIEvQIBADAN\r\nBgkqhkiG9w0B\r\n-----END KEY-----\r\n");
    CHECK(masker.mask("read MIIEvQIBADAN") == "read " + masked);
    CHECK(masker.mask("read BgkqhkiG9w0B") == "read " + masked);
    CHECK_FALSE(masker.holds_secret("-----BEGIN KEY-----"));
}

TEST_CASE("what is too short to be searched for leaves text alone") {
    Masker masker;
    masker.add("");
    masker.add("abc");
    CHECK(masker.mask("abc YWJj") == "abc YWJj");
    CHECK_FALSE(masker.holds_secret("abc"));
    CHECK(Masker().mask("text") == "text");
}

TEST_CASE("every text of a diagnostic is masked") {
    Masker masker;
    masker.add("hunter22");
    Diagnostic diagnostic = failure("a.b", "hunter22", "hunter22");
    diagnostic.span.file = diagnostic.excerpt = diagnostic.subject = diagnostic.pointer = "hunter22";
    diagnostic.context = {"while hunter22"};
    const Diagnostic clean = masker.mask(diagnostic);
    for (const std::string& text :
         {clean.message, clean.hint, clean.span.file, clean.excerpt, clean.subject, clean.pointer})
        CHECK(text == masked);
    CHECK(clean.context == std::vector<std::string>{"while " + masked});
    CHECK_FALSE(masker.holds_secret(render(clean)));
}
