/* SPDX-License-Identifier: Apache-2.0 */
/* What is in force, read from the pins, beside the daemon and without it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf-loaded.h"
#include "bpf-programs.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "hostward-bpf.h"
#include "hostward-build.h" /* made by the Makefile: HW_BPF_BUILD */

const unsigned int hw_bpf_size_classes[HW_BPF_SIZE_CLASSES] = { HW_BPF_SMALL, HW_BPF_LARGE };

void hw_bpf_pin_path(const char *bpffs, unsigned int shift, const char *name, char *ret, size_t size) {
        (void)snprintf(ret, size, "%s/hostward/%s-%u/%s", bpffs, HW_BPF_BUILD, shift, name);
}

/* The map that the pointer of that size class leads to, for reading. */
static int open_loaded(const char *bpffs, unsigned int shift) {
        _cleanup_close_ int rules = -1;
        const uint32_t zero = 0;
        uint32_t id = 0;
        char path[512];
        int r;

        hw_bpf_pin_path(bpffs, shift, "rules", path, sizeof path);
        rules = hw_bpf_get_to_read(path);
        r = rules < 0 ? rules : hw_bpf_map_lookup(rules, &zero, &id);
        return r < 0 ? r : hw_bpf_map_to_read(id);
}

int hw_bpf_read_loaded(const char *bpffs, struct hw_element **ret, size_t *ret_bytes) {
        const uint32_t zero = 0;
        int r = -ENOENT;

        for (size_t i = 0; r == -ENOENT && i < HW_LEN(hw_bpf_size_classes); i++) {
                const size_t bytes = hw_bpf_element_bytes(hw_bpf_size_classes[i]);
                _cleanup_close_ int table = open_loaded(bpffs, hw_bpf_size_classes[i]);
                _cleanup_free_ void *value = table < 0 ? NULL : calloc(1, (bytes + 7) & ~(size_t)7);

                r = table < 0 ? table : value ? hw_bpf_map_lookup(table, &zero, value) : -ENOMEM;
                if (r < 0)
                        continue;
                *ret = value;
                *ret_bytes = bytes;
                value = NULL;
        }
        return r;
}
