/* SPDX-License-Identifier: Apache-2.0 */
/* beside-dead-mount PLACE PROGRAM ARGUMENT...: runs it where a filesystem that does not answer is mounted on PLACE. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dead-mount.h"

int main(int argc, char **argv) {
        int r = argc < 3 ? -1 : private_mounts();

        if (r == 0)
                r = dead_mount(argv[1], S_IFDIR);
        if (r == 0)
                (void)execv(argv[2], argv + 2);
        fprintf(stderr, "%s: %s\n", argv[0], r < 0 ? strerror(-r) : "cannot be run");
        return 1;
}
