#include "support/playground.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace fs = std::filesystem;

namespace test {

namespace {

std::string read_all(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_all(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

} // namespace

Playground::Playground() {
    std::string pattern = (fs::temp_directory_path() / "holdfast-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
    fs::create_directories(target());
    const std::string build = HOLDFAST_BINARY_DIR;
    environment_ = {"HOME=" + (folder_ / "home").string(),
                    "XDG_CONFIG_HOME=" + (folder_ / "config").string(),
                    "XDG_STATE_HOME=" + (folder_ / "state").string(),
                    "HOLDFAST_CONFIG=" + (folder_ / "operator.yaml").string(),
                    "HOLDFAST_PLUGIN_PATH=" + build + "/tests/plugins:" + build + "/plugins",
                    "GIT_CONFIG_GLOBAL=/dev/null",
                    "GIT_CONFIG_SYSTEM=/dev/null",
                    "GIT_AUTHOR_NAME=Ana Souza",
                    "GIT_AUTHOR_EMAIL=ana@example.org",
                    "GIT_COMMITTER_NAME=Ana Souza",
                    "GIT_COMMITTER_EMAIL=ana@example.org",
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG=C.UTF-8",
                    "ASAN_OPTIONS=detect_leaks=0"};
    write_all(folder_ / "operator.yaml", "");
    fs::create_directories(repository());
    git({"init", "-q", "-b", "main"});
}

Playground::~Playground() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

void Playground::set_environment(const std::string& name, const std::string& value) {
    std::erase_if(environment_, [&](const std::string& v) { return v.starts_with(name + "="); });
    environment_.push_back(name + "=" + value);
}

void Playground::write(const std::string& path, const std::string& text) {
    write_all(repository() / path, text);
}
void Playground::remove(const std::string& path) { fs::remove_all(repository() / path); }

std::string Playground::commit(const std::string& message) {
    git({"add", "-A"});
    git({"commit", "-q", "--allow-empty", "-m", message});
    std::string id = git({"rev-parse", "HEAD"});
    id.erase(id.find_last_not_of('\n') + 1);
    return id;
}

std::string Playground::git(const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"git", "-C", repository().string()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Ran ran = run(command);
    if (ran.exit_code != 0) throw std::runtime_error("git " + arguments.front() + ": " + ran.err);
    return ran.out;
}

Ran Playground::holdfast(const std::vector<std::string>& arguments) { return holdfast_under({}, arguments); }

Ran Playground::holdfast_under(const std::vector<std::string>& wrapper,
                               const std::vector<std::string>& arguments) {
    std::vector<std::string> command = wrapper;
    for (const std::string& word : {std::string(HOLDFAST_BINARY_DIR) + "/bin/holdfast", std::string("-C"),
                                    repository().string(), std::string("--store"), store().string()})
        command.push_back(word);
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(command);
}

Ran Playground::run(const std::vector<std::string>& command) {
    const fs::path out = folder_ / ".out", err = folder_ / ".err";
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(::open("/dev/null", O_RDONLY), 0);
        ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
        ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
        std::vector<char*> arguments, environment;
        for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
        for (const std::string& word : environment_) environment.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        environment.push_back(nullptr);
        ::execvpe(arguments[0], arguments.data(), environment.data());
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_all(out), read_all(err)};
}

std::string Playground::file_document(const std::string& name, const std::string& path,
                                      const std::string& content, const std::string& annotations) {
    std::string text =
        "apiVersion: host.holdfast.dev/v1alpha1\nkind: File\nmetadata:\n  name: " + name + "\n";
    if (!annotations.empty()) text += "  annotations: {" + annotations + "}\n";
    return text + "spec:\n  path: " + path + "\n  mode: \"0644\"\n  content: \"" + content + "\"\n";
}

void Playground::use_host_plugin() {
    write("holdfast.yaml", "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: files}\n"
                           "spec: {plugin: host, config: {root: " +
                               target().string() +
                               "}}\n---\n"
                               "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: web}\n"
                               "spec: {path: web, providers: {host.holdfast.dev: files}}\n");
}

void Playground::use_memory_plugin(const std::string& more_config) {
    write("holdfast.yaml", "apiVersion: holdfast.dev/v1alpha1\nkind: Provider\nmetadata: {name: memory}\n"
                           "spec: {plugin: memory, config: {file: " +
                               (target() / "objects").string() + more_config +
                               "}}\n---\n"
                               "apiVersion: holdfast.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\n"
                               "spec: {path: app, providers: {memory.holdfast.dev: memory}}\n");
}

std::string Playground::read_target(const std::string& path) const {
    return fs::exists(fs::symlink_status(target() / path)) ? read_all(target() / path) : "<none>";
}

void Playground::write_target(const std::string& path, const std::string& text) {
    write_all(target() / path, text);
}

std::vector<std::string> Playground::target_files() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(target()))
        if (!entry.is_directory()) files.push_back(fs::relative(entry.path(), target()).string());
    std::sort(files.begin(), files.end());
    return files;
}

} // namespace test
