/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "dropin.h"
#include "hostward-sense.h"
#include "hostward-table-check.h"
#include "links.h"
#include "log.h"
#include "policy-blob.h"
#include "table.h"

static int compare(uint64_t a, uint64_t b) {
        return (a > b) - (a < b);
}

int hw_assignment_version_compare(const struct hw_assignment_version *a, const struct hw_assignment_version *b) {
        int r = compare(a->epoch, b->epoch);

        if (r == 0)
                r = compare(a->generation, b->generation);
        return r ? r : compare(a->issued_at, b->issued_at);
}

bool hw_assignment_version_is_set(const struct hw_assignment_version *o) {
        return o->epoch || o->generation || o->issued_at;
}

int hw_payload_assignment_version(struct hw_slice payload, struct hw_assignment_version *ret) {
        int r = hw_payload_u64(payload, HW_TAG_EPOCH, &ret->epoch);

        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_GENERATION, &ret->generation);
        return r < 0 ? r : hw_payload_u64(payload, HW_TAG_ISSUED_AT, &ret->issued_at);
}

void hw_put_assignment_version(struct hw_buffer *b, const struct hw_assignment_version *o) {
        hw_put_u64(b, HW_TAG_EPOCH, o->epoch);
        hw_put_u64(b, HW_TAG_GENERATION, o->generation);
        hw_put_u64(b, HW_TAG_ISSUED_AT, o->issued_at);
}

static const char *const mode_texts[] = { "enforce", "audit", "off" };
static const char *const probe_texts[] = { "read", "write", "exec" };

const char *hw_mode_text(enum hw_mode mode) {
        return mode_texts[mode];
}

const char *hw_probe_kind_text(enum hw_probe_kind kind) {
        return probe_texts[kind];
}

int hw_mode_parse(struct hw_slice text, enum hw_mode *ret) {
        for (int i = HW_MODE_ENFORCE; i <= HW_MODE_OFF; i++)
                if (hw_slice_is(text, mode_texts[i])) {
                        *ret = (enum hw_mode)i;
                        return 0;
                }
        return -EBADMSG;
}

/* Splits at NULs into exactly n strings. */
static int split(struct hw_slice value, char **ret, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const uint8_t *end = value.len ? memchr(value.data, 0, value.len) : NULL;
                size_t len = end ? (size_t)(end - value.data) : value.len;

                if (!end != (i == n - 1))
                        return -EBADMSG;
                ret[i] = hw_slice_dup((struct hw_slice){ value.data, len });
                if (!ret[i])
                        return -ENOMEM;
                if (end)
                        value = (struct hw_slice){ end + 1, value.len - len - 1 };
        }
        return 0;
}

/* A name of ours, into a list that has room for `max`. */
static int add_name(char **list, size_t *n, size_t max, bool is_ours, struct hw_slice value) {
        if (*n == max || !is_ours)
                return -EBADMSG;
        list[*n] = hw_slice_dup(value);
        if (!list[*n])
                return -ENOMEM;
        (*n)++;
        return 0;
}

static int add_probe(struct hw_table *t, struct hw_slice value) {
        struct hw_probe *probe = &t->probes[t->n_probes];
        char *parts[4] = { NULL };
        int r;

        if (t->n_probes == HW_TABLE_PROBES_MAX)
                return -EBADMSG;
        r = split(value, parts, 4);
        *probe = (struct hw_probe){ .rule = parts[1], .profile = parts[2], .path = parts[3] };
        t->n_probes++; /* from here hw_table_free() owns the parts */
        if (r == 0) {
                r = -EBADMSG;
                for (int i = HW_PROBE_READ; i <= HW_PROBE_EXEC; i++)
                        if (strcmp(parts[0], probe_texts[i]) == 0) {
                                probe->kind = (enum hw_probe_kind)i;
                                r = parts[3][0] == '/' && strlen(parts[3]) < 4096 ? 0 : -EBADMSG;
                        }
        }
        free(parts[0]);
        return r;
}

static int add_dropin(struct hw_table *t, struct hw_slice value) {
        struct hw_dropin *dropin = &t->dropins[t->n_dropins];
        char *parts[2] = { NULL };
        int r;

        if (t->n_dropins == HW_TABLE_DROPINS_MAX)
                return -EBADMSG;
        r = split(value, parts, 2);
        if (r == 0 && hw_dropin_is_sound(parts[0], parts[1])) {
                *dropin = (struct hw_dropin){ parts[0], parts[1] };
                t->n_dropins++;
                return 0;
        }
        if (r == 0) /* one unit must not cost all the others their rules */
                hw_warn("a drop-in that holds more than an AppArmorProfile= is left out unit=%s", parts[0]);
        free(parts[0]);
        free(parts[1]);
        return r;
}

