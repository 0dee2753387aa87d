/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings.h"
#include "boots.h"
#include "bpf-held.h"
#include "bpf-loss.h"
#include "bpf-lsm.h"
#include "bpf-mounts.h"
#include "bpf-ring.h"
#include "bpf-throttle.h"
#include "clean.h"
#include "clock.h"
#include "confirm.h"
#include "daemon.h"
#include "devices.h"
#include "enforce.h"
#include "file.h"
#include "held.h"
#include "jobs.h"
#include "log.h"
#include "messages.h"
#include "notify.h"
#include "recompile.h"
#include "state.h"
#include "suspend.h"

#define COVERAGE_MS 30000
#define HEALTHY_MS 300000
#define QUIET_MS 1000
#define BIND_MS 600000 /* files with several names are looked for again, in what packages and people have brought since */
#define BIND_AFTER_MOUNT_MS 1000
#define LARGE_BYTES (128 << 10) /* rule sets, types of the kernel: of short life, so the kernel has them back at once */

int hw_daemon_watch(struct hw_daemon *d, int fd, uint64_t source, uint32_t what) {
        struct epoll_event event = { .events = what, .data.u64 = source };

        if (epoll_ctl(d->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
                return 0;
        return epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_state(struct hw_daemon *d) {
        const char *path = d->options->state_dir;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        d->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (d->state_fd < 0)
                return -errno;
        return flock(d->state_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int open_signals(struct hw_daemon *d) {
        sigset_t set;

        (void)signal(SIGPIPE, SIG_IGN);
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return d->signal_fd < 0 ? -errno : hw_daemon_watch(d, d->signal_fd, HW_ON_SIGNAL, EPOLLIN);
}

/* Readable after each change of policy in the kernel. Where it cannot be polled, the timer alone finds drift. */
static void open_revision(struct hw_daemon *d) {
        char path[4096], line[64];
        int n = snprintf(path, sizeof path, "%s/apparmor/revision", d->options->securityfs);

        if (n < 0 || (size_t)n >= sizeof path)
                return;
        d->revision_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (d->revision_fd < 0)
                return;
        (void)!read(d->revision_fd, line, sizeof line);
        if (hw_daemon_watch(d, d->revision_fd, HW_ON_REVISION, EPOLLIN) < 0)
                hw_close(&d->revision_fd);
}

static void open_audit(struct hw_daemon *d) {
        int r = hw_audit_open(&d->audit);

        if (r == 0)
                r = hw_daemon_watch(d, d->audit.fd, HW_ON_AUDIT, EPOLLIN);
        if (r < 0) {
                hw_warn("the audit stream cannot be read, denials go unseen error=%s", strerror(-r));
                hw_audit_close(&d->audit);
        }
}

/* Readable after each change of mounts: the programs know paths by where the host mounts a filesystem. */
static void open_mounts(struct hw_daemon *d) {
        d->bpf.mountinfo = open(HW_MOUNTINFO, O_RDONLY | O_CLOEXEC);
        if (d->bpf.mountinfo < 0 || hw_daemon_watch(d, d->bpf.mountinfo, HW_ON_MOUNTS, EPOLLPRI) < 0)
                hw_warn("changes of mounts go unseen error=%m");
}

/*
 * Comes also in the middle of a swap, which lets programs go and has what they told read: nothing may be begun or ended
 * here that changes what is loaded.
 */
static void on_record(const struct hw_audit_record *record, void *userdata) {
        struct hw_daemon *d = userdata;
        const bool in_force = d->table && (!record->bpf || record->in_force);

        /* A probe announces its pid before it acts: read the announcements first. */
        if (d->jobs.prober.pid > 0 && strcmp(record->comm, HW_PROBE_COMM) == 0)
                hw_jobs_prober_announced(d);
        if (hw_probe_is_ours((pid_t)record->pid, record->comm))
                return;
        if (record->guard)
                hw_warn("an attempt on the sensor was refused operation=%s pid=%" PRId64, record->operation, record->pid);
        else
                hw_confirm_evidence(d, record);
        hw_events_add_record(&d->events, record, in_force ? d->table->assignment_version.generation : 0);
        if (record->bpf && d->timers.quiet_at == UINT64_MAX)
                d->timers.quiet_at = hw_now_ms() + QUIET_MS; /* until then its like may be suppressed */
}

static void on_telemetry_event(const struct hw_audit_record *record, void *userdata) {
        struct hw_daemon *d = userdata;

        if (!hw_probe_is_ours((pid_t)record->pid, record->comm))
                hw_events_add_record(&d->telemetry_events, record, 0);
}

/* Watches what the rule set in force says. */
static void sense(struct hw_daemon *d) {
        if (!hw_sense_want(&d->sense, d->table ? (uint32_t)d->table->visibility : 0))
                return;
        if (d->sense.watched && d->bpf.mountinfo < 0)
                open_mounts(d);
        if (hw_sense_fd(&d->sense) >= 0)
                (void)hw_daemon_watch(d, hw_sense_fd(&d->sense), HW_ON_SENSE, EPOLLIN);
}

static void read_bpf(struct hw_daemon *d) {
        hw_bpf_read(&d->bpf, d->table ? d->table->subjects : NULL, d->table ? d->table->n_subjects : 0);
}

static void tell_suppressed(struct hw_daemon *d, uint64_t now) {
        d->timers.quiet_at = UINT64_MAX;
        if (hw_bpf_tell_suppressed(&d->bpf, d->table ? d->table->subjects : NULL, d->table ? d->table->n_subjects : 0,
                                   false))
                d->timers.quiet_at = now + QUIET_MS;
}

static void tell_lost(struct hw_daemon *d) {
        const uint32_t lost = hw_audit_poll_lost(&d->audit);
        uint64_t since[HW_LOSSES];

        if (lost)
                hw_events_add_lost(&d->events, lost, "the kernel's audit queue overflowed");
        if (!hw_bpf_poll_lost(&d->bpf, since))
                return;
        for (unsigned int cause = 0; cause < HW_LOSSES; cause++) {
                if (!since[cause])
                        continue;
                d->bpf.lost[cause] += since[cause];
                hw_events_add_lost(&d->events, (int64_t)since[cause], hw_loss_words(cause));
        }
}

/* What an earlier life of ours pinned is in force already. */
static void adopt_bpf(struct hw_daemon *d) {
        int r;

        hw_bpf_init(&d->bpf, d->options->bpffs, on_record, d);
        if (!d->bpf_lsm)
                return;
        open_mounts(d);
        if (hw_bpf_adopt(&d->bpf) == 0)
                (void)hw_daemon_watch(d, d->bpf.events, HW_ON_BPF, EPOLLIN);
        else
                d->bpf_lsm = hw_bpf_addresses_told() == 0;
        r = hw_bpf_guard(&d->bpf);
        if (r < 0)
                hw_error("the sensor is not guarded against root error=%s", strerror(-r));
}

static int start(struct hw_daemon *d) {
        struct stat st;
        bool before;
        int r = open_state(d);

        if (r < 0) {
                hw_error("the state directory cannot be used path=%s error=%s", d->options->state_dir, strerror(-r));
                return r;
        }
        before = fstatat(d->state_fd, HW_MEMORY, &st, 0) == 0;
        hw_events_init(&d->events, d->state_fd);
        hw_events_init(&d->telemetry_events, -1);
        hw_sense_init(&d->sense, on_telemetry_event, d);
        if (before)
                hw_events_add_lost(&d->events, -1, "the sensor was not running; denials meanwhile may be missing");
        d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (d->epoll_fd < 0)
                return -errno;
        r = open_signals(d);
        if (r < 0)
                return r;
        d->apparmor = hw_apparmor_present(d->options->securityfs);
        d->bpf_lsm = hw_bpf_lsm_works(d->options->securityfs);
        adopt_bpf(d);
        open_audit(d); /* before loading, so that the first denial is seen */
        open_revision(d);
        hw_devices_start(d);
        hw_enforce_start(d);
        hw_devices_settle(d);
        if (d->memory.confirm == HW_CONFIRM_WAITING)
                d->timers.confirm_at = hw_now_ms() + d->options->confirm_ms;
        hw_cover(d);
        d->server.epoll_fd = d->epoll_fd;
        d->server.frame_ms = d->options->frame_ms;
        r = hw_server_open(&d->server, d->options->socket, d->options->agent_user);
        if (r == 0)
                r = hw_daemon_watch(d, d->server.listen_fd, HW_ON_LISTEN, EPOLLIN);
        if (r < 0)
                hw_error("the socket cannot be opened path=%s error=%s", d->options->socket, strerror(-r));
        return r;
}

static void read_audit(struct hw_daemon *d) {
        unsigned int lost;

        if (d->audit.fd < 0)
                return;
        lost = hw_audit_read(&d->audit, on_record, d);
        if (lost)
                hw_events_add_lost(&d->events, -1, "the audit socket overflowed or records could not be read");
}

static void on_revision(struct hw_daemon *d) {
        char line[64];

        (void)!read(d->revision_fd, line, sizeof line); /* until it is read it stays readable */
        hw_enforce_check(d);
}

/* Also when nothing was mounted: a folder above a mount that is moved takes it to another path, and nobody is told. */
static void tell_mounts(struct hw_daemon *d) {
        int r = d->bpf.shift ? hw_bpf_mounts(&d->bpf) : 0;

        if (r < 0)
                hw_warn("the programs do not know of a change of mounts error=%s", strerror(-r));
        hw_sense_mounts(&d->sense);
}

static void on_mounts(struct hw_daemon *d) {
        tell_mounts(d);
        d->timers.bind_at = HW_MIN(d->timers.bind_at, hw_now_ms() + BIND_AFTER_MOUNT_MS);
}

static void on_devices(struct hw_daemon *d) {
        if (hw_usb_read(&d->usb))
                hw_devices_settle(d);
}

static void bind_again(struct hw_daemon *d, uint64_t now) {
        d->timers.bind_at = now + BIND_MS;
        if (d->bpf_ok && d->bpf.shift)
                hw_bindings_after(&d->bpf, d->table->bpf);
}

static void on_ready(struct hw_daemon *d, uint64_t source, uint32_t what) {
        if (source == HW_ON_LISTEN)
                hw_server_accept(&d->server);
        else if (source == HW_ON_SIGNAL)
                d->stop = true;
        else if (source == HW_ON_AUDIT)
                read_audit(d);
        else if (source == HW_ON_REVISION)
                on_revision(d);
        else if (source == HW_ON_BPF)
                read_bpf(d);
        else if (source == HW_ON_MOUNTS)
                on_mounts(d);
        else if (source == HW_ON_DEVICES)
                on_devices(d);
        else if (source == HW_ON_SENSE)
                hw_sense_read(&d->sense);
        else if (source == HW_ON_COMPILE && d->jobs.compile.fd >= 0)
                hw_jobs_compile_ready(d);
        else if (source == HW_ON_PROBER && d->jobs.prober.pid > 0)
                hw_jobs_prober_ready(d);
        else if (source == HW_ON_HELD && d->walk)
                hw_cover_walked(d);
        else if (source < HW_SOURCE(1))
                hw_server_ready(&d->server, source, what);
}

static void check_periodically(struct hw_daemon *d, uint64_t now) {
        d->timers.check_at = now + d->options->check_ms;
        tell_lost(d);
        hw_sense_count(&d->sense);
        if (d->unkept)
                (void)hw_memory_store(d);
        tell_mounts(d);
        hw_enforce_check(d);
        hw_devices_settle(d);
        hw_recompile_keep_later(d);
        hw_recompile_check(d);
        if (now < d->timers.coverage_at)
                return;
        d->timers.coverage_at = now + COVERAGE_MS;
        hw_cover(d);
        if (d->table && d->apparmor)
                hw_profiles_retire(d->options->securityfs, d->table);
}

static void run_timers(struct hw_daemon *d) {
        uint64_t now = hw_now_ms();

        if (now >= d->timers.watchdog_at) {
                hw_notify("WATCHDOG=1");
                d->timers.watchdog_at = now + hw_watchdog_ms();
        }
        if (d->jobs.compile.fd >= 0 && now >= d->jobs.compile.deadline)
                hw_jobs_compile_expired(d);
        hw_prober_reap();
        if (d->jobs.prober.pid > 0 && now >= d->jobs.prober.deadline)
                hw_jobs_prober_expired(d);
        if (d->walk && now >= d->walk->deadline)
                hw_cover_expired(d);
        if (now >= d->timers.confirm_at) {
                read_audit(d); /* a denial that waits there decides */
                read_bpf(d);
                hw_confirm_expired(d);
        }
        if (now >= d->timers.healthy_at) {
                d->timers.healthy_at = UINT64_MAX;
                hw_boots_healthy(d->state_fd);
        }
        if (now >= d->timers.quiet_at)
                tell_suppressed(d, now);
        hw_suspend_check(d);
        sense(d);
        if (now >= d->timers.check_at)
                check_periodically(d, now);
        if (now >= d->timers.bind_at)
                bind_again(d, now);
}

/* To the next thing that is due; a suspension's end is on the wall clock, so it is looked at each time. */
static int next_timeout(struct hw_daemon *d, uint64_t server_at) {
        uint64_t now = hw_now_ms(), at = server_at, wall = hw_wall_ms();
        const struct hw_suspension *s = &d->memory.suspension;

        at = HW_MIN(at, d->timers.check_at);
        at = HW_MIN(at, d->timers.bind_at);
        at = HW_MIN(at, d->timers.confirm_at);
        at = HW_MIN(at, d->timers.healthy_at);
        at = HW_MIN(at, d->timers.quiet_at);
        at = HW_MIN(at, d->timers.watchdog_at);
        if (d->jobs.compile.fd >= 0)
                at = HW_MIN(at, d->jobs.compile.deadline);
        if (d->jobs.prober.pid > 0)
                at = HW_MIN(at, d->jobs.prober.deadline);
        if (d->walk)
                at = HW_MIN(at, d->walk->deadline);
        if (s->active && s->until > wall)
                at = HW_MIN(at, now + (s->until - wall));
        return at <= now ? 0 : (int)HW_MIN(at - now, 60000u);
}

static void loop(struct hw_daemon *d) {
        while (!d->stop) {
                struct epoll_event events[32];
                uint64_t server_at;
                int n;

                hw_jobs_prober_settle(d);
                server_at = hw_server_settle(&d->server);
                n = epoll_wait(d->epoll_fd, events, HW_LEN(events), next_timeout(d, server_at));

                for (int i = 0; i < n; i++)
                        on_ready(d, events[i].data.u64, events[i].events);
                run_timers(d);
        }
}

static void finish(struct hw_daemon *d) {
        hw_server_close(&d->server);
        hw_compile_stop(&d->jobs.compile);
        hw_prober_stop(&d->jobs.prober);
        hw_audit_close(&d->audit);
        hw_sense_close(&d->sense);
        hw_usb_close(&d->usb);
        hw_events_free(&d->events);
        hw_events_free(&d->telemetry_events);
        hw_profile_set_free(&d->profiles);
        for (size_t i = 0; i < d->jobs.n_waiting; i++)
                hw_buffer_free(&d->jobs.waiting[i].envelope);
        hw_buffer_free(&d->jobs.running.envelope);
        hw_buffer_free(&d->envelope);
        (void)hw_table_free(d->table);
        free(d->answers);
        hw_close(&d->bpf.mountinfo);
        hw_bpf_close(&d->bpf);
        hw_close(&d->revision_fd);
        hw_close(&d->signal_fd);
        hw_close(&d->epoll_fd);
        hw_close(&d->state_fd);
}

int hw_daemon_run(const struct hw_options *options) {
        static struct hw_daemon d;
        int r;

        d = (struct hw_daemon){
                .options = options, .state_fd = -1, .epoll_fd = -1, .signal_fd = -1, .revision_fd = -1,
                .audit = { .fd = -1, .control_fd = -1 }, .events.dirfd = -1, .usb.events = -1,
                .server = { .listen_fd = -1, .handle = hw_messages_handle, .userdata = &d, .events = &d.events,
                            .telemetry_events = &d.telemetry_events },
                .held_loads = UINT64_MAX, .told_loads = UINT64_MAX, .cut_loads = UINT64_MAX,
                .jobs = { .compile.fd = -1, .compile_ms = options->compile_ms, .prober.fd = -1 },
                .timers = {
                        .confirm_at = UINT64_MAX,
                        .watchdog_at = hw_watchdog_ms() ? 0 : UINT64_MAX,
                        .healthy_at = hw_now_ms() + HEALTHY_MS,
                        .quiet_at = hw_now_ms(),
                        .check_at = hw_now_ms() + options->check_ms,
                        /* early boot, or an earlier life, may have missed some */
                        .bind_at = hw_now_ms() + BIND_AFTER_MOUNT_MS,
                },
        };
        (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
        hw_label_exempt_self();
        hw_watchdog_patient();
        r = start(&d);
        hw_watchdog_usual();
        if (r == 0) {
                (void)malloc_trim(0);
                hw_notify("READY=1");
                hw_info("the sensor is ready enforcer=%s rule_set=%s", hw_enforcer_text(&d),
                        d.table ? d.table->digest : "none");
                loop(&d);
                hw_notify("STOPPING=1");
        }
        finish(&d);
        return r;
}
