/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf-syscall.h"

static int call(enum bpf_cmd command, union bpf_attr *attr) {
        long r = syscall(SYS_bpf, command, attr, sizeof *attr);

        return r < 0 ? -errno : (int)r;
}

int hw_bpf_map_create(unsigned int type, size_t key, size_t value, unsigned int entries) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.map_type = type;
        attr.key_size = (uint32_t)key;
        attr.value_size = (uint32_t)value;
        attr.max_entries = entries;
        return call(BPF_MAP_CREATE, &attr);
}

static int element(enum bpf_cmd command, int fd, const void *key, const void *value) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.map_fd = (uint32_t)fd;
        attr.key = (uint64_t)key;
        attr.value = (uint64_t)value;
        return call(command, &attr);
}

int hw_bpf_map_update(int fd, const void *key, const void *value) {
        return element(BPF_MAP_UPDATE_ELEM, fd, key, value);
}

int hw_bpf_map_lookup(int fd, const void *key, void *ret) {
        return element(BPF_MAP_LOOKUP_ELEM, fd, key, ret);
}

int hw_bpf_map_delete(int fd, const void *key) {
        return element(BPF_MAP_DELETE_ELEM, fd, key, NULL);
}

int hw_bpf_map_next(int fd, const void *key, void *ret) {
        return element(BPF_MAP_GET_NEXT_KEY, fd, key, ret);
}

int hw_bpf_map_freeze(int fd) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.map_fd = (uint32_t)fd;
        return call(BPF_MAP_FREEZE, &attr);
}

static int get_info(int fd, void *ret, size_t size) {
        union bpf_attr attr;

        memset(ret, 0, size);
        memset(&attr, 0, sizeof attr);
        attr.info.bpf_fd = (uint32_t)fd;
        attr.info.info_len = (uint32_t)size;
        attr.info.info = (uint64_t)ret;
        return call(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int hw_bpf_map_id(int fd) {
        struct bpf_map_info info;
        int r = get_info(fd, &info, sizeof info);

        return r < 0 ? r : (int)info.id;
}

/* With these two what the kernel tells of maps, programs and links alike begins. */
struct identity {
        uint32_t type, id;
};

bool hw_bpf_is_same(int a, int b) {
        struct identity one, other;

        return get_info(a, &one, sizeof one) == 0 && get_info(b, &other, sizeof other) == 0 && one.type == other.type &&
               one.id == other.id;
}

int hw_bpf_link_info(int fd, struct bpf_link_info *ret) {
        return get_info(fd, ret, sizeof *ret);
}

int hw_bpf_link_create(int program, int target, unsigned int type) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.link_create.prog_fd = (uint32_t)program;
        attr.link_create.target_fd = (uint32_t)target;
        attr.link_create.attach_type = type;
        return call(BPF_LINK_CREATE, &attr);
}

static int object(enum bpf_cmd command, int fd, const char *path) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.pathname = (uint64_t)path;
        attr.bpf_fd = (uint32_t)fd;
        return call(command, &attr);
}

int hw_bpf_pin(int fd, const char *path) {
        return object(BPF_OBJ_PIN, fd, path);
}

int hw_bpf_get(const char *path) {
        return object(BPF_OBJ_GET, 0, path);
}

int hw_bpf_get_to_read(const char *path) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.pathname = (uint64_t)path;
        attr.file_flags = BPF_F_RDONLY;
        return call(BPF_OBJ_GET, &attr);
}

int hw_bpf_map_to_read(uint32_t id) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.map_id = id;
        attr.open_flags = BPF_F_RDONLY;
        return call(BPF_MAP_GET_FD_BY_ID, &attr);
}

int hw_bpf_iterator(int link) {
        union bpf_attr attr;

        memset(&attr, 0, sizeof attr);
        attr.iter_create.link_fd = (uint32_t)link;
        return call(BPF_ITER_CREATE, &attr);
}
