#pragma once
// The scrape jobs of one file: Prometheus' configuration itself, or a fragment that its scrape_config_files
// name (Prometheus 2.43 and later). A job is an object, named by its job_name. Of a file that others write
// as well only the lines of jobs that change are touched.

#include "file_target.hpp"
#include "files.hpp"
#include "prometheus.hpp"

namespace holdfast::monitoring {

class JobFile final : public FileTarget {
public:
    // `config` is the provider's config under `prometheus`. Throws `monitoring.config`.
    explicit JobFile(const sdk::Json& config);

    const char* scope() const override { return scope::jobs; }
    bool holds(const std::string& kind) const override { return kind == "ScrapeJob"; }
    std::string target_id() const override;
    std::string mark(const sdk::Call& call) const override;
    std::string folder() const override;

protected:
    std::vector<std::string> paths() const override { return {path_}; }
    std::string path_of(const Key&) const override { return path_; }
    sdk::Json parse(const std::string& text, const std::string& path) const override;
    Leaves leaves_in(const sdk::Json& content, const std::string& path) const override;
    std::string text_with(const ConfigFile* there, const std::vector<const Edit*>& edits) const override;
    sdk::Json canonical(const sdk::Call& call, const Key& key, sdk::Json spec,
                        const sdk::Json& observed) override;
    sdk::Json to_be(const sdk::Json& there, sdk::Json declared, const sdk::Json& recorded) const override;
    Leaves ask_loaded(const sdk::Call& call) override;
    bool is_loaded(const sdk::Call& call, const sdk::Json& spec, const sdk::Json& loaded,
                   const Evidence&) override;
    void check(const sdk::Call& call, const Drafts& drafts, const Files& files,
               const std::vector<Edit>& edits) override;
    std::string where_to_look() const override;
    // So that what is read at a reload is seen to be older than that.
    std::chrono::milliseconds wait_before_reload() const override { return most_late_stamp; }
    bool are_independent() const override { return true; }

private:
    // How Prometheus comes to read the file.
    enum class Reading { as_its_configuration, as_fragment };
    Reading how_it_is_read(const sdk::Call& call, const sdk::Json& configuration) const;
    bool is_ours(const std::string& path) const;

    Prometheus prometheus_;
    std::string path_, seen_as_;
};

// `before` with the jobs of `content` in place of its own: lines of jobs that are equal, and of everything
// else, stay as they are, with their comments. Nothing where that does not come out as `content`.
std::optional<std::string> with_jobs(const std::string& before, const sdk::Json& content);

} // namespace holdfast::monitoring
