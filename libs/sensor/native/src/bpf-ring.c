/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf-record.h"
#include "bpf-ring.h"
#include "clean.h"
#include "file.h"
#include "hostward-bpf.h"

#define RING_BYTES (1u << 20) /* of `events` in bpf/maps.h */
#define THROTTLE_BYTES (HW_THROTTLE_PLACES * sizeof(struct hw_throttle))
#define RECORDS_A_CALL 4096

static void *map(int fd, size_t bytes, int protection, size_t offset) {
        void *p = mmap(NULL, bytes, protection, MAP_SHARED, fd, (off_t)offset);

        return p == MAP_FAILED ? NULL : p;
}

int hw_bpf_map(struct hw_bpf *b) {
        const size_t page = (size_t)getpagesize();

        b->ring_bytes = RING_BYTES;
        if (!(b->consumer = map(b->events, page, PROT_READ | PROT_WRITE, 0)) ||
            !(b->ring = map(b->events, page + 2 * RING_BYTES, PROT_READ, page)) ||
            !(b->places = map(b->throttle, THROTTLE_BYTES, PROT_READ | PROT_WRITE, 0))) {
                int r = -errno;

                hw_bpf_unmap(b);
                return r;
        }
        return 0;
}

void hw_bpf_unmap(struct hw_bpf *b) {
        const size_t page = (size_t)getpagesize();

        if (b->consumer)
                (void)munmap(b->consumer, page);
        if (b->ring)
                (void)munmap((void *)b->ring, page + 2 * b->ring_bytes);
        if (b->places)
                (void)munmap(b->places, THROTTLE_BYTES);
        b->consumer = NULL;
        b->ring = NULL;
        b->places = NULL;
}

/* The programs behind the latest exec ids: what stands for others (bpf-throttle.c) is told without its path. */
static struct {
        char exec[HW_EXEC_ID_MAX];
        char *exe;
} programs[256];

static size_t program_slot(const char *exec) {
        return hw_crc32((struct hw_slice){ (const uint8_t *)exec, strlen(exec) }) % HW_LEN(programs);
}

static void remember_program(const struct hw_actor *a) {
        const size_t i = program_slot(a->exec);
        char *exe = a->exe[0] && strcmp(programs[i].exec, a->exec) != 0 ? strdup(a->exe) : NULL;

        if (!exe)
                return;
        free(programs[i].exe);
        programs[i].exe = exe;
        memcpy(programs[i].exec, a->exec, sizeof a->exec);
}

void hw_bpf_recall_program(struct hw_actor *a) {
        const size_t i = program_slot(a->exec);

        if (strcmp(programs[i].exec, a->exec) == 0)
                (void)snprintf(a->exe, sizeof a->exe, "%s", programs[i].exe);
}

/* The length of the next record, with its flags; BPF_RINGBUF_BUSY_BIT where there is none that is whole. */
static uint32_t next_length(const struct hw_bpf *b, const uint8_t **ret_data) {
        const uint64_t at = *b->consumer;
        const uint8_t *head = b->ring + getpagesize() + (at & (b->ring_bytes - 1));

        if (at >= __atomic_load_n((const uint64_t *)(const void *)b->ring, __ATOMIC_ACQUIRE))
                return BPF_RINGBUF_BUSY_BIT;
        *ret_data = head + BPF_RINGBUF_HDR_SZ;
        return __atomic_load_n((const uint32_t *)(const void *)head, __ATOMIC_ACQUIRE);
}

/* Each is copied and let go of before it is handed on, and the ring is looked for again after that: it may be gone then. */
void hw_bpf_read(struct hw_bpf *b, char *const *subjects, size_t n_subjects) {
        static struct hw_audit_record record; /* large */
        static struct hw_actor actor;

        for (int i = 0; b->consumer && i < RECORDS_A_CALL; i++) {
                const uint8_t *data = NULL;
                const uint32_t len = next_length(b, &data), bytes = len & ~BPF_RINGBUF_DISCARD_BIT;
                bool is_record;

                if (len & BPF_RINGBUF_BUSY_BIT)
                        return;
                is_record = bytes == len && hw_bpf_record(b->generation, (struct hw_slice){ data, bytes }, subjects,
                                                          n_subjects, &actor, &record);
                __atomic_store_n(b->consumer, *b->consumer + ((bytes + BPF_RINGBUF_HDR_SZ + 7) & ~7u), __ATOMIC_RELEASE);
                if (!is_record)
                        continue;
                remember_program(&actor);
                b->handler(&record, b->userdata);
        }
}
