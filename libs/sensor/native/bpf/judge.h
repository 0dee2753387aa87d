/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_JUDGE_H
#define HOSTWARD_JUDGE_H
/*
 * From a dentry to a verdict: its path, one walk through the table, the decisions for all operations asked. Every
 * program of the file and exec concerns goes through here.
 */
#include "maps.h"

#include "arguments.h"
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

/* The number of the lowest operation in a mask that is not empty. */
static __always_inline __u32 lowest(__u32 operations) {
        __u32 op = 0;

        if (!(operations & 0xf))
                op += 4;
        if (!(operations >> op & 3))
                op += 2;
        return op + !(operations >> op & 1);
}

/*
 * What a list refuses of an object that has no path, too: no list can name it, and pipes, shared memory and maps are what
 * programs work with; code in a memfd is not.
 */
#define HW_BY_LIST_ALONE (HW_OP(EXEC) | HW_OP(MAP))

static long decide_one(__u32 index, struct hw_decision *c) {
        struct hw_scratch *s = c->scratch;
        struct hw_tbl_verdict v;
        __u32 op;

        (void)index;
        s->operation = lowest(s->left);
        op = *(volatile __u32 *)&s->operation & 31; /* by way of memory, so that the verifier takes it for any */
        s->left &= s->left - 1;
        hw_tbl_decide(c->rules->table, &s->walk, c->subject, op, c->asker, &v);
        if (op == HW_TBL_EXEC)
                s->strongest = v.decision;
        if (s->further || (s->asked.alone && !(HW_BY_LIST_ALONE & 1u << op))) {
                v.deny &= v.says;
                v.logged = v.audit != 0;
        }
        if (!v.deny && !v.logged)
                return s->left == 0;
        s->due = 1;
        if (s->event.rule == 0 || (v.deny && s->event.denied == 0))
                s->event.rule = v.rule ? v.rule : v.list;
        if (s->event.audit_rule == 0)
                s->event.audit_rule = v.audit;
        if (v.deny) {
                s->event.denied |= 1u << op;
                s->listed |= !v.says;
        }
        return s->left == 0;
}

/* Puts into the scratch's record which operations the table refuses and which rules said so; `due` if it is to be sent. */
static __always_inline void hw_decide(struct hw_decision *c, __u32 operations) {
        c->scratch->left = operations;
        if (operations)
                (void)bpf_loop(HW_TBL_OPERATIONS, decide_one, c, 0);
}

static __always_inline bool hw_is_directory(struct inode *inode) {
        return inode && (HW_READ(inode, i_mode) & S_IFMT) == S_IFDIR;
}

#define HW_AS_DIRECTORY 1u /* the object is being made, as a directory */
#define HW_SILENTLY 2u     /* only asked, nothing is recorded */
#define HW_AS_SEEN 4u      /* the path stands in the scratch already */
#define HW_AS_MOVED 8u     /* a directory; where it is moved to was walked, and stands in the scratch's `moved` */
#define HW_TO_ITERATOR 16u /* nothing is recorded, and the first name by which a rule speaks stays in the scratch */

/* Among denied operations: the object is of a filesystem that the host does not mount, and no rule was asked. */
#define HW_IS_FOREIGN 0x80000000u
/*
 * The rule set changed meanwhile: ask once more. Another change waits for the grace period that this program holds up, so
 * the second answer is whole.
 */
#define HW_IS_TORN 0x40000000u

/* What a hook asks about one object: its dentry by address, and operations. */
struct hw_request {
        __u64 dentry;
        __u32 operations, hook, flags;
};

/* To the reader of records, what is done above a blocked object is a write. */
static __always_inline __u32 reported(__u32 operations) {
        return operations & ~HW_TBL_ALL_PATH_OPERATIONS ? HW_OP(WRITE) : operations;
}

/* Most objects have no record, so only its verdict is cleared for each of them. */
static __always_inline void clear_verdict(struct hw_bpf_event *e) {
        e->rule = e->audit_rule = e->denied = 0;
}

static __always_inline void clear_beside_verdict(struct hw_bpf_event *e) {
        const __u32 rule = e->rule, audit_rule = e->audit_rule, denied = e->denied;

        hw_record_clear(e);
        e->rule = rule;
        e->audit_rule = audit_rule;
        e->denied = denied;
}

