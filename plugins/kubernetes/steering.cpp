#include "steering.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <holdfast/parts.hpp>

namespace holdfast::kubernetes {

namespace {

constexpr const char* hook_name = "argocd.argoproj.io/hook";
constexpr const char* policy_name = "argocd.argoproj.io/hook-delete-policy";
constexpr const char* wave_name = "argocd.argoproj.io/sync-wave";
constexpr const char* options_name = "argocd.argoproj.io/sync-options";
constexpr const char* flux = "kustomize.toolkit.fluxcd.io/";

// Between the waves of two phases lie all the waves that anybody gives.
constexpr int waves_of_a_phase = 1'000'000;

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
    return text;
}

// Flux looks at labels too, and at no difference of capitals.
std::string of_flux(const Json& document, const std::string& name) {
    std::string text = annotation_of(document, flux + name);
    const Json* labels = text.empty() ? sdk::find(document, "/metadata/labels") : nullptr;
    if (labels && labels->is_object()) text = sdk::text_at(*labels, joined("", flux + name).c_str());
    return lower(std::move(text));
}

template <typename Words>
bool is_one_of(const std::string& word, const Words& words) {
    return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

class Reader {
public:
    explicit Reader(const Json& document) : document_(document) {}

    Steering read() {
        read_wave();
        read_hook();
        read_options();
        read_flux();
        if (annotation_of(document_, "helm.sh/resource-policy") == "keep") out_.is_kept = true;
        if (own_annotation(document_, "replace") == "allowed") out_.may_be_replaced = true;
        return std::move(out_);
    }

private:
    void remark(const char* annotation, const char* code, const std::string& message, const char* hint) {
        sdk::Diagnostic warning = sdk::problem(code, message, hint);
        warning.severity = sdk::Severity::warning;
        warning.pointer = joined("/metadata/annotations", annotation);
        out_.remarks.push_back(std::move(warning));
    }
    void not_honoured(const char* annotation, const std::string& message, const char* hint) {
        remark(annotation, "kubernetes.not-honoured", message, hint);
    }

    void read_wave() {
        const std::string text = annotation_of(document_, wave_name);
        if (text.empty()) return;
        int wave = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), wave);
        const bool is_number = error == std::errc{} && end == text.data() + text.size();
        if (is_number && wave > -waves_of_a_phase / 2 && wave < waves_of_a_phase / 2)
            out_.wave = wave;
        else
            not_honoured(wave_name, "the sync-wave \"" + text + "\" is no number between -500000 and 500000",
                         "write a number, in quotes; without one the wave is 0");
    }

    void read_hook() {
        const std::vector<std::string> hooks = words_of(annotation_of(document_, hook_name));
        if (hooks.empty()) return;
        for (const std::string& hook : hooks) take_hook(hook);
        if (out_.phase == Phase::none) out_.is_left = true;
        if (out_.is_left) return;
        if (out_.phase == Phase::pre_sync) out_.wave -= waves_of_a_phase;
        if (out_.phase == Phase::post_sync) out_.wave += waves_of_a_phase;
        if (is_run(document_)) read_delete_policy();
    }

    // BeforeHookCreation is what happens in any case, and HookFailed is no more than that: what failed runs
    // anew in the next pass.
    void read_delete_policy() {
        for (const std::string& policy : words_of(annotation_of(document_, policy_name))) {
            if (policy == "HookSucceeded")
                out_.goes_when_done = true;
            else if (policy != "BeforeHookCreation" && policy != "HookFailed")
                not_honoured(policy_name, "there is no delete policy " + policy + ": the hook stays",
                             "say BeforeHookCreation, HookSucceeded or HookFailed");
        }
    }

