/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actor.h"
#include "clean.h"
#include "clock.h"
#include "events.h"
#include "file.h"
#include "json-read.h"
#include "json.h"
#include "log.h"

#define NUMBERS "numbers"
#define RESERVED_AT_ONCE (1u << 20)
#define JOURNAL "journal"
#define JOURNAL_BYTES_MAX (1u << 20)

static struct hw_event *slot(struct hw_events *e, size_t i) {
        return &e->ring[(e->first + i) % HW_EVENTS_MAX];
}

static void drop_oldest(struct hw_events *e) {
        struct hw_event *oldest = slot(e, 0);

        if (e->run_begin && oldest->seq >= e->run_begin)
                e->dropped_last = oldest->seq;
        e->bytes -= oldest->json.len;
        free((void *)oldest->json.data);
        *oldest = (struct hw_event){ 0 };
        e->first = (e->first + 1) % HW_EVENTS_MAX;
        e->n--;
}

/* Takes the buffer over. */
static void push(struct hw_events *e, uint64_t seq, struct hw_buffer *json) {
        while (e->n > 0 && (e->n == HW_EVENTS_MAX || e->bytes + json->len > HW_EVENTS_BYTES_MAX))
                drop_oldest(e);
        *slot(e, e->n) = (struct hw_event){ seq, { json->data, json->len } };
        e->n++;
        e->bytes += json->len;
        *json = (struct hw_buffer){ 0 };
}

/* Written first: a start after this one begins behind all that is given out now, also what no file has. */
static void reserve_numbers(struct hw_events *e) {
        char line[32];
        int n, r;

        e->reserved = e->next_seq + RESERVED_AT_ONCE;
        if (e->dirfd < 0)
                return;
        n = snprintf(line, sizeof line, "%" PRIu64 "\n", e->reserved);
        r = hw_write_atomic(e->dirfd, NUMBERS, line, (size_t)n, 0600);
        if (r < 0)
                hw_warn("numbers of events cannot be reserved error=%s", strerror(-r));
}

/* 0 where it is not known, as without a directory. */
static uint64_t read_reserved(int dirfd) {
        char line[32];
        uint64_t seq;

        if (hw_read_line(dirfd, NUMBERS, line, sizeof line) < 0 || sscanf(line, "%" SCNu64, &seq) != 1 || seq >> 52)
                return 0;
        return seq;
}

static struct hw_json begin(struct hw_events *e, struct hw_buffer *out, uint64_t time_ms, const char *type) {
        struct hw_json j = { out, true };

        hw_json_open(&j, NULL, '{');
        hw_json_int(&j, "seq", (int64_t)e->next_seq);
        hw_json_int(&j, "time", (int64_t)time_ms);
        hw_json_text(&j, "type", type);
        return j;
}

static void finish(struct hw_events *e, struct hw_json *j) {
        hw_json_close(j, '}');
        if (j->out->failed) {
                hw_error("an event is lost: out of memory");
                hw_buffer_free(j->out);
                return;
        }
        push(e, e->next_seq++, j->out);
        if (e->next_seq >= e->reserved)
                reserve_numbers(e);
}

static const char *type_of(const struct hw_audit_record *r) {
        if (r->observed)
                return "observed";
        if (r->guard)
                return "guarded";
        return r->denied ? "denied" : "audited";
}

/* What only the BPF programs know. */
static void put_bpf(struct hw_json *j, const struct hw_audit_record *r) {
        char device[32];

        hw_json_text(j, "enforcer", "bpf");
        hw_json_int_known(j, "rule", r->rule);
        hw_json_int(j, "suppressed", r->suppressed);
        if (r->inode == 0)
                return;
        (void)snprintf(device, sizeof device, "%u:%u", r->device >> 20, r->device & 0xfffff);
        hw_json_text(j, "device", device);
        hw_json_decimal(j, "inode", r->inode);
}

