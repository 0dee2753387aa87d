/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "bpf-held.h"
#include "bpf-open-files.h"
#include "clean.h"
#include "clock.h"
#include "log.h"

#define WALK_MS 5000 /* of descriptors, and of mappings */

void hw_held_free(struct hw_held *held) {
        hw_buffer_free(&held->holders);
        held->n = held->more = 0;
}

size_t hw_held_processes(const struct hw_held *held) {
        return held->holders.len / sizeof(struct hw_holder);
}

static struct hw_holder *holders(const struct hw_held *held) {
        return (struct hw_holder *)(void *)held->holders.data;
}

const struct hw_holder *hw_held_holder(const struct hw_held *held, size_t i) {
        return &holders(held)[i];
}

const char *hw_held_path(const struct hw_held *held, pid_t pid) {
        for (size_t i = 0; i < held->n; i++)
                if (held->list[i].pid == pid)
                        return held->list[i].path;
        return "";
}

/* The kernel tells one process after the other, so the latest is the one to look at. */
static void add_holder(struct hw_held *held, const struct hw_open_file *file) {
        const size_t n = hw_held_processes(held);
        struct hw_holder *last = n > 0 ? &holders(held)[n - 1] : NULL;
        struct hw_holder holder = { .pid = (pid_t)file->tgid, .by_rule = !file->listed };

        if (last && last->pid == holder.pid) {
                last->by_rule |= holder.by_rule;
                return;
        }
        (void)snprintf(holder.comm, sizeof holder.comm, "%.*s", (int)sizeof file->comm, file->comm);
        hw_buffer_add(&held->holders, &holder, sizeof holder);
}

/* Whether it is listed already, or there is no place for it. */
static bool is_to_be_listed(struct hw_held *held, const struct hw_held_file *file) {
        size_t of_it = 0;

        for (size_t i = 0; i < held->n; i++) {
                if (held->list[i].pid != file->pid)
                        continue;
                of_it++;
                if (strcmp(held->list[i].path, file->path) == 0)
                        return false;
        }
        if (held->n < HW_HELD_MAX && of_it < HW_HELD_A_PROCESS)
                return true;
        held->more++;
        return false;
}

void hw_held_add(const struct hw_open_file *file, const char *path, void *userdata) {
        struct hw_held_file found = { .pid = (pid_t)file->tgid };
        struct hw_held *held = userdata;

        memcpy(found.path, path, HW_MIN(file->path_len, sizeof found.path - 1));
        (void)snprintf(found.comm, sizeof found.comm, "%.*s", (int)sizeof file->comm, file->comm);
        add_holder(held, file);
        if (is_to_be_listed(held, &found))
                held->list[held->n++] = found;
}

static int by_pid(const void *a, const void *b) {
        const struct hw_holder *one = a, *other = b;

        return (one->pid > other->pid) - (one->pid < other->pid);
}

/* Who has both files and mappings was found twice. */
int hw_held_sort(struct hw_held *held) {
        const size_t n = hw_held_processes(held);
        struct hw_holder *list = holders(held);
        size_t kept = 0;

        if (n > 0)
                qsort(list, n, sizeof *list, by_pid);
        for (size_t i = 0; i < n; i++) {
                if (kept > 0 && list[kept - 1].pid == list[i].pid)
                        list[kept - 1].by_rule |= list[i].by_rule;
                else
                        list[kept++] = list[i];
        }
        held->holders.len = kept * sizeof *list;
        return held->holders.failed ? -ENOMEM : 0;
}

static void *walk(void *userdata) {
        struct hw_held_walk *w = userdata;
        const int files = hw_bpf_read_open_files(w->files, WALK_MS, hw_held_add, &w->held);
        const int maps = hw_bpf_read_open_files(w->maps, WALK_MS, hw_held_add, &w->held);
        const int sorted = hw_held_sort(&w->held);

        w->error = files < 0 ? files : maps < 0 ? maps : sorted;
        (void)eventfd_write(w->through, 1);
        return NULL;
}

static void free_walk(struct hw_held_walk *w) {
        hw_close(&w->files);
        hw_close(&w->maps);
        hw_close(&w->through);
        hw_held_free(&w->held);
        free(w);
}

struct hw_held_walk *hw_held_walk_begin(int files, int maps) {
        struct hw_held_walk *w = calloc(1, sizeof *w);
        int r;

        if (!w) {
                hw_close(&files);
                hw_close(&maps);
                errno = ENOMEM;
                return NULL;
        }
        w->files = files;
        w->maps = maps;
        w->deadline = hw_now_ms() + HW_HELD_SILENCE_MS;
        w->through = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (files < 0 || maps < 0)
                r = files < 0 ? -files : -maps;
        else
                r = w->through < 0 ? errno : pthread_create(&w->thread, NULL, walk, w);
        if (r == 0)
                return w;
        free_walk(w);
        errno = r;
        return NULL;
}

int hw_held_walk_end(struct hw_held_walk *w, struct hw_held *ret) {
        int r;

        (void)pthread_join(w->thread, NULL);
        r = w->error;
        hw_held_free(ret);
        *ret = w->held;
        w->held = (struct hw_held){ 0 };
        free_walk(w);
        return r;
}
