#pragma once
// The functions of the C table (provider.h) for one provider class. A part of provider.hpp, which includes
// it.

namespace holdfast::sdk {

namespace detail {

// True where T leaves apply() to the base class, which honours what apply_one() need not know of.
template <typename T, typename = void>
struct AppliesOneByOne : std::false_type {};
template <typename T>
struct AppliesOneByOne<T, std::void_t<decltype(&T::apply)>>
    : std::is_same<decltype(&T::apply), decltype(&Provider::apply)> {};

inline std::string with_ordered(std::string description) {
    const bool is_decided =
        MemberReader(description).find("ordered") || MemberReader(description).is_true("atomic");
    const std::size_t end = description.find_last_of('}');
    if (!is_decided && end != std::string::npos && MemberReader(description).find("name"))
        description.insert(end, ",\"ordered\":true");
    return description;
}

// The functions of the C table for one provider class: unwrap, call, guard, wrap.
template <typename T>
class Border {
    static_assert(std::is_base_of<Provider, T>::value,
                  "a plugin's class derives from holdfast::sdk::Provider");

public:
    static constexpr holdfast_plugin table() {
        holdfast_plugin plugin{};
        plugin.size = sizeof plugin;
        plugin.minor = HOLDFAST_ABI_MINOR;
        plugin.name = T::plugin_name;
        plugin.version = T::plugin_version;
        plugin.describe = &describe;
        plugin.open = &open;
        plugin.close = &close;
        plugin.validate = &validate;
        plugin.observe = &observe;
        plugin.list = &list;
        plugin.apply = &apply;
        if constexpr (std::is_base_of<Upgrade, T>::value) plugin.upgrade = &upgrade;
        plugin.extension = &extension;
        return plugin;
    }

private:
    // What an item without an answer means once the provider's function has returned.
    enum class Silence { allowed, means_done, means_failed, means_unknown };

    static T& self(void* instance) { return *static_cast<T*>(instance); }

    template <typename Body>
    static holdfast_status guarded(const holdfast_call* call, Silence silence, Body body) noexcept {
        try {
            Results results(call, T::plugin_name, silence != Silence::allowed);
            try {
                body(results);
            } catch (...) {
                return after_exception(call, silence, results);
            }
            return after_return(call, silence, results);
        } catch (...) { // no memory even for the diagnostic
            return HOLDFAST_FAILED;
        }
    }

    static holdfast_status after_return(const holdfast_call* call, Silence silence, Results& results) {
        if (results.complete()) return HOLDFAST_OK;
        if (silence != Silence::means_done && (!results.listening() || Call(call).should_stop()))
            return HOLDFAST_CANCELLED;
        Result missing;
        if (silence != Silence::means_done) {
            missing.outcome = silence == Silence::means_unknown ? Outcome::unknown : Outcome::failed;
            Diagnostic why;
            why.code = std::string(T::plugin_name) + ".no-result";
            why.message = "the plugin gave no result for this item";
            why.hint = "this is a defect of the plugin: report it to its authors";
            missing.diagnostics.push_back(why);
        }
        answer_rest(call, results, missing);
        return HOLDFAST_OK;
    }

    // An Error out of `apply` promises that the items without an answer were not touched; of any other
    // exception nobody knows how far the provider had come.
    static holdfast_status after_exception(const holdfast_call* call, Silence silence, Results& results) {
        const Diagnostic why = caught(T::plugin_name);
        bool promised = false;
        try {
            throw;
        } catch (const Error&) {
            promised = true;
        } catch (...) {
        }
        if (silence == Silence::means_unknown && !promised) {
            Result unknown;
            unknown.outcome = Outcome::unknown;
            unknown.diagnostics.push_back(why);
            answer_rest(call, results, unknown);
        }
        results.about_call({why});
        return HOLDFAST_FAILED;
    }

    static void answer_rest(const holdfast_call* call, Results& results, const Result& result) {
        for (const Item& item : Items(call))
            if (!results.has(item)) results.emit(item, result);
    }

    static holdfast_status describe(const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed, [](Results& results) {
            std::string description = T::describe();
            if (AppliesOneByOne<T>::value) description = with_ordered(std::move(description));
            results.about_call({}, description);
        });
    }

