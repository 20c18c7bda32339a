/* A whole provider in C, without any library: each Note is a file in a directory, which holds the document.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <holdfast/provider.h>

#define KIND "hello.example.org/v1/Note"
#define MAX_DOCUMENT 65536

static const char description[] =
    "{\"name\": \"hello\", \"version\": \"0.1.0\", \"groups\": [\"hello.example.org\"], \"maxBytes\": 65536,"
    " \"config\": {\"type\": \"object\", \"required\": [\"directory\"]},"
    " \"kinds\": [{\"apiVersion\": \"hello.example.org/v1\", \"kind\": \"Note\", \"identity\": "
    "[\"/spec/key\"],"
    " \"schema\": {\"properties\": {\"spec\": {\"type\": \"object\", \"required\": [\"key\"], "
    "\"properties\": {"
    " \"key\": {\"type\": \"string\", \"pattern\": \"^[a-z0-9-]{1,64}$\"}, \"text\": {\"type\": "
    "\"string\"}}}}}}]}";

struct instance {
    char directory[512];
    char buffer[MAX_DOCUMENT]; /* two instances may be called at the same time, one instance may not */
};

static holdfast_bytes text(const char* string) {
    const holdfast_bytes out = {string, strlen(string)};
    return out;
}

static holdfast_result result_for(uint32_t item, holdfast_outcome outcome) {
    holdfast_result out;
    memset(&out, 0, sizeof out);
    out.size = sizeof out;
    out.item = item;
    out.outcome = outcome;
    return out;
}

/* A failure always says why: a stable code, a sentence, and whether trying again may help. */
static int fail(const holdfast_call* call, uint32_t item, const char* code, const char* doing) {
    char json[512];
    holdfast_result out = result_for(item, HOLDFAST_ITEM_FAILED);
    snprintf(json, sizeof json, "[{\"code\": \"%s\", \"message\": \"cannot %s: %s\", \"retry\": \"never\"}]",
             code, doing, strerror(errno));
    out.diagnostics = text(json);
    return call->emit(call, &out);
}

static int should_stop(const holdfast_call* call) { return call->cancelled && call->cancelled(call); }

static holdfast_status describe(const holdfast_call* call) {
    holdfast_result out = result_for(HOLDFAST_CALL, HOLDFAST_DONE);
    out.document = text(description);
    call->emit(call, &out);
    return HOLDFAST_OK;
}

/* The identity of a Note is its key as JSON, "\"some-key\"". The schema allows nothing in it that would have
 * to be unescaped, or that leads out of the directory. */
static int path_of(const struct instance* self, holdfast_bytes identity, char* path, size_t size) {
    const int length = (int)identity.size - 2;
    if (length < 1 || length > 64 || memchr(identity.data, '/', identity.size)) return 0;
    return snprintf(path, size, "%s/%.*s", self->directory, length, identity.data + 1) < (int)size;
}

/* The value of "directory" in {"directory": "..."}; no escapes. */
static int read_config(holdfast_bytes options, char* directory, size_t size) {
    char config[1024], *start, *end;
    snprintf(config, sizeof config, "%.*s", (int)options.size, options.data ? options.data : "");
    start = strstr(config, "\"directory\"");
    start = start ? strchr(start + strlen("\"directory\""), '"') : NULL;
    end = start ? strchr(start + 1, '"') : NULL;
    return end && snprintf(directory, size, "%.*s", (int)(end - start - 1), start + 1) < (int)size;
}

static holdfast_status open_instance(const holdfast_call* call, void** instance) {
    char detail[600];
    struct stat status;
    holdfast_result out = result_for(HOLDFAST_CALL, HOLDFAST_DONE);
    struct instance* self = calloc(1, sizeof *self);
    errno = ENOTDIR;
    if (!self || !read_config(call->options, self->directory, sizeof self->directory) ||
        stat(self->directory, &status) != 0) {
        free(self);
        fail(call, HOLDFAST_CALL, "hello.no-directory", "open the directory that the config names");
        return HOLDFAST_FAILED;
    }
    snprintf(detail, sizeof detail, "{\"target\": \"hello:%s\"}", self->directory);
    out.detail = text(detail);
    call->emit(call, &out);
    *instance = self;
    return HOLDFAST_OK;
}

static void close_instance(void* instance) { free(instance); }

static holdfast_status validate(void* instance, const holdfast_call* call) {
    (void)instance; /* the schema has said all there is to say */
    for (size_t i = 0; i < call->item_count; ++i) {
        const holdfast_result out = result_for((uint32_t)i, HOLDFAST_DONE);
        if (!call->emit(call, &out)) return HOLDFAST_CANCELLED;
    }
    return HOLDFAST_OK;
}

