/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether any event ever sees half of two rule sets, on a real kernel: two that were compiled for this host are put in
 * each other's place, over and over, while programs are started that each set refuses one of two files, by its own
 * numbers of subjects and rules. A task of one set that is judged by the other gets the wrong one.
 *
 *   swap-storm FOLDER SWAPS   FOLDER holds the snapshots `one` and `two`, the files `x` and `y`, and two copies of this
 *                             program: `p` may not open x and `q` may not open y. Nothing of ours may be loaded.
 *   p|q FD                    what is started: opens both, also in a child of its own; FD is the shared page
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf-loss.h"
#include "bpf-ring.h"
#include "bpf.h"
#include "clean.h"
#include "clock.h"
#include "snapshot.h"

#define STARTERS 3 /* processes that start programs */
#define OPENS 40   /* of each file, by each program and by its child */
#define WARM 10    /* a tenth of the swaps comes before what stays is counted */

struct page {
        atomic_bool stop;
        atomic_ulong programs, broken, opens, wrong;
};

static struct page *page;

static void must(bool ok, const char *what) {
        if (ok)
                return;
        perror(what);
        exit(1);
}

static void share(int fd) {
        page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        must(page != MAP_FAILED, "mmap");
}

static void try(const char *path, bool refused) {
        const int fd = open(path, O_RDONLY | O_CLOEXEC);

        must(fd >= 0 || errno == EACCES, path);
        atomic_fetch_add(&page->opens, 1);
        if (refused != (fd < 0))
                atomic_fetch_add(&page->wrong, 1);
        if (fd >= 0)
                (void)close(fd);
}

static void try_both(bool is_p) {
        for (int i = 0; i < OPENS; i++) {
                try("x", is_p);
                try("y", !is_p);
        }
}

static int act(bool is_p, int fd) {
        int status;
        pid_t child;

        share(fd);
        try_both(is_p);
        child = fork();
        must(child >= 0, "fork");
        try_both(is_p);
        if (child == 0)
                return 0;
        must(waitpid(child, &status, 0) == child && status == 0, "the child of a program");
        atomic_fetch_add(&page->programs, 1);
        return 0;
}

static void start(const char *program, const char *fd) {
        const pid_t child = fork();
        int status;

        must(child >= 0, "fork");
        if (child == 0) {
                (void)execl(program, program, fd, (char *)NULL);
                _exit(127);
        }
        must(waitpid(child, &status, 0) == child, program);
        if (status != 0)
                atomic_fetch_add(&page->broken, 1);
}

static void start_until_told(const char *fd) {
        while (!atomic_load(&page->stop)) {
                start("./p", fd);
                start("./q", fd);
        }
        exit(0);
}

/* The kernel keeps every path from being made out while a name changes. */
static void rename_until_told(void) {
        for (bool there = true; !atomic_load(&page->stop); there = !there)
                must(rename(there ? "here" : "there", there ? "there" : "here") == 0, "rename");
        exit(0);
}

/* How many maps the kernel has: one that is not let go of would show. */
static unsigned int count_maps(void) {
        union bpf_attr attr = { 0 };
        unsigned int n = 0;

        while (syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, &attr, sizeof attr) == 0) {
                attr.start_id = attr.next_id;
                n++;
        }
        return n;
}

/* KiB that the kernel has for itself, which maps are part of. */
static unsigned long kernel_kib(void) {
        static const char *const parts[] = { "Slab:", "VmallocUsed:", "Percpu:" };
        _cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
        unsigned long sum = 0, kib;
        char line[128], name[32];

        must(f, "/proc/meminfo");
        while (fgets(line, sizeof line, f))
                for (size_t i = 0; i < HW_LEN(parts); i++)
                        if (sscanf(line, "%31s %lu", name, &kib) == 2 && strcmp(name, parts[i]) == 0)
                                sum += kib;
        return sum;
}

static uint64_t lost[HW_LOSSES];

