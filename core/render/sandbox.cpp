#include "render/sandbox.hpp"

#include <array>
#include <cerrno>
#include <filesystem>

#include <poll.h>
#include <unistd.h>

#include <fmt/core.h>

#include "base/text.hpp"
#include "sys/child_process.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view ready = "holdfast: the sandbox stands\n";
constexpr std::size_t most_said = 64U << 10; // of standard error

// Its words: how to drop rights, an empty folder, the workplace, the program's folder by its name and without
// symlinks, the folder to run in, then the program. The new root has the system's programs and libraries,
// three devices and the workplace: not /etc, /run, /var, /home, so no store, no secret and no socket. What is
// mounted cannot be undone, and the root not be left, since the rights for that are gone by then.
constexpr const char* script = R"sh(
set -eu
drop=$1 root=$2 work=$3 named=$4 real=$5 folder=$6; shift 6
chmod -R a+rX "$work"
mount --make-rprivate /
mount -t tmpfs -o size=1m,mode=0755 none "$root"
take() {
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
}
for name in bin lib lib32 lib64 libx32 sbin usr nix; do
    if [ -L "/$name" ]; then cp -P "/$name" "$root/$name"
    elif [ -d "/$name" ]; then take "/$name"; fi
done
if [ -d /etc/alternatives ]; then take /etc/alternatives; fi
mkdir -p "$root/dev" "$root/etc" "$root/holdfast"
for name in dev/null dev/zero dev/urandom etc/ld.so.cache; do
    if [ -e "/$name" ]; then : > "$root/$name"; mount --bind "/$name" "$root/$name"; fi
done
ln -s holdfast/home "$root/tmp"
mount --bind "$work" "$root/holdfast"
for tools in "$named" "$real"; do
    if [ ! -e "$root$tools" ]; then take "$tools"; fi
done
mount -o remount,bind,ro "$root"
cd "$root$folder"
echo 'holdfast: the sandbox stands' >&2
exec chroot "$root" env -C "$folder" setpriv $drop --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
)sh";

std::vector<std::string> sandboxed(const SandboxOptions& options) {
    const bool is_root = geteuid() == 0;
    std::vector<std::string> words{"unshare", "--net", "--mount", "--ipc", "--pid", "--fork", "--kill-child"};
    if (!is_root) words.insert(words.end(), {"--user", "--map-root-user"});
    const std::string& program = options.command.front();
    std::error_code failed;
    const std::string real = std::filesystem::canonical(program, failed).string();
    const std::string drop = is_root ? "--reuid=65534 --regid=65534 --clear-groups" : "";
    words.insert(words.end(),
                 {"/bin/sh", "-c", script, "sandbox", drop, options.empty_folder, options.workplace,
                  parent_path(program), parent_path(real.empty() ? program : real), options.directory});
    words.insert(words.end(), {"prlimit", fmt::format("--as={}", options.memory_max_bytes),
                               fmt::format("--cpu={}", options.timeout.count() / 1000 + 1),
                               "--fsize=268435456", "--core=0"});
    words.insert(words.end(), options.command.begin(), options.command.end());
    return words;
}

// Both streams of a program until it has closed them.
class Outputs {
public:
    explicit Outputs(const SandboxOptions& options) : options_(options) {}

    enum class End { closed, timeout, stopped, too_much };
    End collect(const ChildProcess& child, const std::stop_token& stop) {
        const auto until = steady_clock::now() + options_.timeout;
        std::array<pollfd, 2> streams{{{child.output(), POLLIN, 0}, {child.errors(), POLLIN, 0}}};
        while (streams[0].fd >= 0 || streams[1].fd >= 0) {
            if (stop.stop_requested()) return End::stopped;
            if (steady_clock::now() >= until) return End::timeout;
            constexpr int look_ms = 100;
            if (poll(streams.data(), streams.size(), look_ms) <= 0) continue;
            if (streams[0].revents != 0) take(streams[0].fd, text, options_.output_max_bytes + 1);
            if (streams[1].revents != 0) take(streams[1].fd, said, most_said);
            if (text.size() > options_.output_max_bytes) return End::too_much;
        }
        return End::closed;
    }

    std::string text, said;

private:
    static void take(int& fd, std::string& to, std::size_t most) {
        std::array<char, 64U << 10> buffer;
        const ssize_t got = read(fd, buffer.data(), buffer.size());
        if (got > 0)
            to.append(buffer.data(),
                      std::min(static_cast<std::size_t>(got), most - std::min(most, to.size())));
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
            fd = -1;
    }

    const SandboxOptions& options_;
};

Diagnostic no_sandbox(const std::string& why) {
    return failure(
        "render.no-sandbox", fmt::format("the sandbox cannot be made: {}", why),
        "allow user and network namespaces, and install util-linux; or render before the commit and "
        "let the Stack read the result");
}

// The last lines, which is where tools say what is wrong, as one.
std::string last_words(std::string_view said) {
    constexpr std::size_t most_bytes = 2000;
    std::vector<std::string> lines;
    for (const std::string_view line : split(said, '\n'))
        if (const std::string_view text = trim(line); !text.empty()) lines.emplace_back(text);
    auto first = lines.end();
    for (std::size_t bytes = 0; first != lines.begin(); --first) {
        bytes += std::prev(first)->size() + 2;
        if (bytes > most_bytes && first != lines.end()) break;
    }
    lines.erase(lines.begin(), first);
    return shorten(join(lines, "; "), most_bytes);
}

} // namespace

Result<std::string> run_in_sandbox(const SandboxOptions& options, const std::stop_token& stop) {
    const std::string& program = options.command.front();
    const std::string home = std::string(SandboxOptions::inside) + "/home";
    Result<std::unique_ptr<ChildProcess>> child = ChildProcess::start(
        {.arguments = sandboxed(options),
         .environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "LC_ALL=C.UTF-8", "HOME=" + home, "TMPDIR=" + home, "XDG_CONFIG_HOME=" + home,
                         "XDG_CACHE_HOME=" + home}});
    if (!child) return no_sandbox(child.error().message);
    (*child)->close_input();
    Outputs outputs(options);
    const Outputs::End end = outputs.collect(**child, stop);
    if (end != Outputs::End::closed) (*child)->kill();
    const int status = (*child)->wait();
    const std::size_t stands = outputs.said.find(ready);
    if (stands == std::string::npos && end == Outputs::End::closed)
        return no_sandbox(outputs.said.empty() ? "unshare ended" : last_words(outputs.said));
    if (end == Outputs::End::stopped)
        return failure("render.stopped", fmt::format("{} was ended, as the pass was told to stop", program),
                       "nothing of the stack was changed; the next pass renders it anew");
    if (end == Outputs::End::timeout)
        return failure(
            "render.timeout",
            fmt::format("{} has not ended within {} s and was killed", program,
                        options.timeout.count() / 1000),
            "see what it waits for: it has no network; or raise its timeout under `renderers` in the "
            "operator's configuration");
    if (end == Outputs::End::too_much)
        return failure(
            "render.too-much-output",
            fmt::format("{} wrote more than {} bytes and was killed", program, options.output_max_bytes),
            "split the stack, or raise outputMaxBytes under `renderers` in the operator's configuration");
    if (status != 0) {
        const std::string said = last_words(std::string_view(outputs.said).substr(stands + ready.size()));
        return failure("render.failed",
                       fmt::format("{} failed with status {}: {}", program, status,
                                   said.empty() ? "it said nothing" : said),
                       "correct what it says; it runs without network and without anybody's home");
    }
    return std::move(outputs.text);
}

} // namespace holdfast
