#include "git/remote_side.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "git/object_transfer.hpp"

namespace holdfast::git {

namespace {

constexpr std::size_t max_haves = 256;

using OwnedReference = Owned<git_reference, git_reference_free>;
using OwnedIterator = Owned<git_reference_iterator, git_reference_iterator_free>;

class Server final : public RemoteSide {
public:
    Server(const RemoteUrl& url, git_repository& mirror, const TransferLimits& limits, std::string folder,
           std::unique_ptr<Conversation> conversation)
        : url_(url),
          mirror_(mirror),
          limits_(limits),
          folder_(std::move(folder)),
          conversation_(std::move(conversation)),
          upload_pack_(*conversation_, url) {}

    Status open() { return upload_pack_.open(); }
    Result<std::vector<RemoteRef>> refs(const std::vector<std::string>& names) override {
        return upload_pack_.refs(names);
    }
    bool serves_any_commit() const override { return upload_pack_.serves_any_commit(); }
    Status fetch(const std::vector<std::string>& wants, Extent extent) override {
        const std::vector<std::string> haves =
            extent == Extent::missing ? newest_commits(mirror_, max_haves) : std::vector<std::string>{};
        PackWriter writer(mirror_, folder_, limits_, url_);
        const Status got =
            upload_pack_.fetch(wants, haves, [&](std::string_view bytes) { return writer.append(bytes); });
        return got ? writer.finish(wants) : got;
    }

private:
    RemoteUrl url_;
    git_repository& mirror_;
    const TransferLimits& limits_;
    std::string folder_;
    std::unique_ptr<Conversation> conversation_;
    UploadPack upload_pack_;
};

class Neighbour final : public RemoteSide {
public:
    Neighbour(const RemoteUrl& url, git_repository& mirror, const TransferLimits& limits, std::string folder,
              SharedRepository repository)
        : url_(url),
          mirror_(mirror),
          limits_(limits),
          folder_(std::move(folder)),
          repository_(std::move(repository)) {}

    Result<std::vector<RemoteRef>> refs(const std::vector<std::string>& names) override {
        std::vector<RemoteRef> found;
        for (const std::string& name : names) {
            if (name.ends_with('/')) {
                add_below(name, found);
                continue;
            }
            git_reference* reference = nullptr;
            if (git_reference_lookup(&reference, repository_.get(), name.c_str()) == 0)
                add(OwnedReference(reference), found);
        }
        return found;
    }
    bool serves_any_commit() const override { return true; }
    Status fetch(const std::vector<std::string>& wants, Extent) override {
        for (const std::string& want : wants) {
            git_oid id;
            git_object* object = nullptr;
            if (git_oid_fromstr(&id, want.c_str()) ||
                git_object_lookup(&object, repository_.get(), &id, GIT_OBJECT_ANY))
                return failure("source.no-commit",
                               fmt::format("{} has no commit {}", url_.text(), want.substr(0, 12)));
            git_object_free(object);
        }
        const Result<std::size_t> copied = copy_objects(*repository_, mirror_, folder_, wants, limits_, url_);
        if (!copied) return copied.error();
        return Ok{};
    }

private:
    void add_below(const std::string& prefix, std::vector<RemoteRef>& found) {
        git_reference_iterator* made = nullptr;
        if (git_reference_iterator_glob_new(&made, repository_.get(), (prefix + "*").c_str())) return;
        const OwnedIterator iterator(made);
        for (git_reference* next = nullptr; git_reference_next(&next, made) == 0;)
            add(OwnedReference(next), found);
    }

    static void add(OwnedReference reference, std::vector<RemoteRef>& found) {
        RemoteRef ref{git_reference_name(reference.get()), {}, {}};
        if (const char* target = git_reference_symbolic_target(reference.get())) ref.target = target;
        git_reference* resolved = nullptr;
        if (git_reference_resolve(&resolved, reference.get())) return; // a branch without a commit
        const OwnedReference owned(resolved);
        ref.id = to_hex(*git_reference_target(resolved));
        found.push_back(std::move(ref));
    }

    RemoteUrl url_;
    git_repository& mirror_;
    const TransferLimits& limits_;
    std::string folder_;
    SharedRepository repository_;
};

Result<std::unique_ptr<RemoteSide>> open_neighbour(const RemoteUrl& url, git_repository& mirror,
                                                   const TransferLimits& limits, const std::string& folder) {
    git_repository* opened = nullptr;
    const int code =
        git_repository_open_ext(&opened, url.path.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr);
    if (code == GIT_EOWNER)
        return failure(
            "source.denied",
            fmt::format("the repository at {} belongs to another user and is not trusted", url.path),
            fmt::format("if you trust it: git config --global --add safe.directory {}", url.path));
    if (code)
        return failure("source.not-found",
                       fmt::format("there is no repository at {}: {}", url.path, last_error()),
                       "is it mounted, and may this user read it?");
    return std::unique_ptr<RemoteSide>(std::make_unique<Neighbour>(
        url, mirror, limits, folder, SharedRepository(opened, git_repository_free)));
}

// Checked here once more, whatever the caller did: what is not bound to this place is not sent to it.
Status check_access(const RemoteUrl& url, const RemoteAccess& access) {
    if (url.transport == RemoteUrl::Transport::ssh && access.key_file.empty() && !access.use_agent)
        return failure(
            "source.no-credential",
            fmt::format("{} is reached with a key, and the Source names no credential that has one",
                        url.text()),
            "define one with ssh.keyFile or ssh.agent under gitCredentials in the operator's "
            "configuration; the Source's `credential` names it");
    const bool sends_password = !access.user.empty() || !access.password.empty() || !access.token.empty();
    if (url.scheme == "http" && sends_password)
        return failure("source.plain-http",
                       fmt::format("{} is not encrypted, and the credential {} would travel in plain sight",
                                   url.text(), access.name),
                       "use https");
    const bool is_bound = std::any_of(access.urls.begin(), access.urls.end(),
                                      [&](const std::string& pattern) { return covers(pattern, url); });
    if (access.holds_secret() && !is_bound)
        return failure(
            "source.not-bound",
            fmt::format("the credential {} is not for {}, so it is not sent there", access.name, url.text()),
            access.urls.empty() ? "list the place under its `urls`"
                                : "it is for: " + join(access.urls, ", "));
    return Ok{};
}

} // namespace

Result<std::unique_ptr<RemoteSide>> connect(const RemoteUrl& url, git_repository& mirror,
                                            const RemoteAccess& access, const TransferLimits& limits,
                                            const std::string& folder) {
    if (url.transport == RemoteUrl::Transport::file) return open_neighbour(url, mirror, limits, folder);
    if (Status allowed = check_access(url, access); !allowed) return allowed.error();
    if (Status in_time = check_limits(limits, url); !in_time) return in_time.error();
    std::unique_ptr<Conversation> conversation;
    if (url.transport == RemoteUrl::Transport::ssh) {
        Result<std::unique_ptr<Conversation>> begun = converse_ssh(url, access, limits, folder);
        if (!begun) return begun.error();
        conversation = *std::move(begun);
    } else {
        conversation = converse_http(url, access, limits);
    }
    auto server = std::make_unique<Server>(url, mirror, limits, folder, std::move(conversation));
    if (Status opened = server->open(); !opened) return opened.error();
    return std::unique_ptr<RemoteSide>(std::move(server));
}

} // namespace holdfast::git
