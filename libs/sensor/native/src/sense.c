/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bpf-loss.h"
#include "bpf-lsm.h"
#include "bpf-mounts.h"
#include "bpf-programs.h"
#include "clean.h"
#include "log.h"
#include "notify.h"
#include "sense-record.h"
#include "sense.h"
#include "sense.skel.h" /* made by bpftool from bpf/sense.bpf.c */

#define RECORDS_A_CALL 4096

static const char *const names[HW_SENSE_CLASSES] = {
        [HW_SENSE_PROCESS] = "process", [HW_SENSE_FILE] = "file", [HW_SENSE_NETWORK] = "network",
        [HW_SENSE_CAPABILITIES] = "capabilities", [HW_SENSE_DNS] = "dns",
};

const char *hw_sense_name(unsigned int class) {
        return names[class];
}

void hw_sense_init(struct hw_sense *s, hw_bpf_handler handler, void *userdata) {
        *s = (struct hw_sense){ .handler = handler, .userdata = userdata };
        hw_bpf_init(&s->maps, NULL, NULL, NULL);
}

static void choose(const struct sense_bpf *programs, uint32_t classes) {
        const struct {
                struct bpf_program *program;
                enum hw_sense_class class;
        } all[] = {
                { programs->progs.sense_exec, HW_SENSE_PROCESS },    { programs->progs.sense_open, HW_SENSE_FILE },
                { programs->progs.sense_connect, HW_SENSE_NETWORK }, { programs->progs.sense_bind, HW_SENSE_NETWORK },
                { programs->progs.sense_accept, HW_SENSE_NETWORK },  { programs->progs.sense_capable, HW_SENSE_CAPABILITIES },
                { programs->progs.sense_dns, HW_SENSE_DNS },         { programs->progs.sense_dns6, HW_SENSE_DNS },
        };

        _Static_assert(sizeof programs->progs == HW_LEN(all) * sizeof(struct bpf_program *), "each is of a class");
        for (size_t i = 0; i < HW_LEN(all); i++)
                (void)bpf_program__set_autoload(all[i].program, classes & (1u << all[i].class));
}

static int on_sample(void *userdata, void *data, size_t size) {
        static struct hw_audit_record record; /* large */
        static struct hw_actor actor;
        struct hw_sense *s = userdata;

        if (hw_sense_record((struct hw_slice){ data, size }, &actor, &record))
                s->handler(&record, s->userdata);
        return 0;
}

static int load(struct hw_sense *s, uint32_t classes) {
        int r = hw_bpf_addresses_told();

        hw_bpf_log_libbpf();
        s->programs = r < 0 ? NULL : sense_bpf__open();
        if (!s->programs)
                return r < 0 ? r : -errno;
        s->programs->rodata->sensor = (uint32_t)getpid();
        choose(s->programs, classes);
        r = sense_bpf__load(s->programs);
        if (r < 0)
                return r;
        s->maps.mounts = bpf_map__fd(s->programs->maps.mounts);
        s->maps.losses = bpf_map__fd(s->programs->maps.losses);
        r = hw_bpf_mounts(&s->maps); /* before the first file is named */
        if (r < 0)
                return r;
        s->ring = ring_buffer__new(bpf_map__fd(s->programs->maps.telemetry_events), on_sample, s, NULL);
        return s->ring ? sense_bpf__attach(s->programs) : -errno;
}

static void unload(struct hw_sense *s) {
        if (!s->programs)
                return;
        sense_bpf__detach(s->programs);
        hw_sense_read(s);
        hw_sense_count(s);
        ring_buffer__free(s->ring);
        sense_bpf__destroy(s->programs);
        s->ring = NULL;
        s->programs = NULL;
        s->maps.mounts = s->maps.losses = -1; /* were descriptors of the programs */
        s->watched = 0;
}

bool hw_sense_want(struct hw_sense *s, uint32_t classes) {
        int r;

        if (s->wanted == classes)
                return false;
        unload(s);
        s->wanted = classes;
        s->failure[0] = 0;
        if (classes == 0)
                return true;
        hw_watchdog_patient(); /* the kernel verifies the programs */
        r = load(s, classes);
        hw_watchdog_usual();
        if (r == 0) {
                s->watched = classes;
                hw_info("the host is watched classes=%#x", classes);
                return true;
        }
        unload(s);
        (void)snprintf(s->failure, sizeof s->failure, "this kernel does not take the programs that watch: %s", strerror(-r));
        hw_warn("%s", s->failure);
        return true;
}

int hw_sense_fd(const struct hw_sense *s) {
        return s->ring ? ring_buffer__epoll_fd(s->ring) : -1;
}

void hw_sense_read(struct hw_sense *s) {
        if (s->ring)
                (void)ring_buffer__consume_n(s->ring, RECORDS_A_CALL);
}

void hw_sense_mounts(struct hw_sense *s) {
        int r = s->programs ? hw_bpf_mounts(&s->maps) : 0;

        if (r < 0)
                hw_warn("the programs that watch do not know of a change of mounts error=%s", strerror(-r));
}

void hw_sense_count(struct hw_sense *s) {
        uint64_t since[HW_LOSSES];

        if (!s->programs || !hw_bpf_poll_lost(&s->maps, since))
                return;
        for (size_t cause = 0; cause < HW_LOSSES; cause++)
                s->lost[cause] += since[cause];
}

void hw_sense_close(struct hw_sense *s) {
        unload(s);
}