/* Room for every repeated field, counted first: the bound is the frame's. */
static int allocate_lists(struct hw_table *t, struct hw_slice payload) {
        struct hw_cursor cursor = { payload };
        size_t names = 1, probes = 1, dropins = 1, subjects = 1;
        struct hw_field field;
        int r;

        while ((r = hw_field_next(&cursor, &field)) > 0) {
                names += field.tag == HW_TAG_PROFILE_NAME;
                probes += field.tag == HW_TAG_PROBE;
                dropins += field.tag == HW_TAG_DROPIN;
                subjects += field.tag == HW_TAG_SUBJECT_NAME;
        }
        if (r < 0)
                return r;
        t->names = calloc(HW_MIN(names, HW_TABLE_PROFILES_MAX + 1), sizeof *t->names);
        t->probes = calloc(HW_MIN(probes, HW_TABLE_PROBES_MAX + 1), sizeof *t->probes);
        t->dropins = calloc(HW_MIN(dropins, HW_TABLE_DROPINS_MAX + 1), sizeof *t->dropins);
        t->subjects = calloc(HW_MIN(subjects, HW_TABLE_SUBJECTS_MAX + 1), sizeof *t->subjects);
        return t->names && t->probes && t->dropins && t->subjects ? 0 : -ENOMEM;
}

static bool belongs(uint16_t tag) {
        return (tag >= HW_TAG_EPOCH && tag <= HW_TAG_REPORT) || (tag >= HW_TAG_PROFILE_NAME && tag <= HW_TAG_DROPIN) ||
               tag == HW_TAG_OVERRIDES || tag == HW_TAG_VALID_UNTIL || tag == HW_TAG_ROOT ||
               tag == HW_TAG_MINIMUM_VERSIONS || tag == HW_TAG_TABLE || tag == HW_TAG_SUBJECT_NAME ||
               tag == HW_TAG_KILL_HOLDERS || tag == HW_TAG_DEVICES || tag == HW_TAG_VISIBILITY ||
               tag == HW_TAG_LINKS || tag == HW_TAG_EFFECT || tag >= HW_OPTIONAL_TAGS;
}

static int read_lists(struct hw_table *t, struct hw_slice payload, const char **why) {
        struct hw_cursor cursor = { payload };
        struct hw_field field;
        int r = allocate_lists(t, payload);

        while (r == 0 && hw_field_next(&cursor, &field) > 0) {
                *why = "a field does not belong into a table";
                if (!belongs(field.tag))
                        r = -EBADMSG;
                *why = r < 0 ? *why : "a profile name is not one of ours";
                if (field.tag == HW_TAG_PROFILE_NAME)
                        r = add_name(t->names, &t->n_names, HW_TABLE_PROFILES_MAX, hw_name_is_ours(field.value),
                                     field.value);
                *why = r < 0 ? *why : "the name of a subject is not one of ours";
                if (field.tag == HW_TAG_SUBJECT_NAME)
                        r = add_name(t->subjects, &t->n_subjects, HW_TABLE_SUBJECTS_MAX,
                                     hw_subject_is_ours(field.value), field.value);
                *why = r < 0 ? *why : "a probe is malformed";
                if (field.tag == HW_TAG_PROBE)
                        r = add_probe(t, field.value);
                *why = r < 0 ? *why : "a drop-in is malformed";
                if (field.tag == HW_TAG_DROPIN)
                        r = add_dropin(t, field.value);
        }
        return r;
}

static int copy_text(struct hw_slice value, char *ret, size_t size) {
        if (value.len >= size || (value.len && memchr(value.data, 0, value.len)))
                return -EBADMSG;
        if (value.len)
                memcpy(ret, value.data, value.len);
        ret[value.len] = 0;
        return 0;
}

static int read_digest(struct hw_table *t, struct hw_slice payload) {
        struct hw_slice value;
        int r = hw_payload_one(payload, HW_TAG_DIGEST, &value);

        if (r < 0)
                return r;
        for (size_t i = 0; i < value.len; i++)
                if (!memchr("0123456789abcdef", value.data[i], 16))
                        return -EBADMSG;
        return value.len ? copy_text(value, t->digest, sizeof t->digest) : -EBADMSG;
}

static int read_suspend(struct hw_table *t, struct hw_slice payload) {
        struct hw_slice mode, reason;
        int r = hw_payload_one(payload, HW_TAG_SUSPEND_MODE, &mode);

        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = hw_mode_parse(mode, &t->suspend.mode);
        if (r == 0 && t->suspend.mode == HW_MODE_ENFORCE)
                r = -EBADMSG;
        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_SUSPEND_UNTIL, &t->suspend.until);
        if (r == 0)
                r = hw_payload_one(payload, HW_TAG_SUSPEND_REASON, &reason);
        if (r == 0)
                r = copy_text(reason, t->suspend.reason, sizeof t->suspend.reason);
        t->suspend.set = r == 0;
        return r;
}

