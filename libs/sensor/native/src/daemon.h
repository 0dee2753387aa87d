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
        struct hw_compile compile;
        uint64_t compile_ms; /* that the next compilation may take */
        struct hw_prober prober;
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
        uint64_t held_at; /* monotonic: not before, after that */
        size_t held; /* processes that have */
        struct hw_held_walk *walk; /* that looks now; NULL: none */
        struct hw_drift drift[HW_DRIFT_MAX]; /* oldest first */
        size_t n_drift;
        struct hw_outcome outcome;
        bool stands_in; /* the table, for a snapshot that could not be read: that one is not known to be good */
        bool unkept; /* memory is not on disk: it could not be written, and is tried again */
        bool loaded; /* what memory asks for is in the kernel as far as we know */
        uint64_t loads; /* changes of what is loaded: probes of an earlier one say nothing */
        uint64_t verified_at;
        uint64_t context, compiled_beside; /* hash of the host that the table, the compilation saw; 0: unknown */
        uint64_t links_tried; /* links unlike those of the table, for which it was compiled anew; 0: for none */

        struct hw_job job, queue[HW_JOBS_MAX];
        size_t n_queue;

        uint64_t swapped_at; /* monotonic, of the last swap; 0: none in this life */
        uint64_t recompile_at; /* monotonic: not before */
        uint64_t reload_at, reload_pause; /* likewise, of what could not be read back after a load; ms between tries */
        struct hw_buffer envelope; /* of the table in force, while there is no room for it on disk */
        /* Monotonic deadlines, UINT64_MAX when not set. */
        uint64_t bind_at, confirm_at, check_at, coverage_at, healthy_at, quiet_at, watchdog_at, saved_at,
                looked_at;
};

int hw_daemon_run(const struct hw_options *options);

/* state.c: SensorState of libs/sensor/src/state.ts. */
const char *hw_enforcer_text(const struct hw_daemon *d);
void hw_state_write(const struct hw_daemon *d, struct hw_buffer *out);

/* Which of the two enforces the table in force; neither where the host has none. */
static inline bool hw_daemon_uses_bpf(const struct hw_daemon *d) {
        return d->table && d->table->bpf.len > 0;
}
static inline bool hw_daemon_enforces(const struct hw_daemon *d) {
        return hw_daemon_uses_bpf(d) || d->apparmor;
}

/* swap-files.c: the files of a swap, written before the kernel gets the table. 0, or a negative errno with nothing changed. */
int hw_swap_files(struct hw_daemon *d, struct hw_table *t);
/* By names alone: a swap that failed for want of room leaves none to write the old files once more. */
void hw_swap_files_undo(struct hw_daemon *d, const struct hw_memory *memory, bool unkept);
void hw_swap_files_done(const struct hw_daemon *d);