/* Puts a file's content into `out->document`, for which `buffer` is the room. */
static int read_document(const char* path, char* buffer, holdfast_result* out) {
    int error;
    FILE* const file = fopen(path, "rb");
    if (!file) return 0;
    out->document.size = fread(buffer, 1, MAX_DOCUMENT, file);
    out->document.data = buffer;
    error = ferror(file) ? errno : 0;
    fclose(file);
    errno = error;
    return error == 0;
}

static holdfast_status observe(void* instance, const holdfast_call* call) {
    struct instance* const self = instance;
    char path[1024];
    for (size_t i = 0; i < call->item_count; ++i) {
        holdfast_result out = result_for((uint32_t)i, HOLDFAST_DONE);
        if (should_stop(call)) return HOLDFAST_CANCELLED;
        if (access(self->directory, R_OK | X_OK) != 0 ||
            !path_of(self, holdfast_item_at(call, i)->identity, path, sizeof path)) {
            fail(call, (uint32_t)i, "hello.unreadable", "read the directory");
            continue;
        }
        if (!read_document(path, self->buffer, &out)) {
            /* What is not there is absent. What could not be read is failed: never mix them up. */
            if (errno != ENOENT) {
                fail(call, (uint32_t)i, "hello.unreadable", "read a note");
                continue;
            }
            out.outcome = HOLDFAST_ABSENT;
        }
        if (!call->emit(call, &out)) return HOLDFAST_CANCELLED;
    }
    return HOLDFAST_OK;
}

static holdfast_status list(void* instance, const holdfast_call* call) {
    struct instance* const self = instance;
    char path[1024], identity[300];
    uint32_t count = 0;
    struct dirent* entry;
    DIR* const directory = opendir(self->directory);
    if (!directory) {
        fail(call, HOLDFAST_CALL, "hello.unreadable", "read the directory");
        return HOLDFAST_FAILED;
    }
    while ((entry = readdir(directory))) {
        holdfast_result out = result_for(count, HOLDFAST_DONE);
        if (entry->d_name[0] == '.') continue;
        snprintf(identity, sizeof identity, "\"%s\"", entry->d_name);
        out.kind = text(KIND);
        out.identity = text(identity);
        if (!path_of(self, out.identity, path, sizeof path)) continue;
        if (!read_document(path, self->buffer, &out)) {
            if (errno == EISDIR || errno == ENOENT) continue; /* no note, or none any more */
            fail(call, HOLDFAST_CALL, "hello.unreadable", "read a note");
            closedir(directory);
            return HOLDFAST_FAILED;
        }
        ++count;
        if (!call->emit(call, &out)) break;
    }
    closedir(directory);
    return HOLDFAST_OK;
}

/* Beside the old file first: whoever reads it sees the old document or the new one. */
static int write_document(const char* path, holdfast_bytes document) {
    char part[1100];
    FILE* file;
    snprintf(part, sizeof part, "%s.part", path);
    file = fopen(part, "wb");
    if (!file) return 0;
    const int is_written = fwrite(document.data, 1, document.size, file) == document.size;
    return (fclose(file) == 0) && is_written && rename(part, path) == 0;
}

static int perform(const struct instance* self, const holdfast_item* item) {
    char path[1024];
    if (!path_of(self, item->identity, path, sizeof path)) return 0;
    if (item->action == HOLDFAST_DELETE) return unlink(path) == 0 || errno == ENOENT;
    return write_document(path, item->declared);
}

static holdfast_status apply(void* instance, const holdfast_call* call) {
    for (size_t i = 0; i < call->item_count; ++i) {
        const holdfast_item* const item = holdfast_item_at(call, i);
        holdfast_result out = result_for((uint32_t)i, HOLDFAST_DONE);
        if (should_stop(call)) return HOLDFAST_CANCELLED;
        if (!perform(instance, item)) {
            fail(call, (uint32_t)i, "hello.unwritable", "write a note");
            continue;
        }
        out.document = item->declared; /* empty after a delete */
        if (!call->emit(call, &out)) return HOLDFAST_CANCELLED;
    }
    return HOLDFAST_OK;
}

HOLDFAST_EXPORT extern const holdfast_plugin holdfast_plugin_v1;
const holdfast_plugin holdfast_plugin_v1 = {
    .size = sizeof(holdfast_plugin),
    .minor = HOLDFAST_ABI_MINOR,
    .name = "hello",
    .version = "0.1.0",
    .describe = describe,
    .open = open_instance,
    .close = close_instance,
    .validate = validate,
    .observe = observe,
    .list = list,
    .apply = apply,
};
