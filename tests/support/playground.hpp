#pragma once
// A Git repository with a holdfast.yaml, a store and a target in one temporary folder, driven through the
// real programs, as a person would from a shell.

#include <filesystem>
#include <string>
#include <vector>

namespace test {

struct Ran {
    int exit_code = -1; // 128 + n after signal n
    std::string out, err;
};

class Playground {
public:
    // An empty repository on branch main; nothing of the user's or machine's configuration is seen.
    Playground();
    ~Playground();
    Playground(const Playground&) = delete;
    Playground& operator=(const Playground&) = delete;

    std::filesystem::path folder() const { return folder_; }
    std::filesystem::path repository() const { return folder_ / "repo"; }
    std::filesystem::path store() const { return folder_ / "store"; }
    std::filesystem::path target() const { return folder_ / "target"; }

    // Files of the repository; the folders on the way are made.
    void write(const std::string& path, const std::string& text);
    void remove(const std::string& path);
    // Everything in the working directory, as one commit; its id.
    std::string commit(const std::string& message = "change");
    std::string git(const std::vector<std::string>& arguments);

    Ran holdfast(const std::vector<std::string>& arguments);
    // The same under another program (strace), whose words come first.
    Ran holdfast_under(const std::vector<std::string>& wrapper, const std::vector<std::string>& arguments);
    void set_environment(const std::string& name, const std::string& value);
    // What programs get that are started here: "NAME=value".
    const std::vector<std::string>& environment() const { return environment_; }

    // A File document for the host plugin.
    static std::string file_document(const std::string& name, const std::string& path,
                                     const std::string& content, const std::string& annotations = {});
    // holdfast.yaml with provider "files" (plugin host, root: target) and stack "web" (path web).
    void use_host_plugin();
    // holdfast.yaml with provider "memory" (its objects in the target folder) and stack "app" (path app).
    void use_memory_plugin(const std::string& more_config = {});

    std::string read_target(const std::string& path) const; // "<none>" where there is no such file
    void write_target(const std::string& path, const std::string& text);
    std::vector<std::string> target_files() const; // sorted, relative

private:
    Ran run(const std::vector<std::string>& command);

    std::filesystem::path folder_;
    std::vector<std::string> environment_;
};

} // namespace test
