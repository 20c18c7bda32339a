#include "manifest/load.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/cache_record.hpp"
#include "manifest/identity.hpp"
#include "manifest/ignore.hpp"
#include "manifest/overlay/build.hpp"
#include "manifest/paths.hpp"
#include "manifest/read_documents.hpp"
#include "manifest/reference.hpp"
#include "manifest/rendered.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

bool is_manifest_name(std::string_view path) {
    return path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json");
}

// Files of tools that live beside manifests: .github/, .gitlab-ci.yml, .pre-commit-config.yaml.
bool is_hidden(std::string_view path, std::string_view below) {
    path.remove_prefix(below.empty() ? 0 : below.size() + 1);
    return path.starts_with('.') || path.find("/.") != path.npos;
}

class StackLoader {
public:
    StackLoader(const Tree& tree, const StackDocument& stack, const Catalog& catalog, DocumentCache* cache,
                const KeepBlob& keep_blob)
        : tree_(tree),
          stack_(stack),
          catalog_(catalog),
          cache_(cache),
          router_(stack, catalog),
          context_{tree, router_, checkers_, keep_blob} {}

    LoadedStack load() {
        Result<std::vector<TreeFile>> files = tree_.list(stack_.path);
        if (!files) {
            report_no_tree(files.error());
            return std::move(out_);
        }
        inputs_.add(stack_.path).add(tree_.id_of(stack_.path)).add(as_bytes(catalog_.fingerprint));
        select(*std::move(files));
        read_selected();
        return std::move(out_);
    }

    // Which files of the repository the tool has read, only the tool knows.
    LoadedStack load_rendered(std::string_view text) {
        only_whole(fmt::format("it is rendered by {}", to_string(stack_.render->tool)));
        inputs_.add(stack_.path).add(as_bytes(catalog_.fingerprint)).add(text);
        take_in_what_is_rendered();
        RenderedDocuments rendered = read_rendered(text, tree_, stack_, router_);
        out_.problems.append(rendered.problems);
        if (rendered.problems.has_errors()) block_prunes("what the renderer printed");
        for (OverlayDocument& document : rendered.documents) take_made(std::move(document), rendered.sources);
        finish();
        return std::move(out_);
    }

    LoadedStack load_files(std::span<const std::string> paths) {
        select_files(paths);
        if (!out_.only_whole.empty()) return std::move(out_);
        read_selected();
        out_.tree_is_empty = false; // nobody looked
        return std::move(out_);
    }

private:
    // A manifest: where it stands and where its bytes are, which differ for a symlink.
    struct Selected {
        std::string path;
        TreeFile content;
    };

    void read_selected() {
        out_.files = selected_.size();
        out_.resources.resize(selected_.size());
        take_cached();
        read_the_others();
        flush_cache();
        load_overlays();
        finish();
    }

    // ---- which files ----

    void select(std::vector<TreeFile> files) {
        read_ignore_files(files);
        const Folders charts = find_charts(files);
        overlays_ = find_overlays(files, charts);
        if (!overlays_.empty()) only_whole("it has overlays, which take in files by name");
        for (TreeFile& file : files) {
            if (is_hidden(file.path, stack_.path) || ignore_.ignores(file.path)) continue;
            if (!charts.empty() && is_below(charts, file.path)) continue;
            if (!overlays_.empty() && is_below(overlays_, file.path)) continue;
            if (file.type == TreeFile::Type::submodule)
                report_submodule(file.path);
            else if (file.type == TreeFile::Type::symlink)
                follow(file);
            else if (is_manifest_name(file.path) && !is_project_file(file.path))
                add({file.path, std::move(file)});
        }
    }

    // What rules other files, or stands for them, cannot be looked at without them.
    void select_files(std::span<const std::string> paths) {
        std::set<std::string, std::less<>> ruled; // folders whose rules are read
        for (const std::string& path : paths) {
            const std::string_view name = name_of_file(path);
            if (name == ".holdfastignore" || name == "Chart.yaml" || is_kustomization_name(name))
                return only_whole(fmt::format("{} says how other files are read", path));
            std::optional<TreeFile> file = tree_.find(path);
            if (!file || is_hidden(path, stack_.path)) continue;
            read_rules_of(folder_of(path), ruled);
            if (ignore_.ignores(path) || is_in_chart(path)) continue;
            if (file->type != TreeFile::Type::file)
                return only_whole(fmt::format("{} is a symlink or a submodule", path));
            if (is_manifest_name(path) && !is_project_file(path)) add({path, *std::move(file)});
        }
    }

