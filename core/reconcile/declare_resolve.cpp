// What stands in a document behind ${{ }}, and which of it must never be shown.

#include "reconcile/declare.hpp"

#include <fmt/core.h>

#include "base/text.hpp"
#include "manifest/identity.hpp"
#include "plan/plan.hpp"

namespace holdfast {

void Declaration::resolve(const Resource& resource, const KindInfo& kind, const OutputResolver& outputs,
                          Leaf& leaf, Diagnostics& problems) {
    ResolvedDocument resolved = resolve_references(
        tree_of(resource.document), [&](const Reference& reference, std::string_view pointer) {
            return resolve_one(resource, kind, reference, pointer, outputs);
        });
    problems.append(resolved.problems);
    leaf.sensitive = std::move(resolved.sensitive);
    leaf.waits = std::move(resolved.waits);
    for (Wait& wait : leaf.waits)
        if (wait.producer.stack.empty()) wait.producer.stack = stack_.name;
    for (Address& producer : resolved.producers) {
        if (producer.stack.empty()) producer.stack = stack_.name;
        leaf.producers.push_back(producer);
        if (producer.stack == stack_.name) leaf.depends_on.push_back(std::move(producer));
    }
    leaf.declared = make_document(resolved.document);
    if (!kind.compiles) identify(kind, resolved.document, leaf);
    mask(kind, resolved.document, leaf);
}

Resolution Declaration::resolve_one(const Resource& resource, const KindInfo& kind,
                                    const Reference& reference, std::string_view pointer,
                                    const OutputResolver& outputs) {
    auto error = [](Diagnostic problem) {
        return Resolution{.state = Resolution::State::error, .problem = std::move(problem)};
    };
    switch (reference.root) {
        case Reference::Root::vars: {
            std::vector<std::string> path = reference.path;
            path.insert(path.begin(), reference.name);
            const Value vars(stack_.vars); // must outlive what is found in it
            if (const Value* value = follow_path(vars, path)) return {.value = *value};
            std::vector<std::string> names;
            for (const MapEntry& entry : stack_.vars) names.push_back(entry.key);
            const auto meant = closest(reference.name, names);
            return error(failure("reference.unknown-variable",
                                 fmt::format("stack {} has no variable for {}", stack_.name, reference.text),
                                 meant ? fmt::format("did you mean \"{}\"?", *meant)
                                       : "set it under spec.vars of the Stack in holdfast.yaml"));
        }
        case Reference::Root::secrets: {
            if (!stack_.allow_insecure_secret_fields && !any_covers(kind.sensitive, pointer))
                return error(
                    failure("secret.outside-sensitive-field",
                            fmt::format("{} stands in a field that {} does not treat as secret",
                                        reference.text, resource.id.kind),
                            "the value could be read from the target by others; if that is meant, set "
                            "spec.allowInsecureSecretFields: true on the Stack"));
            std::vector<std::string> taken{reference.name};
            taken.insert(taken.end(), reference.path.begin(), reference.path.end());
            secrets_taken_.insert(std::move(taken));
            Result<Value> value =
                session_.secrets().value(reference.name, reference.path, "stack:" + stack_.name);
            if (!value) return error(value.error());
            return {.value = *std::move(value), .sensitive = true};
        }
        case Reference::Root::outputs: {
            Reference full = reference;
            if (full.producer.stack.empty()) full.producer.stack = stack_.name;
            return outputs(full);
        }
    }
    return {};
}

void Declaration::identify(const KindInfo& kind, const Value& document, Leaf& leaf) const {
    Picked picked = pick_identity(kind, document, !leaf.waits.empty());
    leaf.identity = std::move(picked.identity);
    leaf.scope = picked.scope;
}

void Declaration::mask(const KindInfo& kind, const Value& document, Leaf& leaf) const {
    leaf.sensitive.insert(leaf.sensitive.end(), kind.sensitive.begin(), kind.sensitive.end());
    if (leaf.sensitive.empty()) return;
    Document masked = make_document(mask_document(document, leaf.sensitive, session_.store().masking_key()));
    if (!(masked == leaf.declared)) leaf.masked = std::move(masked);
}

} // namespace holdfast
