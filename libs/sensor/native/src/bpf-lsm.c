/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bpf-lsm.h"
#include "file.h"
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

bool hw_bpf_lsm_works(const char *securityfs) {
        struct lsm_probe *probe;

        if (!listed(securityfs))
                return false; /* it would load and never be called */
        probe = lsm_probe__open_and_load();
        lsm_probe__destroy(probe);
        return probe != NULL;
}
