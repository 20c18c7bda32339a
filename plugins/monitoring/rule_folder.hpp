#pragma once
// Prometheus' rule files in one folder. A group is an object, named by its file and its name, as Prometheus
// itself knows it: so alerts keep their state as long as both stay.

#include <optional>

#include "file_target.hpp"
#include "files.hpp"
#include "prometheus.hpp"

namespace holdfast::monitoring {

class RuleFolder final : public FileTarget {
public:
    // `config` is the provider's config under `prometheus`. Throws `monitoring.config`.
    explicit RuleFolder(const sdk::Json& config);

    const char* scope() const override { return scope::rules; }
    bool holds(const std::string& kind) const override { return kind == "RuleGroup"; }
    std::string target_id() const override;
    std::string mark(const sdk::Call& call) const override;
    std::string folder() const override { return folder_; }

protected:
    std::vector<std::string> paths() const override;
    std::string path_of(const Key& key) const override;
    sdk::Json parse(const std::string& text, const std::string& path) const override;
    Leaves leaves_in(const sdk::Json& content, const std::string& path) const override;
    std::string text_with(const ConfigFile* there, const std::vector<const Edit*>& edits) const override;
    sdk::Json canonical(const sdk::Call& call, const Key& key, sdk::Json spec,
                        const sdk::Json& observed) override;
    Leaves ask_loaded(const sdk::Call& call) override;
    bool is_loaded(const sdk::Call& call, const sdk::Json& spec, const sdk::Json& loaded,
                   const Evidence& evidence) override;
    std::string note(const sdk::Json& spec, const sdk::Json& loaded) const override;
    void check(const sdk::Call& call, const Drafts& drafts, const Files& files,
               const std::vector<Edit>& edits) override;
    void refuse(const Files& files, const Leaves& loaded, std::vector<Edit>& edits,
                Failures& failures) override;
    std::string where_to_look() const override;
    bool are_independent() const override { return true; }

private:
    bool is_read_since_change(const sdk::Call& call, const std::string& file);
    bool is_same(const sdk::Call& call, const std::string& expression, const std::string& loaded,
                 const std::string& file, const Evidence& evidence);
    std::string own_file(const std::string& path) const;
    void run_tests(const sdk::Call& call, const Drafts& drafts, const Files& files,
                   const std::vector<Edit>& edits) const;

    Prometheus prometheus_;
    std::string folder_, seen_as_;
    Command test_;
    bool allows_no_alerts_ = false;
    std::size_t questions_left_ = 0; // about expressions, before its word for the reload is enough
    std::optional<std::optional<double>> last_reload_; // Prometheus::last_good_reload, once it was asked
    std::size_t foreign_alerts_ = 0; // that Prometheus ran from elsewhere when it was asked last
};

} // namespace holdfast::monitoring
