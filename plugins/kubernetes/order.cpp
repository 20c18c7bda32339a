#include "order.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace holdfast::kubernetes {

namespace {

using Indices = std::vector<std::size_t>;

std::string group_of(const Json& document) {
    return parse_kind(sdk::text_at(document, "/apiVersion") + "/x").group();
}

class Order {
public:
    Order(const std::vector<Json>& documents, const std::string& name_space)
        : documents_(documents), default_(name_space), out_(documents.size()) {
        for (std::size_t i = 0; i < documents.size(); ++i) {
            const Json& document = documents[i];
            const std::string kind = sdk::text_at(document, "/kind");
            by_name_[key(kind, space_of(document), sdk::text_at(document, "/metadata/name"))].push_back(i);
            if (kind == "CustomResourceDefinition")
                definitions_[sdk::text_at(document, "/spec/group") + "/" +
                             sdk::text_at(document, "/spec/names/kind")]
                    .push_back(i);
            if (kind == "APIService") services_[sdk::text_at(document, "/spec/group")].push_back(i);
            if (kind == "RoleBinding" || kind == "ClusterRoleBinding") note_subjects(document, i);
            if (const Json* labels = pod_labels(document)) workloads_.push_back({i, labels});
        }
    }

    std::vector<Place> run() {
        for (std::size_t i = 0; i < documents_.size(); ++i) {
            out_[i].steering = read_steering(documents_[i]);
            out_[i].wave = out_[i].steering.wave;
            look_at(i);
        }
        for (Place& place : out_) {
            // What is not applied nobody can wait for.
            std::erase_if(place.after, [&](std::size_t before) { return out_[before].steering.is_left; });
            std::sort(place.after.begin(), place.after.end());
            place.after.erase(std::unique(place.after.begin(), place.after.end()), place.after.end());
        }
        for (std::size_t i = 0; i < out_.size(); ++i)
            if (out_[i].steering.phase == Phase::pre_sync) bring_forward(i);
        return std::move(out_);
    }

private:
    struct Workload {
        std::size_t index;
        const Json* labels;
    };

    static std::string key(const std::string& kind, const std::string& space, const std::string& name) {
        return kind + "\n" + space + "\n" + name;
    }
    std::string space_of(const Json& document) const {
        return sdk::text_at(document, "/metadata/namespace", default_);
    }
    static const Json* pod_labels(const Json& document) {
        const std::string kind = sdk::text_at(document, "/kind");
        const char* at = kind == "Pod" ? "/metadata/labels" : "/spec/template/metadata/labels";
        const Json* labels = pod_spec(document) ? sdk::find(document, at) : nullptr;
        return labels && labels->is_object() ? labels : nullptr;
    }

    void come_after(std::size_t index, const std::map<std::string, Indices>& known, const std::string& name) {
        const auto found = known.find(name);
        if (found == known.end()) return;
        for (const std::size_t before : found->second)
            if (before != index) out_[index].after.push_back(before);
    }
    void need(std::size_t index, const std::string& kind, const std::string& space, const std::string& name) {
        if (!name.empty()) come_after(index, by_name_, key(kind, space, name));
    }
    // Of a kind without namespaces, which a document may all the same have been written with.
    void need_global(std::size_t index, const std::string& kind, const std::string& name) {
        need(index, kind, default_, name);
    }

    void note_subjects(const Json& document, std::size_t index) {
        const Json* subjects = sdk::find(document, "/subjects");
        for (const Json& subject : subjects && subjects->is_array() ? *subjects : Json::array())
            if (sdk::text_at(subject, "/kind") == "ServiceAccount")
                bindings_[sdk::text_at(subject, "/namespace", space_of(document)) + "/" +
                          sdk::text_at(subject, "/name")]
                    .push_back(index);
    }

    void look_at(std::size_t i) {
        const Json& document = documents_[i];
        const std::string kind = sdk::text_at(document, "/kind"), space = space_of(document);
        if (document.contains("metadata") && document["metadata"].contains("namespace"))
            need_global(i, "Namespace", space);
        come_after(i, definitions_, group_of(document) + "/" + kind);
        if (kind != "APIService") come_after(i, services_, group_of(document));
        if (const Json* spec = pod_spec(document)) look_at_pod(i, *spec, space);
        look_at_others(i, document, kind, space);
    }

