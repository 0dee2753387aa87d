/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings-search.h"
#include "bindings.h"
#include "bpf-open-files.h"
#include "bpf-syscall.h"
#include "clean.h"
#include "log.h"

#define BATCH 128 /* descriptors open at a time */
#define OWN_FILES_MS 2000 /* the kernel goes through the descriptors of all processes to find ours */

struct candidate {
        int fd;
        bool identified;
        struct hw_binding_key key;
        struct hw_binding_name name;
};

struct making {
        struct hw_bpf *b;
        uint64_t generation;
        struct candidate batch[BATCH];
        size_t n;
        int error; /* the first one */
        size_t unbound; /* more names than an inode has places for, or more files than the map has */
};

static void fill_name(struct hw_binding_name *name, const char *path, const struct hw_tbl_walk *walk) {
        const size_t len = strlen(path);

        _Static_assert(sizeof name->state == sizeof walk->state, "one state for each automaton");
        *name = (struct hw_binding_name){ .automata = walk->n };
        memcpy(name->state, walk->state, sizeof name->state);
        if (len < sizeof name->path)
                memcpy(name->path, path, len + 1);
}

static bool is_same(const struct hw_binding_name *a, const struct hw_binding_name *b) {
        return a->automata == b->automata && memcmp(a->state, b->state, sizeof a->state) == 0;
}

/* Adds a name to an inode's binding. -ENOSPC: it has no place for another, or the map none for another inode. */
static int bind_name(const struct hw_bpf *b, const struct hw_binding_key *key, const struct hw_binding_name *name) {
        struct hw_binding value = { 0 };
        int r = hw_bpf_map_lookup(b->bindings, key, &value);
        const bool was_there = r == 0;

        if (r < 0 && r != -ENOENT)
                return r;
        for (uint32_t i = 0; i < value.n; i++)
                if (is_same(&value.name[i], name))
                        return 0;
        if (value.n >= HW_BINDING_NAMES)
                return -ENOSPC;
        value.name[value.n++] = *name;
        r = hw_bpf_map_update(b->bindings, key, &value);
        if (r == 0 && was_there && key->generation == b->generation) /* in force, so programs may read it */
                r = hw_bpf_wait(b);
        return r == -E2BIG ? -ENOSPC : r;
}

static void note(struct making *m, int r) {
        if (r == -ENOSPC)
                m->unbound++;
        else if (r < 0 && m->error == 0)
                m->error = r;
}

static void identify(const struct hw_open_file *file, const char *path, void *userdata) {
        struct making *m = userdata;

        (void)path;
        for (size_t i = 0; i < m->n; i++) {
                struct candidate *c = &m->batch[i];

                if (c->fd != (int)file->fd)
                        continue;
                c->key = (struct hw_binding_key){ m->generation, file->ino, file->dev, file->inode_generation };
                c->identified = true;
        }
}

/* The kernel says which inodes the descriptors are of. */
static void bind_batch(struct making *m) {
        note(m, m->n ? hw_bpf_iterate(m->b->iterators[HW_BPF_OWN_FILES], OWN_FILES_MS, identify, m) : 0);
        for (size_t i = 0; i < m->n; i++) {
                if (m->batch[i].identified)
                        note(m, bind_name(m->b, &m->batch[i].key, &m->batch[i].name));
                (void)close(m->batch[i].fd);
        }
        m->n = 0;
}

static void on_file(int found, const char *path, const struct hw_tbl_walk *walk, void *userdata) {
        struct making *m = userdata;
        const int fd = fcntl(found, F_DUPFD_CLOEXEC, 0);

        if (fd < 0) {
                note(m, -errno);
                return;
        }
        m->batch[m->n].fd = fd;
        m->batch[m->n].identified = false;
        fill_name(&m->batch[m->n++].name, path, walk);
        if (m->n == BATCH)
                bind_batch(m);
}

/* The programs look for bindings from now on. */
static int announce(struct hw_bpf *b, bool any) {
        const uint32_t zero = 0;
        struct hw_host host;
        int r = hw_bpf_map_lookup(b->host, &zero, &host);

        if (r < 0 || host.bindings == any)
                return r;
        host.bindings = any;
        return hw_bpf_map_update(b->host, &zero, &host);
}

