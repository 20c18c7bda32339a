#include "manifest/load.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include <fmt/core.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "manifest/cache_record.hpp"
#include "manifest/identity.hpp"
#include "manifest/load_report.hpp"
#include "manifest/overlay/build.hpp"
#include "manifest/paths.hpp"
#include "manifest/plain_secrets.hpp"
#include "manifest/read_documents.hpp"
#include "manifest/rendered.hpp"
#include "manifest/select_files.hpp"
#include "manifest/yaml.hpp"

namespace holdfast {

namespace {

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
            report_.no_tree(files.error());
            return std::move(out_);
        }
        inputs_.add(stack_.path).add(tree_.id_of(stack_.path)).add(as_bytes(catalog_.fingerprint));
        selection_.select(*std::move(files));
        read_selected();
        return std::move(out_);
    }

    // Which files of the repository the tool has read, only the tool knows.
    LoadedStack load_rendered(std::string_view text) {
        report_.only_whole(fmt::format("it is rendered by {}", to_string(stack_.render->tool)));
        inputs_.add(stack_.path).add(as_bytes(catalog_.fingerprint)).add(text);
        take_in_what_is_rendered();
        RenderedDocuments rendered = read_rendered(text, tree_, stack_, router_);
        out_.problems.append(rendered.problems);
        if (rendered.problems.has_errors()) report_.block_prunes("what the renderer printed");
        for (OverlayDocument& document : rendered.documents) take_made(std::move(document), rendered.sources);
        finish();
        return std::move(out_);
    }

    LoadedStack load_files(std::span<const std::string> paths) {
        if (!selection_.select_some(paths)) return std::move(out_);
        read_selected();
        out_.tree_is_empty = false; // nobody looked
        return std::move(out_);
    }

private:
    void read_selected() {
        out_.files = files().size();
        out_.resources.resize(files().size());
        is_done_.resize(files().size());
        take_cached();
        read_the_others();
        flush_cache();
        load_overlays();
        finish();
    }

    // ---- what lies elsewhere ----

    void take_in_what_is_rendered() {
        if (stack_.render->tool == RenderSpec::Tool::kustomize && !stack_.path.empty())
            return report_.take_in("/", tree_.id_of(""));
        for (const std::string& values : stack_.render->values)
            if (const std::optional<TreeFile> file = tree_.find(values)) report_.take_in(values, file->blob);
    }

    void take_in_named(const std::vector<std::pair<std::string, Hash>>& files) {
        if (files.empty()) return;
        report_.only_whole("it has documents that name other files");
        for (const auto& [path, hash] : files) {
            if (is_in_folder(path, stack_.path)) continue;
            const std::optional<TreeFile> file = tree_.find(path);
            report_.take_in(path, file ? file->blob : "");
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
        for (std::size_t i = 0; i < files().size(); ++i) {
            if (files()[i].content.blob.empty()) continue;
            keys.push_back(cache_key(files()[i].content));
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
        for (std::size_t i = 0; i < files().size(); ++i) {
            if (is_done_[i]) continue;
            texts.emplace_back(i, tree_.read(files()[i].content, YamlLimits{}.max_bytes));
            if (texts.back().second) bytes += texts.back().second->size();
            if (bytes >= together_bytes) take_in();
        }
        take_in();
    }

    void take_text(std::size_t index, const Result<std::string>& text) {
        const ManifestFile& selected = files()[index];
        if (!text) return report_.unreadable(selected.path, text.error());
        if (selected.content.blob.empty()) inputs_.add(*text);
        ReadFile file = read_documents(selected.path, *text, context_);
        for (const auto& [path, hash] : file.named_files) inputs_.add(path).add(as_bytes(hash));
        take_in_named(file.named_files);
        out_.problems.append(file.problems);
        out_.documents += file.count;
        out_.unloaded.insert(out_.unloaded.end(), file.unloaded.begin(), file.unloaded.end());
        if (file.ids_unknown) report_.block_prunes(selected.path);
        std::vector<bool> secret;
        for (const ParsedDocument& document : file.documents) secret.push_back(writes_out_secret(document));
        const bool is_cacheable = cache_ && !selected.content.blob.empty() && file.problems.empty() &&
                                  file.named_files.empty() &&
                                  std::find(secret.begin(), secret.end(), true) == secret.end();
        if (is_cacheable) keep_record(cache_key(selected.content), encode_record(file.documents));
        for (std::size_t i = 0; i < file.documents.size(); ++i)
            emit(std::move(file.documents[i]), index, secret[i]);
    }

    const std::vector<ManifestFile>& files() const { return selection_.files(); }

    bool writes_out_secret(const ParsedDocument& document) {
        const KindInfo* kind = route_of(document).kind;
        return kind && secrets_.are_in(document.document, *kind);
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
        const ManifestFile& selected = files()[file];
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
        resource.api_version = document.api_version;
        resource.document = std::move(document.document);
        resource.has_references = document.has_references;
        resource.compiles = document.compiles;
        resource.writes_out_secret = writes_out_secret;
        resource.identity = std::move(document.identity);
        resource.scope = document.scope;
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
        if (selection_.overlays().empty()) return;
        OverlayBuilder builder(tree_, router_, stack_.name);
        struct Built {
            std::vector<OverlayDocument> documents;
            Diagnostics problems;
        };
        std::map<std::string, Built> built;
        for (const std::string& folder : selection_.overlays()) {
            Built& one = built[folder];
            one.documents = builder.build(folder, one.problems);
        }
        for (auto& [folder, one] : built) {
            if (builder.is_part(folder)) continue;
            out_.problems.append(one.problems);
            if (one.problems.has_errors())
                report_.block_prunes(
                    fmt::format("the overlay in {}", folder.empty() ? "the repository's root" : folder));
            for (OverlayDocument& document : one.documents) take_made(std::move(document), builder.sources());
        }
        builder.add_inputs(inputs_);
        for (const auto& [path, id] : builder.reach()) report_.take_in(path, id);
        out_.files += builder.files();
    }

    void take_made(OverlayDocument made, const SourceMap& sources) {
        ReadFile read = read_made_document(std::move(made.tree), {made.origin.file, {}, &sources}, context_);
        for (const auto& [path, hash] : read.named_files) inputs_.add(path).add(as_bytes(hash));
        take_in_named(read.named_files);
        out_.problems.append(read.problems);
        out_.documents += read.count;
        out_.unloaded.insert(out_.unloaded.end(), read.unloaded.begin(), read.unloaded.end());
        if (read.ids_unknown) report_.block_prunes(made.origin.file);
        for (ParsedDocument& document : read.documents) {
            const bool secret = writes_out_secret(document);
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

    const Tree& tree_;
    const StackDocument& stack_;
    const Catalog& catalog_;
    DocumentCache* cache_;
    Router router_;
    Checkers checkers_;
    ReadContext context_;
    LoadedStack out_;
    LoadReport report_{out_, stack_};
    std::vector<Resource> more_; // of files that give several, and of overlays
    Hasher inputs_;
    FileSelection selection_{tree_, stack_, report_, inputs_};
    std::vector<bool> is_done_;
    PlainSecrets secrets_;
    std::string cache_prefix_;
    std::vector<std::pair<std::string, std::string>> to_cache_;
    std::size_t to_cache_bytes_ = 0;
    struct {
        Symbol api_version, kind;
        std::string provider;
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