    static holdfast_status open(const holdfast_call* call, void** instance) noexcept {
        *instance = nullptr;
        return guarded(call, Silence::allowed, [&](Results& results) {
            const Call wrapped(call);
            auto made = std::make_unique<T>(wrapped, wrapped.options());
            const std::string detail = "{\"target\":" + quote(made->target()) + "}";
            results.about_call({}, {}, detail);
            *instance = made.release();
        });
    }

    static void close(void* instance) noexcept { delete static_cast<T*>(instance); }

    static holdfast_status validate(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_done,
                       [&](Results& results) { self(instance).validate(Call(call), Items(call), results); });
    }

    static holdfast_status observe(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed,
                       [&](Results& results) { self(instance).observe(Scope(call), Items(call), results); });
    }

    static holdfast_status list(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed, [&](Results& results) {
            const std::string_view options = view(call->options);
            const ListRequest request{text_member(options, "kind").value_or(""),
                                      text_member(options, "page").value_or("")};
            self(instance).list(Scope(call), request, results);
        });
    }

    static holdfast_status apply(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_unknown,
                       [&](Results& results) { self(instance).apply(Scope(call), Items(call), results); });
    }

    static holdfast_status upgrade(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed, [&](Results& results) {
            const std::string from = text_member(view(call->options), "fromVersion").value_or("");
            self(instance).upgrade(Call(call), from, Items(call), results);
        });
    }

    static holdfast_status compile(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed,
                       [&](Results& results) { self(instance).compile(Call(call), Items(call), results); });
    }

    static holdfast_status canonicalize(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed, [&](Results& results) {
            const Items items(call);
            if constexpr (std::is_base_of<Review, T>::value) {
                if (text_member(view(call->options), "call") == "review")
                    return self(instance).review(Scope(call), items, results);
            }
            self(instance).canonicalize(Scope(call), items, results);
        });
    }

    static holdfast_status watch(void* instance, const holdfast_call* call,
                                 const holdfast_watch_sink* sink) noexcept {
        return guarded(call, Silence::allowed,
                       [&](Results&) { self(instance).watch(Scope(call), Items(call), Hints(sink)); });
    }

    static void stop(void* instance) noexcept { self(instance).unwatch(); }

    static holdfast_status snapshot(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed, [&](Results& results) {
            const std::string taken = self(instance).snapshot(Scope(call));
            holdfast_result raw{};
            raw.item = HOLDFAST_SCOPE;
            raw.private_data = bytes(taken);
            results.emit_raw(raw);
        });
    }

    static holdfast_status restore(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::allowed,
                       [&](Results&) { self(instance).restore(Scope(call), view(call->options)); });
    }

    static holdfast_status health(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_failed,
                       [&](Results& results) { self(instance).health(Scope(call), Items(call), results); });
    }

    static holdfast_status order(void* instance, const holdfast_call* call) noexcept {
        return guarded(call, Silence::means_done,
                       [&](Results& results) { self(instance).order(Call(call), Items(call), results); });
    }

    // Only what T's base classes really offer.
    static const void* extension(const char* id) noexcept {
        const std::string_view wanted = id ? id : "";
        if constexpr (std::is_base_of<Compile, T>::value) {
            static const holdfast_compile table{sizeof(holdfast_compile), &compile};
            if (wanted == HOLDFAST_EXT_COMPILE) return &table;
        }
        if constexpr (std::is_base_of<Canonicalize, T>::value) {
            static const holdfast_canonicalize table{sizeof(holdfast_canonicalize), &canonicalize};
            if (wanted == HOLDFAST_EXT_CANONICALIZE) return &table;
        }
        if constexpr (std::is_base_of<Watch, T>::value) {
            static const holdfast_watch table{sizeof(holdfast_watch), &watch, &stop};
            if (wanted == HOLDFAST_EXT_WATCH) return &table;
        }
        if constexpr (std::is_base_of<Checkpoint, T>::value) {
            static const holdfast_checkpoint table{sizeof(holdfast_checkpoint), &snapshot, &restore};
            if (wanted == HOLDFAST_EXT_CHECKPOINT) return &table;
        }
        if constexpr (std::is_base_of<Health, T>::value) {
            static const holdfast_health table{sizeof(holdfast_health), &health};
            if (wanted == HOLDFAST_EXT_HEALTH) return &table;
        }
        if constexpr (std::is_base_of<Order, T>::value) {
            static const holdfast_order table{sizeof(holdfast_order), &order};
            if (wanted == HOLDFAST_EXT_ORDER) return &table;
        }
        return nullptr;
    }
};

} // namespace detail

} // namespace holdfast::sdk
