// What the worker costs over in-process. Not run by default: test_provider "[cost]", in a release build.

#include "fixture.hpp"

#include <cstdio>
#include <sys/resource.h>

using namespace holdfast;

namespace {

constexpr std::string_view object_kind = "memory.holdfast.dev/v1alpha1/Object";
constexpr int object_count = 10'000, rounds = 20;

double cpu_ms(int who) {
    rusage usage{};
    getrusage(who, &usage);
    const auto ms = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
    };
    return ms(usage.ru_utime) + ms(usage.ru_stime);
}

struct Batch {
    std::vector<std::string> identities, documents;
    std::vector<Item> items;

    Batch() {
        const std::string filler(60, 'x');
        for (int i = 0; i < object_count; ++i) {
            const std::string name = "object-" + std::to_string(i);
            identities.push_back("\"" + name + "\"");
            std::string spec;
            for (char field = 'a'; field < 'h'; ++field)
                spec += std::string(R"(")") + field + R"(":")" + filler + R"(",)";
            documents.push_back(
                R"({"apiVersion":"memory.holdfast.dev/v1alpha1","kind":"Object","metadata":{"name":")" +
                name + R"("},"spec":{)" + spec + R"("value":"v"}})");
        }
        for (int i = 0; i < object_count; ++i)
            items.push_back({.action = ItemAction::create,
                             .kind = object_kind,
                             .identity = identities[static_cast<std::size_t>(i)],
                             .declared = documents[static_cast<std::size_t>(i)]});
    }
};

// CPU of the whole process tree: `rounds` observes of all objects, after one apply that makes them.
struct Cost {
    double apply_ms = 0, observe_ms = 0;
};

Cost measure(const Batch& batch, Isolation isolation) {
    TempFolder folder;
    PluginHost host(test_options());
    const std::string config = R"({"file":")" + folder.path + "/objects\"}";
    const auto total = [] { return cpu_ms(RUSAGE_SELF) + cpu_ms(RUSAGE_CHILDREN); };
    const auto timed = [&](Method method, int times) {
        const double before = total();
        auto provider = must_open(host, {"p", "memory", config, isolation});
        for (int i = 0; i < times; ++i) {
            std::size_t bytes = 0;
            const CallEnd end =
                provider->call(Call{.method = method, .items = batch.items},
                               [&](const ItemResult& result) { bytes += result.document.size(); });
            REQUIRE(end.ok);
            REQUIRE(bytes > object_count * 600U);
        }
        provider.reset(); // reaps the worker, so that its CPU counts
        return total() - before;
    };
    Cost cost;
    cost.apply_ms = timed(Method::apply, 1);
    cost.observe_ms = timed(Method::observe, rounds) / rounds;
    return cost;
}

} // namespace

TEST_CASE("what the worker costs over in-process", "[.][cost]") {
    const Batch batch;
    measure(batch, Isolation::in_process); // warms up
    for (int i = 0; i < 3; ++i) {
        const Cost inside = measure(batch, Isolation::in_process), worker = measure(batch, Isolation::worker);
        std::printf("10,000 objects, CPU ms: apply %.1f in process, %.1f in a worker; observe %.2f, %.2f\n",
                    inside.apply_ms, worker.apply_ms, inside.observe_ms, worker.observe_ms);
    }
}
