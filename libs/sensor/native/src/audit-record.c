/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "audit-record.h"
#include "clean.h"
#include "policy-blob.h"

/* Unread rest of the record. */
struct reader {
        const char *p, *end;
};

enum form { FORM_QUOTED, FORM_BARE };

struct pair {
        char key[32];
        struct hw_slice value;
        enum form form;
};

static int read_number(struct reader *r, uint64_t *ret) {
        const char *start = r->p;

        *ret = 0;
        while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
                if (__builtin_mul_overflow(*ret, (uint64_t)10, ret) ||
                    __builtin_add_overflow(*ret, (uint64_t)(*r->p++ - '0'), ret))
                        return -EBADMSG;
        return r->p == start ? -EBADMSG : 0;
}

static int expect(struct reader *r, const char *text) {
        size_t n = strlen(text);

        if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
                return -EBADMSG;
        r->p += n;
        return 0;
}

/* audit(1700000000.123:456): */
static int read_stamp(struct reader *r, struct hw_audit_record *ret) {
        uint64_t seconds, ms;

        if (expect(r, "audit(") < 0 || read_number(r, &seconds) < 0 || expect(r, ".") < 0 ||
            read_number(r, &ms) < 0 || expect(r, ":") < 0 || read_number(r, &ret->serial) < 0 || expect(r, "):") < 0)
                return -EBADMSG;
        if (seconds > UINT32_MAX * 8ull || ms > 999)
                return -EBADMSG;
        ret->time_ms = seconds * 1000 + ms;
        return 0;
}

static int read_key(struct reader *r, struct pair *ret) {
        size_t n = 0;

        while (r->p < r->end && ((*r->p >= 'a' && *r->p <= 'z') || (n && *r->p >= '0' && *r->p <= '9') || *r->p == '_')) {
                if (n + 1 == sizeof ret->key)
                        return -EBADMSG;
                ret->key[n++] = *r->p++;
        }
        ret->key[n] = 0;
        return n ? expect(r, "=") : -EBADMSG;
}

static int read_value(struct reader *r, struct pair *ret) {
        const char *start;

        ret->form = r->p < r->end && *r->p == '"' ? FORM_QUOTED : FORM_BARE;
        if (ret->form == FORM_QUOTED) {
                start = ++r->p;
                while (r->p < r->end && *r->p != '"')
                        r->p++;
                if (r->p == r->end)
                        return -EBADMSG;
                ret->value = (struct hw_slice){ (const uint8_t *)start, (size_t)(r->p++ - start) };
                return r->p == r->end || *r->p == ' ' ? 0 : -EBADMSG;
        }
        start = r->p;
        while (r->p < r->end && *r->p != ' ')
                if (*r->p++ == '"')
                        return -EBADMSG;
        ret->value = (struct hw_slice){ (const uint8_t *)start, (size_t)(r->p - start) };
        return 0;
}

/* 1 with a pair, 0 at the end. */
static int next_pair(struct reader *r, struct pair *ret) {
        int e;

        while (r->p < r->end && *r->p == ' ')
                r->p++;
        if (r->p == r->end)
                return 0;
        e = read_key(r, ret);
        if (e == 0)
                e = read_value(r, ret);
        return e < 0 ? e : 1;
}

