#pragma once
// Alertmanager's configuration file. Its parts are objects: what stands at its top, each receiver, and each
// route right below the first, so that several documents and teams can share one file.

#include "file_target.hpp"

namespace holdfast::monitoring {

class AlertFile final : public FileTarget {
public:
    // `config` is the provider's config under `alertmanager`. Throws `monitoring.config`.
    explicit AlertFile(const sdk::Json& config);

    const char* scope() const override { return scope::alertmanager; }
    bool holds(const std::string& kind) const override {
        return kind == "AlertmanagerConfig" || kind == "Receiver" || kind == "Route";
    }
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
    Leaves ask_loaded(const sdk::Call& call) override;
    bool is_loaded(const sdk::Call& call, const sdk::Json& spec, const sdk::Json& loaded,
                   const Evidence&) override;
    void check(const sdk::Call& call, const Drafts& drafts, const Files& files,
               const std::vector<Edit>& edits) override;
    std::optional<sdk::Diagnostic> reason_to_stay(const Key& key) const override;
    std::string where_to_look() const override;
    bool are_independent() const override { return false; }

private:
    static void put(sdk::Json& content, const Key& key, const sdk::Json& spec);
    static void erase(sdk::Json& content, const Key& key);
    static std::string print(sdk::Json content);

    std::string path_;
};

} // namespace holdfast::monitoring
