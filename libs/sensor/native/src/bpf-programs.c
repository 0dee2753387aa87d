/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that knows the skeleton which bpftool makes from bpf/hostward.bpf.c; with sense.c the only ones that know libbpf. */
#define _GNU_SOURCE
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "bpf-cgroups.h"
#include "bpf-lsm.h"
#include "bpf-programs.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "hostward-bpf.h"
#include "hostward.skel.h"
#include "log.h"

static int print(enum libbpf_print_level level, const char *format, va_list ap) {
        char line[1024];

        if (level != LIBBPF_WARN)
                return 0;
        (void)vsnprintf(line, sizeof line, format, ap);
        line[strcspn(line, "\n")] = 0; /* a verifier's log has many lines: the first says which program */
        hw_warn("libbpf says text=%s", line);
        return 0;
}

void hw_bpf_log_libbpf(void) {
        (void)libbpf_set_print(print);
}

static int keep(int fd) {
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int identify_maps(const struct hostward_bpf *s, uint32_t ret[HW_HOST_MAPS]) {
        const struct bpf_map *const maps[] = { s->maps.rules, s->maps.mounts, s->maps.host,
                                               s->maps.events, s->maps.tasks, s->maps.scratches,
                                               s->maps.throttle, s->maps.bindings, s->maps.senders,
                                               s->maps.execs };

        _Static_assert(HW_LEN(maps) == HW_HOST_MAPS, "each has its place");
        for (size_t i = 0; i < HW_LEN(maps); i++) {
                int id = hw_bpf_map_id(bpf_map__fd(maps[i]));

                if (id < 0)
                        return id;
                ret[i] = (uint32_t)id;
        }
        return 0;
}

static int keep_maps(struct hw_bpf_object *o, const struct hostward_bpf *s) {
        o->rules = keep(bpf_map__fd(s->maps.rules));
        o->mounts = keep(bpf_map__fd(s->maps.mounts));
        o->bindings = keep(bpf_map__fd(s->maps.bindings));
        o->host = keep(bpf_map__fd(s->maps.host));
        o->losses = keep(bpf_map__fd(s->maps.losses));
        o->events = keep(bpf_map__fd(s->maps.events));
        o->throttle = keep(bpf_map__fd(s->maps.throttle));
        o->queries = keep(bpf_program__fd(s->progs.hw_query_egress));
        if (o->queries < 0 || o->rules < 0 || o->mounts < 0 || o->bindings < 0 || o->host < 0 || o->losses < 0 || o->events < 0 ||
            o->throttle < 0)
                return -EMFILE;
        return identify_maps(s, o->map_ids);
}

static bool is_of_cgroups(const struct bpf_program *program) {
        return bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SKB;
}

static struct bpf_link *attach_to_cgroups(const struct bpf_program *program) {
        _cleanup_close_ int cgroups = hw_bpf_cgroups();

        if (cgroups < 0) {
                errno = -cgroups;
                return NULL;
        }
        return bpf_program__attach_cgroup(program, cgroups);
}

static int attach_one(struct bpf_program *program, int *ret_link) {
        struct bpf_link *link = is_of_cgroups(program) ? attach_to_cgroups(program) : bpf_program__attach(program);

        if (!link)
                return -errno;
        *ret_link = keep(bpf_link__fd(link));
        (void)bpf_link__destroy(link); /* ours is another descriptor of it */
        return *ret_link < 0 ? -EMFILE : 0;
}

static int attach_iterators(struct hw_bpf_object *o, const struct hostward_bpf *s) {
        struct bpf_program *const programs[HW_BPF_ITERATORS] = { s->progs.hw_own_files, s->progs.hw_held_files,
                                                                 s->progs.hw_held_maps };
        int r = 0;

        for (size_t i = 0; i < HW_BPF_ITERATORS && r == 0; i++)
                r = attach_one(programs[i], &o->iterators[i]);
        return r;
}

static int attach(struct hw_bpf_object *o, const struct hostward_bpf *s) {
        struct bpf_program *program;

        bpf_object__for_each_program(program, s->obj) {
                int r;

                if (!bpf_program__autoload(program) || bpf_program__expected_attach_type(program) == BPF_TRACE_ITER)
                        continue;
                if (o->n_links == HW_BPF_LINKS_MAX)
                        return -EMFILE;
                r = attach_one(program, &o->links[o->n_links]);
                if (r == -EOPNOTSUPP && is_of_cgroups(program)) {
                        hw_warn("queries to DNS are not judged, there is no cgroup v2 path=%s", HW_CGROUPS);
                        continue;
                }
                if (r < 0)
                        return r;
                o->n_links++;
        }
        return 0;
}

/* How many arguments a hook of the kernel has, -ENOENT where there is no such hook. */
static int arguments_of(const struct btf *btf, const char *hook) {
        const int id = btf ? btf__find_by_name_kind(btf, hook, BTF_KIND_FUNC) : -ENOENT;
        const struct btf_type *function = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);
        const struct btf_type *prototype = function ? btf__type_by_id(btf, function->type) : NULL;

        return prototype ? btf_vlen(prototype) : -ENOENT;
}

