/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_JUDGE_H
#define HOSTWARD_JUDGE_H
/*
 * From a dentry to a verdict: its path, one walk through the table, the decisions for all operations asked. Every
 * program of the file and exec concerns goes through here.
 */
#include "path.h"
#include "record.h"
#include "subject.h"

#define HW_OP(name) (1u << HW_TBL_##name)
#define HW_WALK_CHUNK 8

struct hw_path_walk {
        const struct hw_element *rules;
        struct hw_scratch *scratch;
};

/* One automaton, some bytes on. */
static long walk_chunk(__u32 index, struct hw_path_walk *c) {
        struct hw_scratch *s = c->scratch;
        const void *table = c->rules->table;
        const __u32 end = s->end;
        __u32 at = s->position, state = s->state;

        (void)index;
        for (__u32 i = 0; i < HW_WALK_CHUNK && at < end; i++, at++)
                state = hw_tbl_next(table, state, hw_tbl_byte_class(table, (__u8)s->path[at & (HW_PATH_BUFFER - 1)]));
        s->state = state;
        s->position = at;
        return state == 0 || at >= end;
}

/* One automaton over the whole path: most die early where rules are about other places. */
static long walk_automaton(__u32 i, struct hw_path_walk *c) {
        struct hw_scratch *s = c->scratch;
        const __u32 number = i & (HW_TBL_AUTOMATA_MAX - 1);

        s->position = s->start;
        s->state = s->walk.state[number];
        if (s->state != 0)
                (void)bpf_loop(HW_PATH_BUFFER / HW_WALK_CHUNK, walk_chunk, c, 0);
        s->walk.state[number] = s->state;
        return 0;
}

/* Walks the path that stands in the scratch. */
static __always_inline void hw_walk_path(const struct hw_element *rules, struct hw_scratch *s, __u32 operations) {
        struct hw_path_walk c = { rules, s };

        hw_tbl_start_for(rules->table, &s->walk, operations);
        (void)bpf_loop(s->walk.n, walk_automaton, &c, 0);
}

struct hw_decision {
        const struct hw_element *rules;
        struct hw_scratch *scratch;
        __u32 subject, asker;
};

/* The number of the lowest operation in a mask that is not empty. */
static __always_inline __u32 lowest(__u32 operations) {
        __u32 op = 0;

        if (!(operations & 0xf))
                op += 4;
        if (!(operations >> op & 3))
                op += 2;
        return op + !(operations >> op & 1);
}

static long decide_one(__u32 index, struct hw_decision *c) {
        struct hw_scratch *s = c->scratch;
        struct hw_tbl_verdict v;
        __u32 op;

        (void)index;
        s->operation = lowest(s->left);
        op = *(volatile __u32 *)&s->operation & 31; /* by way of memory, so that the verifier takes it for any */
        s->left &= s->left - 1;
        hw_tbl_decide(c->rules->table, &s->walk, c->subject, op, c->asker, &v);
        if (v.deny)
                s->event.denied |= 1u << op;
        if (!v.deny && !v.logged)
                return s->left == 0;
        s->due = 1;
        if (s->event.rule == 0)
                s->event.rule = v.rule ? v.rule : v.list;
        if (s->event.audit_rule == 0)
                s->event.audit_rule = v.audit;
        return s->left == 0;
}

/* Puts into the scratch's record which operations the table refuses and which rules said so; `due` if it is to be sent. */
static __always_inline void hw_decide(const struct hw_element *rules, struct hw_scratch *s, __u32 subject,
                                      __u32 operations, __u32 asker) {
        struct hw_decision c = { rules, s, subject, asker };

        s->left = operations;
        if (operations)
                (void)bpf_loop(HW_TBL_OPERATIONS, decide_one, &c, 0);
}


static __always_inline bool hw_is_directory(struct inode *inode) {
        return inode && (HW_READ(inode, i_mode) & S_IFMT) == S_IFDIR;
}

