// A list in somebody's configuration is changed line by line. Where each job begins is known from the parser;
// it ends where the next begins, less the blank lines and comments before that, which are about the next.
// Jobs that are equal keep their lines; others get new ones in the same place, and new ones come behind the
// last. The result is parsed again: whatever the layout was, it has to say what was meant, else the whole
// file is printed anew by the caller.

#include <algorithm>
#include <map>

#include "job_file.hpp"
#include "jobs.hpp"
#include "yaml.hpp"

namespace holdfast::monitoring {

namespace {

using sdk::Json;

using Lines = std::vector<std::string>; // each with its end of line

Lines split_lines(const std::string& text) {
    Lines out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
        out.push_back(text.substr(at, end - at));
        at = end;
    }
    if (!out.empty() && out.back().back() != '\n') out.back() += '\n';
    return out;
}

std::size_t indentation(const std::string& line) {
    return std::min(line.find_first_not_of(' '), line.size());
}

bool says_nothing(const std::string& line) {
    const std::size_t start = line.find_first_not_of(" \t\r\n");
    return start == std::string::npos || line[start] == '#';
}

// Behind the last line of the job that begins at `first`; `limit` is where the next begins at the latest.
std::size_t end_of_job(const Lines& lines, std::size_t first, std::size_t limit) {
    const std::size_t dash = indentation(lines[first]);
    std::size_t end = first + 1;
    for (std::size_t i = first + 1; i < limit; ++i) {
        if (says_nothing(lines[i])) continue;
        if (indentation(lines[i]) <= dash) break;
        end = i + 1;
    }
    return end;
}

std::string printed(const Json& job, std::size_t dash) {
    std::string out;
    for (const std::string& line : split_lines(print_yaml(Json::array({job}))))
        out += (line == "\n" ? "" : std::string(dash, ' ')) + line;
    return out;
}

std::string name_of(const Json& job) { return job.is_object() ? sdk::text_at(job, "/job_name") : ""; }

Json jobs_in(const Json& content) {
    const auto jobs = content.find(jobs_key);
    return jobs == content.end() || jobs->is_null() ? Json::array() : *jobs;
}

// Where there is no list yet, or an empty one in brackets.
std::optional<std::string> with_first_jobs(const std::string& before, const Json& old, const Json& jobs) {
    if (old.contains(jobs_key)) return std::nullopt;
    return (before.back() == '\n' ? before : before + "\n") + jobs_key + ":\n" + print_yaml(jobs);
}

std::optional<std::string> edited(const std::string& before, const Json& old, const Json& jobs) {
    const Json old_jobs = jobs_in(old);
    const std::vector<int> starts = lines_of(before, {jobs_key});
    if (starts.empty()) return with_first_jobs(before, old, jobs);
    const Lines lines = split_lines(before);
    if (starts.size() != old_jobs.size()) return std::nullopt;
    std::map<std::string, const Json*> wanted;
    for (const Json& job : jobs) wanted.emplace(name_of(job), &job);
    std::string out;
    std::size_t at = 0, dash = 0;
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const auto first = static_cast<std::size_t>(starts[i]);
        const std::size_t limit =
            i + 1 < starts.size() ? static_cast<std::size_t>(starts[i + 1]) : lines.size();
        if (first < at || first >= lines.size() || limit <= first) return std::nullopt;
        dash = indentation(lines[first]);
        if (lines[first][dash] != '-') return std::nullopt;
        const std::size_t end = end_of_job(lines, first, limit);
        for (; at < first; ++at) out += lines[at];
        const auto found = wanted.find(name_of(old_jobs[i]));
        if (found != wanted.end() && *found->second == old_jobs[i])
            for (; at < end; ++at) out += lines[at];
        else if (found != wanted.end())
            out += printed(*found->second, dash);
        at = end;
        if (found != wanted.end()) wanted.erase(found);
    }
    for (const Json& job : jobs)
        if (wanted.count(name_of(job)) != 0) out += printed(job, dash);
    for (; at < lines.size(); ++at) out += lines[at];
    return out;
}

} // namespace

std::optional<std::string> with_jobs(const std::string& before, const Json& content) {
    try {
        const Json old = read_yaml(before, "it");
        if (!old.is_object()) return std::nullopt;
        std::optional<std::string> out = edited(before, old, jobs_in(content));
        if (!out) return std::nullopt;
        Json said = read_yaml(*out, "it");
        said[jobs_key] = jobs_in(said);
        return said == content ? out : std::nullopt;
    } catch (const sdk::Error&) {
        return std::nullopt; // it could not be read, which the caller has told already
    }
}

} // namespace holdfast::monitoring
