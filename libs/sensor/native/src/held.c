/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom and what the rules in force do not reach: by profile (coverage.h), by what was open before they came (bpf-held.h), and
 * by names that are not bound (bindings.h).
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf-held.h"
#include "clean.h"
#include "daemon.h"
#include "log.h"

#define TOLD_MAX 20

static void list(struct hw_coverage *c, const struct hw_held *held) {
        for (size_t i = 0; i < held->n && c->n_list < HW_COVERAGE_LIST; i++) {
                const struct hw_held_file *file = &held->list[i];

                if (i > 0 && held->list[i - 1].pid == file->pid)
                        continue;
                (void)snprintf(c->list[c->n_list++], sizeof c->list[0], "%d %.15s", (int)file->pid, file->comm);
        }
}

static void tell(const struct hw_held *held) {
        hw_warn("processes have open what a rule refuses to open now; what they have stays usable to them "
                "processes=%zu files=%zu", held->processes, held->n + held->more);
        for (size_t i = 0; i < HW_MIN(held->n, TOLD_MAX); i++)
                hw_warn("open from before a rule pid=%d comm=%s path=%s", (int)held->list[i].pid, held->list[i].comm,
                        held->list[i].path);
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
static void kill_holders(const struct hw_daemon *d, const struct hw_held *held) {
        for (size_t i = 0; i < held->n; i++) {
                const struct hw_held_file *file = &held->list[i];
                _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, file->pid, 0);

                if (file->listed || !may_be_killed(d, file->pid, pidfd))
                        continue;
                if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
                        hw_warn("a process was killed for what it had open pid=%d comm=%s path=%s", (int)file->pid,
                                file->comm, file->path);
        }
}

void hw_cover(struct hw_daemon *d) {
        static struct hw_held held; /* large */
        const bool is_new = d->held_loads != d->loads;
        int r;

        hw_coverage_count(d->table, &d->coverage);
        if (hw_daemon_uses_bpf(d))
                memcpy(d->coverage.by_path_alone, d->bpf.by_path_alone, sizeof d->coverage.by_path_alone);
        /* What is not open from before a rule never will be: so until the next one is loaded nobody need look again. */
        if (!hw_daemon_uses_bpf(d) || (!is_new && d->held == 0))
                return;
        r = hw_bpf_held(&d->bpf, &held);
        if (r < 0)
                hw_warn("what is open from before a rule is not known error=%s", strerror(-r));
        d->held_loads = d->loads;
        d->held = held.n;
        if (is_new && held.n > 0)
                tell(&held);
        if (is_new && d->table->kill_holders == 1)
                kill_holders(d, &held);
        d->coverage.confined -= HW_MIN(held.processes, d->coverage.confined);
        d->coverage.uncovered += held.processes;
        list(&d->coverage, &held);
}
