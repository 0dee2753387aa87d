/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the sensor takes to put one rule set in the place of another and to read it back, in maps of this kernel that no
 * program reads: `bench sensor` runs it on the machine itself, where the kernel need not have BPF-LSM.
 *
 *   swap-meter ROOT BPFFS TABLE...   median milliseconds of each file's table, in the order of the files, one `swapN MS` a
 *                                    line; ROOT is where files with several names are looked for, and the sensor's pins are
 *                                    made in its folder BPFFS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf-programs.h"
#include "bpf-syscall.h"
#include "bpf.h"
#include "clean.h"
#include "file.h"
#include "hostward-build.h"

#define ROUNDS 15
#define TABLES_MAX 8

static void must(int r, const char *what) {
        if (r >= 0)
                return;
        (void)fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(1);
}

static double now_ms(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int created(union bpf_attr attr) {
        const int fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr);

        return fd < 0 ? -errno : fd;
}

/* The maps that a swap writes, as bpf/maps.h has them. */
static void make_maps(struct hw_bpf *b) {
        const int template = hw_bpf_map_create(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), hw_bpf_element_bytes(b->shift), 1);

        must(template, "a map of rules");
        b->rules = created((union bpf_attr){ .map_type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .key_size = sizeof(uint32_t),
                                             .value_size = sizeof(uint32_t), .max_entries = 1,
                                             .inner_map_fd = (uint32_t)template });
        must(b->rules, "the map of rules");
        b->bindings = created((union bpf_attr){ .map_type = BPF_MAP_TYPE_HASH, .key_size = sizeof(struct hw_binding_key),
                                                .value_size = sizeof(struct hw_binding), .map_flags = BPF_F_NO_PREALLOC,
                                                .max_entries = HW_BINDINGS_MAX });
        must(b->bindings, "the map of bindings");
        b->host = hw_bpf_map_create(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct hw_host), 1);
        must(b->host, "the map of the host");
}

static void make_pins(const struct hw_bpf *b) {
        char path[4096];

        (void)snprintf(path, sizeof path, "%s/hostward", b->bpffs);
        must(mkdir(path, 0700) < 0 ? -errno : 0, path);
        (void)snprintf(path, sizeof path, "%s/hostward/%s-%u", b->bpffs, HW_BPF_BUILD, b->shift);
        must(mkdir(path, 0700) < 0 ? -errno : 0, path);
}

static double swap(struct hw_bpf *b, const struct hw_buffer *table) {
        const struct hw_slice bytes = { table->data, table->len };
        const double begun = now_ms();

        must(hw_bpf_swap(b, bytes, HW_MODE_ENFORCE), "swap");
        must(hw_bpf_verify(b, bytes, HW_MODE_ENFORCE), "read back");
        return now_ms() - begun;
}

static int compare(const void *a, const void *b) {
        const double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

int main(int argc, char **argv) {
        static struct hw_buffer tables[TABLES_MAX];
        static double ms[TABLES_MAX][ROUNDS];
        struct hw_bpf b;

        if (argc < 4 || argc > 3 + TABLES_MAX) {
                (void)fprintf(stderr, "usage: swap-meter ROOT BPFFS TABLE...\n");
                return 2;
        }
        for (int i = 3; i < argc; i++)
                must(hw_read_file(AT_FDCWD, argv[i], 1u << HW_BPF_SMALL, &tables[i - 3]), argv[i]);
        must(chroot(argv[1]) < 0 || chdir("/") < 0 ? -errno : 0, argv[1]);
        hw_bpf_init(&b, argv[2], NULL, NULL);
        b.shift = HW_BPF_SMALL;
        make_maps(&b);
        make_pins(&b);
        for (int round = 0; round < ROUNDS; round++)
                for (int i = 0; i < argc - 3; i++)
                        ms[i][round] = swap(&b, &tables[i]);
        for (int i = 0; i < argc - 3; i++) {
                qsort(ms[i], ROUNDS, sizeof ms[i][0], compare);
                printf("swap%d %.3f\n", i, ms[i][ROUNDS / 2]);
        }
        return 0;
}