    void only_whole(std::string why) {
        if (out_.only_whole.empty()) out_.only_whole = std::move(why);
    }

    // Of the folder and of all above it.
    void read_rules_of(std::string_view folder, std::set<std::string, std::less<>>& ruled) {
        for (;; folder = folder_of(folder)) {
            if (!ruled.emplace(folder).second) return;
            const std::string path =
                folder.empty() ? ".holdfastignore" : std::string(folder) + "/.holdfastignore";
            if (const auto file = tree_.find(path)) read_ignore_file(*file);
            if (folder.empty()) return;
        }
    }

    bool is_in_chart(std::string_view path) {
        for (std::string_view folder = folder_of(path); folder.size() >= stack_.path.size();
             folder = folder_of(folder)) {
            const std::string chart = folder.empty() ? "Chart.yaml" : std::string(folder) + "/Chart.yaml";
            if (tree_.find(chart) && !ignore_.ignores(chart)) return true;
            if (folder.empty()) break;
        }
        return false;
    }

    bool is_project_file(std::string_view path) const {
        return path == stack_.origin.file || path == project_file;
    }

    void add(Selected selected) {
        if (selected.content.blob.empty()) inputs_.add(selected.path);
        selected_.push_back(std::move(selected));
        is_done_.push_back(false);
    }

    void read_ignore_files(const std::vector<TreeFile>& files) {
        // Those above the stack's folder count as well, as with Git.
        std::vector<TreeFile> found;
        std::string_view above = stack_.path;
        while (!above.empty()) {
            above = folder_of(above);
            const std::string path =
                above.empty() ? ".holdfastignore" : std::string(above) + "/.holdfastignore";
            if (auto file = tree_.find(path)) found.push_back(*std::move(file));
        }
        for (const TreeFile& file : files)
            if (name_of_file(file.path) == ".holdfastignore") found.push_back(file);
        for (const TreeFile& file : found) read_ignore_file(file);
    }

    void read_ignore_file(const TreeFile& file) {
        constexpr std::size_t largest = 1U << 20;
        if (file.type != TreeFile::Type::file) return;
        Result<std::string> text = tree_.read(file, largest);
        if (!text) return report_unreadable(file.path, text.error());
        inputs_.add(file.path).add(*text);
        ignore_.add(folder_of(file.path), *text);
    }

    using Folders = std::set<std::string, std::less<>>;

    Folders find_charts(const std::vector<TreeFile>& files) {
        Folders charts;
        for (const TreeFile& file : files) {
            if (name_of_file(file.path) != "Chart.yaml" || ignore_.ignores(file.path)) continue;
            if (!charts.empty() && is_below(charts, file.path)) continue; // a chart inside a chart
            charts.emplace(folder_of(file.path));
            Diagnostic& note = out_.problems.add({.severity = Severity::note, .code = "manifest.helm-chart"});
            note.message = fmt::format("the folder {} is a Helm chart and was skipped", folder_of(file.path));
            note.hint = "make it a stack of its own with `render: {helm: {}}`, or name it in .holdfastignore";
            note.span.file = file.path;
        }
        return charts;
    }

    // The outermost folders with a kustomization: nothing below is read that it does not name.
    Folders find_overlays(const std::vector<TreeFile>& files, const Folders& charts) {
        Folders all, outermost;
        for (const TreeFile& file : files) {
            if (!is_kustomization_name(name_of_file(file.path)) || file.type == TreeFile::Type::submodule)
                continue;
            if (is_hidden(file.path, stack_.path) || ignore_.ignores(file.path)) continue;
            if (charts.empty() || !is_below(charts, file.path)) all.emplace(folder_of(file.path));
        }
        for (const std::string& folder : all)
            if (folder.empty() || !is_below(all, folder)) outermost.insert(folder);
        return outermost;
    }