/* What was refused though no rule said so. */
static void tell_unasked(const struct hw_audit_record *r, void *userdata) {
        (void)userdata;
        if (r->denied && r->suppressed == 0 && r->info[0])
                (void)fprintf(stderr, "%s %s of %s (%lu) by %s: %s\n", r->operation, r->requested, r->name,
                              (unsigned long)r->inode, r->comm, r->info);
}

/* Records are read as the sensor reads them, so that none is lost for want of room. */
static void read_records(struct hw_bpf *b, const struct hw_table *t) {
        uint64_t now[HW_LOSSES];

        hw_bpf_read(b, t->subjects, t->n_subjects);
        if (!hw_bpf_poll_lost(b, now))
                return;
        for (unsigned int i = 0; i < HW_LOSSES; i++)
                lost[i] += now[i];
}

static struct hw_table *snapshot(int folder, const char *name) {
        struct hw_table *t = NULL;

        errno = -hw_snapshot_load(folder, name, &t);
        must(errno == 0 && t->bpf.len > 0, name);
        return t;
}

static void swap_to(struct hw_bpf *b, const struct hw_table *t) {
        errno = -hw_bpf_swap(b, t->bpf, HW_MODE_ENFORCE);
        must(errno == 0, "swap");
        errno = -hw_bpf_verify(b, t->bpf, HW_MODE_ENFORCE);
        must(errno == 0, "read back");
}

static int storm(const char *path, unsigned long swaps) {
        const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), shared = memfd_create("page", 0);
        unsigned long kib = 0;
        struct hw_table *tables[2];
        unsigned int maps = 0;
        struct hw_bpf b;
        char fd[16];
        uint64_t begun;

        must(folder >= 0 && fchdir(folder) == 0, path);
        must(shared >= 0 && ftruncate(shared, sizeof *page) == 0, "memfd");
        share(shared);
        (void)snprintf(fd, sizeof fd, "%d", shared);
        tables[0] = snapshot(folder, "one");
        tables[1] = snapshot(folder, "two");
        hw_bpf_init(&b, "/sys/fs/bpf", tell_unasked, NULL);
        swap_to(&b, tables[0]);
        must(close(open("here", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0, "here");
        for (int i = 0; i <= STARTERS; i++) {
                const pid_t child = fork();

                must(child >= 0, "fork");
                if (child == 0 && i == STARTERS)
                        rename_until_told();
                if (child == 0)
                        start_until_told(fd);
        }
        begun = hw_now_ms();
        for (unsigned long i = 1; i <= swaps; i++) {
                swap_to(&b, tables[i % 2]);
                read_records(&b, tables[i % 2]);
                if (i == swaps / WARM) {
                        maps = count_maps();
                        kib = kernel_kib();
                }
        }
        begun = hw_now_ms() - begun;
        for (unsigned int i = 0; i < HW_LOSSES; i++)
                if (lost[i])
                        (void)fprintf(stderr, "lost %lu: %s\n", (unsigned long)lost[i], hw_loss_words(i));
        atomic_store(&page->stop, true);
        for (int i = 0, status; i <= STARTERS; i++)
                must(wait(&status) > 0 && status == 0, "who starts programs");
        printf("{\"swaps\":%lu,\"ms\":%lu,\"programs\":%lu,\"broken\":%lu,\"opens\":%lu,\"wrong\":%lu,\"maps\":[%u,%u],\"kernelKib\":[%lu,%lu]}\n",
               swaps, (unsigned long)begun, atomic_load(&page->programs), atomic_load(&page->broken),
               atomic_load(&page->opens),
               atomic_load(&page->wrong), maps, count_maps(), kib, kernel_kib());
        hw_bpf_unload(&b);
        hw_bpf_close(&b);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 2)
                return act(strcmp(argv[0], "./p") == 0, atoi(argv[1]));
        if (argc == 3 && strtoul(argv[2], NULL, 10) >= WARM)
                return storm(argv[1], strtoul(argv[2], NULL, 10));
        (void)fprintf(stderr, "usage: swap-storm FOLDER SWAPS\n");
        return 2;
}
