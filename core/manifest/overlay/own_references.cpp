// What names a document in Holdfast's own words follows it when an overlay calls it otherwise: the
// annotations depends-on, refresh-on and moved-from, and references to outputs.

#include <algorithm>
#include <unordered_map>

#include "base/ids.hpp"
#include "manifest/overlay/steps.hpp"
#include "manifest/reference.hpp"

namespace holdfast {

namespace {

std::string key_of_resource(const ResourceId& id) {
    return id.group + '\n' + id.kind + '\n' + id.name_space + '\n' + id.name;
}

ResourceId resource_id_of(const OverlayResource& resource) {
    return {split_api_version(resource.api_version()).group,
            std::string(resource.kind()),
            std::string(resource.name_space()),
            std::string(resource.name()),
            {}};
}

// The namespace as people write it in ids: not at all where there is none.
std::string written_namespace(const std::string& effective) {
    return effective == "default" || effective == no_namespace ? std::string{} : effective;
}

class OwnNameFollower {
public:
    OwnNameFollower(OverlayResources& resources, OverlayContext& context) : context_(context) {
        for (OverlayResource& resource : resources) {
            const ResourceId now = resource_id_of(resource);
            for (const OverlayResource::Former& former : resource.former) {
                const ResourceId before{
                    now.group, former.kind, written_namespace(former.name_space), former.name, {}};
                if (before == now) continue;
                std::vector<const OverlayResource*>& place = renamed_[key_of_resource(before)];
                if (place.empty() || place.back() != &resource) place.push_back(&resource);
            }
        }
    }

    bool has_nothing_to_do() const { return renamed_.empty(); }

    void follow(OverlayResource& referrer) {
        referrer_ = &referrer;
        follow_annotation("holdfast.dev/depends-on", false);
        follow_annotation("holdfast.dev/refresh-on", false);
        follow_annotation("holdfast.dev/moved-from", true);
        const bool follows_kubernetes = context_.router.has_kubernetes() &&
                                        context_.router.group_follows_kubernetes(referrer.api_version());
        if (!follows_kubernetes) follow_outputs(referrer.tree);
    }

private:
    // The document's id with its name of now, or nothing where it is called as before. Among several of one
    // former name the one counts that has the referrer's prefixes and suffixes.
    std::optional<ResourceId> renamed(const ResourceId& id) const {
        const auto found = renamed_.find(key_of_resource(id.parent()));
        if (found == renamed_.end()) return std::nullopt;
        const OverlayResource* chosen = found->second.front();
        for (const OverlayResource* one : found->second)
            if (one->prefixes == referrer_->prefixes && one->suffixes == referrer_->suffixes) chosen = one;
        ResourceId now = resource_id_of(*chosen);
        now.part = id.part;
        return now;
    }

    // Of a document that is gone: what it would have been called after the same steps as its successor.
    std::optional<ResourceId> as_successor(const ResourceId& id) const {
        for (const OverlayResource::Former& former : referrer_->former)
            if (former.name == id.name && former.kind == id.kind)
                return std::nullopt; // its own name from before
        ResourceId now = id;
        for (const std::string& prefix : referrer_->prefixes) now.name.insert(0, prefix);
        for (const std::string& suffix : referrer_->suffixes) now.name += suffix;
        const std::string before = written_namespace(referrer_->original_id().name_space);
        if (before == id.name_space) now.name_space = referrer_->name_space();
        return now;
    }

    bool is_of_this_stack(const Address& address) const {
        return address.stack.empty() || address.stack == context_.stack;
    }

    void follow_annotation(std::string_view key, bool is_gone) {
        Value* annotations = find_at(referrer_->tree, "/metadata/annotations");
        Map* map = annotations ? annotations->if_map() : nullptr;
        Value* value = map ? map->find(key) : nullptr;
        const std::string* text = value ? value->if_string() : nullptr;
        if (!text) return;
        std::string out;
        constexpr std::string_view separators = " ,\t\r\n";
        for (std::size_t from = 0; from < text->size();) {
            const std::size_t word = std::min(text->find_first_not_of(separators, from), text->size());
            const std::size_t end = std::min(text->find_first_of(separators, word), text->size());
            out.append(*text, from, word - from);
            out += followed(text->substr(word, end - word), is_gone);
            from = end;
        }
        if (out != *text) set(*value, std::move(out));
    }

    std::string followed(const std::string& word, bool is_gone) const {
        const Result<Address> address = parse_address(word);
        if (!address || !is_of_this_stack(*address)) return word;
        const std::optional<ResourceId> now = is_gone ? as_successor(address->id) : renamed(address->id);
        return now ? to_string(Address{address->stack, *now}) : word;
    }

    // The quoted address in ${{ outputs["..."] }}.
    void follow_outputs(Value& node) {
        if (List* list = node.if_list())
            for (Value& item : *list) follow_outputs(item);
        if (Map* map = node.if_map())
            for (MapEntry& entry : *map) follow_outputs(entry.value);
        const std::string* text = node.if_string();
        if (!text || !may_hold_references(*text)) return;
        std::string out = *text;
        for (const Reference& reference : references_in(*text)) {
            if (reference.root != Reference::Root::outputs || !is_of_this_stack(reference.producer)) continue;
            const std::optional<ResourceId> now = renamed(reference.producer.id);
            const std::size_t at = now ? out.find(reference.text) : out.npos;
            if (at == out.npos) continue;
            const std::size_t open = out.find_first_of("\"'", at);
            const std::size_t close = open == out.npos ? out.npos : out.find(out[open], open + 1);
            if (close != out.npos)
                out.replace(open + 1, close - open - 1, to_string(Address{reference.producer.stack, *now}));
        }
        if (out != *text) set(node, std::move(out));
    }

    static void set(Value& value, std::string text) {
        const Position kept = value.position;
        value = Value(std::move(text));
        value.position = kept;
    }

    OverlayContext& context_;
    std::unordered_map<std::string, std::vector<const OverlayResource*>> renamed_; // by what it was called
    OverlayResource* referrer_ = nullptr;
};

} // namespace

void follow_own_names(OverlayResources& resources, OverlayContext& context) {
    OwnNameFollower follower(resources, context);
    if (follower.has_nothing_to_do()) return;
    for (OverlayResource& resource : resources) follower.follow(resource);
}

} // namespace holdfast
