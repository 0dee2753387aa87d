// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * Enforces nothing and is never attached: the smallest program of type LSM. That the kernel's verifier takes it shows
 * that BPF-LSM works here (configuration, BTF, architecture and privileges together), which no version number tells.
 *
 * lsm/file_open: returns 0.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("lsm/file_open")
int hostward_lsm_probe(void *ctx)
{
        (void)ctx;
        return 0;
}