void hw_events_add_record(struct hw_events *e, const struct hw_audit_record *r, uint64_t generation) {
        static struct hw_actor found; /* large */
        struct hw_buffer out = { 0 };
        struct hw_json j = begin(e, &out, r->time_ms, type_of(r));

        if (!r->actor)
                hw_actor_read(r->pid, &found);
        /* It was let go on meanwhile, and is the program that it started: who started it is not known but by `comm`. */
        if (!r->actor && strcmp(r->operation, "exec") == 0 && strcmp(found.exe, r->name) == 0)
                found.exe[0] = 0;
        if (r->observed)
                hw_json_text(&j, "class", r->observed);
        hw_json_text_known(&j, "profile", r->profile);
        hw_json_text_known(&j, "operation", r->operation);
        hw_json_text_known(&j, "name", r->name);
        hw_json_text_known(&j, "target", r->target);
        hw_json_text_known(&j, "requested", r->requested);
        hw_json_text_known(&j, "denied", r->denied_mask);
        hw_json_int_known(&j, "pid", r->pid);
        hw_actor_write(&j, r->actor ? r->actor : &found);
        hw_json_text_known(&j, "comm", r->comm);
        hw_json_int_known(&j, "fsuid", r->fsuid);
        hw_json_int_known(&j, "ouid", r->ouid);
        hw_json_int_known(&j, "capability", r->capability);
        hw_json_text_known(&j, "capname", r->capname);
        hw_json_text_known(&j, "family", r->family);
        hw_json_text_known(&j, "sockType", r->sock_type);
        hw_json_int_known(&j, "protocol", r->protocol);
        hw_json_text_known(&j, "peer", r->peer);
        hw_json_text_known(&j, "info", r->info);
        if (r->bpf)
                put_bpf(&j, r);
        if (generation)
                hw_json_decimal(&j, "generation", generation);
        finish(e, &j);
}

void hw_events_add_device(struct hw_events *e, const struct hw_device_event *device, uint64_t generation) {
        struct hw_buffer out = { 0 };
        struct hw_json j = begin(e, &out, hw_wall_ms(), device->denied ? "denied" : "audited");

        hw_json_text(&j, "operation", "usb");
        hw_json_text(&j, "name", device->name);
        hw_json_text(&j, "requested", "use");
        if (device->denied)
                hw_json_text(&j, "denied", "use");
        hw_json_text(&j, "info", device->info);
        hw_json_text(&j, "enforcer", "usb");
        hw_json_int(&j, "rule", device->rule);
        hw_json_text_known(&j, "device", device->dev);
        hw_json_decimal(&j, "generation", generation);
        finish(e, &j);
}

void hw_events_add_lost(struct hw_events *e, int64_t count, const char *info) {
        struct hw_buffer out = { 0 };
        struct hw_json j = begin(e, &out, hw_wall_ms(), "lost");

        hw_warn("events are lost count=%" PRId64 " cause=%s", count, info);
        hw_json_text(&j, "info", info);
        hw_json_int_known(&j, "count", count);
        finish(e, &j);
}

static const char *last_lines(const char *p, const char *end, size_t keep) {
        size_t lines = 0;

        for (const char *q = p; q < end; q++)
                lines += *q == '\n';
        for (; lines > keep; lines--)
                p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
        return p;
}

static void trim_journal(struct hw_events *e) {
        _cleanup_buffer_ struct hw_buffer text = { 0 };
        const char *end, *p;

        if (hw_read_file(e->dirfd, JOURNAL, 2 * JOURNAL_BYTES_MAX, &text) < 0)
                return;
        end = (const char *)text.data + text.len;
        p = last_lines((const char *)text.data, end, HW_JOURNAL_MAX);
        (void)hw_write_atomic(e->dirfd, JOURNAL, p, (size_t)(end - p), 0600);
}

