// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * The proof that BPF-LSM works here (configuration, BTF, architecture, privileges and the order of security modules
 * together), which no version number tells: attached for the moment of one open, which it denies to the process that
 * asked for it, and to nobody else.
 *
 * lsm/file_open: -EACCES for `asker`, else 0.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define DENIED (-13) /* EACCES */

char _license[] SEC("license") = "GPL";

const volatile __u32 asker = 0; /* its process id */

SEC("lsm/file_open")
int hostward_lsm_probe(void *ctx)
{
        (void)ctx;
        return bpf_get_current_pid_tgid() >> 32 == asker ? DENIED : 0;
}
