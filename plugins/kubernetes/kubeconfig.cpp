// kubeconfig files (kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig), which are
// YAML or JSON.

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include <pwd.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include "access.hpp"

namespace holdfast::kubernetes {

namespace {

struct Entry {
    YAML::Node node;
    std::string folder; // of its file: paths in it are relative to that
};

struct Merged {
    std::string current;
    std::map<std::string, Entry> clusters, contexts, users;
};

[[noreturn]] void wrong(const std::string& message, const std::string& hint) {
    throw sdk::Error("kubernetes.config", message, hint);
}

std::string text(const YAML::Node& node, const char* key) {
    const YAML::Node value = node.IsMap() ? node[key] : YAML::Node(YAML::NodeType::Undefined);
    return value && value.IsScalar() ? value.Scalar() : std::string();
}

bool flag(const YAML::Node& node, const char* key) { return text(node, key) == "true"; }

std::string path(const Entry& entry, const char* key) {
    std::string value = text(entry.node, key);
    if (value.empty() || value.front() == '/' || entry.folder.empty()) return value;
    return entry.folder + "/" + value;
}

std::string data(const Entry& entry, const char* key) {
    bool is_fine = true;
    std::string bytes = decode_base64(text(entry.node, key), &is_fine);
    if (!is_fine)
        wrong(std::string(key) + " of a kubeconfig is no base64", "write it with kubectl config set");
    return bytes;
}

void merge(const YAML::Node& file, const char* list, const char* member, const std::string& folder,
           std::map<std::string, Entry>& into) {
    for (const YAML::Node& item : file[list])
        if (item.IsMap() && item[member]) into.emplace(text(item, "name"), Entry{item[member], folder});
}

Merged merge_files(const std::vector<std::string>& paths) {
    Merged all;
    std::size_t found = 0;
    for (const std::string& path : paths) {
        if (access(path.c_str(), F_OK) != 0 && paths.size() > 1)
            continue; // as kubectl: one of a list may lack
        const std::string content = read_text(path);
        try {
            const YAML::Node file = YAML::Load(content);
            ++found;
            if (!file.IsMap()) continue;
            const std::string folder = path.substr(0, path.rfind('/') == path.npos ? 0 : path.rfind('/'));
            merge(file, "clusters", "cluster", folder, all.clusters);
            merge(file, "contexts", "context", folder, all.contexts);
            merge(file, "users", "user", folder, all.users);
            if (all.current.empty()) all.current = text(file, "current-context");
        } catch (const YAML::Exception& error) {
            wrong(path + " is no kubeconfig: " + error.msg, "kubectl --kubeconfig " + path + " config view");
        }
    }
    if (found == 0) wrong("none of the kubeconfig files exists", "set kubeconfig in the provider's config");
    return all;
}

const Entry& entry_named(const std::map<std::string, Entry>& entries, const std::string& name,
                         const char* what) {
    const auto found = entries.find(name);
    if (found != entries.end()) return found->second;
    std::string known;
    for (const auto& [other, entry] : entries) known += (known.empty() ? "" : ", ") + other;
    wrong("the kubeconfig has no " + std::string(what) + " \"" + name + "\"",
          known.empty() ? "it has none at all" : "it has " + known);
}

ExecCommand read_exec(const YAML::Node& node, const std::string& folder) {
    ExecCommand exec;
    exec.api_version = text(node, "apiVersion");
    exec.command = text(node, "command");
    if (exec.command.find('/') != std::string::npos && exec.command.front() != '/')
        exec.command = folder + "/" + exec.command;
    exec.install_hint = text(node, "installHint");
    exec.wants_cluster = flag(node, "provideClusterInfo");
    for (const YAML::Node& argument : node["args"]) exec.arguments.push_back(argument.as<std::string>());
    for (const YAML::Node& variable : node["env"])
        exec.environment.emplace_back(text(variable, "name"), text(variable, "value"));
    return exec;
}

void read_cluster(const Entry& entry, Access& access) {
    access.server = text(entry.node, "server");
    access.ca_file = path(entry, "certificate-authority");
    access.ca = data(entry, "certificate-authority-data");
    access.server_name = text(entry.node, "tls-server-name");
    access.proxy = text(entry.node, "proxy-url");
    access.is_insecure = flag(entry.node, "insecure-skip-tls-verify");
}

void read_user(const Entry& entry, Access& access) {
    access.certificate_file = path(entry, "client-certificate");
    access.certificate = data(entry, "client-certificate-data");
    access.key_file = path(entry, "client-key");
    access.key = data(entry, "client-key-data");
    access.token = text(entry.node, "token");
    access.token_file = path(entry, "tokenFile");
    access.user = text(entry.node, "username");
    access.password = text(entry.node, "password");
    if (entry.node["exec"]) access.exec = read_exec(entry.node["exec"], entry.folder);
    if (entry.node["auth-provider"])
        wrong("the kubeconfig's user has an auth-provider, which Kubernetes itself gave up in 1.26",
              "use an exec plugin or a token");
    access.impersonated_user = text(entry.node, "as");
    access.impersonated_uid = text(entry.node, "as-uid");
    for (const YAML::Node& group : entry.node["as-groups"])
        access.impersonated_groups.push_back(group.as<std::string>());
    for (const auto& extra : entry.node["as-user-extra"])
        for (const YAML::Node& value : extra.second)
            access.impersonated_extra.emplace_back(extra.first.as<std::string>(), value.as<std::string>());
}

std::vector<std::string> own_kubeconfig() {
    std::vector<std::string> paths;
    const char* variable = std::getenv("KUBECONFIG");
    std::string list = variable ? variable : "";
    for (std::size_t at = 0; at < list.size();) {
        const std::size_t end = std::min(list.find(':', at), list.size());
        if (end > at) paths.push_back(list.substr(at, end - at));
        at = end + 1;
    }
    const passwd* user = getpwuid(geteuid());
    if (paths.empty() && user) paths.push_back(std::string(user->pw_dir) + "/.kube/config");
    return paths;
}

} // namespace

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad()) wrong(path + " cannot be read", "check that it is there and readable");
    return content;
}

