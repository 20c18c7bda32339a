#include "provider/host.hpp"

#include <fcntl.h>
#include <map>
#include <sys/stat.h>

#include <fmt/core.h>

#include "base/json.hpp"
#include "provider/guarded_provider.hpp"
#include "provider/in_process.hpp"
#include "provider/library.hpp"
#include "provider/plugin_file.hpp"
#include "provider/worker_channel.hpp"
#include "sys/environment.hpp"
#include "sys/file.hpp"

namespace holdfast {

namespace {

// The answer to a call that has one result, about the call as a whole.
struct SingleAnswer {
    std::string document, detail;
    std::size_t count = 0;
    OnResult sink() {
        return [this](const ItemResult& result) {
            if (result.item != no_item) return;
            ++count;
            document = result.document;
            detail = result.detail;
        };
    }
};

Diagnostic first_error(const CallEnd& end) {
    for (const Diagnostic& diagnostic : end.why)
        if (diagnostic.severity == Severity::error) return diagnostic;
    return failure("plugin.no-reason", "the call failed, and nobody says why");
}

} // namespace

std::string worker_program() {
    if (const auto variable = environment("HOLDFAST_WORKER")) return *variable;
    const std::string folder = parent_path(executable_path());
    if (exists(folder + "/holdfast-provider")) return folder + "/holdfast-provider";
    return parent_path(folder) + "/libexec/holdfast/holdfast-provider";
}

struct PluginHost::State {
    // A file is checked again only where it is another one, or was written.
    struct FileIdentity {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::int64_t changed_ns = 0;
        auto operator<=>(const FileIdentity&) const = default;
    };

    static std::optional<FileIdentity> identity_of(const std::string& path) {
        struct stat status {};
        if (stat(path.c_str(), &status) != 0) return std::nullopt;
        return FileIdentity{status.st_dev, status.st_ino, status.st_size,
                            std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec};
    }

    struct Checked {
        FileIdentity identity;
        std::shared_ptr<CheckedFile> file;
    };

    HostOptions options;
    std::map<std::string, Checked> checked;                          // by plugin
    std::map<Hash, std::shared_ptr<const Description>> descriptions; // by file
    std::map<std::string, const holdfast_plugin*> loaded;            // in this process, by plugin and hash
    std::map<std::string, std::unique_ptr<WorkerChannel>>
        idle_workers; // have described, have no instance yet

