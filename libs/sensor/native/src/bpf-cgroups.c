/* SPDX-License-Identifier: Apache-2.0 */
/* The program at the root of all cgroups, by which queries to DNS are judged. Unlike the others root can detach it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf-cgroups.h"
#include "bpf-syscall.h"
#include "clean.h"

int hw_bpf_cgroups(void) {
        struct statfs fs;
        int fd = open(HW_CGROUPS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                return fd;
        hw_close(&fd);
        return -EOPNOTSUPP;
}

static bool is_detached(int link) {
        struct bpf_link_info info;

        return hw_bpf_link_info(link, &info) == 0 && info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == 0;
}

bool hw_bpf_is_detached(const struct hw_bpf *b) {
        for (size_t i = 0; i < b->n_links; i++)
                if (is_detached(b->links[i]))
                        return true;
        return false;
}

int hw_bpf_attach_again(struct hw_bpf *b) {
        int again = 0;

        for (size_t i = 0; i < b->n_links; i++) {
                _cleanup_close_ int cgroups = is_detached(b->links[i]) ? hw_bpf_cgroups() : -ENOENT;
                int link;

                if (cgroups == -ENOENT)
                        continue;
                link = cgroups < 0 ? cgroups : hw_bpf_link_create(b->queries, cgroups, BPF_CGROUP_INET_EGRESS);
                if (link < 0)
                        return link;
                hw_close(&b->links[i]);
                b->links[i] = link;
                again++;
        }
        return again;
}
