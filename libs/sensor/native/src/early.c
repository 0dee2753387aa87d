/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "boots.h"
#include "clean.h"
#include "clock.h"
#include "early.h"
#include "log.h"
#include "restore.h"

static int load_profiles(const struct hw_options *options, const struct hw_table *t, enum hw_mode mode) {
        struct hw_profile_set set = { 0 };
        int r;

        if (!hw_apparmor_present(options->securityfs)) {
                hw_error("no AppArmor in this kernel");
                return -EOPNOTSUPP;
        }
        r = hw_profiles_load(options->securityfs, t->blobs[mode]);
        if (r == 0)
                r = hw_profiles_verify(options->securityfs, t, mode, true, &set);
        hw_profile_set_free(&set);
        return r;
}

/* The pins outlive this process; the daemon takes them over. */
static int load_bpf(const struct hw_options *options, const struct hw_table *t, enum hw_mode mode) {
        struct hw_bpf bpf;
        int r;

        hw_bpf_init(&bpf, options->bpffs, NULL, NULL);
        r = hw_bpf_swap(&bpf, t->bpf, mode);
        if (r == 0)
                r = hw_bpf_verify(&bpf, t->bpf, mode);
        hw_bpf_close(&bpf);
        return r;
}

static int load_table(const struct hw_options *options, const struct hw_table *t, const struct hw_memory *m) {
        enum hw_mode mode = hw_memory_mode(m);
        int r;

        if (m->suspension.active && hw_suspension_over(m, hw_wall_ms()))
                mode = HW_MODE_ENFORCE; /* the daemon records its end */
        if (m->hold != HW_HOLD_NONE)
                mode = HW_MODE_OFF;
        if (m->hold == HW_HOLD_UNLOADED && t->bpf.len > 0) {
                hw_info("nothing to load, unloaded at the console digest=%s", t->digest);
                return 0;
        }
        r = t->bpf.len > 0 ? load_bpf(options, t, mode) : load_profiles(options, t, mode);
        hw_info("early boot loaded the rule set mode=%s digest=%s by=%s profiles=%zu result=%s", hw_mode_text(mode),
                t->digest, t->bpf.len > 0 ? "bpf" : "apparmor", t->n_names, r < 0 ? strerror(-r) : "verified");
        return r;
}

void hw_early_run(const struct hw_options *options) {
        _cleanup_close_ int dirfd = open(options->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct hw_restored restored;
        struct hw_memory memory;
        int r;

        if (dirfd < 0) {
                hw_info("nothing to load, no state directory path=%s", options->state_dir);
                return;
        }
        r = hw_restore(dirfd, &memory, &restored);
        if (restored.changed && !restored.memory_unread)
                (void)hw_memory_save(dirfd, &memory);
        /* A suspension that is over stays in memory until the daemon clears it, which such a host may never start. */
        if (hw_boots_guard(dirfd, &memory) && hw_memory_save(dirfd, &memory) < 0)
                hw_warn("that cannot be remembered: the sensor counts the boots again");
        if (r == 0)
                r = load_table(options, restored.table, &memory);
        (void)hw_table_free(restored.table);
        if (r == -ENOENT)
                hw_info("nothing to load, no snapshot");
        else if (r < 0)
                hw_error("the rule set is not in force error=%s", strerror(-r));
}