/* enforce.c: what is in the kernel. */
void hw_outcome_set(struct hw_daemon *d, bool ok, const char *code, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/*
 * Loads the variant that memory asks for and reads it back; `before` is the table that was loaded, NULL when it was this
 * one; `what` goes into the event.
 */
int hw_enforce_load(struct hw_daemon *d, const struct hw_table *before, const char *what);
int hw_enforce_verify(struct hw_daemon *d, bool just_loaded); /* hw_profiles_verify() */
/* What the kernel holds is not what was asked for at the last attempt. */
bool hw_enforce_is_refused(const struct hw_daemon *d);
/* Puts a new table in the place of the present one; takes it over. 0, or a negative errno with the outcome set. */
int hw_enforce_swap(struct hw_daemon *d, struct hw_table *t);
/* Compares the kernel with what was verified; repairs and records what drifted. */
void hw_enforce_check(struct hw_daemon *d);
void hw_enforce_start(struct hw_daemon *d);
/* `what` is not as it was left; `profile` may be NULL. */
void hw_drift_add(struct hw_daemon *d, const char *profile, const char *what);
/* All drift whose words begin so is as it should be again. */
void hw_drift_repaired(struct hw_daemon *d, const char *kind);
/* What cannot be written is in force and stored at a later check, if that comes before the next start. */
int hw_memory_store(struct hw_daemon *d);

/* units.c: drop-ins of units are made what the table asks for; in a check what was not so is drift. */
void hw_units_settle(struct hw_daemon *d);
void hw_units_check(struct hw_daemon *d);
/* One that could not be written, which the outcome tells: what is loaded is in force all the same. */
bool hw_units_are_unsettled(const struct hw_daemon *d);

/* devices.c: USB, as the table in force asks. */
void hw_devices_start(struct hw_daemon *d); /* before the first table */
void hw_devices_settle(struct hw_daemon *d);
void hw_devices_write(const struct hw_daemon *d, struct hw_json *j);

/*
 * held.c: counts anew whom the rules in force reach. Where all processes are to be looked at for what they have open, that
 * begins here, and whoever waits for it is told by hw_jobs_covered().
 */
void hw_cover(struct hw_daemon *d);
/* Nobody knows yet who has open what the rules refuse: until then none is said to be enforced. */
bool hw_cover_is_awaited(const struct hw_daemon *d);
/* Begins a walk, of what both descriptors give (bpf-held.h). */
void hw_cover_walk(struct hw_daemon *d, int files, int maps);
void hw_cover_walked(struct hw_daemon *d); /* it is through */
void hw_cover_expired(struct hw_daemon *d); /* its deadline has passed */

/* confirm.c: commit-confirm (D11). */
void hw_confirm_begin(struct hw_daemon *d);
void hw_confirm_wait(struct hw_memory *m);
/* What is loaded blocks again after it did not: unless it was confirmed while it blocked, it must be confirmed now. */
void hw_confirm_resumed(struct hw_daemon *d);
/* 0, -ESTALE for another assignment version, -EAGAIN when the process must be started anew first. */
int hw_confirm_accept(struct hw_daemon *d, pid_t pid, const struct hw_assignment_version *assignment_version);
void hw_confirm_evidence(struct hw_daemon *d, const struct hw_audit_record *record);
void hw_confirm_expired(struct hw_daemon *d);

/* suspend.c: break-glass. Negative where the kernel did not take it, which the outcome tells; memory says it all the same. */
int hw_suspend_begin(struct hw_daemon *d, const struct hw_suspension *s);
int hw_suspend_end(struct hw_daemon *d, const char *why);
int hw_unload(struct hw_daemon *d);
int hw_resume(struct hw_daemon *d);
void hw_suspend_check(struct hw_daemon *d);
/*
 * What the signed assignment says, at a swap, before it is loaded; the console's own word goes first. A `renewal` is
 * what stopped the boots, once more: the boot guard's suspension stays.
 */
void hw_suspend_order(struct hw_memory *m, const struct hw_table *t, bool renewal);
/*
 * The same of an assignment whose rule set is refused since it cut the agent off: the host is suspended, or is no more,
 * with what it has in force. From then on the assignment is the newest. Negative where that cannot be stored: it holds
 * until the next start then, and the assignment is not the newest.
 */
int hw_suspend_take(struct hw_daemon *d, const struct hw_table *t);
/*
 * The same of one that cannot be put in force: it cannot be compiled, there is no room for it, or the kernel refuses its
 * rules. It is expected to come again, so it does not count as seen; what it says of a suspension is done once.
 */
void hw_suspend_heed(struct hw_daemon *d, const struct hw_table *t);
void hw_suspend_tell_change(struct hw_daemon *d, const struct hw_suspension *before);

/* messages.c: what clients ask. */
int hw_messages_handle(struct hw_client *client, const struct hw_header *header, struct hw_slice payload,
                       void *userdata);

/* jobs.c */
int hw_jobs_add(struct hw_daemon *d, enum hw_job_kind kind, uint64_t client, uint32_t request,
                struct hw_slice envelope);
/* Compiles the rule set in force anew, unless that waits already. */
void hw_jobs_recompile(struct hw_daemon *d);
void hw_jobs_compile_ready(struct hw_daemon *d);
void hw_jobs_compile_expired(struct hw_daemon *d);
void hw_jobs_prober_ready(struct hw_daemon *d);
/* Reads what the prober has announced; nothing else happens, even where that was its last word. */
void hw_jobs_prober_announced(struct hw_daemon *d);
/* Ends the job of a prober whose last word was read so. */
void hw_jobs_prober_settle(struct hw_daemon *d);
void hw_jobs_prober_expired(struct hw_daemon *d);
/* Ends the job that waits for a walk through what is open. */
void hw_jobs_covered(struct hw_daemon *d);

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
