/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings.h"
#include "bpf-cgroups.h"
#include "bpf-loaded.h"
#include "bpf-loss.h"
#include "bpf-mounts.h"
#include "bpf-pins.h"
#include "bpf-programs.h"
#include "bpf-ring.h"
#include "bpf-syscall.h"
#include "bpf-throttle.h"
#include "bpf.h"
#include "clean.h"
#include "clock.h"
#include "hostward-bpf.h"
#include "log.h"

void hw_bpf_init(struct hw_bpf *b, const char *bpffs, hw_bpf_handler handler, void *userdata) {
        *b = (struct hw_bpf){ .bpffs = bpffs, .rules = -1, .mounts = -1, .bindings = -1, .host = -1, .losses = -1,
                              .events = -1, .throttle = -1, .table = -1, .queries = -1, .iterators = { -1, -1, -1 }, .mountinfo = -1,
                              .handler = handler, .userdata = userdata };
}

static void close_links(struct hw_bpf *b) {
        for (size_t i = 0; i < b->n_links; i++)
                hw_close(&b->links[i]);
        b->n_links = 0;
}

void hw_bpf_close(struct hw_bpf *b) {
        int *const maps[] = { &b->rules,  &b->mounts,   &b->bindings, &b->host, &b->losses,
                               &b->events, &b->throttle, &b->table,    &b->queries };

        close_links(b);
        hw_bpf_unmap(b);
        for (size_t i = 0; i < HW_LEN(maps); i++)
                hw_close(maps[i]);
        for (size_t i = 0; i < HW_BPF_ITERATORS; i++)
                hw_close(&b->iterators[i]);
        b->shift = 0;
        b->generation = 0;
}

/* Programs that no pin holds any more: detaches them, and what they still have to tell is told by `b`. */
static void let_go(struct hw_bpf *old, struct hw_bpf *b) {
        uint64_t lost[HW_LOSSES];

        close_links(old);
        old->generation = 0; /* the names of its rules and subjects are not ours any more */
        hw_bpf_read(old, NULL, 0);
        (void)hw_bpf_tell_suppressed(old, NULL, 0, true);
        (void)hw_bpf_poll_lost(old, lost);
        for (size_t cause = 0; cause < HW_LOSSES; cause++)
                b->carried[cause] += lost[cause];
        hw_bpf_close(old);
}

/* ---- the programs ---- */

size_t hw_bpf_element_bytes(unsigned int shift) {
        return sizeof(struct hw_element) + ((size_t)1 << shift) + HW_SLACK;
}

struct preparation {
        struct hw_bpf *b;
        struct hw_slice bytes;
        int table;
        uint64_t generation;
};

/*
 * The first process's, never our own: a service manager may have given us another, and the kernel gives the number of
 * one that has ended to the next, whose mounts would then be judged as the host's.
 */
static int host_namespace(uint32_t *ret) {
        struct stat ns;

        if (stat("/proc/1/ns/mnt", &ns) < 0)
                return -errno;
        *ret = (uint32_t)ns.st_ino;
        return 0;
}

static int prepare(struct hw_bpf_object *o, void *userdata) {
        struct preparation *p = userdata;
        struct hw_host host = { .sensor = p->b->guarded ? (uint32_t)getpid() : 0 };
        const uint32_t zero = 0;
        struct hw_bpf view = { .mounts = o->mounts, .bindings = o->bindings, .host = o->host };
        int r = host_namespace(&host.mnt_ns);

        memcpy(host.maps, o->map_ids, sizeof host.maps);
        if (r == 0)
                r = hw_bpf_map_update(o->host, &zero, &host);
        if (r == 0)
                r = hw_bpf_mounts(&view);
        memcpy(view.iterators, o->iterators, sizeof view.iterators);
        if (r == 0)
                hw_bindings_before(&view, p->bytes, p->generation, p->b);
        return r == 0 ? hw_bpf_map_update(o->rules, &zero, &p->table) : r;
}