    static bool is_below(const Folders& folders, std::string_view path) {
        for (std::string_view folder = folder_of(path);; folder = folder_of(folder)) {
            if (folders.contains(folder)) return true;
            if (folder.empty()) return false;
        }
    }

    // A symlink counts as the file that it leads to, as long as that lies in the same tree.
    void follow(const TreeFile& link) {
        constexpr int most_hops = 8;
        constexpr std::size_t longest_target = 4096;
        only_whole("it has symlinks");
        TreeFile at = link;
        for (int hop = 0; at.type == TreeFile::Type::symlink; ++hop) {
            Result<std::string> target = tree_.read(at, longest_target);
            if (!target) return report_unreadable(link.path, target.error());
            const auto path = path_inside(folder_of(at.path), *target);
            if (!path) {
                error("manifest.symlink-escapes", link.path,
                      fmt::format("the symlink leads to {}, out of the repository", *target),
                      "put a copy into the repository, or name the link in .holdfastignore");
                return block_prunes(link.path);
            }
            std::optional<TreeFile> next = hop < most_hops ? tree_.find(*path) : std::nullopt;
            take_in(*path, next ? next->blob : "");
            if (!next) return report_dangling(link.path, *target);
            at = *std::move(next);
        }
        inputs_.add(link.path).add(at.path).add(at.blob);
        if (at.type == TreeFile::Type::submodule) return report_submodule(link.path);
        if (is_manifest_name(link.path)) add({link.path, std::move(at)});
    }

    void report_dangling(const std::string& link, const std::string& target) {
        // Links to folders are common beside manifests, so only what looks like a manifest is an error.
        if (is_manifest_name(link)) {
            error("manifest.symlink-broken", link,
                  fmt::format("the symlink leads to {}, which is no file", target),
                  "only symlinks to files of the same commit are followed");
            return block_prunes(link);
        }
        Diagnostic& warning = out_.problems.warning(
            "manifest.symlink-broken", fmt::format("the symlink leads to {} and is not followed", target));
        warning.span.file = link;
        warning.hint = "only symlinks to files are followed; name it in .holdfastignore to silence this";
    }

    // ---- what lies elsewhere ----

    // The id of the stack's own folder says everything of what is in it.
    void take_in(const std::string& path, const std::string& id) {
        if (!is_in_folder(path, stack_.path)) out_.taken_in.insert_or_assign(path, id);
    }

    void take_in_what_is_rendered() {
        if (stack_.render->tool == RenderSpec::Tool::kustomize && !stack_.path.empty())
            return take_in("/", tree_.id_of(""));
        for (const std::string& values : stack_.render->values)
            if (const std::optional<TreeFile> file = tree_.find(values)) take_in(values, file->blob);
    }

    void take_in_named(const std::vector<std::pair<std::string, Hash>>& files) {
        if (files.empty()) return;
        only_whole("it has documents that name other files");
        for (const auto& [path, hash] : files) {
            if (is_in_folder(path, stack_.path)) continue;
            const std::optional<TreeFile> file = tree_.find(path);
            take_in(path, file ? file->blob : "");
        }
    }

    // ---- the cache ----

    std::string cache_key(const TreeFile& file) const { return cache_prefix_ + file.blob; }

    void take_cached() {
        if (!cache_) return;
        const std::string version = std::to_string(record_version);
        cache_prefix_ = short_hex(sha256_of({as_bytes(catalog_.fingerprint), version}), 24) + ":";
        std::vector<std::string> keys;
        std::vector<std::size_t> indices;
        for (std::size_t i = 0; i < selected_.size(); ++i) {
            if (selected_[i].content.blob.empty()) continue;
            keys.push_back(cache_key(selected_[i].content));
            indices.push_back(i);
        }
        cache_->get(keys, [&](std::size_t index, std::string_view bytes) {
            if (index < indices.size()) is_done_[indices[index]] = take_record(indices[index], bytes);
        });
    }

    // False where the record is not for the plugins that the documents go to now.
    bool take_record(std::size_t file, std::string_view bytes) {
        std::optional<std::vector<ParsedDocument>> documents = decode_record(bytes);
        if (!documents) return false;
        for (const ParsedDocument& document : *documents) {
            const Route& route = route_of(document);
            if (!route.ok() || route.instances.front()->description->plugin != document.plugin) return false;
        }
        // What writes out a secret is never cached.
        for (ParsedDocument& document : *documents) emit(std::move(document), file, false);
        out_.documents += documents->size();
        ++out_.from_cache;
        return true;
    }

