/* The contract between Holdfast and its provider plugins, major version 1.
 *
 * A plugin is a shared library that exports one symbol, the data object `holdfast_plugin_v1`. The
 * major version is part of that name; within it, tables and structures only grow at their end, and
 * each begins with the size its writer knew. Everything that not every plugin has is an extension,
 * asked for by id, in both directions.
 *
 * Rules for both sides:
 *   - Documents are UTF-8 JSON with a length, not terminated by a null byte.
 *   - Bytes that are passed to a function or callback are borrowed until it returns. Nobody frees
 *     anything that the other side allocated.
 *   - No C++ exception, no longjmp and no signal handler crosses the line.
 *   - Results travel through `call->emit`, each as soon as it is known.
 *   - A plugin that gets a call after `cancelled` turned true, or past its deadline, returns soon.
 *
 * Thread classes, stated at each function:
 *   [any]       from any thread, also at the same time as other calls
 *   [instance]  one call at a time for the same instance; different instances at the same time
 *   [main]      one call at a time for the whole plugin, before any instance exists
 *
 * C11, C++17 and later. docs/providers.md is the guide; provider.hpp the C++ wrapper.
 */
#ifndef HOLDFAST_PROVIDER_H
#define HOLDFAST_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOLDFAST_ABI_MAJOR 1
/* 1: holdfast_item.after, HOLDFAST_WANTS_HEALTH; 2: holdfast_http.perform_all */
#define HOLDFAST_ABI_MINOR 2
#define HOLDFAST_PLUGIN_SYMBOL "holdfast_plugin_v1"

#if defined(__GNUC__)
#define HOLDFAST_EXPORT __attribute__((visibility("default")))
#else
#define HOLDFAST_EXPORT
#endif

/* Borrowed bytes. `data` may be NULL where `size` is 0. */
typedef struct holdfast_bytes {
    const char* data;
    size_t size;
} holdfast_bytes;

/* How a call ended. What happened to its items is in their results. */
typedef enum holdfast_status {
    HOLDFAST_OK = 0,         /* every item has its result */
    HOLDFAST_FAILED = 1,     /* a result for HOLDFAST_CALL says why; items without one were not touched */
    HOLDFAST_CANCELLED = 2,  /* stopped because `cancelled` or the deadline said so */
    HOLDFAST_UNSUPPORTED = 3 /* this plugin has no such call */
} holdfast_status;

/* What became of one item. */
typedef enum holdfast_outcome {
    HOLDFAST_DONE = 0,        /* apply: written. Other calls: `document` is the answer */
    HOLDFAST_UNCHANGED = 1,   /* apply: it was so already. canonicalize: it is stored as declared */
    HOLDFAST_ITEM_FAILED = 2, /* not done; the target is as it was. `diagnostics` say why */
    HOLDFAST_PARTIAL = 3,     /* apply: some of it was written; `document` is what stands now */
    HOLDFAST_UNKNOWN = 4,     /* apply: sent, but no answer came; the engine re-observes */
    HOLDFAST_SKIPPED = 5,     /* not tried: another item of an atomic scope failed, or one in `after` */
    HOLDFAST_ABSENT = 6,      /* observe: the target holds no such object. canonicalize: nor is it to */
    HOLDFAST_NOT_YET = 7,     /* canonicalize: cannot be known before something else is applied */
    HOLDFAST_MUST_REPLACE = 8 /* canonicalize: cannot be changed in place; `detail.paths` say what */
} holdfast_outcome;

typedef enum holdfast_action {
    HOLDFAST_NONE = 0,   /* every call but apply */
    HOLDFAST_CREATE = 1, /* no such object was observed */
    HOLDFAST_UPDATE = 2, /* `observed` is to become `declared` */
    HOLDFAST_DELETE = 3, /* `declared` is empty; harmless where the object is gone already */
    HOLDFAST_REFRESH = 4 /* nothing but `refresh` differs: act on it (restart, reload) */
} holdfast_action;

#define HOLDFAST_CALL UINT32_MAX        /* result.item: about the call as a whole */
#define HOLDFAST_SCOPE (UINT32_MAX - 1) /* result.item: about the call's scope (its `version`) */

/* item.flags, apply of an ordered plugin with holdfast.health/1: others wait until this item is healthy. The
 * result's detail says its health as the call `health` would, and for items that come after it in this call
 * it counts as succeeded only if that is "healthy". A result without detail is asked about by that call. */