    void take_hook(const std::string& hook) {
        const Phase phase = hook == "PreSync"    ? Phase::pre_sync
                            : hook == "Sync"     ? Phase::sync
                            : hook == "PostSync" ? Phase::post_sync
                                                 : Phase::none;
        if (hook == "Skip") {
            out_.is_left = true;
        } else if (phase == Phase::none) {
            remark(
                hook_name, "kubernetes.hook-left-out",
                "a " + hook + " hook is not applied: nothing here runs " + when(hook),
                "let the notifications of Holdfast tell you, or do it by hand; say Skip to have no warning");
        } else if (out_.phase == Phase::none) {
            out_.phase = phase;
        } else {
            not_honoured(hook_name, "one object cannot run twice in a pass: " + hook + " is left out",
                         "declare a second object, with a name of its own, for the other phase");
        }
    }

    static const char* when(const std::string& hook) {
        if (hook == "SyncFail") return "because something else has failed";
        if (hook == "PreDelete" || hook == "PostDelete") return "because a stack goes";
        return "by that name";
    }

    void read_options() {
        static constexpr const char* needless[] = {"Prune",
                                                   "Delete",
                                                   "Replace",
                                                   "Force",
                                                   "ServerSideApply",
                                                   "SkipDryRunOnMissingResource",
                                                   "CreateNamespace",
                                                   "PruneLast",
                                                   "ApplyOutOfSyncOnly",
                                                   "RespectIgnoreDifferences",
                                                   "FailOnSharedResource",
                                                   "ClientSideApplyMigration",
                                                   "PrunePropagationPolicy"};
        for (const std::string& option : words_of(annotation_of(document_, options_name))) {
            const std::string name = option.substr(0, option.find('='));
            if (option == "Prune=false" || option == "Delete=false") {
                out_.is_kept = true;
            } else if (option == "Prune=confirm" || option == "Delete=confirm") {
                out_.is_kept = true;
                not_honoured(
                    options_name, option + " is taken for " + name + "=false: the object stays",
                    "annotate it with holdfast.dev/protect: \"true\": then its delete waits for approval");
            } else if (option == "Force=true") {
                out_.may_be_replaced = true;
            } else if (name == "Validate") {
                if (option != "Validate=true")
                    not_honoured(options_name, option + ": the server checks all fields all the same",
                                 "correct the document where it complains");
            } else if (!is_one_of(name, needless)) {
                not_honoured(options_name, "the sync option " + option + " means nothing here",
                             "take it out, or see the kubernetes provider's page for what does the same");
            }
        }
    }

    void read_flux() {
        if (of_flux(document_, "prune") == "disabled") out_.is_kept = true;
        if (of_flux(document_, "force") == "enabled") out_.may_be_replaced = true;
        const std::string ssa = of_flux(document_, "ssa");
        if (of_flux(document_, "reconcile") == "disabled" || ssa == "ignore") out_.is_left = true;
        if (ssa == "ifnotpresent") out_.only_creates = true;
        if (ssa == "merge") out_.keeps_additions = true;
    }

    const Json& document_;
    Steering out_;
};

} // namespace

Steering read_steering(const Json& document) {
    // Most documents say nothing of the kind.
    const Json* metadata = sdk::find(document, "/metadata");
    if (!metadata || !(metadata->contains("annotations") || metadata->contains("labels"))) return {};
    Steering steering = Reader(document).read();
    if (steering.is_left) steering.is_kept = true;
    return steering;
}

bool runs_once(const KindName& kind) {
    return (kind.kind == "Job" && kind.group() == "batch") || (kind.kind == "Pod" && kind.group().empty()) ||
           (kind.kind == "Workflow" && kind.group() == "argoproj.io"); // tidy: not a code
}

std::string run_mark(std::string_view refresh) { return std::string(refresh.substr(0, 16)); }

std::string run_mark_of(const Json& observed) { return own_annotation(observed, "run"); }

void put_run_mark(Json& document, const std::string& mark) {
    static const std::string name = "kubernetes.holdfast.dev/run";
    if (!mark.empty())
        document["metadata"]["annotations"][name] = mark;
    else if (!run_mark_of(document).empty())
        document["metadata"]["annotations"].erase(name);
}

bool is_run(const Json& document) {
    return !annotation_of(document, hook_name).empty() &&
           runs_once({sdk::text_at(document, "/apiVersion"), sdk::text_at(document, "/kind")});
}

} // namespace holdfast::kubernetes
