/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "bpf-loss.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "hostward-bpf.h"

#define CPUS_MAX 1024
#define PART_MISSING "a record is missing, or the paths in it; what could not be judged was refused"

static const struct {
        const char *name, *words;
} causes[HW_LOSSES] = {
        [HW_LOSS_RING] = { "ring", "the ring of the BPF programs was full" },
        [HW_LOSS_RESERVE] = { "reserve", "what is only watched had filled its part of the ring of the BPF programs" },
        [HW_LOSS_SCRATCH] = { "scratch", "the BPF programs had no room to work in: " PART_MISSING },
        [HW_LOSS_RACE] = { "race", "renames kept changing a path: " PART_MISSING },
        [HW_LOSS_THROTTLED] = { "throttled", "too many processes were throttled at once to tell of each" },
};

const char *hw_loss_name(unsigned int cause) {
        return causes[cause].name;
}

const char *hw_loss_words(unsigned int cause) {
        return causes[cause].words;
}

/* The sum over all CPUs. */
static uint64_t read_sum(const struct hw_bpf *b, uint32_t key) {
        uint64_t values[CPUS_MAX] = { 0 }, sum = 0;

        if (hw_bpf_map_lookup(b->losses, &key, values) < 0)
                return 0;
        for (size_t i = 0; i < CPUS_MAX; i++)
                sum += values[i];
        return sum;
}

static void write_told(const struct hw_bpf *b, uint32_t cause, uint64_t sum) {
        const uint64_t values[CPUS_MAX] = { sum };
        const uint32_t key = HW_LOSSES + cause;

        (void)hw_bpf_map_update(b->losses, &key, values); /* else it is told once more after a restart */
}

bool hw_bpf_poll_lost(struct hw_bpf *b, uint64_t ret[HW_LOSSES]) {
        const long cpus = sysconf(_SC_NPROCESSORS_CONF);
        bool any = false;

        for (uint32_t cause = 0; cause < HW_LOSSES; cause++) {
                ret[cause] = b->carried[cause];
                b->carried[cause] = 0;
                if (b->losses >= 0 && cpus <= CPUS_MAX) {
                        const uint64_t sum = read_sum(b, cause), told = read_sum(b, HW_LOSSES + cause);

                        ret[cause] += sum - HW_MIN(told, sum);
                        if (sum != told)
                                write_told(b, cause, sum);
                }
                any = any || ret[cause] > 0;
        }
        return any;
}
