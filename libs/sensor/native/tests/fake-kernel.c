/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for src/kernel-file.c: does with ordinary files what the kernel does with securityfs, as far as the sensor
 * can see: .replace makes policy/profiles/NAME.1/{name,mode,sha256,raw_data}, .remove takes it away. Nothing is
 * enforced. A file `refuse` beside .replace makes the load fail with EPROTO, as the kernel does with a policy that it
 * cannot read; a file `lose` has what is loaded gone at once, as if somebody else removed it; a file `no-export` is a kernel
 * that does not show what it holds (apparmor.export_binary=0). And for src/systemd.c: what systemd is told is only logged.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "kernel-file.h"
#include "log.h"
#include "policy-blob.h"
#include "systemd.h"

struct load {
        const char *securityfs;
        struct hw_slice blob;
};

static int put(const char *dir, const char *name, const void *data, size_t len) {
        _cleanup_fclose_ FILE *f = NULL;
        char path[4096];

        (void)snprintf(path, sizeof path, "%s/%s", dir, name);
        f = fopen(path, "we");
        return f && fwrite(data, 1, len, f) == len ? 0 : -EIO;
}

static void folder(const char *securityfs, struct hw_slice name, char *ret, size_t size) {
        (void)snprintf(ret, size, "%s/apparmor/policy/profiles/%.*s.1", securityfs, (int)name.len,
                       (const char *)name.data);
}

static bool has(const char *securityfs, const char *name) {
        char path[4096];

        (void)snprintf(path, sizeof path, "%s/apparmor/%s", securityfs, name);
        return access(path, F_OK) == 0;
}

static int put_profile(struct hw_slice name, struct hw_slice bytes, void *userdata) {
        const struct load *load = userdata;
        char dir[2048], path[4096], hash[32];

        folder(load->securityfs, name, dir, sizeof dir);
        (void)mkdir(dir, 0755);
        (void)snprintf(hash, sizeof hash, "%08x\n", hw_crc32(bytes));
        if (put(dir, "name", name.data, name.len) < 0 || put(dir, "mode", "enforce\n", 8) < 0 ||
            put(dir, "sha256", hash, strlen(hash)) < 0)
                return -EIO;
        if (has(load->securityfs, "no-export")) {
                (void)snprintf(path, sizeof path, "%s/raw_data", dir);
                return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
        }
        return put(dir, "raw_data", load->blob.data, load->blob.len);
}

static int remove_profile(const char *securityfs, struct hw_slice name) {
        static const char *const files[] = { "name", "mode", "sha256", "raw_data" };
        char dir[2048], path[4096];

        folder(securityfs, name, dir, sizeof dir);
        for (size_t i = 0; i < HW_LEN(files); i++) {
                (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
                (void)unlink(path);
        }
        return rmdir(dir) < 0 ? -errno : 0;
}

static int lose(struct hw_slice name, struct hw_slice bytes, void *userdata) {
        const struct load *load = userdata;

        (void)bytes;
        return remove_profile(load->securityfs, name);
}

int hw_kernel_write(const char *securityfs, const char *name, const void *data, size_t len) {
        struct load load = { securityfs, { data, len } };
        int r;

        if (has(securityfs, "refuse"))
                return -EPROTO;
        if (strcmp(name, ".remove") == 0)
                return remove_profile(securityfs, load.blob);
        r = hw_blob_walk(load.blob, put_profile, &load);
        return r == 0 && has(securityfs, "lose") ? hw_blob_walk(load.blob, lose, &load) : r;
}

void hw_systemd_reload(void) {
        hw_info("systemd reads its units again");
}
