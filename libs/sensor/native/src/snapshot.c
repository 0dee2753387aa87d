/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "clean.h"
#include "file.h"
#include "snapshot.h"

static const char *const hold_texts[] = { "", "unloaded", "fell-back" };
static const char *const confirm_texts[] = { "", "waiting", "confirmed", "unconfirmed", "fell-back" };
static const char *const by_texts[] = { "console", "control-plane", "boot-guard" };

const char *hw_confirm_text(enum hw_confirm confirm) {
        return confirm_texts[confirm];
}

const char *hw_by_text(enum hw_by by) {
        return by_texts[by];
}

enum hw_mode hw_memory_mode(const struct hw_memory *m) {
        if (m->hold != HW_HOLD_NONE)
                return HW_MODE_OFF;
        return m->suspension.active ? m->suspension.mode : HW_MODE_ENFORCE;
}

uint64_t hw_memory_time(const struct hw_memory *m, uint64_t wall_ms) {
        return wall_ms > m->highest.issued_at ? wall_ms : m->highest.issued_at;
}

void hw_memory_catch_up(struct hw_memory *m, uint64_t wall_ms) {
        if (m->suspension.active && m->suspension.until > m->highest.issued_at)
                m->seen_at = HW_MAX(m->seen_at, wall_ms);
}

bool hw_suspension_over(const struct hw_memory *m, uint64_t wall_ms) {
        const bool ordered = m->suspension.by == HW_BY_CONTROL_PLANE;
        uint64_t now = ordered ? hw_memory_time(m, wall_ms) : 0;

        return m->suspension.active && HW_MAX(m->seen_at, now) >= m->suspension.until;
}

bool hw_memory_outlived(const struct hw_memory *m, const struct hw_table *t, uint64_t wall_ms) {
        return t->valid_until && t->valid_until <= HW_MAX(m->ended_at, hw_memory_time(m, wall_ms));
}

bool hw_memory_rejects(const struct hw_memory *m, const struct hw_table *t) {
        return strcmp(t->digest, m->rejected_digest) == 0 &&
               (m->rejected_effect == 0 || m->rejected_effect == hw_table_effect(t));
}

static int save(int dirfd, const char *name, struct hw_buffer *frame, size_t begun, uint32_t *ret_checksum) {
        struct hw_slice payload;
        int r;

        if (frame->failed)
                return -ENOMEM;
        payload = (struct hw_slice){ frame->data + begun + HW_HEADER_BYTES, frame->len - begun - HW_HEADER_BYTES };
        *ret_checksum = hw_crc32(payload);
        hw_put_u64(frame, HW_TAG_CHECKSUM, *ret_checksum);
        r = hw_frame_end(frame, begun);
        return r < 0 ? r : hw_write_atomic(dirfd, name, frame->data, frame->len, 0600);
}

/* The payload without its checksum. */
static int load(int dirfd, const char *name, uint16_t type, struct hw_buffer *ret, uint32_t *ret_checksum) {
        const size_t checksum_bytes = HW_FIELD_HEADER_BYTES + 8;
        struct hw_slice payload, value;
        struct hw_header header;
        uint64_t checksum;
        int r;

        r = hw_read_file(dirfd, name, HW_MAX_FRAME_BYTES + HW_HEADER_BYTES, ret);
        if (r < 0)
                return r == -EFBIG ? -EBADMSG : r;
        if (ret->len < HW_HEADER_BYTES + checksum_bytes || hw_header_parse(ret->data, &header) < 0)
                return -EBADMSG;
        if (header.type != type || header.length != ret->len - HW_HEADER_BYTES)
                return -EBADMSG;
        hw_buffer_drop_front(ret, HW_HEADER_BYTES);
        payload = (struct hw_slice){ ret->data, ret->len };
        if (hw_payload_check(payload) < 0 || hw_payload_one(payload, HW_TAG_CHECKSUM, &value) < 0 ||
            hw_slice_u64(value, &checksum) < 0 || value.data + value.len != payload.data + payload.len)
                return -EBADMSG;
        ret->len -= checksum_bytes;
        *ret_checksum = hw_crc32((struct hw_slice){ ret->data, ret->len });
        return *ret_checksum == checksum ? 0 : -EBADMSG;
}