#define HW_AS_DIRECTORY 1u /* the object is being made, as a directory */
#define HW_SILENTLY 2u     /* only asked, nothing is recorded */
#define HW_AS_SEEN 4u      /* the path stands in the scratch already */
#define HW_AS_MOVED 8u     /* a directory; where it is moved to was walked, and stands in the scratch's `moved` */

/* Among denied operations: the object is of a filesystem that the host does not mount, and no rule was asked. */
#define HW_IS_FOREIGN 0x80000000u

/* What a hook asks about one object: its dentry by address, and operations. */
struct hw_request {
        __u64 dentry;
        __u32 operations, hook, flags;
};

/* To the reader of records, what is done above a blocked object is a write. */
static __always_inline __u32 reported(__u32 operations) {
        return operations & ~HW_TBL_ALL_PATH_OPERATIONS ? HW_OP(WRITE) : operations;
}

static __always_inline __u32 hw_judge_in(const struct hw_element *rules, struct hw_scratch *s, __u32 subject,
                                         const struct hw_request *q) {
        struct dentry *dentry = (struct dentry *)q->dentry;
        struct inode *inode = HW_READ(dentry, d_inode);
        const __u32 fsuid = hw_fsuid(), owner = inode ? HW_READ(inode, i_uid.val) : fsuid; /* else its maker's */
        __u32 denied;

        if (!(q->flags & HW_AS_SEEN)) {
                const int found = hw_path_build(s, q->dentry, (q->flags & HW_AS_DIRECTORY) || hw_is_directory(inode));

                if (found < 0)
                        return q->operations;
                if (found == HW_PATH_FOREIGN)
                        return HW_IS_FOREIGN;
        }
        hw_record_clear(&s->event);
        s->due = 0;
        hw_walk_path(rules, s, q->operations);
        if (q->flags & HW_AS_MOVED)
                hw_tbl_leave(rules->table, &s->walk, &s->moved);
        hw_decide(rules, s, subject, q->operations, owner == fsuid ? HW_TBL_OWNER : HW_TBL_OTHER);
        denied = s->event.denied;
        s->event.denied = reported(denied);
        if (s->due && !(q->flags & HW_SILENTLY)) {
                s->event.class = HW_BPF_PATH;
                s->event.hook = q->hook;
                s->event.requested = reported(q->operations);
                s->event.subject = subject;
                s->event.fsuid = fsuid;
                s->event.ouid = owner;
                hw_record_object(s, inode);
                hw_record_send(rules, s);
        }
        return denied;
}

/*
 * The operations that are refused on one object. All of them where its path cannot be made out (longer than PATH_MAX,
 * as on AppArmor; renames that never pause), since no rule could be asked about it.
 */
__noinline __u32 hw_judge(__u64 dentry, __u32 operations, __u32 hook, __u32 flags) {
        const struct hw_request q = { dentry, operations, hook, flags };
        const struct hw_element *rules = hw_rules();
        struct hw_scratch *s;
        __u32 subject, denied;

        if (!rules || rules->mode == HW_BPF_OFF || hw_is_kernel_thread())
                return 0;
        subject = hw_subject(rules);
        if (subject != HW_NO_ROOM && !hw_tbl_concerns(rules->table, subject, operations))
                return 0;
        s = subject == HW_NO_ROOM ? NULL : hw_scratch_take();
        denied = s ? hw_judge_in(rules, s, subject, &q) : operations;
        if (s)
                hw_scratch_give(s);
        return rules->mode == HW_BPF_ENFORCE || denied == HW_IS_FOREIGN ? denied : 0;
}

/*
 * Whether moving a directory takes what patterns block below it to where they do not hold: HW_OP(ABOVE) or 0. What is
 * above exact paths may not be moved at all: HW_OP(OVER) of hw_judge().
 */