    // In few large batches, since each of them is spread over all of the cache: where it is small beside the
    // cache it writes a page for every record.
    void keep_record(std::string key, std::string record) {
        constexpr std::size_t batch_bytes = 64U << 20;
        to_cache_bytes_ += key.size() + record.size();
        to_cache_.emplace_back(std::move(key), std::move(record));
        if (to_cache_bytes_ >= batch_bytes) flush_cache();
    }

    void flush_cache() {
        if (cache_ && !to_cache_.empty()) cache_->put(to_cache_);
        to_cache_.clear();
        to_cache_bytes_ = 0;
    }

    // ---- reading ----

    // The texts of many files at once, before any of them becomes documents: libgit2 keeps what it may unpack
    // others from, small pieces that would lie between the documents, and each would hold on to a whole page
    // of memory once those are gone (150 MiB after 100,000 files).
    void read_the_others() {
        constexpr std::size_t together_bytes = 4U << 20;
        std::vector<std::pair<std::size_t, Result<std::string>>> texts;
        std::size_t bytes = 0;
        const auto take_in = [&] {
            for (auto& [index, text] : texts) take_text(index, std::exchange(text, std::string()));
            texts.clear();
            bytes = 0;
        };
        for (std::size_t i = 0; i < selected_.size(); ++i) {
            if (is_done_[i]) continue;
            texts.emplace_back(i, tree_.read(selected_[i].content, YamlLimits{}.max_bytes));
            if (texts.back().second) bytes += texts.back().second->size();
            if (bytes >= together_bytes) take_in();
        }
        take_in();
    }

    void take_text(std::size_t index, const Result<std::string>& text) {
        const Selected& selected = selected_[index];
        if (!text) return report_unreadable(selected.path, text.error());
        if (selected.content.blob.empty()) inputs_.add(*text);
        ReadFile file = read_documents(selected.path, *text, context_);
        for (const auto& [path, hash] : file.named_files) inputs_.add(path).add(as_bytes(hash));
        take_in_named(file.named_files);
        out_.problems.append(file.problems);
        out_.documents += file.count;
        out_.unloaded.insert(out_.unloaded.end(), file.unloaded.begin(), file.unloaded.end());
        if (file.ids_unknown) block_prunes(selected.path);
        std::vector<bool> secret;
        for (const ParsedDocument& document : file.documents) secret.push_back(writes_out_a_secret(document));
        const bool is_cacheable = cache_ && !selected.content.blob.empty() && file.problems.empty() &&
                                  file.named_files.empty() &&
                                  std::find(secret.begin(), secret.end(), true) == secret.end();
        if (is_cacheable) keep_record(cache_key(selected.content), encode_record(file.documents));
        for (std::size_t i = 0; i < file.documents.size(); ++i)
            emit(std::move(file.documents[i]), index, secret[i]);
    }

    // A secret that somebody wrote down in Git is still none that the store may hold.
    bool writes_out_a_secret(const ParsedDocument& document) {
        const KindInfo* kind = route_of(document).kind;
        if (!kind) return false;
        const auto [known, is_new] = sensitive_keys_.try_emplace(kind);
        if (is_new)
            for (const std::string& pattern : kind->sensitive)
                known->second.push_back({pattern, keys_of(pattern)});
        const auto& patterns = known->second;
        return std::any_of(patterns.begin(), patterns.end(), [&](const SensitivePattern& sensitive) {
            const auto& [pattern, keys] = sensitive;
            if (!has_all(document.document.json, keys)) return false; // nearly always
            const Value tree = tree_of(document.document);
            const std::vector<std::string> places = expand_pointer(tree, pattern);
            return std::any_of(places.begin(), places.end(), [&](const std::string& place) {
                return !may_hold_references(to_json(*find_at(tree, place)));
            });
        });
    }

