/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor.h"
#include "cgroup.h"
#include "clean.h"
#include "coverage.h"
#include "file.h"
#include "log.h"
#include "policy-blob.h"

#define PF_KTHREAD 0x00200000u

bool hw_label_has(const char *label, const char *name) {
        size_t len = strlen(name);

        while (*label) {
                const char *end = strstr(label, "//&");
                size_t n = end ? (size_t)(end - label) : strlen(label);
                const char *mode = n && label[n - 1] == ')' ? memmem(label, n, " (", 2) : NULL;
                size_t component = mode ? (size_t)(mode - label) : n;

                if (component == len && memcmp(label, name, len) == 0)
                        return true;
                label += n + (end ? 3 : 0);
        }
        return false;
}

int hw_label_enter(const char *name) {
        _cleanup_close_ int fd = open("/proc/self/attr/apparmor/current", O_WRONLY | O_CLOEXEC);
        char command[HW_NAME_MAX + 32];
        int r = snprintf(command, sizeof command, "changeprofile %s", name);

        if (fd < 0)
                return -errno;
        if (r < 0 || (size_t)r >= sizeof command)
                return -ENAMETOOLONG;
        return write(fd, command, (size_t)r) == r ? 0 : -errno;
}

void hw_label_exempt_self(void) {
        char label[4096];
        int r;

        if (hw_read_line(AT_FDCWD, "/proc/self/attr/apparmor/current", label, sizeof label) < 0)
                return; /* no AppArmor */
        if (strcmp(label, "unconfined") == 0 || (!strstr(label, "//&") && hw_label_has(label, HW_EXEMPT)))
                return;
        r = hw_label_enter(HW_EXEMPT);
        if (r < 0)
                hw_warn("the sensor stays under a profile, probes will tell little label=%s error=%s", label,
                        strerror(-r));
}

/* flags is field 9 of stat; comm may hold spaces and brackets, so count from the last ')'. */
static bool is_kernel_thread(int fd) {
        char stat[512];
        const char *p;
        unsigned int flags;

        if (hw_read_line(fd, "stat", stat, sizeof stat) < 0)
                return true; /* it is gone: not counted */
        p = strrchr(stat, ')');
        if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
                return false;
        return flags & PF_KTHREAD;
}

/* The next process and its label; -1 at the end. A process that vanishes is skipped. */
static int next_process(DIR *proc, char *ret_label, size_t size, char *ret_pid, size_t pid_size) {
        struct dirent *entry;

        while ((entry = readdir(proc))) {
                int fd;

                if (!isdigit((unsigned char)entry->d_name[0]) || strlen(entry->d_name) >= pid_size)
                        continue;
                fd = openat(dirfd(proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                if (hw_read_line(fd, "attr/apparmor/current", ret_label, size) == 0) {
                        memcpy(ret_pid, entry->d_name, strlen(entry->d_name) + 1);
                        return fd;
                }
                (void)close(fd);
        }
        return -1;
}

static bool is_confined(const struct hw_table *t, const char *label) {
        for (size_t i = 0; t && i < t->n_names; i++)
                if (hw_label_has(label, t->names[i]))
                        return true;
        return false;
}

bool hw_label_may_be_stale(const char *label) {
        return strstr(label, "//&") && !hw_label_has(label, HW_EXEMPT);
}

/*
 * PID 1, its executor, the compiler and the sensor: a stack with one of them is no exemption. The agent is in a stack on
 * purpose, and its own profile allows it less than rules leave to others.
 */
static bool is_exempt(const char *label, const char *pid) {
        if (strcmp(pid, "1") == 0 || hw_label_has(label, HW_EXEMPT))
                return true;
        if (hw_label_has(label, HW_AGENT_PROFILE))
                return hw_in_unit(strtol(pid, NULL, 10), "hostward-agent.service");
        return !strstr(label, "//&") && (hw_label_has(label, HW_EXEMPT_INIT) || hw_label_has(label, HW_EXEMPT_COMPILER));
}

static void count_one(struct hw_coverage *c, const struct hw_table *t, int fd, const char *label, const char *pid) {
        const bool by_bpf = t && t->bpf.len > 0; /* its programs know no exception */
        char comm[32];

        if (!by_bpf && is_confined(t, label) && !hw_label_may_be_stale(label)) {
                c->confined++;
                return;
        }
        if (is_kernel_thread(fd))
                return;
        if (by_bpf) {
                c->confined++;
                return;
        }
        if (is_exempt(label, pid)) {
                c->exempt++;
                return;
        }
        c->uncovered++;
        if (c->n_list < HW_COVERAGE_LIST && hw_read_line(fd, "comm", comm, sizeof comm) == 0)
                (void)snprintf(c->list[c->n_list++], sizeof c->list[0], "%.12s %.31s", pid, comm);
}

void hw_coverage_count(const struct hw_table *t, struct hw_coverage *ret) {
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        char label[4096], pid[16];

        *ret = (struct hw_coverage){ 0 };
        while (proc) {
                _cleanup_close_ int fd = next_process(proc, label, sizeof label, pid, sizeof pid);

                if (fd < 0)
                        return;
                count_one(ret, t, fd, label, pid);
        }
}

bool hw_label_in_use(const char *name) {
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        char label[4096], pid[16];

        while (proc) {
                _cleanup_close_ int fd = next_process(proc, label, sizeof label, pid, sizeof pid);

                if (fd < 0)
                        return false;
                if (hw_label_has(label, name))
                        return true;
        }
        return true; /* unknown: the careful answer */
}
