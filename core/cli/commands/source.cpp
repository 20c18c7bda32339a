#include <fmt/core.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/commands/asking.hpp"
#include "cli/render/diagnostics_text.hpp"
#include "cli/render/page.hpp"
#include "cli/render/table.hpp"
#include "sys/clock.hpp"

namespace holdfast {

namespace {

std::string age_of(const SourceStatus& source, std::int64_t now_s) {
    if (source.mirrored.fetched_at_ms == 0) return "never fetched";
    return "fetched " + relative_time(now_s - source.mirrored.fetched_at_ms / 1000);
}

void print_sources(const std::vector<SourceStatus>& sources, Context& context) {
    Table table;
    for (const SourceStatus& source : sources) {
        const bool has_commit = !source.commit.id.empty();
        table.add({printable(source.name), printable(to_string(source.ref)),
                   has_commit ? source.commit.id.substr(0, 10) : "-",
                   source.mirrored.problem ? "! " + source.mirrored.problem->code : "ok",
                   age_of(source, context.now_s()), printable(source.url)});
    }
    context.print(sources.empty() ? "holdfast.yaml declares no sources.\n"
                                  : table.render(context.terminal.width));
}

Value text_list(const std::vector<std::string>& texts) {
    List list;
    for (const std::string& text : texts) list.emplace_back(text);
    return list;
}

Value source_to_json(const SourceStatus& source) {
    Value value = Value::map({{"name", source.name},
                              {"url", source.url},
                              {"ref", to_string(source.ref)},
                              {"credential", source.credential},
                              {"foundRef", source.mirrored.name},
                              {"commit", source.commit.id},
                              {"subject", source.commit.subject},
                              {"author", source.commit.author},
                              {"stacks", text_list(source.stacks)}});
    if (source.mirrored.fetched_at_ms > 0)
        value.as_map().set("fetchedAt", utc_time(source.mirrored.fetched_at_ms));
    if (const std::optional<Diagnostic>& problem = source.mirrored.problem)
        value.as_map().set(
            "problem",
            Value::map({{"code", problem->code}, {"message", problem->message}, {"hint", problem->hint}}));
    return value;
}

} // namespace

int run_source(const SourceOptions& options, Context& context) {
    const bool fetch = options.action == "fetch";
    if (!context.open(read_only_session())) return exit_error;
    const Result<std::vector<SourceStatus>> sources = context.engine().sources(options.name, fetch);
    if (!sources) return context.fail(sources.error());
    Diagnostics problems;
    List list;
    for (const SourceStatus& source : *sources) {
        list.push_back(source_to_json(source));
        if (source.mirrored.problem) problems.add(*source.mirrored.problem);
    }
    if (context.json())
        context.print_json(Value::map({{"format", "holdfast.sources/1"}, {"sources", std::move(list)}}));
    else
        print_sources(*sources, context);
    context.report(problems);
    return fetch && problems.has_errors() ? exit_error : exit_done;
}

} // namespace holdfast
