/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "coverage.h"
#include "file.h"
#include "kernel-file.h"
#include "log.h"
#include "profiles.h"

#define RAW_DATA_MAX (64u << 20)

void hw_profile_set_free(struct hw_profile_set *set) {
        free(set->list);
        *set = (struct hw_profile_set){ 0 };
}

bool hw_apparmor_present(const char *securityfs) {
        char path[4096];
        int r = snprintf(path, sizeof path, "%s/apparmor/.replace", securityfs);

        return r > 0 && (size_t)r < sizeof path && access(path, F_OK) == 0;
}

bool hw_apparmor_lets_pass(const char *sysfs, char ret_mode[32]) {
        char path[4096];
        int r = snprintf(path, sizeof path, "%s/module/apparmor/parameters/mode", sysfs);

        if (r < 0 || (size_t)r >= sizeof path || hw_read_line(AT_FDCWD, path, ret_mode, 32) < 0)
                return false;
        return strcmp(ret_mode, "complain") == 0 || strcmp(ret_mode, "unconfined") == 0;
}

int hw_profiles_load(const char *securityfs, struct hw_slice blob) {
        return blob.len ? hw_kernel_write(securityfs, ".replace", blob.data, blob.len) : 0;
}

static DIR *open_profiles(const char *securityfs) {
        char path[4096];
        int r = snprintf(path, sizeof path, "%s/apparmor/policy/profiles", securityfs);

        if (r < 0 || (size_t)r >= sizeof path) {
                errno = ENAMETOOLONG;
                return NULL;
        }
        return opendir(path);
}

/* The next directory of a profile of ours: its fd, -ENOENT at the end. The kernel names it after the profile. */
static int next_ours(DIR *dir, char *ret_name, size_t size) {
        struct dirent *entry;

        while ((entry = readdir(dir))) {
                int fd;

                if (strncmp(entry->d_name, HW_CATCH_ALL, strlen(HW_CATCH_ALL)) != 0)
                        continue;
                fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd < 0)
                        continue; /* removed between readdir and here */
                if (hw_read_line(fd, "name", ret_name, size) == 0 &&
                    hw_name_is_ours((struct hw_slice){ (const uint8_t *)ret_name, strlen(ret_name) }))
                        return fd;
                (void)close(fd);
        }
        return -ENOENT;
}

int hw_profiles_each_loaded(const char *securityfs, hw_name_handler found, void *userdata) {
        _cleanup_closedir_ DIR *dir = open_profiles(securityfs);
        char name[HW_NAME_MAX + 2];
        int r = 0;

        if (!dir)
                return -errno;
        while (r >= 0) {
                _cleanup_close_ int fd = next_ours(dir, name, sizeof name);

                if (fd < 0)
                        break;
                r = found(name, userdata);
        }
        return r < 0 ? r : 0;
}

static struct hw_profile *find(struct hw_profile_set *set, const char *name) {
        for (size_t i = 0; i < set->n; i++)
                if (strcmp(set->list[i].name, name) == 0)
                        return &set->list[i];
        return NULL;
}

static void read_profile(int fd, struct hw_profile *p) {
        p->loaded = true;
        (void)hw_read_line(fd, "mode", p->mode, sizeof p->mode);
        if (hw_read_line(fd, "sha256", p->hash, sizeof p->hash) < 0) /* since 6.8; before that sha1 */
                (void)hw_read_line(fd, "sha1", p->hash, sizeof p->hash);
}

/* All profiles of one write share one raw_data in the kernel: `seen` spares reading it again for each. */
static bool raw_data_is(int fd, struct hw_slice blob, char *seen, size_t size, int *ret_known) {
        _cleanup_buffer_ struct hw_buffer raw = { 0 };
        char target[512];
        ssize_t n = readlinkat(fd, "raw_data", target, sizeof target - 1);
        int r;

        *ret_known = 1;
        target[n > 0 ? n : 0] = 0;
        if (n > 0 && strcmp(target, seen) == 0)
                return true;
        r = hw_read_file(fd, "raw_data", RAW_DATA_MAX, &raw);
        if (r == -ENOENT || r == -EOPNOTSUPP)
                *ret_known = 0; /* built or booted without export of binary policy */
        /* What a swap opened follows the blob. */
        if (r < 0 || raw.len < blob.len || (blob.len && memcmp(raw.data, blob.data, blob.len) != 0))
                return false;
        if (n > 0)
                (void)snprintf(seen, size, "%s", target);
        return true;
}

static int judge(struct hw_profile_set *set) {
        int r = 0;

        for (size_t i = 0; i < set->n; i++) {
                struct hw_profile *p = &set->list[i];

                p->ok = p->loaded && p->expected[0] && strcmp(p->hash, p->expected) == 0 &&
                        strcmp(p->mode, "enforce") == 0;
                r = p->ok ? r : -ESTALE;
        }
        return r;
}

static int make_set(struct hw_profile_set *set, const struct hw_table *t) {
        struct hw_profile *list = calloc(t->n_names + 1, sizeof *list);

        *set = (struct hw_profile_set){ 0 }; /* its names may be of a table that goes */
        if (!list)
                return -ENOMEM;
        *set = (struct hw_profile_set){ list, t->n_names };
        for (size_t i = 0; i < t->n_names; i++)
                list[i].name = t->names[i];
        return 0;
}