/* The rules say something by the name that was walked last: its path goes into the record. */
static __always_inline void tell_name(struct hw_scratch *s) {
        if ((!s->due && !s->conditional) || s->told || (s->asked.flags & HW_SILENTLY))
                return;
        s->told = 1;
        clear_beside_verdict(&s->event);
        if (!(s->asked.flags & HW_TO_ITERATOR))
                hw_record_object(s, (struct inode *)s->asked.inode);
}

/* Kernel 6.1 takes a key from the stack, and none from memory that a function was handed. */
static __always_inline const struct hw_binding *binding_of(const struct hw_scratch *s) {
        const struct hw_binding_key key = s->asked.key;

        return bpf_map_lookup_elem(&bindings, &key);
}

/* As the walk over the path would have ended to which the object is bound. */
static __always_inline bool take_bound(struct hw_scratch *s, __u32 at) {
        const struct hw_binding *bound = s->asked.bound ? binding_of(s) : NULL;
        const struct hw_binding_name *name;

        if (!bound || at >= bound->n)
                return false;
        name = &bound->name[at & (HW_BINDING_NAMES - 1)];
        s->walk.n = name->automata;
        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++)
                s->walk.state[i] = name->state[i];
        return true;
}

/* Walks the name of that number, where there is one: own path, those that it is bound to, those by other mounts. */
static __always_inline bool walk_name(const struct hw_element *rules, struct hw_scratch *s, __u32 number) {
        if (number > 0 && number <= HW_BINDING_NAMES)
                return take_bound(s, number - 1);
        if (number == 0 ? s->asked.foreign : !hw_lead_on(s, s->asked.key.dev))
                return false;
        hw_walk_path(rules, s, s->asked.operations);
        if (s->asked.flags & HW_AS_MOVED)
                hw_tbl_leave(rules->table, &s->walk, &s->moved);
        return true;
}

/*
 * What the rules say of what stands in `asked` by one name of the object. 1: it has no further one, or another rule set
 * took the place of the one that the subject belongs to.
 */
__noinline int hw_judge_name(struct hw_scratch *s, __u32 number) {
        const struct hw_element *rules = hw_rules();
        struct hw_decision decision = { .rules = rules, .scratch = s };

        if (!s)
                return 1;
        s->torn = !rules || rules->generation != s->asked.key.generation;
        if (s->torn)
                return 1;
        if (walk_name(rules, s, number) && hw_tbl_speaks(rules->table, &s->walk, s->asked.subject)) {
                decision.subject = s->asked.subject;
                decision.asker = s->asked.asker;
                s->further = number > 0;
                hw_decide(&decision, s->asked.operations);
                if (s->asked.operations & HW_OP(EXEC))
                        hw_collect_conditions(&decision);
                tell_name(s);
        }
        return !s->asked.bound && !s->more;
}

static long judge_further(__u32 index, struct hw_scratch **scratch) {
        return hw_judge_name(*scratch, index + 1) != 0;
}

/* Which file it is (src/bindings.c), and whether it may be bound to other names. */
static __always_inline void identify_asked(const struct hw_element *rules, struct hw_scratch *s, struct inode *inode) {
        const struct hw_host *h = bpf_map_lookup_elem(&host, &(const __u32){ 0 });

        s->asked.inode = (__u64)inode;
        s->asked.key.generation = rules->generation;
        s->asked.bound = h && h->bindings && inode && !(s->asked.flags & (HW_AS_SEEN | HW_AS_MOVED));
        if (!s->asked.bound)
                return;
        s->asked.key.ino = HW_READ(inode, i_ino);
        s->asked.key.inode_generation = HW_READ(inode, i_generation);
        s->asked.bound = binding_of(s) != NULL;
}

static __always_inline __u32 cause_of(int error) {
        return error == -ENAMETOOLONG ? HW_CAUSE_LONG : error == -EAGAIN ? HW_CAUSE_RENAMES : HW_CAUSE_NAMELESS;
}

/*
 * Refuses what stands in `asked`, about which no rule could be asked since hw_path_build() failed, and tells of it: which
 * inode it is, there is no path.
 */
