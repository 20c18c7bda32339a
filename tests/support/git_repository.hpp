#pragma once
// A real Git repository in a temporary folder, for tests. Needs libgit2, not the git command.

#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>

#include <git2.h>

namespace holdfast::test {

class GitRepository {
public:
    explicit GitRepository(bool bare = false) {
        git_libgit2_init();
        std::random_device random;
        path_ = std::filesystem::temp_directory_path() / ("holdfast-git-" + std::to_string(random()));
        std::filesystem::create_directories(path_);
        must(git_repository_init(&repository_, path_.c_str(), bare));
    }
    ~GitRepository() {
        git_repository_free(repository_);
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
        git_libgit2_shutdown();
    }
    GitRepository(const GitRepository&) = delete;
    GitRepository& operator=(const GitRepository&) = delete;

    std::optional<std::int64_t> time_s; // of the next commits; without, a minute later each

    std::string path() const { return path_.string(); }
    git_repository* get() const { return repository_; }

    void write(const std::string& file, const std::string& content) {
        std::filesystem::create_directories((path_ / file).parent_path());
        std::ofstream(path_ / file, std::ios::binary) << content;
    }
    void link(const std::string& file, const std::string& target) {
        std::filesystem::create_directories((path_ / file).parent_path());
        std::filesystem::create_symlink(target, path_ / file);
    }
    void remove(const std::string& file) { std::filesystem::remove_all(path_ / file); }

    // Commits everything that is not ignored; returns the id. `merged` becomes a second parent.
    std::string commit(const std::string& message, const std::string& author = "Ana Souza",
                       const std::string& merged = "", const std::string& submodule = "") {
        git_index* index = nullptr;
        must(git_repository_index(&index, repository_));
        must(git_index_read(index, 1));
        must(git_index_add_all(index, nullptr, GIT_INDEX_ADD_DEFAULT, nullptr, nullptr));
        must(git_index_update_all(index, nullptr, nullptr, nullptr));
        if (!submodule.empty()) add_submodule(index, submodule);
        git_oid tree_id;
        must(git_index_write(index));
        must(git_index_write_tree(&tree_id, index));
        git_index_free(index);
        git_tree* tree = nullptr;
        must(git_tree_lookup(&tree, repository_, &tree_id));
        git_signature* signature = nullptr;
        const git_time_t minute = 60 * commits_++;
        must(git_signature_new(&signature, author.c_str(), "ana@example.org",
                               time_s.value_or(1'700'000'000 + minute), 0));
        git_commit *head = nullptr, *other = nullptr;
        git_oid head_id;
        if (git_reference_name_to_id(&head_id, repository_, "HEAD") == 0)
            must(git_commit_lookup(&head, repository_, &head_id));
        if (!merged.empty()) {
            git_oid id;
            must(git_oid_fromstr(&id, merged.c_str()));
            must(git_commit_lookup(&other, repository_, &id));
        }
        const git_commit* parents[] = {head, other};
        git_oid id;
        must(git_commit_create(&id, repository_, "HEAD", signature, signature, nullptr, message.c_str(), tree,
                               head ? (other ? 2 : 1) : 0, parents));
        git_commit_free(head);
        git_commit_free(other);
        git_tree_free(tree);
        git_signature_free(signature);
        char text[GIT_OID_HEXSZ + 1];
        return git_oid_tostr(text, sizeof text, &id);
    }

    // Lets HEAD's branch and the working tree be at this commit.
    void reset(const std::string& id) {
        git_object* object = nullptr;
        must(git_revparse_single(&object, repository_, id.c_str()));
        must(git_reset(repository_, object, GIT_RESET_HARD, nullptr));
        git_object_free(object);
    }

    static void must(int code) {
        if (code < 0) throw std::runtime_error(git_error_last() ? git_error_last()->message : "libgit2");
    }

private:
    static void add_submodule(git_index* index, const std::string& path) {
        git_index_entry entry{};
        entry.mode = GIT_FILEMODE_COMMIT;
        entry.path = path.c_str();
        must(git_oid_fromstr(&entry.id, std::string(40, '1').c_str()));
        must(git_index_add(index, &entry));
    }

    std::filesystem::path path_;
    git_repository* repository_ = nullptr;
    int commits_ = 0;
};

} // namespace holdfast::test
