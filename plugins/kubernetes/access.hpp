#pragma once
// How a cluster is reached and who we are there: from kubeconfig files, from the account of the pod that we
// run in, or from the provider's own config.

#include <string>
#include <utility>
#include <vector>

#include <holdfast/json.hpp>

namespace holdfast::kubernetes {

// A program that prints credentials (client.authentication.k8s.io, ExecCredential).
struct ExecCommand {
    std::string api_version, command, install_hint;
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;
    bool wants_cluster = false;
};

struct Access {
    std::string server;             // without a "/" at the end
    std::string name_space;         // of documents that name none
    std::string ca_file, ca;        // a path, or the PEM text itself, which counts more
    std::string server_name, proxy; // empty: as the URL says; as the environment says
    bool is_insecure = false;

    std::string certificate_file, certificate, key_file, key;
    std::string token, token_file;
    std::string user, password;
    ExecCommand exec;

    std::string impersonated_user, impersonated_uid;
    std::vector<std::string> impersonated_groups;
    std::vector<std::pair<std::string, std::string>> impersonated_extra;
};

// Merged as kubectl does: what the first file says counts. An empty `context` is the one that the files call
// current. Throws sdk::Error `kubernetes.config`.
Access read_kubeconfig(const std::vector<std::string>& paths, const std::string& context);
// Of the pod that we run in.
Access in_cluster(const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");
// As the provider's config asks for; without a word of it the operator's own kubeconfig.
Access read_access(const sdk::Json& config);

std::string read_text(const std::string& path); // throws `kubernetes.config`
std::string decode_base64(std::string_view text, bool* is_fine = nullptr);
std::string encode_base64(std::string_view bytes);

} // namespace holdfast::kubernetes
