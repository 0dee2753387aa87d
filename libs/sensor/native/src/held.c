/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom and what the rules in force do not reach: by profile (coverage.h), by what was open before they came (bpf-held.h), and
 * by names that are not bound (bindings.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf-held.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "clock.h"
#include "held.h"
#include "jobs.h"
#include "log.h"

#define TOLD_MAX 20
#define AGAIN_MS 300000 /* where not all was seen: a look may take seconds */

static struct hw_held held; /* large, and what is told until the next look */

static void list(struct hw_coverage *c) {
        for (size_t i = 0; i < held.n && c->n_list < HW_COVERAGE_LIST; i++) {
                const struct hw_held_file *file = &held.list[i];

                if (i > 0 && held.list[i - 1].pid == file->pid)
                        continue;
                (void)snprintf(c->list[c->n_list++], sizeof c->list[0], "%d %.15s", (int)file->pid, file->comm);
        }
}

static void tell(struct hw_daemon *d) {
        if (d->told_loads == d->loads || hw_held_processes(&held) == 0)
                return;
        d->told_loads = d->loads;
        hw_warn("processes have open what a rule refuses to open now; what they have stays usable to them "
                "processes=%zu files=%zu", hw_held_processes(&held), held.n + held.more);
        for (size_t i = 0; i < HW_MIN(held.n, TOLD_MAX); i++)
                hw_warn("open from before a rule pid=%d comm=%s path=%s", (int)held.list[i].pid, held.list[i].comm,
                        held.list[i].path);
}

/* Once for what is loaded; it is looked for again until all was seen. */
static void tell_cut(struct hw_daemon *d, int r) {
        char info[256];

        d->timers.held_at = hw_now_ms() + AGAIN_MS;
        if (d->cut_loads == d->loads)
                return;
        d->cut_loads = d->loads;
        (void)snprintf(info, sizeof info, "not all processes were looked at for what they have open from before a rule: %s%s",
                       strerror(-r), d->table->kill_holders == 1 ? "; who was not found is not killed" : "");
        hw_events_add_lost(&d->events, -1, info);
}

/* Not the first process, and nobody whom the host would be without: the agent and the sensor itself. */
static bool may_be_killed(const struct hw_daemon *d, pid_t pid, int pidfd) {
        char path[64];
        struct stat st;

        (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
        return pidfd >= 0 && pid > 1 && pid != getpid() && stat(path, &st) == 0 &&
               !(d->server.agent_known && st.st_uid == d->server.agent_uid);
}

/*
 * As the owner of the host wants it (agent.yaml, onOpenDescriptors). Not for want of a rule that allows it: a new list
 * would end every service that has something open.
 */
static void kill_holders(const struct hw_daemon *d) {
        for (size_t i = 0; i < hw_held_processes(&held); i++) {
                const struct hw_holder *holder = hw_held_holder(&held, i);
                _cleanup_close_ int pidfd = holder->by_rule ? (int)syscall(SYS_pidfd_open, holder->pid, 0) : -1;

                if (!may_be_killed(d, holder->pid, pidfd))
                        continue;
                if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
                        hw_warn("a process was killed for what it had open pid=%d comm=%s path=%s", (int)holder->pid,
                                holder->comm, hw_held_path(&held, holder->pid));
        }
}

static void count(struct hw_daemon *d) {
        const size_t processes = hw_held_processes(&held);

        hw_coverage_count(d->table, &d->coverage);
        if (!hw_daemon_uses_bpf(d))
                return;
        memcpy(d->coverage.by_path_alone, d->bpf.by_path_alone, sizeof d->coverage.by_path_alone);
        d->coverage.confined -= HW_MIN(processes, d->coverage.confined);
        d->coverage.uncovered += processes;
        list(&d->coverage);
}

/* What a walk found of what is loaded now; `r`: its error. */
static void seen(struct hw_daemon *d, int r) {
        const bool is_new = d->held_loads != d->loads;

        d->held = hw_held_processes(&held);
        tell(d);
        if (is_new && d->table->kill_holders == 1)
                kill_holders(d);
        if (r == 0) {
                d->held_loads = d->loads;
                d->cut_loads = UINT64_MAX;
        } else
                tell_cut(d, r);
        count(d);
}

void hw_cover_walk(struct hw_daemon *d, int files, int maps) {
        d->walk = hw_held_walk_begin(files, maps);
        if (!d->walk) {
                const int r = -errno;

                hw_held_free(&held);
                seen(d, r);
                return;
        }
        d->walk->loads = d->loads;
        if (hw_daemon_watch(d, d->walk->through, HW_ON_HELD, EPOLLIN) < 0)
                hw_cover_walked(d); /* waits for it: nobody would tell of its end */
}

static void look(struct hw_daemon *d) {
        if (d->bpf.shift)
                hw_cover_walk(d, hw_bpf_iterator(d->bpf.iterators[HW_BPF_HELD_FILES]),
                              hw_bpf_iterator(d->bpf.iterators[HW_BPF_HELD_MAPS]));
        else {
                hw_held_free(&held);
                seen(d, 0);
        }
}

void hw_cover(struct hw_daemon *d) {
        const bool is_new = d->held_loads != d->loads, is_cut = d->cut_loads == d->loads;

        count(d);
        /* What is not open from before a rule never will be: so until the next one is loaded nobody need look again. */
        if (!hw_daemon_uses_bpf(d) || d->walk || (!is_new && d->held == 0) || (is_cut && hw_now_ms() < d->timers.held_at))
                return;
        look(d);
}

bool hw_cover_is_awaited(const struct hw_daemon *d) {
        return hw_daemon_uses_bpf(d) && d->held_loads != d->loads && d->cut_loads != d->loads;
}

void hw_cover_walked(struct hw_daemon *d) {
        const bool is_of_before = d->walk->loads != d->loads;
        int r;

        (void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, d->walk->through, NULL); /* a child that was forked may still have it */
        r = hw_held_walk_end(d->walk, &held);
        d->walk = NULL;
        if (is_of_before) {
                d->timers.held_at = 0; /* what held it up has let go */
                hw_cover(d);
        } else
                seen(d, r);
        if (!d->walk)
                hw_jobs_covered(d);
}

void hw_cover_expired(struct hw_daemon *d) {
        d->walk->deadline = hw_now_ms() + HW_HELD_SILENCE_MS; /* who comes to wait until it ends waits as long */
        if (hw_cover_is_awaited(d))
                tell_cut(d, -ETIME);
        hw_jobs_covered(d);
}