#define HOLDFAST_WANTS_HEALTH 1u

/* One leaf in a request. Fields that a call does not use are empty. */
typedef struct holdfast_item {
    uint32_t action;             /* holdfast_action */
    uint32_t flags;              /* HOLDFAST_WANTS_HEALTH or 0 */
    holdfast_bytes kind;         /* "host.holdfast.dev/v1alpha1/File" */
    holdfast_bytes identity;     /* canonical JSON: which object of that kind in that scope */
    holdfast_bytes declared;     /* document; references and secrets are resolved */
    holdfast_bytes recorded;     /* document as last applied; secrets are masked */
    holdfast_bytes observed;     /* document as last observed */
    holdfast_bytes version;      /* what observe returned: compare-and-swap against it */
    holdfast_bytes private_data; /* what the plugin returned last time */
    holdfast_bytes refresh;      /* hash of the leaves named by holdfast.dev/refresh-on, or empty */
    /* Since minor 1 (see holdfast_call.item_size). apply, and only of a plugin whose description says
     * "ordered": indices of items earlier in this call that have to be done or unchanged, and healthy where
     * that is wanted, before this one is tried. Where one of them is not, this item is HOLDFAST_SKIPPED. */
    const uint32_t* after;
    size_t after_count;
} holdfast_item;

/* One answer. Set `size` to sizeof(holdfast_result) and the rest to zero. */
typedef struct holdfast_result {
    uint32_t size;
    uint32_t item;               /* index in call->items, HOLDFAST_CALL, HOLDFAST_SCOPE; list: runs from 0 */
    uint32_t outcome;            /* holdfast_outcome */
    uint32_t flags;              /* 0 */
    holdfast_bytes document;     /* the live document (observe, list, apply), the leaf (compile), ... */
    holdfast_bytes version;      /* opaque; given back with the next apply */
    holdfast_bytes private_data; /* opaque; recorded, given back with every later call */
    holdfast_bytes refreshed;    /* the `refresh` hash last acted on */
    holdfast_bytes diagnostics;  /* JSON array, see below; may be empty */
    holdfast_bytes detail;       /* JSON object, as the call says; may be empty */
    holdfast_bytes kind;         /* list, compile */
    holdfast_bytes identity;     /* list, compile */
    holdfast_bytes scope;        /* list, compile */
    holdfast_bytes part;         /* compile: the leaf's short name inside its document, "www/A" */
    holdfast_bytes pointer;      /* compile: JSON pointer of what it was made from */
} holdfast_result;

/* A diagnostic is {"severity": "error|warning|note", "code": "dns.refused", "message": "...",
 *  "hint": "...", "pointer": "/spec/ttl", "retry": "never|after|conflict", "retryAfterMs": 500}.
 * What may be tried again is tried no earlier than after `retryAfterMs`, up to five minutes. Codes begin
 * with the plugin's name. Messages never hold a secret. */

struct holdfast_host;

/* Everything a plugin is told of one call. Valid until the function returns. */
typedef struct holdfast_call {
    uint32_t size;
    uint32_t item_size; /* bytes from one item to the next: items may have grown */
    const struct holdfast_host* host;
    holdfast_bytes scope;         /* name of the scope; empty where a provider has only one */
    holdfast_bytes scope_version; /* apply: what observe returned for HOLDFAST_SCOPE */
    holdfast_bytes options;       /* JSON object, as the call says */
    const holdfast_item* items;   /* use holdfast_item_at() */
    size_t item_count;
    int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    void* context;       /* the host's own */
    /* [any] True once the caller wants the call to end. Cheap. */
    int (*cancelled)(const struct holdfast_call* call);
    /* [instance] Hands over one result. False: stop, nobody listens any more. */
    int (*emit)(const struct holdfast_call* call, const holdfast_result* result);
} holdfast_call;

static inline const holdfast_item* holdfast_item_at(const holdfast_call* call, size_t index) {
    const char* const first = (const char*)(const void*)call->items;
    return (const holdfast_item*)(const void*)(first + index * call->item_size);
}

typedef enum holdfast_log_level {
    HOLDFAST_LOG_DEBUG = 0,
    HOLDFAST_LOG_INFO = 1,
    HOLDFAST_LOG_WARNING = 2,
    HOLDFAST_LOG_ERROR = 3
} holdfast_log_level;

