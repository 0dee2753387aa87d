/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_JOBS_H
#define HOSTWARD_JOBS_H
#include "daemon.h"

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

#endif
