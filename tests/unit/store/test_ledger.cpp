#include "store/store.hpp"
#include "support/catch.hpp"
using namespace holdfast;
TEST_CASE("x") { auto s = open_store({.path=":memory:"}); if(!s) FAIL(render(s.error())); auto p = (*s)->check(); for (auto& d: p) UNSCOPED_INFO(render(d)); CHECK(p.empty()); }