/* What the host offers. Lives as long as the instance it was given to. */
typedef struct holdfast_host {
    uint32_t size;
    uint32_t minor; /* HOLDFAST_ABI_MINOR of the host */
    void* context;
    /* [any] Secrets that the engine knows are masked. */
    void (*log)(const struct holdfast_host* host, holdfast_log_level level, holdfast_bytes message);
    /* [any] A host extension's table, or NULL. Valid as long as the host. */
    const void* (*extension)(const struct holdfast_host* host, const char* id);
} holdfast_host;

/* The exported table. */
typedef struct holdfast_plugin {
    uint32_t size;
    uint32_t minor;      /* HOLDFAST_ABI_MINOR that it was built with */
    const char* name;    /* "host" */
    const char* version; /* semantic version */

    /* [main] One result for HOLDFAST_CALL whose document is the description: docs/providers.md,
     * "describe". No I/O. With "ordered": true it promises that `apply` honours each item's `after`: then
     * a chain of dependencies is one call, and not a call a link. A kind with "health": false is as healthy
     * as it gets once it is written: holdfast.health/1 is not asked. A kind's "confirm" says which of its
     * objects can cut people off: their scopes are held between holdfast.checkpoint/1's two calls. */
    holdfast_status (*describe)(const holdfast_call* call);

    /* [any] Makes one provider instance. options: its configuration, secrets resolved. One result for
     * HOLDFAST_CALL with detail {"target": "..."}: what identifies the real target for ever. */
    holdfast_status (*open)(const holdfast_call* call, void** instance);
    /* [instance] Last call for the instance; never fails. */
    void (*close)(void* instance);

    /* [instance] items.declared -> diagnostics per item. What the schema cannot say; no network. */
    holdfast_status (*validate)(void* instance, const holdfast_call* call);

    /* [instance] items.kind/identity of one scope -> HOLDFAST_DONE with document and version, or
     * HOLDFAST_ABSENT. What could not be read is HOLDFAST_ITEM_FAILED, never absent. */
    holdfast_status (*observe)(void* instance, const holdfast_call* call);

    /* [instance] options {"kind": "...", "page": "..."}; scope may be empty for all scopes. One result
     * per object with kind, identity, scope and document; then, where there is more, one for
     * HOLDFAST_CALL with detail {"next": "..."}. */
    holdfast_status (*list)(void* instance, const holdfast_call* call);

    /* [instance] Performs the items' actions, all of one scope, in the order that the target needs;
     * where it does not care, in the order given; an ordered plugin begins no item before those in its
     * `after` have succeeded. Exactly one result per item, as it happens. Safe to repeat. `document` is what
     * stands there afterwards. Where observe gives the scope a version, one result for HOLDFAST_SCOPE says
     * the version that these writes, and nobody else's, left behind: the next apply is compared against it.
     * Without one the old version stays, and that apply conflicts. */
    holdfast_status (*apply)(void* instance, const holdfast_call* call);

    /* [instance] options {"fromVersion": "0.1.0"}; items.recorded and private_data in the format of
     * that plugin version -> document and private_data in today's. May be NULL. */
    holdfast_status (*upgrade)(void* instance, const holdfast_call* call);

    /* [any] A plugin extension's table, or NULL. May itself be NULL. */
    const void* (*extension)(const char* id);
} holdfast_plugin;

/* ---- extensions of the plugin ---- */

/* holdfast.compile/1: pure. items.declared are whole documents -> leaves with document, kind, identity,
 * scope, part and pointer; `item` says which document each came from. Kinds that compile says so in
 * describe with "compiles": true. */
#define HOLDFAST_EXT_COMPILE "holdfast.compile/1"
/* holdfast.compile-all/1, beside it in "extensions": the plugin's documents only together say what is to be
 * (people, teams, grants), so all of an instance that compile come in one call, and where one of them has
 * errors nothing is made of any. A leaf's detail may say {"until": milliseconds since 1970}: from then on the
 * same documents compile to something else, and a pass is made in time. No table of its own. */
#define HOLDFAST_EXT_COMPILE_ALL "holdfast.compile-all/1"
typedef struct holdfast_compile {
    uint32_t size;
    /* [instance] */
    holdfast_status (*compile)(void* instance, const holdfast_call* call);
} holdfast_compile;

