/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "cgroup.h"
#include "clean.h"
#include "file.h"

#define NOBODY 0xffffffffll /* a loginuid that was never set */

void hw_actor_init(struct hw_actor *a) {
        *a = (struct hw_actor){ .ppid = -1, .uid = -1, .loginuid = -1 };
}

/* The first part of the boot's id, which is enough to tell boots of one host apart. */
static const char *boot(void) {
        static char id[16];

        if (!id[0] && hw_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", id, 9) < 0)
                strcpy(id, "0");
        return id;
}

void hw_exec_id(uint64_t start, uint32_t pid, uint64_t exec, char ret[HW_EXEC_ID_MAX]) {
        (void)snprintf(ret, HW_EXEC_ID_MAX, "%s-%" PRIu64 "-%" PRIu32 "-%" PRIu64, boot(), start, pid, exec);
}

/* ---- from /proc ---- */

static int read_text(int64_t pid, const char *name, char *ret, size_t size) {
        char path[64];

        (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, name);
        return hw_read_line(AT_FDCWD, path, ret, size);
}

static void read_target(int64_t pid, const char *name, char *ret, size_t size) {
        char path[64];
        ssize_t n;

        (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, name);
        n = readlink(path, ret, size - 1);
        ret[n < 0 ? 0 : n] = 0;
}

/* Parent, and terminal as the kernel numbers it. */
static bool read_stat(int64_t pid, int64_t *ret_ppid, unsigned int *ret_tty) {
        char stat[512];
        const char *p;

        if (read_text(pid, "stat", stat, sizeof stat) < 0)
                return false;
        p = strrchr(stat, ')'); /* the name before it may hold anything */
        return p && sscanf(p + 1, " %*c %" SCNd64 " %*d %*d %u", ret_ppid, ret_tty) == 2;
}

static void name_tty(unsigned int number, char *ret, size_t size) {
        const unsigned int major = number >> 8 & 0xfff, minor = (number & 0xff) | (number >> 12 & 0xfff00);

        if (major >= 136 && major <= 143)
                (void)snprintf(ret, size, "pts%u", (major - 136) * 256 + minor);
        else if (major == 4)
                (void)snprintf(ret, size, minor < 64 ? "tty%u" : "ttyS%u", minor < 64 ? minor : minor - 64);
        else if (number)
                (void)snprintf(ret, size, "%u:%u", major, minor);
}

static void read_parents(int64_t pid, struct hw_actor *ret) {
        unsigned int tty;

        while (pid > 0 && ret->n_parents < HW_PARENTS_MAX) {
                struct hw_parent *p = &ret->parents[ret->n_parents];

                if (read_text(pid, "comm", p->comm, sizeof p->comm) < 0)
                        return;
                p->pid = pid;
                ret->n_parents++;
                if (!read_stat(pid, &pid, &tty))
                        return;
        }
}

static void read_cgroup(int64_t pid, struct hw_actor *ret) {
        char text[HW_ACTOR_PATH_MAX + 64];
        const char *line;

        if (read_text(pid, "cgroup", text, sizeof text) < 0)
                return;
        for (line = text; line && strncmp(line, "0::", 3) != 0; line = strchr(line, '\n'))
                line += *line == '\n'; /* only at the start of a line: what follows is chosen by users */
        if (!line)
                return;
        (void)snprintf(ret->cgroup, sizeof ret->cgroup, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
        hw_container_of(ret->cgroup, ret->container);
}

static void read_uid(int64_t pid, struct hw_actor *ret) {
        char text[2048];
        const char *line;

        if (read_text(pid, "status", text, sizeof text) == 0 && (line = strstr(text, "\nUid:\t")))
                (void)sscanf(line, "\nUid:\t%" SCNd64, &ret->uid);
        if (read_text(pid, "loginuid", text, sizeof text) < 0 || sscanf(text, "%" SCNd64, &ret->loginuid) != 1 ||
            ret->loginuid == NOBODY)
                ret->loginuid = -1;
}

void hw_actor_read(int64_t pid, struct hw_actor *ret) {
        unsigned int tty;

        hw_actor_init(ret);
        if (pid <= 0 || !read_stat(pid, &ret->ppid, &tty))
                return;
        name_tty(tty, ret->tty, sizeof ret->tty);
        read_target(pid, "exe", ret->exe, sizeof ret->exe);
        read_target(pid, "cwd", ret->cwd, sizeof ret->cwd);
        read_uid(pid, ret);
        read_cgroup(pid, ret);
        read_parents(ret->ppid, ret);
}

/* ---- as JSON ---- */

void hw_actor_write(struct hw_json *j, const struct hw_actor *a) {
        hw_json_int_known(j, "ppid", a->ppid);
        hw_json_text_known(j, "exe", a->exe);
        hw_json_text_known(j, "exec", a->exec);
        hw_json_int_known(j, "uid", a->uid);
        hw_json_int_known(j, "loginuid", a->loginuid);
        hw_json_text_known(j, "tty", a->tty);
        hw_json_text_known(j, "cwd", a->cwd);
        hw_json_text_known(j, "cgroup", a->cgroup);
        hw_json_text_known(j, "container", a->container);
        if (a->n_parents == 0)
                return;
        hw_json_open(j, "parents", '[');
        for (size_t i = 0; i < a->n_parents; i++) {
                hw_json_open(j, NULL, '{');
                hw_json_int(j, "pid", a->parents[i].pid);
                hw_json_text(j, "comm", a->parents[i].comm);
                hw_json_text_known(j, "exec", a->parents[i].exec);
                hw_json_close(j, '}');
        }
        hw_json_close(j, ']');
}
