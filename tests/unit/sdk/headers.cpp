// provider.hpp first: it must not lean on anything that was included before it.
#include <holdfast/provider.hpp>

#include <holdfast/files.hpp>
#include <holdfast/json.hpp>
#include <holdfast/parts.hpp>
#include <holdfast/program.hpp>

namespace {

class Everything : public holdfast::sdk::Provider,
                   public holdfast::sdk::Compile,
                   public holdfast::sdk::Canonicalize,
                   public holdfast::sdk::Watch,
                   public holdfast::sdk::Checkpoint,
                   public holdfast::sdk::Health,
                   public holdfast::sdk::Upgrade {
public:
    static constexpr const char* plugin_name = "everything";
    static constexpr const char* plugin_version = "0.1.0";
    static std::string describe() { return "{}"; }
    Everything(const holdfast::sdk::Call&, std::string_view) {}
    std::string target() const override { return "everything:1"; }
    void observe(const holdfast::sdk::Scope&, holdfast::sdk::Items, holdfast::sdk::Results&) override {}
    void list(const holdfast::sdk::Scope&, const holdfast::sdk::ListRequest&,
              holdfast::sdk::Results&) override {}
    void compile(const holdfast::sdk::Call&, holdfast::sdk::Items, holdfast::sdk::Results&) override {}
    void canonicalize(const holdfast::sdk::Scope&, holdfast::sdk::Items, holdfast::sdk::Results&) override {}
    void watch(const holdfast::sdk::Scope&, holdfast::sdk::Items, holdfast::sdk::Hints) override {}
    void unwatch() override {}
    std::string snapshot(const holdfast::sdk::Scope&) override { return {}; }
    void restore(const holdfast::sdk::Scope&, std::string_view) override {}
    void health(const holdfast::sdk::Scope&, holdfast::sdk::Items, holdfast::sdk::Results&) override {}
    void upgrade(const holdfast::sdk::Call&, std::string_view, holdfast::sdk::Items,
                 holdfast::sdk::Results&) override {}
};

} // namespace

HOLDFAST_PLUGIN(Everything);