int hw_snapshot_save(int dirfd, const char *name, struct hw_table *t) {
        _cleanup_buffer_ struct hw_buffer frame = { 0 };
        size_t begun = hw_frame_begin(&frame, HW_MSG_SNAPSHOT, 0);

        hw_buffer_add(&frame, t->payload.data, t->payload.len);
        return save(dirfd, name, &frame, begun, &t->checksum);
}

int hw_snapshot_load(int dirfd, const char *name, struct hw_table **ret) {
        _cleanup_buffer_ struct hw_buffer payload = { 0 };
        uint32_t checksum;
        const char *why;
        int r = load(dirfd, name, HW_MSG_SNAPSHOT, &payload, &checksum);

        if (r == 0)
                r = hw_table_parse(&payload, ret, &why);
        if (r == 0)
                (*ret)->checksum = checksum;
        return r;
}

static void put_suspension(struct hw_buffer *frame, const struct hw_suspension *s) {
        if (!s->active)
                return;
        hw_put_text(frame, HW_TAG_SUSPEND_MODE, hw_mode_text(s->mode));
        hw_put_u64(frame, HW_TAG_SUSPEND_UNTIL, s->until);
        hw_put_text(frame, HW_TAG_SUSPEND_REASON, s->reason);
        hw_put_text(frame, HW_TAG_BY, hw_by_text(s->by));
}

static void put_ordered(struct hw_buffer *frame, const struct hw_order_suspend *o) {
        if (!o->set)
                return;
        hw_put_text(frame, HW_TAG_MODE, hw_mode_text(o->mode));
        hw_put_u64(frame, HW_TAG_UNTIL, o->until);
        hw_put_text(frame, HW_TAG_REASON, o->reason);
}

int hw_memory_save(int dirfd, const struct hw_memory *m) {
        _cleanup_buffer_ struct hw_buffer frame = { 0 };
        size_t begun = hw_frame_begin(&frame, HW_MSG_MEMORY, 0);
        uint32_t checksum;

        hw_put_assignment_version(&frame, &m->highest);
        hw_put_text(&frame, HW_TAG_DIGEST, m->rejected_digest);
        hw_put_text(&frame, HW_TAG_HOLD, hold_texts[m->hold]);
        hw_put_text(&frame, HW_TAG_CONFIRM_STATE, confirm_texts[m->confirm]);
        hw_put_u64(&frame, HW_TAG_SINCE, m->confirm_since);
        hw_put_text(&frame, HW_TAG_CODE, m->evidence ? "denied" : m->unproved ? "unproved" : "");
        hw_put_u64(&frame, HW_TAG_SEEN_AT, m->seen_at);
        if (m->ended_at)
                hw_put_u64(&frame, HW_TAG_ENDED_AT, m->ended_at);
        if (m->table)
                hw_put_u64(&frame, HW_TAG_TABLE, m->table);
        if (m->rejected_effect)
                hw_put_u64(&frame, HW_TAG_ENFORCE, m->rejected_effect);
        put_suspension(&frame, &m->suspension);
        put_ordered(&frame, &m->ordered);
        if (m->heeded.generation)
                hw_put_bytes(&frame, HW_TAG_MINIMUM_VERSIONS, &m->heeded, sizeof m->heeded);
        return save(dirfd, HW_MEMORY, &frame, begun, &checksum);
}

static int get_index(struct hw_slice payload, uint16_t tag, const char *const *texts, size_t n, int *ret) {
        struct hw_slice value;
        int r = hw_payload_one(payload, tag, &value);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (hw_slice_is(value, texts[i])) {
                        *ret = (int)i;
                        return 0;
                }
        return -EBADMSG;
}

static int get_text(struct hw_slice payload, uint16_t tag, char *ret, size_t size) {
        struct hw_slice value;
        int r = hw_payload_one(payload, tag, &value);

        if (r < 0)
                return r;
        if (value.len >= size)
                return -EBADMSG;
        if (value.len)
                memcpy(ret, value.data, value.len);
        ret[value.len] = 0;
        return 0;
}