static __always_inline __u32 refuse_unasked(const struct hw_element *rules, struct hw_scratch *s, struct inode *inode,
                                            __u32 hook, int error) {
        if (s->asked.flags & (HW_SILENTLY | HW_TO_ITERATOR))
                return s->asked.operations;
        hw_record_clear(&s->event);
        s->event.class = HW_BPF_PATH;
        s->event.hook = hook;
        s->event.cause = cause_of(error);
        s->event.requested = s->event.denied = reported(s->asked.operations);
        s->event.subject = s->asked.subject;
        s->event.fsuid = hw_fsuid();
        s->event.ouid = inode ? HW_READ(inode, i_uid.val) : s->event.fsuid;
        hw_record_inode(&s->event, inode);
        hw_record_send(rules, s);
        return s->asked.operations;
}

static __always_inline void ask(struct hw_scratch *s, __u32 subject, const struct hw_request *q) {
        s->asked.operations = q->operations;
        s->asked.flags = q->flags;
        s->asked.subject = subject;
}

static __always_inline __u32 hw_judge_in(const struct hw_element *rules, struct hw_scratch *s, __u32 subject,
                                         __u32 fsuid, const struct hw_request *q) {
        struct dentry *dentry = (struct dentry *)q->dentry;
        struct inode *inode = HW_READ(dentry, d_inode);
        struct super_block *sb = HW_READ(dentry, d_sb);
        const __u32 owner = inode ? HW_READ(inode, i_uid.val) : fsuid; /* else its maker's */
        int found = HW_PATH_HOST;
        __u32 denied;

        if (!(q->flags & HW_AS_SEEN))
                found = hw_path_build(s, q->dentry, (q->flags & HW_AS_DIRECTORY) || hw_is_directory(inode));
        ask(s, subject, q);
        if (found < 0)
                return refuse_unasked(rules, s, inode, q->hook, found);
        if (q->flags & (HW_AS_SEEN | HW_AS_MOVED))
                s->more = 0;
        s->asked.asker = owner == fsuid ? HW_TBL_OWNER : HW_TBL_OTHER;
        s->asked.foreign = found == HW_PATH_FOREIGN;
        s->asked.alone = found == HW_PATH_ALONE;
        s->asked.key.dev = HW_READ(sb, s_dev);
        identify_asked(rules, s, inode);
        if (s->asked.foreign && !s->asked.bound)
                return HW_IS_FOREIGN;
        clear_verdict(&s->event);
        s->due = s->listed = s->told = s->conditional = 0;
        if (hw_judge_name(s, 0) == 0 && !((q->flags & HW_TO_ITERATOR) && s->told))
                (void)bpf_loop(HW_BINDING_NAMES + HW_MOUNT_ENTRIES, judge_further, &s, 0);
        if (s->torn)
                return q->operations | HW_IS_TORN;
        denied = s->event.denied;
        s->event.denied = reported(denied);
        if (s->told && !(q->flags & HW_TO_ITERATOR)) {
                s->event.class = HW_BPF_PATH;
                s->event.hook = q->hook;
                s->event.requested = reported(q->operations);
                s->event.subject = subject;
                s->event.fsuid = fsuid;
                s->event.ouid = owner;
                if (s->due)
                        hw_record_send(rules, s);
                if (s->conditional && !denied)
                        denied = hw_exec_hold(rules, s);
        }
        return s->asked.foreign && denied == 0 ? HW_IS_FOREIGN : denied;
}

/*
 * The operations that are refused on one object. All of them where its path cannot be made out (longer than PATH_MAX,
 * as on AppArmor; renames that never pause), since no rule could be asked about it.
 */
__noinline __u32 hw_judge_once(__u64 dentry, __u32 operations, __u32 hook, __u32 flags) {
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
        denied = s ? hw_judge_in(rules, s, subject, hw_fsuid(), &q) : operations;
        if (s)
                hw_scratch_give(s);
        return rules->mode == HW_BPF_ENFORCE || denied == HW_IS_FOREIGN ? denied : 0;
}

static __always_inline __u32 hw_judge(__u64 dentry, __u32 operations, __u32 hook, __u32 flags) {
        __u32 denied = hw_judge_once(dentry, operations, hook, flags);

        return denied & HW_IS_TORN ? hw_judge_once(dentry, operations, hook, flags) & ~HW_IS_TORN : denied;
}