__noinline __u32 hw_judge_moved(__u64 from, __u64 to) {
        const struct hw_request q = { from, HW_OP(ABOVE), HW_HOOK_RENAME, HW_AS_DIRECTORY | HW_AS_MOVED };
        const struct hw_element *rules = hw_rules();
        struct hw_scratch *s;
        __u32 subject, denied;

        if (!rules || rules->mode == HW_BPF_OFF || hw_is_kernel_thread())
                return 0;
        subject = hw_subject(rules);
        if (subject != HW_NO_ROOM && !hw_tbl_concerns(rules->table, subject, q.operations))
                return 0;
        s = subject == HW_NO_ROOM ? NULL : hw_scratch_take();
        denied = q.operations;
        if (s) {
                if (hw_path_build(s, to, 1) >= 0) {
                        hw_walk_path(rules, s, q.operations);
                        s->moved = s->walk;
                        denied = hw_judge_in(rules, s, subject, &q) & ~HW_IS_FOREIGN;
                }
                hw_scratch_give(s);
        }
        return rules->mode == HW_BPF_ENFORCE ? denied : 0;
}

/* As hw_judge(), of a path that the caller has put into a scratch of its own. */
__noinline __u32 hw_judge_seen(struct hw_scratch *s, __u64 dentry, __u32 operations, __u32 hook) {
        const struct hw_request q = { dentry, operations, hook, HW_AS_SEEN };
        const struct hw_element *rules = hw_rules();
        __u32 subject, denied;

        if (!s || !rules || rules->mode == HW_BPF_OFF)
                return 0;
        subject = hw_subject(rules);
        denied = subject == HW_NO_ROOM ? operations : hw_judge_in(rules, s, subject, &q);
        return rules->mode == HW_BPF_ENFORCE ? denied : 0;
}

static __always_inline bool hw_in_host_namespace(void) {
        const struct hw_host *h = bpf_map_lookup_elem(&host, &(const __u32){ 0 });
        struct task_struct *task = bpf_get_current_task_btf();

        return h && BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == h->mnt_ns;
}

/*
 * A filesystem that the daemon has not told of yet, mounted a moment ago: on the host it is judged by the path that the
 * caller sees. In another mount namespace it is a container's own, of which the host's rules do not speak.
 */
static __always_inline __u32 hw_judge_fresh(struct file *file, __u32 operations, __u32 hook) {
        struct hw_scratch *s;
        __u32 denied = 0;
        long length;

        if (!hw_in_host_namespace())
                return 0;
        s = hw_scratch_take();
        if (!s)
                return operations;
        length = bpf_d_path(&file->f_path, s->path, 4096);
        if (length > 1 && length <= 4096) {
                s->start = 0;
                s->end = length - 1;
                if (hw_is_directory(BPF_CORE_READ(file, f_path.dentry, d_inode))) {
                        __u64 last = length - 1;

                        __asm__ volatile("" : "+r"(last)); /* else clang leaves the mask out, and the verifier wants it */
                        s->path[last & 4095] = '/';
                        s->end = length;
                }
                denied = hw_judge_seen(s, (__u64)BPF_CORE_READ(file, f_path.dentry), operations, hook);
        }
        hw_scratch_give(s);
        return denied;
}

/* What a program answers about an opened file. */
static __always_inline int hw_answer_file(struct file *file, __u32 operations, __u32 hook) {
        __u32 denied = hw_judge((__u64)BPF_CORE_READ(file, f_path.dentry), operations, hook, 0);

        if (denied == HW_IS_FOREIGN)
                denied = hw_judge_fresh(file, operations, hook);
        return denied ? -EACCES : 0;
}

/* A pointer as a number: what a function that is verified by itself may be given. */
static __always_inline __u64 hw_address(const void *pointer) {
        __u64 address = 0;

        (void)bpf_probe_read_kernel(&address, sizeof address, &pointer);
        return address;
}

/* What a program answers. */
static __always_inline int hw_answer(const struct dentry *dentry, __u32 operations, __u32 hook) {
        return hw_judge(hw_address(dentry), operations, hook, 0) & ~HW_IS_FOREIGN ? -EACCES : 0;
}

#endif