struct hooks {
        bool known, rename_has_flags, compat_ioctl, acl, setattr;
};

/* What this kernel has, read once. */
static const struct hooks *hooks(void) {
        static struct hooks h;

        if (!h.known) {
                struct btf *btf = btf__load_vmlinux_btf();

                h = (struct hooks){ .known = true, .rename_has_flags = arguments_of(btf, "bpf_lsm_path_rename") >= 5,
                                    .compat_ioctl = arguments_of(btf, "bpf_lsm_file_ioctl_compat") >= 0,
                                    .acl = arguments_of(btf, "bpf_lsm_inode_set_acl") >= 0,
                                    .setattr = arguments_of(btf, "bpf_lsm_inode_file_setattr") >= 0 };
                btf__free(btf);
        }
        return &h;
}

/* The programs' mask and the template of the inner maps, for one size class. */
static int fit(struct hostward_bpf *s, unsigned int shift) {
        _cleanup_close_ int inner = -1;

        s->rodata->table_mask = (1u << shift) - 1;
        s->rodata->rename_has_flags = hooks()->rename_has_flags;
        if (!hooks()->compat_ioctl)
                (void)bpf_program__set_autoload(s->progs.hw_file_ioctl_compat, false);
        if (!hooks()->acl) {
                (void)bpf_program__set_autoload(s->progs.hw_set_acl, false);
                (void)bpf_program__set_autoload(s->progs.hw_remove_acl, false);
        }
        if (!hooks()->setattr)
                (void)bpf_program__set_autoload(s->progs.hw_file_setattr, false);
        inner = hw_bpf_map_create(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), hw_bpf_element_bytes(shift), 1);
        return inner < 0 ? inner : bpf_map__set_inner_map_fd(s->maps.rules, keep(inner));
}

int hw_bpf_object_load(unsigned int shift, int (*prepare)(struct hw_bpf_object *o, void *userdata), void *userdata,
                       struct hw_bpf_object *ret) {
        struct hostward_bpf *s;
        int r;

        *ret = (struct hw_bpf_object){ .rules = -1, .mounts = -1, .bindings = -1, .host = -1, .losses = -1, .events = -1,
                                       .throttle = -1, .queries = -1, .iterators = { -1, -1, -1 } };
        hw_bpf_log_libbpf();
        s = hostward_bpf__open();
        r = s ? hw_bpf_addresses_told() : -errno;
        if (r == 0)
                r = fit(s, shift);
        if (r == 0)
                r = hostward_bpf__load(s);
        if (r == 0)
                r = keep_maps(ret, s);
        if (r == 0)
                r = attach_iterators(ret, s);
        if (r == 0)
                r = prepare(ret, userdata);
        if (r == 0)
                r = attach(ret, s);
        hostward_bpf__destroy(s);
        if (r < 0) {
                hw_error("the BPF programs cannot be loaded size_class=%u error=%s", shift, strerror(-r));
                hw_bpf_object_close(ret);
        }
        return r;
}

size_t hw_bpf_object_links(void) {
        _cleanup_close_ int cgroups = hw_bpf_cgroups();

        return sizeof((struct hostward_bpf *)0)->progs / sizeof(struct bpf_program *) - HW_BPF_ITERATORS - (cgroups < 0) -
               !hooks()->compat_ioctl - 2 * !hooks()->acl - !hooks()->setattr;
}

void hw_bpf_object_close(struct hw_bpf_object *o) {
        int *const maps[] = { &o->rules,  &o->mounts,   &o->bindings, &o->host, &o->losses,
                               &o->events, &o->throttle, &o->queries };

        for (size_t i = 0; i < HW_LEN(maps); i++)
                hw_close(maps[i]);
        for (size_t i = 0; i < HW_BPF_ITERATORS; i++)
                hw_close(&o->iterators[i]);
        for (size_t i = 0; i < o->n_links; i++)
                hw_close(&o->links[i]);
        o->n_links = 0;
}