int hw_table_parse_word(struct hw_slice payload, struct hw_table *ret) {
        int r = hw_payload_assignment_version(payload, &ret->assignment_version);

        return r < 0 ? r : read_suspend(ret, payload);
}

static int read_optional(struct hw_slice payload, uint16_t tag, uint64_t *ret) {
        int r = hw_payload_u64(payload, tag, ret);

        return r == -ENOENT ? 0 : r;
}

/* Absent is empty; given and empty, or too large, is a mistake of the compiler's. */
static int read_kept(struct hw_slice payload, uint16_t tag, size_t max, struct hw_slice *ret) {
        int r = hw_payload_one(payload, tag, ret);

        if (r == -ENOENT)
                return 0;
        return r == 0 && (ret->len == 0 || ret->len > max) ? -EBADMSG : r;
}

static int read_bpf(struct hw_table *t, struct hw_slice payload) {
        struct hw_tbl_blob blob;
        int r = hw_payload_one(payload, HW_TAG_TABLE, &t->bpf);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        blob = (struct hw_tbl_blob){ t->bpf.data, (uint32_t)t->bpf.len };
        return t->bpf.len <= HW_TBL_SIZE_MAX && t->blobs[HW_MODE_ENFORCE].len == 0 && hw_tbl_check(&blob) ? 0 : -EBADMSG;
}

static int read_devices(struct hw_table *t, struct hw_slice payload) {
        int r = hw_payload_one(payload, HW_TAG_DEVICES, &t->devices);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        t->usb = calloc(1, sizeof *t->usb);
        return t->usb ? hw_usb_rules_parse(t->devices, t->usb) : -ENOMEM;
}

static int read_single(struct hw_table *t, struct hw_slice payload, const char **why) {
        int r;

        *why = "the assignment version is missing or malformed";
        r = hw_payload_assignment_version(payload, &t->assignment_version);
        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_EXPIRES_AT, &t->expires_at);
        if (r < 0)
                return r;
        *why = "the digest is missing or malformed";
        r = read_digest(t, payload);
        if (r < 0)
                return r;
        *why = "the report, a blob or the text is missing or repeated";
        r = hw_payload_one(payload, HW_TAG_REPORT, &t->report);
        if (r == 0)
                r = hw_payload_one(payload, HW_TAG_ENFORCE, &t->blobs[HW_MODE_ENFORCE]);
        if (r == 0)
                r = hw_payload_one(payload, HW_TAG_AUDIT, &t->blobs[HW_MODE_AUDIT]);
        if (r == 0)
                r = hw_payload_one(payload, HW_TAG_OPEN, &t->blobs[HW_MODE_OFF]);
        if (r == 0)
                r = hw_payload_one(payload, HW_TAG_TEXT, &t->text);
        if (r < 0)
                return r;
        *why = "the table for BPF is malformed or beside profiles";
        r = read_bpf(t, payload);
        if (r < 0)
                return r;
        *why = "the rules about devices are malformed";
        r = read_devices(t, payload);
        if (r < 0)
                return r;
        *why = "the number of overrides is malformed";
        r = read_optional(payload, HW_TAG_OVERRIDES, &t->overrides);
        if (r < 0)
                return r;
        *why = "what becomes of those who have open what is refused is malformed";
        r = read_optional(payload, HW_TAG_KILL_HOLDERS, &t->kill_holders);
        if (r < 0)
                return r;
        *why = "what is watched is malformed";
        r = read_optional(payload, HW_TAG_VISIBILITY, &t->visibility);
        if (r < 0 || t->visibility >> HW_SENSE_CLASSES)
                return -EBADMSG;
        *why = "the end of validity is malformed";
        r = read_optional(payload, HW_TAG_VALID_UNTIL, &t->valid_until);
        if (r < 0)
                return r;
        *why = "what is to be kept of trust is malformed or too large";
        r = read_kept(payload, HW_TAG_ROOT, HW_ROOT_BYTES_MAX, &t->root);
        if (r == 0)
                r = read_kept(payload, HW_TAG_MINIMUM_VERSIONS, HW_MINIMUM_VERSIONS_BYTES_MAX, &t->minimum_versions);
        if (r < 0)
                return r;
        *why = "the links that were looked at are malformed or too many";
        r = read_kept(payload, HW_TAG_LINKS, HW_LINKS_BYTES_MAX, &t->links);
        if (r < 0 || !hw_links_are_sound(t->links))
                return -EBADMSG;
        *why = "what the binary policy was made from is malformed";
        r = read_kept(payload, HW_TAG_EFFECT, HW_EFFECT_BYTES, &t->effect);
        if (r < 0 || (t->effect.len > 0 && t->effect.len != HW_EFFECT_BYTES))
                return -EBADMSG;
        *why = "the suspension is malformed";
        return read_suspend(t, payload);
}

