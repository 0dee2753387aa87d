/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf.h"
#include "clean.h"
#include "clock.h"
#include "file.h"
#include "hostward-bpf.h"
#include "hostward-build.h" /* made by the Makefile: HW_BPF_BUILD */
#include "log.h"

#define RING_BYTES (1u << 20) /* of `events` in bpf/maps.h */

void hw_bpf_init(struct hw_bpf *b, const char *bpffs) {
        *b = (struct hw_bpf){ .bpffs = bpffs, .rules = -1, .mounts = -1, .host = -1, .losses = -1, .events = -1,
                              .table = -1, .mountinfo = -1 };
}

static void unmap(struct hw_bpf *b) {
        if (b->consumer)
                (void)munmap(b->consumer, (size_t)getpagesize());
        if (b->ring)
                (void)munmap((void *)b->ring, (size_t)getpagesize() + 2 * b->ring_bytes);
        b->consumer = NULL;
        b->ring = NULL;
}

void hw_bpf_close(struct hw_bpf *b) {
        int *const maps[] = { &b->rules, &b->mounts, &b->host, &b->losses, &b->events, &b->table };

        unmap(b);
        for (size_t i = 0; i < HW_LEN(maps); i++)
                hw_close(maps[i]);
        for (size_t i = 0; i < b->n_links; i++)
                hw_close(&b->links[i]);
        b->n_links = 0;
        b->shift = 0;
        b->generation = 0;
}

static int map_ring(struct hw_bpf *b) {
        const size_t page = (size_t)getpagesize();
        void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, b->events, 0);

        if (p == MAP_FAILED)
                return -errno;
        b->consumer = p;
        b->ring_bytes = RING_BYTES;
        p = mmap(NULL, page + 2 * b->ring_bytes, PROT_READ, MAP_SHARED, b->events, (off_t)page);
        if (p == MAP_FAILED) {
                unmap(b);
                return -errno;
        }
        b->ring = p;
        return 0;
}

/* ---- pins ---- */

struct path {
        char text[512];
};

static struct path pin_path(const struct hw_bpf *b, unsigned int shift, const char *name) {
        struct path p;

        (void)snprintf(p.text, sizeof p.text, "%s/hostward/%s-%u/%s", b->bpffs, HW_BPF_BUILD, shift, name);
        return p;
}

static struct path link_path(const struct hw_bpf *b, size_t i) {
        char name[32];

        (void)snprintf(name, sizeof name, "link-%zu", i);
        return pin_path(b, b->shift, name);
}

/* 1 when the pin was missing and is there now. */
static int pin(int fd, const char *path) {
        int r = access(path, F_OK) == 0 ? 0 : hw_bpf_pin(fd, path);

        if (r < 0)
                return r == -EEXIST ? 0 : r;
        return access(path, F_OK) < 0 ? -errno : 0;
}