/* holdfast.canonicalize/1: items.declared, recorded, observed -> HOLDFAST_DONE with the document that
 * the target would store, HOLDFAST_UNCHANGED where that is the declared one, HOLDFAST_NOT_YET with detail
 * {"reason": "..."}, HOLDFAST_MUST_REPLACE with that document and detail {"paths": ["/spec/..."], "asks":
 * "why a person has to allow that"}, or HOLDFAST_ABSENT: its work is done, and its absence no drift. With
 * HOLDFAST_DONE, detail {"removes": ["/data/x"], "notes": ["who wrote what"]} names what an update takes away
 * besides; {"refresh": "why", "due": true} asks for HOLDFAST_REFRESH. May ask the target, never writes.
 * Only what the engine has not settled comes here: what it refers to may have to be read from the target. */
#define HOLDFAST_EXT_CANONICALIZE "holdfast.canonicalize/1"
typedef struct holdfast_canonicalize {
    uint32_t size;
    /* [instance] */
    holdfast_status (*canonicalize)(void* instance, const holdfast_call* call);
} holdfast_canonicalize;
/* holdfast.review/1, beside it in "extensions": once a plan is made, its creates, updates and deletes come to
 * canonicalize as well, those of one scope in one call with the options {"call": "review"}, as `apply` will
 * get them. HOLDFAST_ITEM_FAILED refuses a change: the plan says so, and nobody is asked to approve it.
 * HOLDFAST_UNCHANGED lets it pass. For what only all changes together show, such as the last one of its sort
 * that goes. May ask the target, never writes. No table of its own. */
#define HOLDFAST_EXT_REVIEW "holdfast.review/1"

/* holdfast.watch/1: tells that something may have changed. Spurious hints are fine, missed ones are
 * not: in doubt (overflow, lost connection) hint HOLDFAST_HINT_ALL. */
#define HOLDFAST_EXT_WATCH "holdfast.watch/1"
typedef enum holdfast_hint_reach {
    HOLDFAST_HINT_ITEM = 0,
    HOLDFAST_HINT_SCOPE = 1,
    HOLDFAST_HINT_ALL = 2
} holdfast_hint_reach;
typedef struct holdfast_hint {
    uint32_t size;
    uint32_t reach; /* holdfast_hint_reach */
    holdfast_bytes scope;
    holdfast_bytes kind;     /* with HOLDFAST_HINT_ITEM */
    holdfast_bytes identity; /* with HOLDFAST_HINT_ITEM */
    holdfast_bytes actor;    /* who did it, as the target tells; may be empty */
    int64_t pid;             /* 0: not known */
    int64_t at_ns;           /* CLOCK_REALTIME; 0: not known */
} holdfast_hint;
typedef struct holdfast_watch_sink {
    uint32_t size;
    void* context;
    /* [any] */
    void (*hint)(const struct holdfast_watch_sink* sink, const holdfast_hint* hint);
} holdfast_watch_sink;
typedef struct holdfast_watch {
    uint32_t size;
    /* [instance] Replaces what is watched in call->scope by call->items (kind, identity); none ends the
     * watch of that scope. The sink stays valid until `stop` has returned. Once this returns, every
     * later change of these items is hinted. */
    holdfast_status (*watch)(void* instance, const holdfast_call* call, const holdfast_watch_sink* sink);
    /* [instance] Ends all watching; no hint after it returned. */
    void (*stop)(void* instance);
} holdfast_watch;

/* holdfast.checkpoint/1: snapshot -> one result for HOLDFAST_SCOPE whose private_data is self-contained;
 * restore takes those bytes in `options` (raw, not JSON), possibly in another process after a reboot, with
 * no network: `open` has to succeed there too. It is repeated after a failure, so it must be safe to. Both
 * are about call->scope, and about nothing that others (other programs, other scopes) own in it. */
#define HOLDFAST_EXT_CHECKPOINT "holdfast.checkpoint/1"
typedef struct holdfast_checkpoint {
    uint32_t size;
    /* [instance] */
    holdfast_status (*snapshot)(void* instance, const holdfast_call* call);
    /* [instance] */
    holdfast_status (*restore)(void* instance, const holdfast_call* call);
} holdfast_checkpoint;

/* holdfast.health/1: items.observed -> detail {"health": "progressing|healthy|degraded|suspended",
 * "message": "..."}. With "healthy" there may be private_data, which is recorded in place of what was. */
