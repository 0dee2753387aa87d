/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many records of denials the sensor's reader takes in a second of its CPU from a ring of this kernel, and makes events of, and
 * whether any is lost at half of that: `bench sensor` runs it on the machine itself.
 *
 *   event-meter SECONDS   one `NAME NUMBER` a line; rates a second, `wall` with whatever else the machine does. Ends with 3, and says why, where the kernel lets us
 *                         load no program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bpf-cgroups.h"
#include "bpf-ring.h"
#include "bpf-syscall.h"
#include "bpf.h"
#include "clean.h"
#include "clock.h"
#include "event_meter.lskel.h"
#include "events.h"
#include "hostward-table.h"

#define GENERATION 7
#define BATCH 1000 /* fits the ring */
#define LATE_S 0.002
#define NICE (-4)  /* of the sensor's unit */

struct sent {
        uint64_t records, lost;
};

static struct event_meter *skel;
static struct hw_bpf reader;
static struct hw_events events;
static uint64_t taken;
static uint32_t record_bytes;
static char subject[] = "hostward";
static char *const subjects[] = { subject };

static void must(bool ok, const char *what) {
        if (ok)
                return;
        perror(what);
        exit(1);
}

static double seconds_of(clockid_t clock) {
        struct timespec t;

        (void)clock_gettime(clock, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now_s(void) {
        return seconds_of(CLOCK_MONOTONIC);
}

/* The id of the cgroup that we are in, which the reader looks up. */
static uint64_t own_cgroup(void) {
        union {
                struct file_handle handle;
                char room[sizeof(struct file_handle) + sizeof(uint64_t)];
        } h = { .handle.handle_bytes = sizeof(uint64_t) };
        uint64_t id = 0;
        int mount;

        if (name_to_handle_at(AT_FDCWD, HW_CGROUPS, &h.handle, &mount, 0) == 0)
                memcpy(&id, h.room + sizeof(struct file_handle), sizeof id);
        return id;
}

/* A denial as the programs send it. */
static void prepare_record(void) {
        static const char text[] = "/etc/ssl/private/server.key/usr/bin/python3.13/var/lib/service/";
        static struct hw_bpf_event e = { .generation = GENERATION, .start = 5000, .exec = 3, .class = HW_BPF_PATH,
                                         .hook = HW_HOOK_OPEN, .requested = 1, .denied = 1, .rule = 4, .pid = 43,
                                         .tgid = 42, .uid = 1000, .fsuid = 1000, .loginuid = UINT32_MAX,
                                         .comm = "python3", .ino = 99, .dev = 8 << 20 | 1, .parents = 3,
                                         .parent = { { 4000, 2, 40, 0, "bash" }, { 3000, 2, 39, 0, "sshd" },
                                                     { 1, 1, 1, 0, "systemd" } },
                                         .path_len = 27, .exe_len = 19, .cwd_len = 17 };
        static uint8_t value[2048];
        const uint32_t zero = 0;

        e.time = hw_now_ms() * 1000000;
        e.cgroup = own_cgroup();
        memcpy(e.text, text, sizeof text - 1);
        record_bytes = (uint32_t)(offsetof(struct hw_bpf_event, text) + sizeof text - 1);
        must(record_bytes <= sizeof value, "a record");
        memcpy(value, &e, record_bytes);
        must(skel_map_update_elem(skel->maps.record.map_fd, &zero, value, BPF_ANY) == 0, "the record");
}

/* The reader maps the throttle of the programs too. */
static int make_throttle(void) {
        union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = sizeof(uint32_t),
                                .value_size = sizeof(struct hw_throttle), .max_entries = HW_THROTTLE_PLACES,
                                .map_flags = BPF_F_MMAPABLE };
        const int fd = skel_sys_bpf(BPF_MAP_CREATE, &attr, sizeof attr);

        must(fd >= 0, "the throttle");
        return fd;
}

static void write_records(uint64_t n) {
        uint64_t context[12] = { n, record_bytes };
        union bpf_attr attr = { 0 };

        attr.test.prog_fd = (__u32)skel->progs.hostward_event_meter.prog_fd;
        attr.test.ctx_in = (__u64)(uintptr_t)context;
        attr.test.ctx_size_in = sizeof context;
        must(skel_sys_bpf(BPF_PROG_RUN, &attr, sizeof attr) == 0, "BPF_PROG_RUN");
}

static struct sent read_sent(void) {
        const __u32 zero = 0;
        struct sent sent;

        must(hw_bpf_map_lookup(skel->maps.sent.map_fd, &zero, &sent) == 0, "what was sent");
        return sent;
}

static void on_record(const struct hw_audit_record *record, void *userdata) {
        (void)userdata;
        hw_events_add_record(&events, record, GENERATION);
        taken++;
}

static void read_records(void) {
        hw_bpf_read(&reader, subjects, HW_LEN(subjects));
}

/* As many bytes, copied out of the ring and not looked at. */
static void copy_records(void) {
        static uint8_t copy[2048];
        const uint8_t *data = reader.ring + getpagesize();
        const uint64_t end = __atomic_load_n((const uint64_t *)(const void *)reader.ring, __ATOMIC_ACQUIRE);
        const uint64_t step = (record_bytes + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;

        for (uint64_t at = *reader.consumer; at < end; at += step, taken++) {
                memcpy(copy, data + (at & (reader.ring_bytes - 1)) + BPF_RINGBUF_HDR_SZ, record_bytes);
                __asm__ volatile("" : : "r"(copy) : "memory");
                __atomic_store_n(reader.consumer, at + step, __ATOMIC_RELEASE);
        }
}

struct rate {
        double cpu, wall; /* records in a second of each */
};

/* How fast `drain` empties the ring, which is filled again and again. */
static struct rate rate_of(void (*drain)(void), double seconds) {
        const double end = now_s() + seconds;
        double cpu = 0, wall = 0;

        taken = 0;
        while (now_s() < end) {
                double begun, ran;

                write_records(BATCH);
                begun = now_s();
                ran = seconds_of(CLOCK_THREAD_CPUTIME_ID);
                drain();
                cpu += seconds_of(CLOCK_THREAD_CPUTIME_ID) - ran;
                wall += now_s() - begun;
        }
        must(taken > 0, "reading records");
        return (struct rate){ (double)taken / cpu, (double)taken / wall };
}

struct load {
        double rate, seconds;
        atomic_bool over;
};

/* Writes at an even rate: what is late since nobody let us run is left out, so that there is no burst. */
static void *write_all_the_time(void *userdata) {
        struct load *load = userdata;
        const double end = now_s() + load->seconds;
        double last = now_s();

        must(setpriority(PRIO_PROCESS, (id_t)gettid(), 0) == 0, "setpriority");
        while (last < end) {
                const double t = now_s();

                write_records((uint64_t)(load->rate * HW_MIN(t - last, LATE_S)));
                last = t;
                (void)usleep(500);
        }
        atomic_store(&load->over, true);
        return NULL;
}

/* What is lost while a thread writes at this rate and this one reads as the daemon does. */
static struct sent under_load(double rate, double seconds) {
        struct load load = { rate, seconds, false };
        struct pollfd ring = { reader.events, POLLIN, 0 };
        const struct sent before = read_sent();
        struct sent sent;
        pthread_t writer;

        taken = 0;
        errno = pthread_create(&writer, NULL, write_all_the_time, &load);
        must(errno == 0, "pthread_create");
        while (!atomic_load(&load.over) || poll(&ring, 1, 0) > 0) {
                (void)poll(&ring, 1, 10);
                read_records();
        }
        must(pthread_join(writer, NULL) == 0, "pthread_join");
        read_records();
        sent = read_sent();
        sent.records -= before.records;
        sent.lost -= before.lost;
        if (taken == sent.records)
                return sent;
        (void)fprintf(stderr, "of %lu records %lu were read\n", (unsigned long)sent.records, (unsigned long)taken);
        exit(1);
}

int main(int argc, char **argv) {
        const double seconds = argc == 2 ? atof(argv[1]) : 0;
        struct rate bare, whole;
        struct sent sent;

        if (!(seconds > 0 && seconds <= 600)) {
                (void)fprintf(stderr, "usage: event-meter SECONDS\n");
                return 2;
        }
        skel = event_meter__open_and_load();
        if (!skel) {
                (void)fprintf(stderr, "the kernel takes no program from us: %s\n", strerror(errno));
                return 3;
        }
        hw_bpf_init(&reader, "", on_record, NULL);
        reader.events = skel->maps.events.map_fd;
        reader.throttle = make_throttle();
        reader.generation = GENERATION;
        must(hw_bpf_map(&reader) == 0, "the ring");
        hw_events_init(&events, -1);
        prepare_record();
        must(setpriority(PRIO_PROCESS, 0, NICE) == 0, "setpriority");
        bare = rate_of(copy_records, seconds);
        whole = rate_of(read_records, seconds);
        sent = under_load(whole.wall / 2, seconds);
        printf("bytes %u\ncopied %.0f\ncpu %.0f\nwall %.0f\nrate %.0f\nsent %lu\nlost %lu\n", record_bytes, bare.cpu,
               whole.cpu, whole.wall, (double)(sent.records + sent.lost) / seconds, (unsigned long)sent.records, (unsigned long)sent.lost);
        return 0;
}