Access read_kubeconfig(const std::vector<std::string>& paths, const std::string& wanted) {
    const Merged all = merge_files(paths);
    const std::string context_name = wanted.empty() ? all.current : wanted;
    if (context_name.empty())
        wrong("the kubeconfig has no current context", "set context in the provider's config");
    const Entry& context = entry_named(all.contexts, context_name, "context");
    Access access;
    read_cluster(entry_named(all.clusters, text(context.node, "cluster"), "cluster"), access);
    if (const std::string user = text(context.node, "user"); !user.empty())
        read_user(entry_named(all.users, user, "user"), access);
    access.name_space = text(context.node, "namespace");
    return access;
}

Access in_cluster(const std::string& folder) {
    const char *host = std::getenv("KUBERNETES_SERVICE_HOST"), *port = std::getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !port)
        wrong("inCluster is set, and this process runs in no pod (KUBERNETES_SERVICE_HOST is not set)",
              "name a kubeconfig instead");
    Access access;
    const std::string name = host;
    const std::string shown = name.find(':') == name.npos ? name : "[" + name + "]";
    access.server = "https://" + shown + ":" + port;
    access.ca_file = folder + "/ca.crt";
    access.token_file = folder + "/token";
    access.name_space = read_text(folder + "/namespace");
    return access;
}

Access read_access(const sdk::Json& config) {
    Access access;
    const std::string context = sdk::text_at(config, "/context");
    if (config.value("inCluster", false)) {
        access = in_cluster();
    } else if (config.contains("server")) {
        access.server = sdk::text_at(config, "/server");
        access.ca_file = sdk::text_at(config, "/caFile");
        access.token = sdk::text_at(config, "/token");
        access.certificate_file = sdk::text_at(config, "/clientCertFile");
        access.key_file = sdk::text_at(config, "/clientKeyFile");
        access.proxy = sdk::text_at(config, "/proxy");
        access.server_name = sdk::text_at(config, "/serverName");
    } else if (config.contains("kubeconfig")) {
        access = read_kubeconfig({sdk::text_at(config, "/kubeconfig")}, context);
    } else {
        access = read_kubeconfig(own_kubeconfig(), context);
    }
    if (config.contains("namespace")) access.name_space = sdk::text_at(config, "/namespace");
    if (access.name_space.empty()) access.name_space = "default";
    if (config.contains("impersonate")) access.impersonated_user = sdk::text_at(config, "/impersonate");
    while (!access.server.empty() && access.server.back() == '/') access.server.pop_back();
    if (access.server.empty()) wrong("no server is named", "the kubeconfig's cluster needs a server");
    return access;
}

} // namespace holdfast::kubernetes