#define HOLDFAST_EXT_HEALTH "holdfast.health/1"
typedef struct holdfast_health {
    uint32_t size;
    /* [instance] */
    holdfast_status (*health)(void* instance, const holdfast_call* call);
} holdfast_health;

/* holdfast.order/1: pure. items.kind, identity and declared are leaves of a pass, of all scopes -> one result
 * each, with detail {"after": [indices of items that have to be done and healthy before it], "wave": 3,
 * "refresh": [indices of those, maybe itself, whose changes mean HOLDFAST_REFRESH], "deletion": "orphan",
 * "leave": true}; what does not apply is left out. It says how objects hang together where that is more
 * than a rank. "leave": an absent object is not made; of one that is there canonicalize says that it is as it
 * is to be. Diagnostics are shown with the plan. In "after", its own index and repeated ones are ignored. */
#define HOLDFAST_EXT_ORDER "holdfast.order/1"
typedef struct holdfast_order {
    uint32_t size;
    /* [instance] */
    holdfast_status (*order)(void* instance, const holdfast_call* call);
} holdfast_order;

/* ---- extensions of the host ---- */

/* holdfast.blob/1: bytes that are large or not text. Documents hold {"sha256": "<hex>", "size": n}. */
#define HOLDFAST_EXT_BLOB "holdfast.blob/1"
typedef struct holdfast_blob {
    uint32_t size;
    /* [any] A file descriptor open for reading, which the caller closes, or -1 where there is no such
     * blob. `bytes`, if not NULL, gets its size. */
    int (*open)(const holdfast_host* host, holdfast_bytes sha256_hex, uint64_t* bytes);
    /* [any] Keeps `content`; writes 64 hex digits, not terminated, to sha256_hex. False on failure. */
    int (*put)(const holdfast_host* host, holdfast_bytes content, char* sha256_hex);
} holdfast_blob;

/* holdfast.http/1: the host's HTTP client: HTTP/2, TLS, proxies, retries of safe requests, Retry-After,
 * masking of credentials in logs. */
#define HOLDFAST_EXT_HTTP "holdfast.http/1"
typedef struct holdfast_http_response {
    uint32_t size;
    int32_t status;         /* 0: no answer, see `error` */
    holdfast_bytes headers; /* "name: value\r\n" lines, names in lower case */
    holdfast_bytes body;    /* empty where on_body took it */
    holdfast_bytes error;   /* a sentence; empty where status is not 0 */
} holdfast_http_response;
typedef struct holdfast_http_request {
    uint32_t size;
    uint32_t header_count;
    holdfast_bytes method;
    holdfast_bytes url;
    const holdfast_bytes* headers; /* "Name: value" each */
    holdfast_bytes body;
    /* JSON object: {"caFile", "clientCert", "clientKey", "serverName", "proxy", "insecure": false,
     * "timeoutMs": 30000, "maxResponseBytes", "retries": 2} */
    holdfast_bytes options;
    void* context;
    /* [any] May be NULL: then the body is collected. False ends the transfer. */
    int (*on_body)(void* context, holdfast_bytes chunk);
    /* [any] Called once, before `perform` returns, unless that returns HOLDFAST_UNSUPPORTED. */
    void (*on_response)(void* context, const holdfast_http_response* response);
} holdfast_http_request;
typedef struct holdfast_http_batch {
    uint32_t size;
    uint32_t most_at_once; /* so many are under way at the same time; 0: as many as the host thinks fit */
    void* context;
    /* The next request, or NULL: there are no more. It stays as it is until its on_response is called. */
    const holdfast_http_request* (*next)(void* context);
} holdfast_http_batch;
typedef struct holdfast_http {
    uint32_t size;
    /* [any] Blocks until the response is complete, the call's deadline has passed or it was cancelled. */
    holdfast_status (*perform)(const holdfast_call* call, const holdfast_http_request* request);
    /* [any] Since minor version 2. Many requests over few connections. Blocks until each that `next` gave has
     * its response, which come in any order. All callbacks run on the thread that calls; what takes its time
     * in there holds up the others. Once the call was cancelled `next` is not called any more. HOLDFAST_OK,
     * whatever has become of the requests. */
    holdfast_status (*perform_all)(const holdfast_call* call, const holdfast_http_batch* batch);
} holdfast_http;

#ifdef __cplusplus
}
#endif

#endif
