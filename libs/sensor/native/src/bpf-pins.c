/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf-loaded.h"
#include "bpf-pins.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "hostward-build.h" /* made by the Makefile: HW_BPF_BUILD */
#include "log.h"

static const char *const iterator_names[HW_BPF_ITERATORS] = { "own_files", "held_files", "held_maps" };

struct path {
        char text[512];
};

static struct path pin_path(const struct hw_bpf *b, unsigned int shift, const char *name) {
        struct path p;

        hw_bpf_pin_path(b->bpffs, shift, name, p.text, sizeof p.text);
        return p;
}

static struct path link_path(const struct hw_bpf *b, size_t i) {
        char name[32];

        (void)snprintf(name, sizeof name, "link-%zu", i);
        return pin_path(b, b->shift, name);
}

/* All that is pinned: `rules` first, without which an adoption takes nothing over. */
struct pins {
        struct {
                int fd;
                char name[32];
        } pin[9 + HW_BPF_ITERATORS + HW_BPF_LINKS_MAX];
        size_t n;
};

static void add_pin(struct pins *p, int fd, const char *name) {
        p->pin[p->n].fd = fd;
        (void)snprintf(p->pin[p->n++].name, sizeof p->pin[0].name, "%s", name);
}

static void list_pins(const struct hw_bpf *b, struct pins *ret) {
        ret->n = 0;
        add_pin(ret, b->rules, "rules");
        add_pin(ret, b->mounts, "mounts");
        add_pin(ret, b->bindings, "bindings");
        add_pin(ret, b->host, "host");
        add_pin(ret, b->losses, "losses");
        add_pin(ret, b->events, "events");
        add_pin(ret, b->throttle, "throttle");
        add_pin(ret, b->table, "table");
        add_pin(ret, b->queries, "queries");
        for (size_t i = 0; i < HW_BPF_ITERATORS; i++)
                add_pin(ret, b->iterators[i], iterator_names[i]);
        for (size_t i = 0; i < b->n_links; i++) {
                char name[32];

                (void)snprintf(name, sizeof name, "link-%zu", i);
                add_pin(ret, b->links[i], name);
        }
}

static bool is_pinned(const struct hw_bpf *b, int fd, const char *name) {
        _cleanup_close_ int pinned = hw_bpf_get(pin_path(b, b->shift, name).text);

        return pinned >= 0 && hw_bpf_is_same(pinned, fd);
}

int hw_bpf_pin_as(const struct hw_bpf *b, int fd, const char *name) {
        const struct path p = pin_path(b, b->shift, name);
        struct path fresh = p;
        int r;

        (void)strncat(fresh.text, "_new", sizeof fresh.text - strlen(fresh.text) - 1);
        (void)unlink(fresh.text);
        r = hw_bpf_pin(fd, fresh.text);
        return r == 0 && rename(fresh.text, p.text) < 0 ? -errno : r;
}

static int make_directories(const struct hw_bpf *b) {
        struct path p;

        (void)snprintf(p.text, sizeof p.text, "%s/hostward", b->bpffs);
        if (mkdir(p.text, 0700) < 0 && errno != EEXIST)
                return -errno;
        (void)snprintf(p.text, sizeof p.text, "%s/hostward/%s-%u", b->bpffs, HW_BPF_BUILD, b->shift);
        return mkdir(p.text, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static void remove_directory(const char *path) {
        _cleanup_closedir_ DIR *dir = opendir(path);
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                (void)unlinkat(dirfd(dir), entry->d_name, 0);
        (void)rmdir(path);
}

/* What is pinned among ours under other names: programs that are attached and know nothing of the table in force. */
static void remove_strangers(const struct hw_bpf *b, const struct pins *own) {
        _cleanup_closedir_ DIR *dir = opendir(pin_path(b, b->shift, "").text);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                size_t i = 0;

                while (i < own->n && strcmp(own->pin[i].name, entry->d_name) != 0)
                        i++;
                if (i == own->n && entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
                        hw_warn("a pin of an earlier life was removed name=%s", entry->d_name);
        }
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

int hw_bpf_repin(struct hw_bpf *b) {
        char own[128];
        struct pins pins;
        int amiss = 0, r = make_directories(b);

        list_pins(b, &pins);
        for (size_t i = 0; i < pins.n; i++)
                amiss += !is_pinned(b, pins.pin[i].fd, pins.pin[i].name);
        if (amiss > 0) /* pinned last, so that nobody takes over what is half of one life and half of another */
                (void)unlink(pin_path(b, b->shift, pins.pin[0].name).text);
        for (size_t i = pins.n; r == 0 && i-- > 0;)
                if (!is_pinned(b, pins.pin[i].fd, pins.pin[i].name))
                        r = hw_bpf_pin_as(b, pins.pin[i].fd, pins.pin[i].name);
        remove_strangers(b, &pins);
        (void)snprintf(own, sizeof own, "%s-%u", HW_BPF_BUILD, b->shift);
        remove_others(b, own);
        return r < 0 ? r : amiss;
}

void hw_bpf_unpin_all(const struct hw_bpf *b) {
        remove_others(b, NULL);
}

void hw_bpf_open_pins(struct hw_bpf *b) {
        b->rules = hw_bpf_get(pin_path(b, b->shift, "rules").text);
        b->mounts = hw_bpf_get(pin_path(b, b->shift, "mounts").text);
        b->bindings = hw_bpf_get(pin_path(b, b->shift, "bindings").text);
        b->host = hw_bpf_get(pin_path(b, b->shift, "host").text);
        b->losses = hw_bpf_get(pin_path(b, b->shift, "losses").text);
        b->events = hw_bpf_get(pin_path(b, b->shift, "events").text);
        b->throttle = hw_bpf_get(pin_path(b, b->shift, "throttle").text);
        b->table = hw_bpf_get(pin_path(b, b->shift, "table").text);
        b->queries = hw_bpf_get(pin_path(b, b->shift, "queries").text);
        for (size_t at = 0; at < HW_BPF_ITERATORS; at++)
                b->iterators[at] = hw_bpf_get(pin_path(b, b->shift, iterator_names[at]).text);
        while (b->n_links < HW_BPF_LINKS_MAX &&
               (b->links[b->n_links] = hw_bpf_get(link_path(b, b->n_links).text)) >= 0)
                b->n_links++;
}
