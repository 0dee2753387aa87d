/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_DAEMON_H
#define HOSTWARD_DAEMON_H
#include "audit.h"
#include "bpf.h"
#include "compile.h"
#include "coverage.h"
#include "events.h"
#include "json.h"
#include "probe.h"
#include "profiles.h"
#include "sense.h"
#include "server.h"
#include "snapshot.h"
#include "usb.h"

#ifndef HW_VERSION
#define HW_VERSION "0.1.0"
#endif

struct hw_options {
        const char *state_dir, *trust_dir, *socket, *compiler, *agent_user, *securityfs, *dropin_dir, *bpffs, *sysfs;
        uint64_t confirm_ms, check_ms, compile_ms, probe_ms, frame_ms;
};

struct hw_drift {
        char what[HW_NAME_MAX + 64];
        uint64_t detected_at, repaired_at;
};

#define HW_DRIFT_MAX 16
#define HW_JOBS_MAX 8

enum hw_job_kind { HW_JOB_NONE, HW_JOB_APPLY, HW_JOB_RECOMPILE, HW_JOB_RECHECK, HW_JOB_PROBE };

/* Something that takes longer than one turn of the loop. One runs at a time, the others wait in order. */
struct hw_job {
        enum hw_job_kind kind;
        uint64_t client; /* 0: nobody waits for an answer */
        uint32_t request;
        struct hw_buffer envelope;
        bool covers; /* all is done but hw_cover() */
};

struct hw_outcome {
        bool ok;
        char code[64], message[512];
};

/* What is done, what waits, and how it ended. */
struct hw_jobs {
        struct hw_job running, waiting[HW_JOBS_MAX];
        size_t n_waiting;
        struct hw_compile compile;
        uint64_t compile_ms; /* that the next compilation may take */
        struct hw_prober prober;
        struct hw_outcome outcome;
};

/* Times of the monotonic clock, in ms. */
struct hw_timers {
        /* Deadlines, UINT64_MAX when not set. */
        uint64_t bind_at, confirm_at, check_at, coverage_at, healthy_at, quiet_at, watchdog_at, saved_at, looked_at;
        uint64_t swapped_at;   /* the last swap; 0: none in this life */
        uint64_t recompile_at; /* not before */
        uint64_t held_at;      /* likewise, of a look at what all processes have open */
        uint64_t reload_at;    /* likewise, of what could not be read back after a load */
        uint64_t reload_pause; /* between tries of that */
};

struct hw_held_walk;

/*
 * The daemon: one epoll loop, and one thread that decides; everything that does is reached from here. A walk through what is
 * open (bpf-held.h) has another one.
 */
struct hw_daemon {
        const struct hw_options *options;
        int state_fd, epoll_fd, signal_fd, revision_fd;
        bool apparmor, bpf_lsm, compiled_for_bpf, stop;

        struct hw_server server;
        struct hw_audit audit;
        struct hw_bpf bpf;
        struct hw_events events, telemetry_events; /* apart, so that watching takes no room of denials */
        struct hw_sense sense;
        struct hw_usb usb;

        struct hw_memory memory;
        struct hw_table *table; /* in force, NULL before the first */
        struct hw_profile_set profiles;
        bool bpf_ok; /* the table for BPF was read back as it should be */
        struct hw_probe_answer *answers; /* of table->probes, NULL while none were run */
        struct hw_coverage coverage;
        uint64_t held_loads; /* `loads` when all processes were looked at for what is open from before a rule */
        uint64_t told_loads, cut_loads; /* and when it was told what was found, and that not all was looked at */
        size_t held; /* processes that have */
        struct hw_held_walk *walk; /* that looks now; NULL: none */
        struct hw_drift drift[HW_DRIFT_MAX]; /* oldest first */
        size_t n_drift;
        bool stands_in; /* the table, for a snapshot that could not be read: that one is not known to be good */
        bool unkept; /* memory is not on disk: it could not be written, and is tried again */
        bool loaded; /* what memory asks for is in the kernel as far as we know */
        uint64_t loads; /* changes of what is loaded: probes of an earlier one say nothing */
        uint64_t verified_at;
        uint64_t context, compiled_beside; /* hash of the host that the table, the compilation saw; 0: unknown */
        uint64_t links_tried; /* links unlike those of the table, for which it was compiled anew; 0: for none */

        struct hw_buffer envelope; /* of the table in force, while there is no room for it on disk */
        struct hw_jobs jobs;
        struct hw_timers timers;
};

int hw_daemon_run(const struct hw_options *options);

/* Which of the two enforces the table in force; neither where the host has none. */
static inline bool hw_daemon_uses_bpf(const struct hw_daemon *d) {
        return d->table && d->table->bpf.len > 0;
}
static inline bool hw_daemon_enforces(const struct hw_daemon *d) {
        return hw_daemon_uses_bpf(d) || d->apparmor;
}

/* Tags of epoll entries; clients use their id, which never gets this high. */
enum { HW_TAG_BASE_BITS = 60 };
#define HW_SOURCE(n) ((uint64_t)(n) << HW_TAG_BASE_BITS)
#define HW_ON_LISTEN HW_SOURCE(1)
#define HW_ON_SIGNAL HW_SOURCE(2)
#define HW_ON_AUDIT HW_SOURCE(3)
#define HW_ON_REVISION HW_SOURCE(4)
#define HW_ON_COMPILE HW_SOURCE(5)
#define HW_ON_PROBER HW_SOURCE(6)
#define HW_ON_BPF HW_SOURCE(7)
#define HW_ON_MOUNTS HW_SOURCE(8)
#define HW_ON_DEVICES HW_SOURCE(9)
#define HW_ON_SENSE HW_SOURCE(10)
#define HW_ON_HELD HW_SOURCE(11)
int hw_daemon_watch(struct hw_daemon *d, int fd, uint64_t source, uint32_t what);

#endif