static void take_object(struct hw_bpf *b, const struct hw_bpf_object *o, unsigned int shift) {
        b->rules = o->rules;
        b->mounts = o->mounts;
        b->bindings = o->bindings;
        b->host = o->host;
        b->losses = o->losses;
        b->events = o->events;
        b->throttle = o->throttle;
        b->queries = o->queries;
        memcpy(b->iterators, o->iterators, sizeof b->iterators);
        memcpy(b->links, o->links, sizeof b->links);
        b->n_links = o->n_links;
        b->shift = shift;
}

/* Attaches programs of another size class or build beside those that are attached, then lets the old ones go. */
static int replace_programs(struct hw_bpf *b, unsigned int shift, struct hw_slice bytes, int table,
                            uint64_t generation) {
        struct preparation p = { b, bytes, table, generation };
        struct hw_bpf old = *b;
        struct hw_bpf_object object;
        int r = hw_bpf_object_load(shift, prepare, &p, &object);

        if (r < 0)
                return r;
        hw_bpf_init(b, old.bpffs, old.handler, old.userdata);
        memcpy(b->lost, old.lost, sizeof b->lost);
        b->mountinfo = old.mountinfo;
        b->guarded = old.guarded;
        take_object(b, &object, shift);
        b->table = table;
        b->generation = generation;
        r = hw_bpf_repin(b);
        if (r < 0)
                hw_error("the BPF programs are attached and cannot be pinned error=%s", strerror(-r));
        r = hw_bpf_map(b);
        if (r < 0)
                hw_error("records of denials cannot be read error=%s", strerror(-r));
        let_go(&old, b);
        return 0;
}

/* From the rule set itself. */
static int read_generation(struct hw_bpf *b) {
        _cleanup_free_ uint8_t *value = malloc(hw_bpf_element_bytes(b->shift));
        const uint32_t zero = 0;
        int r = value ? hw_bpf_map_lookup(b->table, &zero, value) : -ENOMEM;

        if (r == 0)
                memcpy(&b->generation, value + offsetof(struct hw_element, generation), sizeof b->generation);
        return r;
}

/* What programs know of the host, as it is now: whoever loaded them may have known another. */
static int tell_host(const struct hw_bpf *b) {
        const uint32_t zero = 0;
        struct hw_host host;
        int r = hw_bpf_map_lookup(b->host, &zero, &host);

        if (r == 0)
                r = host_namespace(&host.mnt_ns);
        if (r < 0)
                return r;
        host.sensor = b->guarded ? (uint32_t)getpid() : 0;
        return hw_bpf_map_update(b->host, &zero, &host);
}

int hw_bpf_adopt(struct hw_bpf *b) {
        for (size_t i = 0; i < HW_LEN(hw_bpf_size_classes); i++) {
                const unsigned int shift = hw_bpf_size_classes[i];
                struct hw_bpf found;
                int r;

                hw_bpf_init(&found, b->bpffs, b->handler, b->userdata);
                found.shift = shift;
                hw_bpf_open_pins(&found);
                if (found.rules < 0 || found.mounts < 0 || found.bindings < 0 || found.host < 0 || found.losses < 0 ||
                    found.events < 0 || found.throttle < 0 || found.iterators[HW_BPF_OWN_FILES] < 0 ||
                    found.iterators[HW_BPF_HELD_FILES] < 0 || found.iterators[HW_BPF_HELD_MAPS] < 0 ||
                    found.table < 0 || found.queries < 0 || found.n_links != hw_bpf_object_links() || read_generation(&found) < 0 ||
                    hw_bpf_map(&found) < 0) {
                        hw_bpf_close(&found);
                        continue;
                }
                found.mountinfo = b->mountinfo;
                found.guarded = b->guarded;
                *b = found;
                r = tell_host(b);
                return r < 0 ? r : hw_bpf_mounts(b);
        }
        return -ENOENT;
}

int hw_bpf_guard(struct hw_bpf *b) {
        b->guarded = true; /* and by programs that are loaded later */
        return b->shift ? tell_host(b) : 0;
}

/* ---- the rule set ---- */

static enum hw_bpf_mode bpf_mode(enum hw_mode mode) {
        return mode == HW_MODE_ENFORCE ? HW_BPF_ENFORCE : mode == HW_MODE_AUDIT ? HW_BPF_AUDIT : HW_BPF_OFF;
}