    // The keys of a pointer as they stand in JSON. An index of a list is no key.
    static std::vector<std::string> keys_of(const std::string& pattern) {
        std::vector<std::string> keys;
        for (const std::string& token : split_pointer(pattern)) {
            const bool may_be_index = token.find_first_not_of("0123456789") == std::string::npos;
            if (token != "*" && !may_be_index) keys.push_back(to_json(Value(token)) + ":");
        }
        return keys;
    }

    // memmem, since every key begins with the same frequent letter.
    static bool has_all(std::string_view json, const std::vector<std::string>& keys) {
        return std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
            return ::memmem(json.data(), json.size(), key.data(), key.size()) != nullptr;
        });
    }

    const Route& route_of(const ParsedDocument& document) {
        // Neighbours are nearly always of one kind.
        const bool is_last = last_route_ && last_.api_version == document.api_version &&
                             last_.kind == document.id.kind && last_.provider == document.steering.provider;
        if (is_last) return *last_route_;
        last_ = {document.api_version, document.id.kind, document.steering.provider};
        last_route_ = &router_.route(last_.api_version, last_.kind, last_.provider);
        return *last_route_;
    }

    // One resource for each instance that the document goes to.
    void emit(ParsedDocument document, std::size_t file, bool writes_out_secret) {
        const Selected& selected = selected_[file];
        Origin origin{selected.path, document.line, selected.content.blob, document.index, {}};
        const Route& route = route_of(document);
        Resource resource = make_resource(std::move(document), std::move(origin), writes_out_secret);
        for (std::size_t i = 0; i + 1 < route.instances.size(); ++i)
            put(file, for_instance(resource, route, i));
        put(file, for_last_instance(std::move(resource), route));
    }

    Resource make_resource(ParsedDocument document, Origin origin, bool writes_out_secret) const {
        Resource resource;
        resource.id = std::move(document.id);
        resource.api_version = std::move(document.api_version);
        resource.document = std::move(document.document);
        resource.has_references = document.has_references;
        resource.compiles = document.compiles;
        resource.writes_out_secret = writes_out_secret;
        resource.identity = std::move(document.identity);
        resource.scope = std::move(document.scope);
        resource.origin = std::move(origin);
        resource.policy = document.steering.policy(stack_.defaults);
        resource.depends_on = std::move(document.steering.depends_on);
        resource.moved_from = std::move(document.steering.moved_from);
        resource.refresh_on = std::move(document.steering.refresh_on);
        return resource;
    }

    static Resource for_last_instance(Resource resource, const Route& route) {
        if (route.instances.size() > 1)
            return for_instance(std::move(resource), route, route.instances.size() - 1);
        resource.provider = route.instances.front()->name;
        return resource;
    }

    // The cache gives files in its own order; resources stand in that of their files, nearly always one in
    // each, so that they need not be sorted by names, which are spread over all of memory.
    void put(std::size_t file, Resource resource) {
        Resource& place = out_.resources[file];
        if (place.id.kind.empty())
            place = std::move(resource);
        else
            more_.push_back(std::move(resource));
    }

    static Resource for_instance(Resource resource, const Route& route, std::size_t index) {
        resource.provider = route.instances[index]->name;
        resource.id = resource.id.for_provider(resource.provider);
        return resource;
    }

    // ---- overlays ----

    // An overlay that another one of the stack uses is a part of that one and none by itself.
    void load_overlays() {
        if (overlays_.empty()) return;
        OverlayBuilder builder(tree_, router_, stack_.name);
        struct Built {
            std::vector<OverlayDocument> documents;
            Diagnostics problems;
        };
        std::map<std::string, Built> built;
        for (const std::string& folder : overlays_) {
            Built& one = built[folder];
            one.documents = builder.build(folder, one.problems);
        }
        for (auto& [folder, one] : built) {
            if (builder.is_part(folder)) continue;
            out_.problems.append(one.problems);
            if (one.problems.has_errors())
                block_prunes(
                    fmt::format("the overlay in {}", folder.empty() ? "the repository's root" : folder));
            for (OverlayDocument& document : one.documents) take_made(std::move(document), builder.sources());
        }
        builder.add_inputs(inputs_);
        for (const auto& [path, id] : builder.reach()) take_in(path, id);
        out_.files += builder.files();
    }

    void take_made(OverlayDocument made, const SourceMap& sources) {
        ReadFile read = read_made_document(std::move(made.tree), {made.origin.file, {}, &sources}, context_);
        for (const auto& [path, hash] : read.named_files) inputs_.add(path).add(as_bytes(hash));
        take_in_named(read.named_files);
        out_.problems.append(read.problems);
        out_.documents += read.count;
        out_.unloaded.insert(out_.unloaded.end(), read.unloaded.begin(), read.unloaded.end());
        if (read.ids_unknown) block_prunes(made.origin.file);
        for (ParsedDocument& document : read.documents) {
            const bool secret = writes_out_a_secret(document);
            const Route& route = route_of(document);
            Resource resource = make_resource(std::move(document), made.origin, secret);
            for (std::size_t i = 0; i + 1 < route.instances.size(); ++i)
                more_.push_back(for_instance(resource, route, i));
            more_.push_back(for_last_instance(std::move(resource), route));
        }
    }

    // ---- the end ----

    void finish() {
        std::erase_if(out_.resources, [](const Resource& resource) { return resource.id.kind.empty(); });
        std::move(more_.begin(), more_.end(), std::back_inserter(out_.resources));
        sort_resources();
        remove_duplicates();
        condense(out_.taken_in, tree_, stack_.path);
        out_.problems.sort_by_place();
        out_.tree_is_empty = out_.documents == 0 && !out_.problems.has_errors();
        out_.inputs = inputs_.finish();
    }

    void sort_resources() {
        std::vector<Resource>& resources = out_.resources;
        const auto before = [](const Resource& a, const Resource& b) {
            if (const auto order = a.id <=> b.id; order != 0) return order < 0;
            return std::tie(a.provider, a.origin.file, a.origin.index) <
                   std::tie(b.provider, b.origin.file, b.origin.index);
        };
        if (std::is_sorted(resources.begin(), resources.end(), before)) return;
        // Resources are large, so their numbers are sorted.
        std::vector<std::uint32_t> order(resources.size());
        std::iota(order.begin(), order.end(), 0U);
        std::sort(order.begin(), order.end(),
                  [&](std::uint32_t a, std::uint32_t b) { return before(resources[a], resources[b]); });
        std::vector<Resource> sorted;
        sorted.reserve(resources.size());
        for (std::uint32_t i : order) sorted.push_back(std::move(resources[i]));
        resources = std::move(sorted);
    }

    void remove_duplicates() {
        std::vector<Resource>& resources = out_.resources;
        std::vector<Resource> unique;
        bool any = false;
        for (std::size_t i = 1; i < resources.size() && !any; ++i)
            any = resources[i].id == resources[i - 1].id;
        if (!any) return;
        for (std::size_t i = 0; i < resources.size();) {
            std::size_t end = i + 1;
            while (end < resources.size() && resources[end].id == resources[i].id) ++end;
            for (std::size_t j = i + 1; j < end; ++j) report_duplicate(resources[i], resources[j]);
            if (end == i + 1)
                unique.push_back(std::move(resources[i]));
            else
                out_.unloaded.push_back(resources[i].id);
            i = end;
        }
        resources = std::move(unique);
    }

    void report_duplicate(const Resource& first, const Resource& second) {
        const Span before = locate(tree_, first.origin, "/metadata/name");
        Diagnostic& problem = out_.problems.error(
            "manifest.duplicate-id", fmt::format("{} is declared twice, first at {}",
                                                 short_name(first.id.parent()), to_string(before)));
        problem.span = locate(tree_, second.origin, "/metadata/name", &problem.excerpt);
        problem.span.length = static_cast<std::uint32_t>(second.id.name.size());
        problem.hint = "rename or remove one of them";
    }

    // ---- problems ----

    Diagnostic& error(std::string_view code, const std::string& path, std::string message, std::string hint) {
        Diagnostic& problem = out_.problems.error(code, std::move(message));
        problem.span.file = path;
        problem.hint = std::move(hint);
        return problem;
    }

    void block_prunes(const std::string& path) {
        if (out_.prunes_blocked.empty())
            out_.prunes_blocked = fmt::format("{} could not be read in full", path);
    }

    void report_no_tree(Diagnostic problem) {
        problem.span = {stack_.origin.file, {stack_.origin.line, 1}, 0};
        problem.context.push_back(fmt::format("loading stack {} from \"{}\"", stack_.name, stack_.path));
        out_.prunes_blocked = problem.message;
        out_.problems.add(std::move(problem));
    }

    void report_unreadable(const std::string& path, Diagnostic problem) {
        if (problem.code == "git.too-large") {
            problem.code = "manifest.too-large";
            problem.hint = "split it, or name it in .holdfastignore if it is no manifest";
        }
        problem.span.file = path;
        out_.problems.add(std::move(problem));
        block_prunes(path);
    }

    void report_submodule(const std::string& path) {
        error("manifest.submodule", path, fmt::format("{} is a Git submodule, which is not read", path),
              "make it a stack of its own, or name it in .holdfastignore");
        block_prunes(path);
    }

    const Tree& tree_;
    const StackDocument& stack_;
    const Catalog& catalog_;
    DocumentCache* cache_;
    Router router_;
    Checkers checkers_;
    ReadContext context_;
    IgnoreRules ignore_;
    LoadedStack out_;
    std::vector<Resource> more_; // of files that give several, and of overlays
    Folders overlays_;
    Hasher inputs_;
    std::vector<Selected> selected_;
    std::vector<bool> is_done_;
    struct SensitivePattern {
        std::string pointer;
        std::vector<std::string> keys;
    };
    std::map<const KindInfo*, std::vector<SensitivePattern>> sensitive_keys_;
    std::string cache_prefix_;
    std::vector<std::pair<std::string, std::string>> to_cache_;
    std::size_t to_cache_bytes_ = 0;
    struct {
        std::string api_version, kind, provider;
    } last_;
    const Route* last_route_ = nullptr;
};

} // namespace