    Result<std::shared_ptr<CheckedFile>> check(const std::string& plugin);
    Result<const holdfast_plugin*> load(const CheckedFile& file);
    Result<std::unique_ptr<Channel>> channel(const CheckedFile& file, Isolation isolation,
                                             const std::string& label);
    Result<std::shared_ptr<const Description>> describe(const CheckedFile& file, Channel& channel,
                                                        const std::string& label);
    Call call(Method method, std::string_view options_json) const;
    WorkerOptions worker_options(const CheckedFile& file) const;
};

Result<std::shared_ptr<CheckedFile>> PluginHost::State::check(const std::string& plugin) {
    auto path = locate_plugin(options, plugin);
    if (!path) return path.error();
    const auto identity = identity_of(*path);
    const auto known = checked.find(plugin);
    if (known != checked.end() && identity && known->second.identity == *identity &&
        known->second.file->file.path == *path)
        return known->second.file;
    auto file = check_plugin(options, plugin, *path);
    if (!file) return file.error();
    auto shared = std::make_shared<CheckedFile>(std::move(*file));
    if (identity) checked[plugin] = {*identity, shared};
    return shared;
}

// The descriptor of what is loaded stays open for ever, because the loader knows the library by it.
Result<const holdfast_plugin*> PluginHost::State::load(const CheckedFile& file) {
    const std::string key = file.file.plugin + "@" + to_hex(file.file.hash);
    if (const auto known = loaded.find(key); known != loaded.end()) return known->second;
    auto table =
        load_plugin(fcntl(file.descriptor.get(), F_DUPFD_CLOEXEC, 3), file.file.plugin, file.file.path);
    if (table) loaded[key] = *table;
    return table;
}

WorkerOptions PluginHost::State::worker_options(const CheckedFile& file) const {
    return {.program = options.worker,
            .plugin_fd = file.descriptor.get(),
            .plugin = file.file,
            .blob_directory = options.blob_directory,
            .max_document_bytes = options.max_document_bytes,
            .grace = options.cancel_grace};
}

Result<std::unique_ptr<Channel>> PluginHost::State::channel(const CheckedFile& file, Isolation isolation,
                                                            const std::string& label) {
    if (isolation == Isolation::in_process) {
        auto table = load(file);
        if (!table) return table.error();
        ServiceOptions services{.blob_directory = options.blob_directory, .http = options.http};
        if (options.log)
            services.log = [log = options.log, label](int level, std::string_view message) {
                log(label, level, message);
            };
        return make_in_process_channel(**table, std::move(services), options.max_document_bytes);
    }
    const auto idle = idle_workers.find(file.file.plugin + "@" + to_hex(file.file.hash));
    std::unique_ptr<WorkerChannel> worker;
    if (idle != idle_workers.end()) {
        worker = std::move(idle->second);
        idle_workers.erase(idle);
    } else {
        worker = std::make_unique<WorkerChannel>(worker_options(file), WorkerLog{options.log});
    }
    worker->set_label(label);
    return std::unique_ptr<Channel>(std::move(worker));
}

Call PluginHost::State::call(Method method, std::string_view options_json) const {
    return {.method = method,
            .options = options_json,
            .deadline = std::chrono::steady_clock::now() + options.call_timeout};
}

Result<std::shared_ptr<const Description>>
PluginHost::State::describe(const CheckedFile& file, Channel& channel, const std::string& label) {
    if (const auto known = descriptions.find(file.file.hash); known != descriptions.end())
        return known->second;
    SingleAnswer answer;
    const ProviderNames names{label, file.file.plugin, file.file.hash};
    const CallEnd end = run_guarded(channel, names, call(Method::describe, "{}"), answer.sink());
    if (!end.ok) return first_error(end);
    const auto wrong = [&](std::string_view what) {
        Diagnostic why =
            failure("plugin.describe", fmt::format("plugin \"{}\", in describe: {}", file.file.plugin, what),
                    "this is a mistake in the plugin: tell its author");
        why.subject = file.file.path;
        return why;
    };
    if (answer.count != 1) return wrong(fmt::format("it answered {} times instead of once", answer.count));
    const auto tree = parse_json(answer.document);
    if (!tree) return wrong("its description is no JSON: " + tree.error().message);
    auto description = parse_description(*tree);
    if (!description) return wrong(description.error().message);
    if (description->plugin != file.file.plugin)
        return wrong(fmt::format("it calls itself \"{}\"", description->plugin));
    auto shared = std::make_shared<const Description>(std::move(*description));
    descriptions[file.file.hash] = shared;
    return std::shared_ptr<const Description>(shared);
}

PluginHost::PluginHost(HostOptions options) : state_(std::make_unique<State>()) {
    state_->options = std::move(options);
}
PluginHost::~PluginHost() = default;

Result<PluginFile> PluginHost::find(const std::string& plugin) const {
    auto file = state_->check(plugin);
    if (!file) return file.error();
    return (*file)->file;
}

std::vector<PluginFile> PluginHost::find_all() const {
    std::vector<PluginFile> out;
    for (const std::string& name : plugin_names(state_->options))
        if (auto file = find(name)) out.push_back(*file);
    return out;
}

Result<std::shared_ptr<const Description>> PluginHost::describe(const std::string& plugin,
                                                                Isolation isolation) {
    auto file = state_->check(plugin);
    if (!file) return file.error();
    if (const auto known = state_->descriptions.find((*file)->file.hash); known != state_->descriptions.end())
        return known->second;
    auto channel = state_->channel(**file, isolation, plugin);
    if (!channel) return channel.error();
    auto description = state_->describe(**file, **channel, plugin);
    // The worker is kept: whoever asks for a description usually opens an instance next.
    if (description && isolation == Isolation::worker)
        state_->idle_workers[plugin + "@" + to_hex((*file)->file.hash)].reset(
            static_cast<WorkerChannel*>(channel->release()));
    return description;
}

Result<std::unique_ptr<Provider>> PluginHost::open(const OpenRequest& request) {
    auto file = state_->check(request.plugin);
    if (!file) return file.error();
    auto channel = state_->channel(**file, request.isolation, request.name);
    if (!channel) return channel.error();
    auto description = state_->describe(**file, **channel, request.name);
    if (!description) return description.error();
    SingleAnswer answer;
    ProviderNames names{request.name, request.plugin, (*file)->file.hash};
    const std::string config = request.config.empty() ? "{}" : request.config;
    const CallEnd end = run_guarded(**channel, names, state_->call(Method::open, config), answer.sink());
    if (!end.ok) {
        Diagnostic why = first_error(end);
        why.context.push_back(
            fmt::format("opening provider \"{}\" (plugin {})", request.name, request.plugin));
        return why;
    }
    const auto detail = parse_json(answer.detail);
    std::string target(detail ? detail->text_at("target") : std::string_view{});
    if (target.empty())
        return failure(
            "plugin.no-target",
            fmt::format("plugin \"{}\" of provider \"{}\", in open: it does not say which target it reached",
                        request.plugin, request.name),
            "this is a mistake in the plugin: tell its author");
    if (request.isolation == Isolation::worker)
        static_cast<WorkerChannel&>(**channel).remember_instance(config, target);
    Hasher rules;
    rules.add(as_bytes(names.hash)).add(request.written_config.empty() ? config : request.written_config);
    return std::unique_ptr<Provider>(
        std::make_unique<GuardedProvider>(std::move(names), rules.finish(), *description, std::move(target),
                                          std::move(*channel), state_->options.call_timeout));
}

} // namespace holdfast