/* A power cut or a full disk left half a line. */
static bool is_cut(int fd) {
        struct stat st;
        char last;

        return fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/* Appended without fsync of each: a power cut may cost the last lines, never the file. */
static void write_journal(struct hw_events *e, struct hw_slice json) {
        _cleanup_close_ int fd = openat(e->dirfd, JOURNAL, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct stat st;

        if (fd < 0 || (is_cut(fd) && hw_write_all(fd, "\n", 1) < 0) || hw_write_all(fd, json.data, json.len) < 0 ||
            hw_write_all(fd, "\n", 1) < 0)
                hw_warn("the journal cannot be written error=%m");
        else if (fstat(fd, &st) == 0 && st.st_size > JOURNAL_BYTES_MAX)
                trim_journal(e);
}

void hw_events_add_own(struct hw_events *e, const char *type, const char *profile, const char *info) {
        struct hw_buffer out = { 0 };
        struct hw_json j = begin(e, &out, hw_wall_ms(), type);

        if (profile)
                hw_json_text(&j, "profile", profile);
        hw_json_text(&j, "info", info);
        finish(e, &j);
        if (e->n > 0)
                write_journal(e, slot(e, e->n - 1)->json);
}

/* The last thing in a line is its info: one that ends elsewhere was cut, or another was glued to it. */
static bool is_whole(struct hw_slice line) {
        struct hw_slice info;

        return hw_json_find(line, "info", &info) && info.data + info.len + 2 == line.data + line.len &&
               line.data[line.len - 1] == '}';
}

/* A line that we wrote: {"seq":N,... ; one that is cut or altered is left out. */
static void read_journal_line(struct hw_events *e, const char *line, size_t len) {
        struct hw_buffer copy = { 0 };
        uint64_t seq;

        if (!is_whole((struct hw_slice){ (const uint8_t *)line, len }) ||
            sscanf(line, "{\"seq\":%" SCNu64 ",", &seq) != 1)
                return;
        if (seq < e->next_seq || seq >> 52)
                return;
        hw_buffer_add(&copy, line, len);
        if (copy.failed)
                return;
        push(e, seq, &copy);
        e->next_seq = seq + 1;
}

static int read_journal(struct hw_events *e) {
        _cleanup_buffer_ struct hw_buffer text = { 0 };
        const char *p, *end, *newline;
        int r = hw_read_file(e->dirfd, JOURNAL, 2 * JOURNAL_BYTES_MAX, &text);

        if (r < 0)
                return r;
        end = (const char *)text.data + text.len;
        p = last_lines((const char *)text.data, end, HW_JOURNAL_MAX);
        for (; p < end && (newline = memchr(p, '\n', (size_t)(end - p))); p = newline + 1)
                read_journal_line(e, p, (size_t)(newline - p));
        return 0;
}

void hw_events_init(struct hw_events *e, int dirfd) {
        const uint64_t base = hw_wall_ms() / 1000 << 20, reserved = read_reserved(dirfd);
        int r;

        *e = (struct hw_events){ .dirfd = dirfd, .next_seq = 1 };
        r = dirfd < 0 ? 0 : read_journal(e);
        if (r < 0 && r != -ENOENT) {
                hw_warn("the journal cannot be read error=%s", strerror(-r));
                (void)unlinkat(dirfd, JOURNAL, 0);
        }
        e->next_seq = HW_MAX(e->next_seq, base);
        e->next_seq = e->run_begin = HW_MAX(e->next_seq, reserved);
        reserve_numbers(e);
}

void hw_events_free(struct hw_events *e) {
        while (e->n > 0)
                drop_oldest(e);
}

const struct hw_event *hw_events_after(const struct hw_events *e, uint64_t seq, uint64_t *ret_missed) {
        size_t low = 0, high = e->n;
        uint64_t known = seq < e->run_begin ? e->run_begin - 1 : seq;

        *ret_missed = e->dropped_last > known ? e->dropped_last - known : 0;
        while (low < high) {
                size_t middle = (low + high) / 2;

                if (e->ring[(e->first + middle) % HW_EVENTS_MAX].seq > seq)
                        high = middle;
                else
                        low = middle + 1;
        }
        if (low == e->n)
                return NULL;
        return &e->ring[(e->first + low) % HW_EVENTS_MAX];
}