LoadedStack load_stack(const Tree& tree, const StackDocument& stack, const Catalog& catalog,
                       DocumentCache* cache, const KeepBlob& keep_blob) {
    return StackLoader(tree, stack, catalog, cache, keep_blob).load();
}

LoadedStack load_rendered(std::string_view text, const Tree& tree, const StackDocument& stack,
                          const Catalog& catalog, const KeepBlob& keep_blob) {
    return StackLoader(tree, stack, catalog, nullptr, keep_blob).load_rendered(text);
}

LoadedStack load_files(const Tree& tree, const StackDocument& stack, const Catalog& catalog,
                       DocumentCache* cache, std::span<const std::string> paths, const KeepBlob& keep_blob) {
    return StackLoader(tree, stack, catalog, cache, keep_blob).load_files(paths);
}

Hash rules_above(const Tree& tree, const StackDocument& stack) {
    Hasher hasher;
    std::string_view above = stack.path;
    while (!above.empty()) {
        above = folder_of(above);
        const std::string path = above.empty() ? ".holdfastignore" : std::string(above) + "/.holdfastignore";
        const std::optional<TreeFile> file = tree.find(path);
        hasher.add(path).add(file ? file->blob : "");
    }
    return hasher.finish();
}

Span locate(const Tree& tree, const Origin& origin, std::string_view pointer, std::string* excerpt) {
    Span span{origin.file, {origin.line, 1}, 0};
    std::optional<TreeFile> file = tree.find(origin.file);
    if (!file) return span;
    if (!origin.blob.empty()) { // of a symlink, the file it leads to
        file->blob = origin.blob;
        file->type = TreeFile::Type::file;
    }
    const Result<std::string> text = tree.read(*file, YamlLimits{}.max_bytes);
    if (!text) return span;
    // Which rules hold for scalars changes no positions; the wider ones report nothing.
    Diagnostics ignored;
    const std::vector<Value> trees =
        unpack_lists(parse_yaml(*text, origin.file, ScalarRules::kubernetes, ignored));
    if (origin.index < trees.size()) {
        const Position position = position_at(trees[origin.index], origin.pointer + std::string(pointer));
        if (position.is_known()) span.position = position;
    }
    const std::string_view bytes = *text;
    if (excerpt)
        *excerpt =
            excerpt_of(bytes.starts_with("\xEF\xBB\xBF") ? bytes.substr(3) : bytes, span.position.line);
    return span;
}

} // namespace holdfast