/* Without the kernel's copy: of its hash it is only known whether it is still the one from after our own load. */
static void expect_by_hash(struct hw_profile *p, bool just_loaded, struct hw_profile_set *before) {
        const struct hw_profile *old = just_loaded ? NULL : find(before, p->name);

        if (just_loaded || old)
                memcpy(p->expected, just_loaded ? p->hash : old->expected, sizeof p->expected);
}

int hw_profiles_verify(const char *securityfs, const struct hw_table *t, enum hw_mode mode, bool just_loaded,
                       struct hw_profile_set *set) {
        _cleanup_closedir_ DIR *dir = open_profiles(securityfs);
        const int error = dir ? 0 : -errno;
        char name[HW_NAME_MAX + 2], seen[512] = "";
        struct hw_profile_set before = *set;
        int r = make_set(set, t);

        if (r < 0 || !dir) {
                hw_profile_set_free(&before);
                return r < 0 ? r : error;
        }
        for (;;) {
                _cleanup_close_ int fd = next_ours(dir, name, sizeof name);
                struct hw_profile *p;
                int known;

                if (fd < 0)
                        break;
                p = find(set, name);
                if (!p)
                        continue;
                read_profile(fd, p);
                if (raw_data_is(fd, t->blobs[mode], seen, sizeof seen, &known))
                        memcpy(p->expected, p->hash, sizeof p->expected);
                else if (!known)
                        expect_by_hash(p, just_loaded, &before);
        }
        hw_profile_set_free(&before);
        return judge(set);
}

int hw_profiles_refresh(const char *securityfs, struct hw_profile_set *set) {
        _cleanup_closedir_ DIR *dir = open_profiles(securityfs);
        char name[HW_NAME_MAX + 2];

        if (!dir)
                return -errno;
        for (size_t i = 0; i < set->n; i++) {
                set->list[i].loaded = false;
                set->list[i].mode[0] = set->list[i].hash[0] = 0;
        }
        for (;;) {
                _cleanup_close_ int fd = next_ours(dir, name, sizeof name);
                struct hw_profile *p;

                if (fd < 0)
                        break;
                p = find(set, name);
                if (p)
                        read_profile(fd, p);
        }
        return judge(set);
}

struct swap {
        const struct hw_table *before;
        struct hw_buffer *out;
};

struct pick {
        const char *name;
        struct hw_slice bytes;
};

static int pick_profile(struct hw_slice name, struct hw_slice bytes, void *userdata) {
        struct pick *pick = userdata;

        if (hw_slice_is(name, pick->name))
                pick->bytes = bytes;
        return 0;
}

static struct hw_slice find_in(struct hw_slice blob, const char *name) {
        struct pick pick = { .name = name };

        return hw_blob_walk(blob, pick_profile, &pick) < 0 ? (struct hw_slice){ 0 } : pick.bytes;
}

static int open_leftover(const char *name, void *userdata) {
        const struct swap *swap = userdata;
        struct hw_slice open;

        if (find_in((struct hw_slice){ swap->out->data, swap->out->len }, name).len ||
            (strcmp(name, HW_CATCH_ALL) != 0 && !hw_label_in_use(name)))
                return 0;
        open = find_in(swap->before->blobs[HW_MODE_OFF], name);
        hw_buffer_add(swap->out, open.data, open.len);
        return 0;
}

int hw_profiles_swap(const char *securityfs, struct hw_slice blob, const struct hw_table *before) {
        _cleanup_buffer_ struct hw_buffer all = { 0 };
        struct swap swap = { before, &all };

        hw_buffer_add(&all, blob.data, blob.len);
        if (before)
                (void)hw_profiles_each_loaded(securityfs, open_leftover, &swap);
        return all.failed ? -ENOMEM : hw_profiles_load(securityfs, (struct hw_slice){ all.data, all.len });
}

struct retirement {
        const struct hw_table *now;
        char **names;
        size_t n;
};

static int collect(const char *name, void *userdata) {
        struct retirement *r = userdata;

        if (hw_table_has_name(r->now, name) || r->n == HW_TABLE_PROFILES_MAX || strcmp(name, HW_CATCH_ALL) == 0)
                return 0;
        r->names[r->n] = strdup(name);
        if (r->names[r->n])
                r->n++;
        return 0;
}

static void retire_one(const char *securityfs, const char *name) {
        int r;

        if (hw_label_in_use(name))
                return; /* the swap opened it */
        r = hw_kernel_write(securityfs, ".remove", name, strlen(name));
        if (r < 0 && r != -ENOENT)
                hw_warn("a profile that is not in the rule set any more stays profile=%s error=%s", name, strerror(-r));
}

void hw_profiles_retire(const char *securityfs, const struct hw_table *now) {
        struct retirement r = { .now = now };

        r.names = calloc(HW_TABLE_PROFILES_MAX, sizeof *r.names);
        if (!r.names)
                return;
        (void)hw_profiles_each_loaded(securityfs, collect, &r);
        for (size_t i = 0; i < r.n; i++) {
                retire_one(securityfs, r.names[i]);
                free(r.names[i]);
        }
        free(r.names);
}