/*
 * Whether moving a directory takes what patterns block below it to where they do not hold: HW_OP(ABOVE) or 0. What is
 * above exact paths may not be moved at all: HW_OP(OVER) of hw_judge().
 */
__noinline __u32 hw_judge_moved_once(__u64 from, __u64 to) {
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
                const int found = hw_path_build(s, to, 1);

                if (found >= 0) {
                        hw_walk_path(rules, s, q.operations);
                        s->moved = s->walk;
                        denied = hw_judge_in(rules, s, subject, hw_fsuid(), &q) & ~HW_IS_FOREIGN;
                } else {
                        ask(s, subject, &q);
                        denied = refuse_unasked(rules, s, NULL, q.hook, found);
                }
                hw_scratch_give(s);
        }
        return rules->mode == HW_BPF_ENFORCE ? denied : 0;
}

static __always_inline __u32 hw_judge_moved(__u64 from, __u64 to) {
        __u32 denied = hw_judge_moved_once(from, to);

        return denied & HW_IS_TORN ? hw_judge_moved_once(from, to) & ~HW_IS_TORN : denied;
}

/* As hw_judge(), of a path that the caller has put into a scratch of its own. */
__noinline __u32 hw_judge_seen(struct hw_scratch *s, __u64 dentry, __u32 operations, __u32 hook) {
        const struct hw_request q = { dentry, operations, hook, HW_AS_SEEN };
        const struct hw_element *rules = hw_rules();
        __u32 subject, denied;

        if (!s || !rules || rules->mode == HW_BPF_OFF)
                return 0;
        subject = hw_subject(rules);
        denied = subject == HW_NO_ROOM ? operations : hw_judge_in(rules, s, subject, hw_fsuid(), &q);
        return rules->mode == HW_BPF_ENFORCE ? denied : 0;
}

/* As hw_judge_seen(), of a path that is too long to be told. */
__noinline __u32 hw_refuse_unseen(struct hw_scratch *s, __u64 dentry, __u32 operations, __u32 hook) {
        const struct hw_request q = { dentry, operations, hook, 0 };
        const struct hw_element *rules = hw_rules();
        __u32 subject, denied;

        if (!s || !rules || rules->mode == HW_BPF_OFF)
                return 0;
        subject = hw_subject(rules);
        if (subject != HW_NO_ROOM && !hw_tbl_concerns(rules->table, subject, operations))
                return 0;
        ask(s, subject, &q);
        denied = refuse_unasked(rules, s, HW_READ((struct dentry *)dentry, d_inode), hook, -ENAMETOOLONG);
        return rules->mode == HW_BPF_ENFORCE ? denied : 0;
}

/* As hw_judge(), of the host's root directory, whatever root the caller has; `dentry` is whose inode is told. */
static __always_inline __u32 hw_judge_host_root(__u64 dentry, __u32 operations, __u32 hook) {
        const struct hw_element *rules = hw_rules();
        struct hw_scratch *s;
        __u32 denied;

        if (!rules || rules->mode == HW_BPF_OFF || hw_is_kernel_thread())
                return 0;
        s = hw_scratch_take();
        if (!s)
                return rules->mode == HW_BPF_ENFORCE ? operations : 0;
        s->path[0] = '/';
        s->start = 0;
        s->end = 1;
        denied = hw_judge_seen(s, dentry, operations, hook);
        if (denied & HW_IS_TORN)
                denied = hw_judge_seen(s, dentry, operations, hook) & ~HW_IS_TORN;
        hw_scratch_give(s);
        return denied;
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
        if (length < 0)
                denied = hw_refuse_unseen(s, (__u64)BPF_CORE_READ(file, f_path.dentry), operations, hook);
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
                if (denied & HW_IS_TORN)
                        denied = hw_judge_seen(s, (__u64)BPF_CORE_READ(file, f_path.dentry), operations, hook) &
                                 ~HW_IS_TORN;
        }
        hw_scratch_give(s);
        return denied;
}

/* What a program answers about an opened file. */
static __always_inline int hw_answer_file(struct file *file, __u32 operations, __u32 hook) {
        __u32 denied = hw_judge(hw_load_word(&file->f_path.dentry), operations, hook, 0);

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
