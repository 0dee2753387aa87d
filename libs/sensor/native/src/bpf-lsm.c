/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf-lsm.h"
#include "clean.h"
#include "file.h"
#include "log.h"
#include "lsm_probe.lskel.h" /* made from bpf/lsm_probe.bpf.c by bpftool: needs no libbpf and no libelf at run time */

static bool listed(const char *securityfs) {
        char path[4096], list[1024];
        int n = snprintf(path, sizeof path, "%s/lsm", securityfs);

        if (n < 0 || (size_t)n >= sizeof path || hw_read_line(AT_FDCWD, path, list, sizeof list) < 0)
                return false;
        for (char *save = NULL, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save))
                if (strcmp(name, "bpf") == 0)
                        return true;
        return false;
}

static bool denies(const struct lsm_probe *probe) {
        _cleanup_close_ int link = skel_raw_tracepoint_open(NULL, probe->progs.hostward_lsm_probe.prog_fd);
        int fd;

        if (link < 0)
                return false;
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == EACCES;
        (void)close(fd);
        return false;
}

/* With kernel.kptr_restrict=2 nobody is told addresses, and the programs would read rename_lock at 0. */
int hw_bpf_addresses_told(void) {
        _cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
        unsigned long long address;
        char line[512], type, name[256];

        while (f && fgets(line, sizeof line, f))
                if (sscanf(line, "%llx %c %255s", &address, &type, name) == 3 && strcmp(name, "rename_lock") == 0) {
                        if (!address)
                                hw_warn("the address of rename_lock is not told, see the sysctl kernel.kptr_restrict");
                        return address ? 0 : -EPERM;
                }
        return -ENOENT;
}

bool hw_bpf_lsm_works(const char *securityfs) {
        struct lsm_probe *probe = listed(securityfs) ? lsm_probe__open() : NULL;
        bool works = false;

        if (!probe)
                return false;
        probe->rodata->asker = (uint32_t)getpid();
        works = lsm_probe__load(probe) == 0 && denies(probe);
        if (!works)
                hw_warn("BPF-LSM is active and does not deny what it is made to");
        lsm_probe__destroy(probe);
        return works;
}
