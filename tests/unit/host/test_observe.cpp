#include "sandbox.hpp"

using namespace holdfast::testing;

TEST_CASE("absent, present and unreadable are three different answers") {
    Sandbox box;
    box.write("file", "text");
    fs::create_directory(box.root / "dir");
    fs::create_symlink("loop", box.root / "loop");
    CHECK(box.observe("File", "missing").outcome == HOLDFAST_ABSENT);
    CHECK(box.observe("File", "no/parent/here").outcome == HOLDFAST_ABSENT);
    CHECK(box.observe("File", "file/beneath").outcome == HOLDFAST_ABSENT);
    CHECK(box.observe("File", "file").spec().at("content") == "text");
    CHECK(box.observe("File", "loop/x").outcome == HOLDFAST_ITEM_FAILED);
    CHECK(box.observe("File", "loop/x").code() == "host.too-many-links");
    CHECK(box.observe("File", std::string(256, 'n')).code() == "host.name-too-long");
    CHECK(box.observe("Nonsense", "file").code() == "host.unknown-kind");
}

TEST_CASE("something of another type is absent, with a warning") {
    Sandbox box;
    box.write("file", "");
    fs::create_directory(box.root / "dir");
    fs::create_symlink("file", box.root / "link");
    ::mkfifo((box.root / "pipe").c_str(), 0600);
    auto [kind, path] = GENERATE(table<std::string, std::string>({
        {"File", "dir"},
        {"File", "link"},
        {"File", "pipe"},
        {"Directory", "file"},
        {"Directory", "link"},
        {"Symlink", "file"},
        {"Symlink", "dir"},
    }));
    const RawResult result = box.observe(kind, path);
    CHECK(result.outcome == HOLDFAST_ABSENT);
    CHECK(result.code() == "host.wrong-type");
    CHECK(result.diagnostics[0].at("severity") == "warning");
}

TEST_CASE("a change of the same size with its time restored is seen") {
    Sandbox box;
    box.write("file", "aaaa");
    const RawResult before = box.observe("File", "file");
    const auto time = fs::last_write_time(box.root / "file");
    box.write("file", "bbbb");
    fs::last_write_time(box.root / "file", time);
    const RawResult after = box.observe("File", "file");
    CHECK(after.document != before.document);
    CHECK(after.version != before.version);
}

TEST_CASE("long and binary content is observed by its hash") {
    Sandbox box;
    const std::string bytes = GENERATE(std::string("a\0b", 3), std::string("\xFF\xFE"),
                                       std::string(65537, 'x'), std::string(700'000, 'y'));
    box.write("file", bytes);
    const Json spec = box.observe("File", "file").spec();
    CHECK_FALSE(spec.contains("content"));
    CHECK(spec.at("source") == Json{{"sha256", sha256(bytes)}, {"size", bytes.size()}});
}

TEST_CASE("text of exactly 64 KiB is still inline") {
    Sandbox box;
    box.write("file", std::string(65536, 'x'));
    CHECK(box.observe("File", "file").spec().contains("content"));
}

TEST_CASE("list is sorted, of one kind, paged, and follows no link") {
    Sandbox box;
    fs::create_directories(box.root / "b/inner");
    fs::create_directory(box.root / "b-c");
    fs::create_directory_symlink("b", box.root / "link");
    for (const char* path : {"z", "b/2", "b/1", "b/inner/x", "b-c/y", "a", ".holdfast-0123456789abcdef.tmp"})
        box.write(path, path);
    const auto list = [&](const std::string& kind, const std::string& page = "") {
        return box.plugin.call(box.plugin.table->list, {}, "",
                               Json{{"kind", "host.holdfast.dev/v1alpha1/" + kind}, {"page", page}}.dump());
    };
    const auto paths = [](const std::vector<RawResult>& results) {
        std::vector<std::string> out;
        for (const RawResult& result : results)
            if (result.item != HOLDFAST_CALL) out.push_back(Json::parse(result.identity));
        return out;
    };
    const std::vector<std::string> files{"a", "b/1", "b/2", "b/inner/x", "b-c/y", "z"};
    CHECK(paths(list("File")) == files);
    CHECK(paths(list("Directory")) == std::vector<std::string>{"b", "b/inner", "b-c"});
    CHECK(paths(list("Symlink")) == std::vector<std::string>{"link"});
    for (std::size_t i = 0; i < files.size(); ++i)
        CHECK(paths(list("File", files[i])) ==
              std::vector<std::string>(files.begin() + static_cast<long>(i) + 1, files.end()));
    CHECK(list("File")[0].document == box.observe("File", "a").document);
}

TEST_CASE("a long list comes in pages that together are the whole") {
    Sandbox box;
    for (int i = 0; i < 1003; ++i) box.write("f" + std::to_string(i), "");
    Json options{{"kind", "host.holdfast.dev/v1alpha1/File"}};
    std::size_t objects = 0, pages = 0;
    for (;; ++pages) {
        const auto results = box.plugin.call(box.plugin.table->list, {}, "", options.dump());
        objects += results.size();
        if (results.back().item != HOLDFAST_CALL) break;
        --objects;
        options["page"] = results.back().detail.at("next");
    }
    CHECK(objects == 1003);
    CHECK(pages == 1);
}

TEST_CASE("a name that no document can hold is left out of the list and logged") {
    Sandbox box;
    box.write("bad\xFF", "");
    box.write("good", "");
    const auto results =
        box.plugin.call(box.plugin.table->list, {}, "", R"({"kind":"host.holdfast.dev/v1alpha1/File"})");
    CHECK(results.size() == 1);
    CHECK(box.plugin.host.log_lines.size() == 1);
}