struct names_check {
        const struct hw_table *table;
        size_t count;
};

static int check_name(struct hw_slice name, struct hw_slice bytes, void *userdata) {
        struct names_check *check = userdata;

        (void)bytes;
        check->count++;
        for (size_t i = 0; i < check->table->n_names; i++)
                if (hw_slice_is(name, check->table->names[i]))
                        return 0;
        return -EBADMSG;
}

static int check_blobs(const struct hw_table *t, const char **why) {
        *why = "a blob is not well formed or holds other profiles than those named";
        for (int i = HW_MODE_ENFORCE; i <= HW_MODE_OFF; i++) {
                struct names_check check = { t, 0 };
                int r = hw_blob_walk(t->blobs[i], check_name, &check);

                if (r < 0)
                        return r;
                if (t->blobs[i].len && check.count != t->n_names)
                        return -EBADMSG;
        }
        return 0;
}

int hw_table_parse(struct hw_buffer *payload, struct hw_table **ret, const char **ret_why) {
        _cleanup_table_ struct hw_table *t = calloc(1, sizeof *t);
        struct hw_slice whole;
        int r;

        *ret_why = "out of memory";
        if (!t) {
                hw_buffer_free(payload);
                return -ENOMEM;
        }
        t->payload = *payload;
        *payload = (struct hw_buffer){ 0 };
        whole = (struct hw_slice){ t->payload.data, t->payload.len };
        *ret_why = "a field is malformed";
        r = hw_payload_check(whole);
        if (r == 0)
                r = read_single(t, whole, ret_why);
        if (r == 0)
                r = read_lists(t, whole, ret_why);
        if (r == 0)
                r = check_blobs(t, ret_why);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        *ret = t;
        t = NULL;
        return 0;
}

struct hw_table *hw_table_free(struct hw_table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_names; i++)
                free(t->names[i]);
        for (size_t i = 0; i < t->n_probes; i++) {
                free(t->probes[i].rule);
                free(t->probes[i].profile);
                free(t->probes[i].path);
        }
        for (size_t i = 0; i < t->n_dropins; i++) {
                free(t->dropins[i].unit);
                free(t->dropins[i].content);
        }
        for (size_t i = 0; i < t->n_subjects; i++)
                free(t->subjects[i]);
        free(t->subjects);
        free(t->names);
        free(t->probes);
        free(t->dropins);
        free(t->usb);
        hw_buffer_free(&t->payload);
        free(t);
        return NULL;
}

static bool same_bytes(struct hw_slice a, struct hw_slice b) {
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool hw_table_equals(const struct hw_table *a, const struct hw_table *b) {
        return a->payload.len == b->payload.len && memcmp(a->payload.data, b->payload.data, a->payload.len) == 0;
}

/* By what it was made from: of one text apparmor_parser makes other bytes when its memory lies elsewhere. */
static bool same_policy(const struct hw_table *a, const struct hw_table *b) {
        if (a->effect.len > 0 || b->effect.len > 0)
                return same_bytes(a->effect, b->effect);
        for (int i = HW_MODE_ENFORCE; i <= HW_MODE_OFF; i++)
                if (!same_bytes(a->blobs[i], b->blobs[i]))
                        return false;
        return true;
}

bool hw_table_same_effect(const struct hw_table *a, const struct hw_table *b) {
        return same_policy(a, b) && same_bytes(a->bpf, b->bpf) && same_bytes(a->devices, b->devices);
}

/* FNV-1a, of the length first, so that no bytes pass from one field into the next. */
static uint64_t mix(uint64_t hash, struct hw_slice bytes) {
        for (size_t i = 0; i < sizeof bytes.len; i++)
                hash = (hash ^ (uint8_t)((uint64_t)bytes.len >> (8 * i))) * 0x100000001b3ull;
        for (size_t i = 0; i < bytes.len; i++)
                hash = (hash ^ bytes.data[i]) * 0x100000001b3ull;
        return hash;
}

uint64_t hw_table_effect(const struct hw_table *t) {
        uint64_t hash = 0xcbf29ce484222325ull;

        if (t->effect.len > 0)
                hash = mix(hash, (struct hw_slice){ t->effect.data, HW_EFFECT_BYTES / 2 });
        else
                for (int i = HW_MODE_ENFORCE; i <= HW_MODE_OFF; i++)
                        hash = mix(hash, t->blobs[i]);
        hash = mix(mix(hash, t->bpf), t->devices);
        return hash ? hash : 1;
}

bool hw_table_has_name(const struct hw_table *t, const char *name) {
        for (size_t i = 0; t && i < t->n_names; i++)
                if (strcmp(t->names[i], name) == 0)
                        return true;
        return false;
}