static int hex_digit(uint8_t c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What audit_log_untrustedstring() wrote: quoted as it is, or bare as upper-case hex. */
static int untrusted(const struct pair *pair, char *ret, size_t size) {
        size_t n = 0;

        if (pair->form == FORM_QUOTED || hw_slice_is(pair->value, "(null)") || hw_slice_is(pair->value, "?")) {
                if (pair->value.len >= size || memchr(pair->value.data, 0, pair->value.len))
                        return -EBADMSG;
                memcpy(ret, pair->value.data, pair->value.len);
                ret[pair->form == FORM_QUOTED ? pair->value.len : 0] = 0;
                return 0;
        }
        if (pair->value.len % 2 || pair->value.len / 2 >= size)
                return -EBADMSG;
        for (size_t i = 0; i < pair->value.len; i += 2) {
                int high = hex_digit(pair->value.data[i]), low = hex_digit(pair->value.data[i + 1]);

                if (high < 0 || low < 0 || (high == 0 && low == 0))
                        return -EBADMSG;
                ret[n++] = (char)(high << 4 | low);
        }
        ret[n] = 0;
        return 0;
}

static int trusted(const struct pair *pair, char *ret, size_t size) {
        if (pair->form != FORM_QUOTED || pair->value.len >= size || memchr(pair->value.data, 0, pair->value.len))
                return -EBADMSG;
        memcpy(ret, pair->value.data, pair->value.len);
        ret[pair->value.len] = 0;
        return 0;
}

static int number(const struct pair *pair, int64_t *ret) {
        struct reader r = { (const char *)pair->value.data, (const char *)pair->value.data + pair->value.len };
        uint64_t value;

        if (pair->form != FORM_BARE || read_number(&r, &value) < 0 || r.p != r.end || value > UINT32_MAX)
                return -EBADMSG;
        *ret = (int64_t)value;
        return 0;
}

#define TEXT(key, field) \
        { key, offsetof(struct hw_audit_record, field), sizeof(((struct hw_audit_record *)NULL)->field) }
#define NUMBER(key, field) \
        { key, offsetof(struct hw_audit_record, field), 0 }

struct slot {
        const char *key;
        size_t offset, size;
};

/* User-chosen strings, strings out of the kernel's own tables, numbers. Other keys are skipped. */
static const struct slot untrusted_slots[] = { TEXT("profile", profile), TEXT("name", name), TEXT("comm", comm),
                                               TEXT("target", target),
                                               TEXT("peer", peer) };
static const struct slot trusted_slots[] = {
        TEXT("operation", operation), TEXT("requested_mask", requested),  TEXT("requested", requested),
        TEXT("info", info),           TEXT("denied_mask", denied_mask),   TEXT("denied", denied_mask),
        TEXT("capname", capname),     TEXT("family", family),             TEXT("sock_type", sock_type)
};
static const struct slot number_slots[] = { NUMBER("pid", pid), NUMBER("fsuid", fsuid), NUMBER("ouid", ouid),
                                            NUMBER("capability", capability), NUMBER("protocol", protocol) };

static const struct slot *find_slot(const struct slot *slots, size_t n, const char *key) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(slots[i].key, key) == 0)
                        return &slots[i];
        return NULL;
}

static int store(struct hw_audit_record *ret, const struct pair *pair) {
        char *base = (char *)ret;
        const struct slot *slot;

        slot = find_slot(untrusted_slots, HW_LEN(untrusted_slots), pair->key);
        if (slot)
                return base[slot->offset] ? -EBADMSG : untrusted(pair, base + slot->offset, slot->size);
        slot = find_slot(trusted_slots, HW_LEN(trusted_slots), pair->key);
        if (slot)
                return base[slot->offset] ? -EBADMSG : trusted(pair, base + slot->offset, slot->size);
        slot = find_slot(number_slots, HW_LEN(number_slots), pair->key);
        if (slot)
                return number(pair, (int64_t *)(void *)(base + slot->offset));
        return 0;
}

static bool is_ours(const struct hw_audit_record *r) {
        return hw_name_is_ours((struct hw_slice){ (const uint8_t *)r->profile, strlen(r->profile) });
}

static void clear(struct hw_audit_record *r) {
        memset(r, 0, sizeof *r);
        r->pid = r->fsuid = r->ouid = r->capability = r->protocol = -1;
}

int hw_audit_record_parse(const char *text, size_t len, struct hw_audit_record *ret) {
        struct reader r = { text, text + len };
        struct pair pair;
        int e;

        clear(ret);
        while (r.end > r.p && (r.end[-1] == 0 || r.end[-1] == '\n' || r.end[-1] == ' '))
                r.end--;
        if (read_stamp(&r, ret) < 0)
                return -EBADMSG;
        e = next_pair(&r, &pair);
        if (e <= 0 || strcmp(pair.key, "apparmor") != 0)
                return e < 0 && memmem(text, len, "apparmor=", 9) ? e : 0; /* of another LSM */
        if (pair.form != FORM_QUOTED)
                return -EBADMSG;
        ret->denied = hw_slice_is(pair.value, "DENIED");
        if (!ret->denied && !hw_slice_is(pair.value, "AUDIT") && !hw_slice_is(pair.value, "ALLOWED"))
                return 0; /* STATUS, HINT, KILLED, ERROR */
        while ((e = next_pair(&r, &pair)) > 0) {
                if (strcmp(pair.key, "namespace") == 0)
                        return 0; /* a container's own policy namespace */
                e = store(ret, &pair);
                if (e < 0)
                        return e;
        }
        return e < 0 ? e : is_ours(ret);
}