static int make_directories(const struct hw_bpf *b) {
        struct path p;

        (void)snprintf(p.text, sizeof p.text, "%s/hostward", b->bpffs);
        if (mkdir(p.text, 0700) < 0 && errno != EEXIST)
                return -errno;
        (void)snprintf(p.text, sizeof p.text, "%s/hostward/%s-%u", b->bpffs, HW_BPF_BUILD, b->shift);
        return mkdir(p.text, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int hw_bpf_repin(struct hw_bpf *b) {
        const struct {
                int fd;
                const char *name;
        } maps[] = { { b->rules, "rules" },   { b->mounts, "mounts" }, { b->host, "host" },
                     { b->losses, "losses" }, { b->events, "events" }, { b->table, "table" } };
        int missing = 0, r = make_directories(b);

        for (size_t i = 0; r >= 0 && i < HW_LEN(maps); i++) {
                const struct path p = pin_path(b, b->shift, maps[i].name);

                missing += access(p.text, F_OK) < 0;
                r = pin(maps[i].fd, p.text);
        }
        for (size_t i = 0; r >= 0 && i < b->n_links; i++) {
                const struct path p = link_path(b, i);

                missing += access(p.text, F_OK) < 0;
                r = pin(b->links[i], p.text);
        }
        return r < 0 ? r : missing;
}

static void remove_directory(const char *path) {
        _cleanup_closedir_ DIR *dir = opendir(path);
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                (void)unlinkat(dirfd(dir), entry->d_name, 0);
        (void)rmdir(path);
}

/* Pins of other builds and size classes; all of ours with `keep` NULL. */
static void remove_others(const struct hw_bpf *b, const char *keep) {
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        struct path p;

        (void)snprintf(p.text, sizeof p.text, "%s/hostward", b->bpffs);
        dir = opendir(p.text);
        while (dir && (entry = readdir(dir))) {
                char path[1024];

                if (entry->d_name[0] == '.' || (keep && strcmp(entry->d_name, keep) == 0))
                        continue;
                (void)snprintf(path, sizeof path, "%s/hostward/%s", b->bpffs, entry->d_name);
                remove_directory(path);
        }
}

/* ---- the programs ---- */

size_t hw_bpf_element_bytes(unsigned int shift) {
        return sizeof(struct hw_element) + ((size_t)1 << shift) + HW_SLACK;
}

struct preparation {
        struct hw_bpf *b;
        int table;
};

static int prepare(struct hw_bpf_object *o, void *userdata) {
        struct preparation *p = userdata;
        struct hw_host host = { .sensor = p->b->guarded ? (uint32_t)getpid() : 0 };
        const uint32_t zero = 0;
        struct hw_bpf view = { .mounts = o->mounts };
        struct stat ns = { 0 };
        int r = stat("/proc/self/ns/mnt", &ns) < 0 ? -errno : 0;

        host.mnt_ns = (uint32_t)ns.st_ino;
        memcpy(host.maps, o->map_ids, sizeof host.maps);
        if (r == 0)
                r = hw_bpf_map_update(o->host, &zero, &host);
        if (r == 0)
                r = hw_bpf_mounts(&view);
        return r == 0 ? hw_bpf_map_update(o->rules, &zero, &p->table) : r;
}

static void take_object(struct hw_bpf *b, const struct hw_bpf_object *o, unsigned int shift) {
        b->rules = o->rules;
        b->mounts = o->mounts;
        b->host = o->host;
        b->losses = o->losses;
        b->events = o->events;
        memcpy(b->links, o->links, sizeof b->links);
        b->n_links = o->n_links;
        b->shift = shift;
}

/* Attaches programs of another size class or build beside those that are attached, then lets the old ones go. */
static int replace_programs(struct hw_bpf *b, unsigned int shift, int table, uint64_t generation) {
        struct preparation p = { b, table };
        struct hw_bpf old = *b;
        struct hw_bpf_object object;
        char own[128];
        int r = hw_bpf_object_load(shift, prepare, &p, &object);

        if (r < 0)
                return r;
        hw_bpf_init(b, old.bpffs);
        b->mountinfo = old.mountinfo;
        b->guarded = old.guarded;
        take_object(b, &object, shift);
        b->table = table;
        b->generation = generation;
        r = hw_bpf_repin(b);
        if (r < 0)
                hw_error("the BPF programs are attached and cannot be pinned error=%s", strerror(-r));
        r = map_ring(b);
        if (r < 0)
                hw_error("records of denials cannot be read error=%s", strerror(-r));
        hw_bpf_close(&old);
        (void)snprintf(own, sizeof own, "%s-%u", HW_BPF_BUILD, shift);
        remove_others(b, own);
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

int hw_bpf_adopt(struct hw_bpf *b) {
        static const unsigned int shifts[] = { HW_BPF_SMALL, HW_BPF_LARGE };

        for (size_t i = 0; i < HW_LEN(shifts); i++) {
                const unsigned int shift = shifts[i];
                struct hw_bpf found;
                size_t n = 0;

                hw_bpf_init(&found, b->bpffs);
                found.shift = shift;
                found.rules = hw_bpf_get(pin_path(b, shift, "rules").text);
                found.mounts = hw_bpf_get(pin_path(b, shift, "mounts").text);
                found.host = hw_bpf_get(pin_path(b, shift, "host").text);
                found.losses = hw_bpf_get(pin_path(b, shift, "losses").text);
                found.events = hw_bpf_get(pin_path(b, shift, "events").text);
                found.table = hw_bpf_get(pin_path(b, shift, "table").text);
                while (n < HW_BPF_LINKS_MAX && (found.links[n] = hw_bpf_get(link_path(&found, n).text)) >= 0)
                        n++;
                found.n_links = n;
                if (found.rules < 0 || found.mounts < 0 || found.host < 0 || found.losses < 0 || found.events < 0 ||
                    found.table < 0 || n != hw_bpf_object_links() || read_generation(&found) < 0 ||
                    map_ring(&found) < 0) {
                        hw_bpf_close(&found);
                        continue;
                }
                found.mountinfo = b->mountinfo;
                found.guarded = b->guarded;
                *b = found;
                return hw_bpf_mounts(b);
        }
        return -ENOENT;
}

int hw_bpf_guard(struct hw_bpf *b) {
        const uint32_t zero = 0;
        struct hw_host host;
        int r;

        b->guarded = true; /* and by programs that are loaded later */
        if (!b->shift)
                return 0;
        r = hw_bpf_map_lookup(b->host, &zero, &host);
        host.sensor = (uint32_t)getpid();
        return r < 0 ? r : hw_bpf_map_update(b->host, &zero, &host);
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

static void pin_table(const struct hw_bpf *b) {
        const struct path p = pin_path(b, b->shift, "table"), fresh = pin_path(b, b->shift, "table_new");

        (void)unlink(fresh.text);
        if (hw_bpf_pin(b->table, fresh.text) < 0 || rename(fresh.text, p.text) < 0)
                hw_warn("the rule set cannot be pinned error=%m");
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
        r = shift == b->shift ? hw_bpf_map_update(b->rules, &zero, &inner)
                              : replace_programs(b, shift, inner, generation);
        if (r < 0) {
                (void)close(inner);
                return r;
        }
        if (b->table != inner) {
                hw_close(&b->table);
                b->table = inner;
                b->generation = generation;
                pin_table(b);
        }
        return 0;
}

int hw_bpf_verify(const struct hw_bpf *b, struct hw_slice table, enum hw_mode mode) {
        const uint32_t zero = 0;
        _cleanup_free_ uint8_t *value = NULL;
        uint32_t id = 0, number;
        int r;

        if (!b->shift)
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
        remove_others(b, NULL);
        hw_bpf_close(b);
}