static int get_suspension(struct hw_slice payload, struct hw_suspension *ret) {
        struct hw_slice mode;
        int by = 0, r = hw_payload_one(payload, HW_TAG_SUSPEND_MODE, &mode);

        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = hw_mode_parse(mode, &ret->mode);
        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_SUSPEND_UNTIL, &ret->until);
        if (r == 0)
                r = get_text(payload, HW_TAG_SUSPEND_REASON, ret->reason, sizeof ret->reason);
        if (r == 0)
                r = get_index(payload, HW_TAG_BY, by_texts, HW_LEN(by_texts), &by);
        if (r < 0)
                return r;
        ret->by = (enum hw_by)by;
        ret->active = true;
        return 0;
}

static int get_ordered(struct hw_slice payload, struct hw_order_suspend *ret) {
        struct hw_slice mode;
        int r = hw_payload_one(payload, HW_TAG_MODE, &mode);

        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = hw_mode_parse(mode, &ret->mode);
        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_UNTIL, &ret->until);
        if (r == 0)
                r = get_text(payload, HW_TAG_REASON, ret->reason, sizeof ret->reason);
        ret->set = r == 0;
        return r;
}

static int get_heeded(struct hw_slice payload, struct hw_assignment_version *ret) {
        struct hw_slice value;
        int r = hw_payload_one(payload, HW_TAG_MINIMUM_VERSIONS, &value);

        if (r == -ENOENT)
                return 0;
        if (r < 0 || value.len != sizeof *ret)
                return -EBADMSG;
        memcpy(ret, value.data, sizeof *ret);
        return 0;
}

static int parse_memory(struct hw_slice payload, struct hw_memory *ret) {
        char code[16];
        int hold = 0, confirm = 0, r;
        uint64_t table = 0;

        r = hw_payload_assignment_version(payload, &ret->highest);
        if (r == 0)
                r = get_text(payload, HW_TAG_DIGEST, ret->rejected_digest, sizeof ret->rejected_digest);
        if (r == 0)
                r = get_index(payload, HW_TAG_HOLD, hold_texts, HW_LEN(hold_texts), &hold);
        if (r == 0)
                r = get_index(payload, HW_TAG_CONFIRM_STATE, confirm_texts, HW_LEN(confirm_texts), &confirm);
        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_SINCE, &ret->confirm_since);
        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_SEEN_AT, &ret->seen_at);
        if (r == 0)
                r = hw_payload_u64(payload, HW_TAG_ENDED_AT, &ret->ended_at);
        if (r == 0 || r == -ENOENT)
                r = hw_payload_u64(payload, HW_TAG_TABLE, &table);
        if (r == 0 || r == -ENOENT)
                r = hw_payload_u64(payload, HW_TAG_ENFORCE, &ret->rejected_effect);
        if (r == 0 || r == -ENOENT)
                r = get_text(payload, HW_TAG_CODE, code, sizeof code);
        if (r < 0)
                return r;
        ret->table = (uint32_t)table;
        ret->hold = (enum hw_hold)hold;
        ret->confirm = (enum hw_confirm)confirm;
        ret->evidence = strcmp(code, "denied") == 0;
        ret->unproved = strcmp(code, "unproved") == 0;
        r = get_suspension(payload, &ret->suspension);
        if (r == 0)
                r = get_ordered(payload, &ret->ordered);
        return r < 0 ? r : get_heeded(payload, &ret->heeded);
}

int hw_memory_load(int dirfd, struct hw_memory *ret) {
        _cleanup_buffer_ struct hw_buffer payload = { 0 };
        uint32_t checksum;
        int r;

        *ret = (struct hw_memory){ 0 };
        r = load(dirfd, HW_MEMORY, HW_MSG_MEMORY, &payload, &checksum);
        if (r == 0 && parse_memory((struct hw_slice){ payload.data, payload.len }, ret) < 0)
                r = -EBADMSG;
        if (r < 0)
                *ret = (struct hw_memory){ 0 };
        return r;
}