/* Which names are not bound, and why; the gravest reason alone. Empty: all that were looked for are. */
static void say_missing(const struct hw_bindings_search *search, const struct making *m, char *ret, size_t size) {
        ret[0] = 0;
        if (search->error < 0)
                (void)snprintf(ret, size, "not all could be looked at: %s", strerror(-search->error));
        else if (m->error < 0)
                (void)snprintf(ret, size, "not all could be bound: %s", strerror(-m->error));
        else if (search->partial)
                (void)snprintf(ret, size, "the search was ended after %ju entries, in %s", (uintmax_t)search->entries,
                               search->stopped_at);
        else if (m->unbound)
                (void)snprintf(ret, size, "there is no room for %zu of the names", m->unbound);
}

/* `missing` has room for HW_COVERAGE_TEXT. */
static int make(struct hw_bpf *b, struct hw_slice table, uint64_t generation, char *missing) {
        _cleanup_free_ struct making *m = calloc(1, sizeof *m);
        struct hw_bindings_search search = { 0 };
        int r;

        if (!m)
                return -ENOMEM;
        m->b = b;
        m->generation = generation;
        r = announce(b, true);
        if (r == 0)
                r = hw_bindings_search("/", table, on_file, m, &search);
        bind_batch(m);
        note(m, r);
        say_missing(&search, m, missing, HW_COVERAGE_TEXT);
        if (missing[0])
                hw_warn("files with several names are judged by each path alone why=%s", missing);
        return m->error;
}

/* Binds what was bound for another rule set, in the map `from`: an inode that its path does not name any more. */
static void carry(struct hw_bpf *b, int from, uint64_t before, struct hw_slice table, uint64_t generation) {
        struct hw_binding_key key, *previous = NULL;

        for (uint32_t i = 0; i < HW_BINDINGS_MAX && hw_bpf_map_next(from, previous, &key) == 0; i++) {
                struct hw_binding old;

                previous = &key;
                if (key.generation != before || hw_bpf_map_lookup(from, &key, &old) < 0)
                        continue;
                for (uint32_t at = 0; at < old.n && at < HW_BINDING_NAMES; at++) {
                        const struct hw_binding_key own = { generation, key.ino, key.dev, key.inode_generation };
                        struct hw_binding_name name;
                        struct hw_tbl_walk walk;

                        if (old.name[at].path[0] != '/' || !hw_bindings_walk(table, old.name[at].path, &walk))
                                continue;
                        fill_name(&name, old.name[at].path, &walk);
                        if (bind_name(b, &own, &name) < 0)
                                hw_warn("a file keeps no binding path=%s", name.path);
                }
        }
}

/* Forgets those of other generations, and tells the programs whether there are any. */
static int settle(struct hw_bpf *b, uint64_t generation) {
        struct hw_binding_key gone[64], key;
        size_t n_gone, kept;

        do { /* a removal may lead the way through the map astray: so some at a time */
                struct hw_binding_key *previous = NULL;

                n_gone = kept = 0;
                while (n_gone < HW_LEN(gone) && hw_bpf_map_next(b->bindings, previous, &key) == 0) {
                        if (key.generation != generation)
                                gone[n_gone++] = key;
                        else
                                kept++;
                        previous = &key;
                }
                for (size_t i = 0; i < n_gone; i++)
                        (void)hw_bpf_map_delete(b->bindings, &gone[i]);
        } while (n_gone > 0);
        b->bound = kept;
        return announce(b, kept > 0);
}

void hw_bindings_before(struct hw_bpf *b, struct hw_slice table, uint64_t generation, const struct hw_bpf *old) {
        char missing[HW_COVERAGE_TEXT];

        (void)make(b, table, generation, missing);
        if (old->bindings >= 0)
                carry(b, old->bindings, old->generation, table, generation);
}

void hw_bindings_after(struct hw_bpf *b, struct hw_slice table) {
        char missing[HW_COVERAGE_TEXT] = "";
        const int made = b->guarded ? make(b, table, b->generation, missing) : 0;
        int r = settle(b, b->generation); /* also what is not whole takes the place of what was bound before */

        if (r == 0)
                r = made;
        if (r < 0 && !missing[0])
                (void)snprintf(missing, sizeof missing, "they could not be settled: %s", strerror(-r));
        memcpy(b->by_path_alone, missing, sizeof missing);
}
