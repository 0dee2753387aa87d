/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clean.h"
#include "dead-mount.h"

static char request[1 << 17];

static void begin(int fuse) {
        struct {
                struct fuse_out_header header;
                struct fuse_init_out init;
        } answer = { .header.len = sizeof answer,
                     .init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 } };

        if (read(fuse, request, sizeof request) < (ssize_t)sizeof(struct fuse_in_header))
                _exit(1);
        answer.header.unique = ((const struct fuse_in_header *)(const void *)request)->unique;
        if (write(fuse, &answer, sizeof answer) != sizeof answer)
                _exit(1);
}

static _Noreturn void serve(int fuse) {
        (void)prctl(PR_SET_NAME, "dead-mount");
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(fuse, STDIN_FILENO);
        (void)close_range(STDIN_FILENO + 1, ~0u, 0);
        begin(STDIN_FILENO);
        while (read(STDIN_FILENO, request, sizeof request) > 0)
                ;
        _exit(0);
}

int private_mounts(void) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        return 0;
}

int dead_mount(const char *at, mode_t mode) {
        _cleanup_close_ int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        char options[128];
        pid_t pid;

        (void)snprintf(options, sizeof options, "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other", fuse, mode);
        if (fuse < 0 || mount("dead", at, "fuse", 0, options) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                serve(fuse);
        return pid < 0 ? -errno : 0;
}