/* A map that holds the table and can be changed by nobody any more. */
static int make_inner(unsigned int shift, uint64_t generation, struct hw_slice table, enum hw_mode mode) {
        const size_t bytes = hw_bpf_element_bytes(shift);
        _cleanup_free_ uint8_t *value = calloc(1, (bytes + 7) & ~(size_t)7);
        const uint32_t zero = 0, number = bpf_mode(mode);
        int fd, r;

        if (!value)
                return -ENOMEM;
        memcpy(value + offsetof(struct hw_element, generation), &generation, sizeof generation);
        memcpy(value + offsetof(struct hw_element, mode), &number, sizeof number);
        memcpy(value + offsetof(struct hw_element, table), table.data, table.len);
        fd = hw_bpf_map_create(BPF_MAP_TYPE_ARRAY, sizeof zero, bytes, 1);
        if (fd < 0)
                return fd;
        r = hw_bpf_map_update(fd, &zero, value);
        if (r == 0)
                r = hw_bpf_map_freeze(fd);
        if (r < 0) {
                (void)close(fd);
                return r;
        }
        return fd;
}

static unsigned int shift_for(const struct hw_bpf *b, size_t bytes) {
        if (b->shift && bytes <= (size_t)1 << b->shift)
                return b->shift;
        return bytes <= (size_t)1 << HW_BPF_SMALL ? HW_BPF_SMALL : HW_BPF_LARGE;
}

int hw_bpf_swap(struct hw_bpf *b, struct hw_slice table, enum hw_mode mode) {
        const unsigned int shift = shift_for(b, table.len);
        const uint64_t generation = HW_MAX(b->generation + 1, hw_now_ms());
        const uint32_t zero = 0;
        int inner, r;

        if (table.len > (size_t)1 << shift)
                return -EFBIG;
        inner = make_inner(shift, generation, table, mode);
        if (inner < 0)
                return inner;
        if (shift == b->shift)
                hw_bindings_before(b, table, generation, b);
        r = shift == b->shift ? hw_bpf_map_update(b->rules, &zero, &inner)
                              : replace_programs(b, shift, table, inner, generation);
        if (r < 0) {
                (void)close(inner);
                return r;
        }
        if (b->table != inner) {
                hw_close(&b->table);
                b->table = inner;
                b->generation = generation;
                r = hw_bpf_pin_as(b, b->table, "table");
                if (r < 0)
                        hw_warn("the rule set cannot be pinned error=%s", strerror(-r));
        }
        hw_bindings_after(b, table);
        return 0;
}

int hw_bpf_wait(const struct hw_bpf *b) {
        const uint32_t zero = 0;

        return b->shift ? hw_bpf_map_update(b->rules, &zero, &b->table) : 0; /* so does a put into a map of maps */
}

int hw_bpf_verify(const struct hw_bpf *b, struct hw_slice table, enum hw_mode mode) {
        const uint32_t zero = 0;
        _cleanup_free_ uint8_t *value = NULL;
        uint32_t id = 0, number;
        int r;

        if (!b->shift || hw_bpf_is_detached(b))
                return -ESTALE;
        r = hw_bpf_map_lookup(b->rules, &zero, &id);
        if (r < 0)
                return r == -ENOENT ? -ESTALE : r;
        if ((int)id != hw_bpf_map_id(b->table))
                return -ESTALE;
        value = malloc(hw_bpf_element_bytes(b->shift));
        if (!value)
                return -ENOMEM;
        r = hw_bpf_map_lookup(b->table, &zero, value);
        if (r < 0)
                return r;
        memcpy(&number, value + offsetof(struct hw_element, mode), sizeof number);
        return number == bpf_mode(mode) && table.len <= (size_t)1 << b->shift &&
                               memcmp(value + offsetof(struct hw_element, table), table.data, table.len) == 0
                       ? 0
                       : -ESTALE;
}

void hw_bpf_unload(struct hw_bpf *b) {
        hw_bpf_unpin_all(b);
        let_go(b, b);
}
