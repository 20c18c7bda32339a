// The part of a stage that decides as the engine's planner does.

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "base/json.hpp"
#include "plan/plan.hpp"
#include "stage.hpp"

namespace holdfast::conformance {

namespace {

std::string value_text(const std::optional<Value>& value) {
    return value ? to_json(*value) : std::string("nothing");
}

} // namespace

bool Decision::touches(std::string_view pointer) const {
    const auto meets = [&](std::string_view field) {
        return covers(pointer, field) || covers(field, pointer);
    };
    return action != ItemAction::none &&
           (std::any_of(fields.begin(), fields.end(),
                        [&](const FieldChange& c) { return meets(c.pointer); }) ||
            std::any_of(replace_paths.begin(), replace_paths.end(), meets));
}

Decision Stage::compare(const Object& object, const Answer* canonical) {
    Decision out;
    if (object.presence == Presence::absent) {
        out.action = ItemAction::create;
        return out;
    }
    Value declared = object.declared;
    if (canonical && canonical->outcome == Outcome::not_yet) {
        out.is_not_yet = true;
        return out;
    }
    if (canonical && !canonical->document.empty())
        if (Result<Value> stored = parse_json(canonical->document)) declared = *std::move(stored);
    const Result<Value> observed = parse_json(object.observed);
    if (!observed)
        abandon(&object, "observe", fmt::format("the document is no JSON: {}", observed.error().message),
                "escape what you read from the target; quote() and dump_json() of the SDK do");
    const Result<Value> recorded =
        object.recorded.empty() ? Result<Value>(Value{}) : parse_json(object.recorded);
    out.fields = compare_documents(declared, *recorded, *observed, *object.kind, {}, {});
    out.replaces = std::any_of(out.fields.begin(), out.fields.end(),
                               [](const FieldChange& field) { return field.forces_replace; });
    if (canonical && canonical->outcome == Outcome::must_replace) {
        out.replaces = true;
        if (const auto detail = parse_json(canonical->detail))
            out.replace_paths = texts_of(detail->find("paths"));
    }
    if (!out.fields.empty() || out.replaces) out.action = ItemAction::update;
    return out;
}

std::vector<Decision> Stage::plan(Instance& instance, const std::vector<Object*>& objects) {
    look(instance, objects);
    std::map<const Object*, Answer> canonical;
    if (description().has(HOLDFAST_EXT_CANONICALIZE))
        for (const auto& group : by_scope(objects)) {
            std::vector<Wanted> wanted;
            for (Object* object : group) wanted.push_back({object});
            const Answers answers = ask(instance, Method::canonicalize, wanted);
            for (std::size_t i = 0; i < group.size(); ++i) {
                if (answers.items[i].outcome == Outcome::failed)
                    abandon(group[i], "canonicalize", answers.items[i].in_words(),
                            "a document that schema and validate accept must have a canonical form");
                canonical.emplace(group[i], answers.items[i]);
            }
        }
    std::vector<Decision> out;
    for (const Object* object : objects) {
        const auto found = canonical.find(object);
        out.push_back(compare(*object, found == canonical.end() ? nullptr : &found->second));
    }
    return out;
}

void Stage::expect_settled(Instance& instance, const std::vector<Object*>& objects, std::string_view when) {
    const bool has_canonical = description().has(HOLDFAST_EXT_CANONICALIZE);
    const std::vector<Decision> decisions = plan(instance, objects);
    for (std::size_t i = 0; i < objects.size(); ++i) {
        ++result_.checks;
        const Decision& decision = decisions[i];
        if (decision.is_empty()) continue;
        std::string problem = fmt::format("the next plan is not empty {}: ", when);
        if (decision.action == ItemAction::create)
            problem += "observe says that the object is absent";
        else if (decision.fields.empty())
            problem += "canonicalize says that it must be replaced";
        else
            problem += fmt::format("it would change {} from {} to {}", decision.fields.front().pointer,
                                   shown(value_text(decision.fields.front().before)),
                                   shown(value_text(decision.fields.front().after)));
        fail(objects[i], has_canonical ? "observe, canonicalize" : "observe", problem,
             has_canonical
                 ? "canonicalize has to say what the target makes of the document, and observe what it holds"
                 : "let observe say what was declared, or offer canonicalize, which says what the "
                   "target makes of it");
    }
}

std::string Stage::shown(const std::string& text) const {
    return run_.subject.mask(text.size() > 120 ? text.substr(0, 117) + "..." : text);
}

void Stage::expect_absent(Instance& instance, Object& object, std::string_view when) {
    look(instance, {&object});
    check(object.presence == Presence::absent, &object, "observe",
          fmt::format("the object is still there {}", when), "delete it, or say why that failed");
}

std::vector<Answer> Stage::list_all(Instance& instance, const std::string& scope) {
    std::vector<Answer> out;
    std::string page;
    for (std::size_t pages = 0; pages < 10'000; ++pages) {
        const std::string options = to_json(Value::map({{"kind", kind_->id()}, {"page", page}}));
        Answers answers = instance.ask(Method::list, scope, {}, {.options = options});
        complain(answers, Method::list, nullptr);
        if (!answers.end.ok)
            abandon(nullptr, "list", fmt::format("the list failed: {}", answers.why()),
                    "import, orphans and exclusive ownership need it");
        for (Answer& object : answers.objects) out.push_back(std::move(object));
        const auto detail = parse_json(answers.call.detail.empty() ? "{}" : answers.call.detail);
        const std::string next(detail ? detail->text_at("next") : std::string_view{});
        if (next.empty()) return out;
        if (next == page)
            abandon(nullptr, "list", fmt::format("page \"{}\" says that it is its own next page", page),
                    "give next_page() what has not been listed yet, and leave it out at the end");
        page = next;
    }
    abandon(nullptr, "list", "the list has no end", "leave next_page() out on the last page");
}

} // namespace holdfast::conformance