    void look_at_pod(std::size_t i, const Json& spec, const std::string& space) {
        const std::string account = sdk::text_at(spec, "/serviceAccountName");
        need(i, "ServiceAccount", space, account);
        if (!account.empty()) come_after(i, bindings_, space + "/" + account);
        need_global(i, "PriorityClass", sdk::text_at(spec, "/priorityClassName"));
        need_global(i, "RuntimeClass", sdk::text_at(spec, "/runtimeClassName"));
        for (const Json& one : list(spec, "/imagePullSecrets"))
            need(i, "Secret", space, sdk::text_at(one, "/name"));
        for (const Json& volume : list(spec, "/volumes")) {
            need_sources(i, volume, space);
            for (const Json& source : list(volume, "/projected/sources")) need_sources(i, source, space);
        }
        for (const char* containers : {"/containers", "/initContainers"})
            for (const Json& container : list(spec, containers)) {
                for (const Json& from : list(container, "/envFrom")) {
                    need(i, "ConfigMap", space, sdk::text_at(from, "/configMapRef/name"));
                    need(i, "Secret", space, sdk::text_at(from, "/secretRef/name"));
                }
                for (const Json& variable : list(container, "/env")) {
                    need(i, "ConfigMap", space, sdk::text_at(variable, "/valueFrom/configMapKeyRef/name"));
                    need(i, "Secret", space, sdk::text_at(variable, "/valueFrom/secretKeyRef/name"));
                }
            }
    }

    void need_sources(std::size_t i, const Json& volume, const std::string& space) {
        need(i, "ConfigMap", space, sdk::text_at(volume, "/configMap/name"));
        need(i, "Secret", space, sdk::text_at(volume, "/secret/secretName"));
        need(i, "Secret", space, sdk::text_at(volume, "/secret/name"));
    }

    void look_at_others(std::size_t i, const Json& document, const std::string& kind,
                        const std::string& space) {
        if (kind == "RoleBinding" || kind == "ClusterRoleBinding") {
            const std::string role = sdk::text_at(document, "/roleRef/kind");
            need(i, role, role == "Role" ? space : default_, sdk::text_at(document, "/roleRef/name"));
            for (const Json& subject : list(document, "/subjects"))
                if (sdk::text_at(subject, "/kind") == "ServiceAccount")
                    need(i, "ServiceAccount", sdk::text_at(subject, "/namespace", space),
                         sdk::text_at(subject, "/name"));
        } else if (kind == "Ingress") {
            need_global(i, "IngressClass", sdk::text_at(document, "/spec/ingressClassName"));
            for (const Json& tls : list(document, "/spec/tls"))
                need(i, "Secret", space, sdk::text_at(tls, "/secretName"));
        } else if (kind == "Gateway") {
            need_global(i, "GatewayClass", sdk::text_at(document, "/spec/gatewayClassName"));
        } else if (kind == "PersistentVolumeClaim" || kind == "PersistentVolume") {
            need_global(i, "StorageClass", sdk::text_at(document, "/spec/storageClassName"));
        } else if (kind == "StatefulSet") {
            for (const Json& claim : list(document, "/spec/volumeClaimTemplates"))
                need_global(i, "StorageClass", sdk::text_at(claim, "/spec/storageClassName"));
        } else if (kind == "Secret") {
            need(i, "ServiceAccount", space, annotation_of(document, "kubernetes.io/service-account.name"));
        } else if (kind == "APIService") {
            need_server(i, document, "/spec/service");
        } else if (kind == "ValidatingWebhookConfiguration" || kind == "MutatingWebhookConfiguration") {
            // A webhook that nobody answers stops everything else.
            for (const Json& webhook : list(document, "/webhooks"))
                need_server(i, webhook, "/clientConfig/service");
        }
    }

    // A service and the pods behind it.
    void need_server(std::size_t i, const Json& document, const std::string& at) {
        const std::string space = sdk::text_at(document, (at + "/namespace").c_str());
        const std::string name = sdk::text_at(document, (at + "/name").c_str());
        if (name.empty()) return;
        need(i, "Service", space, name);
        const auto found = by_name_.find(key("Service", space, name));
        if (found == by_name_.end()) return;
        for (const std::size_t service : found->second) {
            const Json* selector = sdk::find(documents_[service], "/spec/selector");
            if (!selector || !selector->is_object() || selector->empty()) continue;
            for (const Workload& workload : workloads_)
                if (space_of(documents_[workload.index]) == space && selects(*selector, *workload.labels))
                    out_[i].after.push_back(workload.index);
        }
    }

    static bool selects(const Json& selector, const Json& labels) {
        for (const auto& [label, value] : selector.items())
            if (labels.value(label, Json()) != value) return false;
        return true;
    }

    // What a hook needs that runs before everything else has to stand before it: with it, it moves forward.
    void bring_forward(std::size_t hook) {
        Indices todo{hook};
        while (!todo.empty()) {
            const std::size_t i = todo.back();
            todo.pop_back();
            for (const std::size_t before : out_[i].after) {
                if (out_[before].wave <= out_[hook].wave) continue;
                out_[before].wave = out_[hook].wave;
                todo.push_back(before);
            }
        }
    }

    static Json list(const Json& of, const char* pointer) {
        const Json* found = sdk::find(of, pointer);
        return found && found->is_array() ? *found : Json::array();
    }

    const std::vector<Json>& documents_;
    const std::string default_;
    std::vector<Place> out_;
    std::map<std::string, Indices> by_name_, definitions_, services_, bindings_;
    std::vector<Workload> workloads_;
};

} // namespace

std::vector<Place> order_of(const std::vector<Json>& documents, const std::string& name_space) {
    return Order(documents, name_space).run();
}

} // namespace holdfast::kubernetes
