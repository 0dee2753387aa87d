/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_POLICY_TABLE_H
#define HOSTWARD_POLICY_TABLE_H
/*
 * The policy table: what the compiler makes of one rule set for BPF-LSM, as one blob (docs/reference/protocol/table.md). This is
 * the one declaration, and the walk over it, for BPF programs, the daemon and the tests. Mirror and builder:
 * libs/policy-compiler/src/bpf/, held equal by layout.spec.ts, which reads this file, and by table-walk-test.c, which
 * reads vectors that TypeScript wrote. Equal rule sets give equal bytes: nothing in it knows of generations.
 *
 * Little-endian; padded with zeros to a power of two (HW_TBL_SIZE_*). Every offset is in bytes from the blob's begin.
 *
 *   header | byte classes | transitions | classes | exceptions | rows | cells | conditions | vectors | subjects
 *
 * A path is walked byte by byte, without its final NUL, a directory with a final slash. A state is the offset of its
 * head, 0 where nothing can match any more:
 *   head        u32 HW_TBL_HEAD | class (offset of its record, 0: nothing matches here)   u32 state by default
 *   transition  u32 state that owns the slot                                               u32 next state
 * The transition of state s for a byte is at s + 8 * class of the byte; if another owns that slot, the default holds.
 * All automata, that of the subjects and that of arguments share the slots, so a walk does not care which one a state is
 * of.
 *
 * BPF: define HW_TBL_MASK (size of the blob - 1; a constant or a constant in .rodata) before the inclusion, and a
 * hw_tbl_ref is the pointer to the map's value. Else it is a struct hw_tbl_blob with its size, and a read beyond it
 * gives 0; run hw_tbl_check (hostward-table-check.h) first, so that there is none.
 */
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#ifndef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#endif

/* Of a loop over automata, which is never longer than HW_TBL_AUTOMATA_MAX. */
#ifdef __clang__
#define HW_TBL_UNROLL _Pragma("unroll")
#else
#define HW_TBL_UNROLL _Pragma("GCC unroll 8")
#endif

#define HW_TBL_MAGIC 0x31545748u /* "HWT1" */
#define HW_TBL_VERSION 5u

/* Size classes, bytes: a map of fixed size each. */
#define HW_TBL_SIZE_SMALL 262144u
#define HW_TBL_SIZE_MEDIUM 1048576u
#define HW_TBL_SIZE_LARGE 4194304u
#define HW_TBL_SIZE_MAX 16777216u

#define HW_TBL_AUTOMATA_MAX 8u
#define HW_TBL_CONDITIONS_MAX 8u /* of one cell */
#define HW_TBL_SUBJECTS_MAX 16384u /* with subject 0, everybody */
#define HW_TBL_RULES_MAX 16777215u

/* Header: offsets of u32 fields. */
#define HW_TBL_OFF_MAGIC 0u
#define HW_TBL_OFF_VERSION 4u
#define HW_TBL_OFF_SIZE 8u           /* of the blob, a size class */
#define HW_TBL_OFF_USED 12u          /* bytes before the padding */
#define HW_TBL_OFF_N_AUTOMATA 16u
#define HW_TBL_OFF_N_SUBJECTS 20u
#define HW_TBL_OFF_N_RULES 24u
#define HW_TBL_OFF_SUBJECT_START 28u /* start state of the subject automaton */
#define HW_TBL_OFF_START 32u         /* 8 start states */
#define HW_TBL_OFF_OPERATIONS 64u    /* 8 masks: operations that an automaton speaks of */
#define HW_TBL_OFF_CLASSES 96u       /* sections; transitions begin at HW_TBL_TRANSITIONS */
#define HW_TBL_OFF_EXCEPTIONS 100u
#define HW_TBL_OFF_ROWS 104u
#define HW_TBL_OFF_CELLS 108u
#define HW_TBL_OFF_VECTORS 112u
#define HW_TBL_OFF_SUBJECTS 116u
#define HW_TBL_OFF_TERMINALS 120u    /* what a subject's number grows by while it has a terminal; 0: no rule asks */
#define HW_TBL_OFF_CONCERNS 124u     /* mask of operations that can be denied or logged for anybody */
#define HW_TBL_OFF_CONDITIONS 128u   /* section */
#define HW_TBL_BYTE_CLASSES 256u     /* 256 bytes: class of a byte, 1..255; 0 for the byte 0, which no path has */
#define HW_TBL_TRANSITIONS 512u

#define HW_TBL_HEAD 0x80000000u
#define HW_TBL_CLASS_MASK 0x7fffffffu
#define HW_TBL_SLOT_BYTES 8u      /* an unused slot is HW_TBL_UNUSED, 0 */
#define HW_TBL_UNUSED 0x7fffffffu
#define HW_TBL_CLASS_BYTES 8u     /* u32 row of those without an exception, u32 exceptions of this class */
#define HW_TBL_EXCEPTION_BYTES 8u /* at exceptions + 8 * subject: u32 class that owns it, u32 row */
#define HW_TBL_ROW_BYTES 72u      /* u32 cell by operation * 2 + asker */
#define HW_TBL_CELL_BYTES 16u     /* u64 decision, u32 audit rule + 1 or 0, u32 condition; the first one says nothing */
#define HW_TBL_VECTOR_BYTES 256u  /* u32 cell by socket kind or capability number, 64 of them */
#define HW_TBL_VECTOR_LENGTH 64u

#define HW_TBL_CELL_CONDITIONS 12u /* the first condition, or 0 */
/*
 * What a rule says of an exec with any argument (but the first, the name) that its set does not hold. As a cell: u64
 * decision, u32 audit rule + 1 or 0; one of them is 0. Then the state in which a walk over an argument begins (0: the
 * set is empty), which ends in a class other than 0 if the set holds it; the next condition of the cell, behind this
 * one, or 0; zero.
 */
#define HW_TBL_CONDITION_BYTES 24u
#define HW_TBL_CONDITION_AUDIT 8u
#define HW_TBL_CONDITION_STATE 12u
#define HW_TBL_CONDITION_NEXT 16u

/* Subject record: offsets of its u32 fields. */
#define HW_TBL_SUBJECT_BYTES 32u
#define HW_TBL_SUBJECT_LISTS 0u         /* 5 list words, by list class */
#define HW_TBL_SUBJECT_SOCKETS 20u      /* vector */
#define HW_TBL_SUBJECT_CAPABILITIES 24u /* vector */
#define HW_TBL_SUBJECT_CONCERNS 28u     /* mask of operations that can be denied or logged for it */

/* A decision; the greater wins: rank, then deny before allow, then the lower rule. 0 says nothing. */
#define HW_TBL_DECISION_RANK_SHIFT 48u
#define HW_TBL_DECISION_DENY (1ull << 47)
#define HW_TBL_DECISION_SAYS (1ull << 46)
#define HW_TBL_DECISION_RULE 0xffffffu /* 0xffffff - rule index */

/* A list word: what becomes of what no rule speaks of. */
#define HW_TBL_LIST_POSTURE 3u
#define HW_TBL_LIST_NONE 0u
#define HW_TBL_LIST_AUDIT 1u
#define HW_TBL_LIST_BLOCK 2u
#define HW_TBL_LIST_SILENT 4u
#define HW_TBL_LIST_RULE_SHIFT 8u

#define HW_TBL_LIST_OF_PROCESS 0u
#define HW_TBL_LIST_OF_FILE 1u
#define HW_TBL_LIST_OF_NETWORK 2u
#define HW_TBL_LIST_OF_CAPABILITIES 3u
#define HW_TBL_LIST_OF_QUERIES 4u

/* Operations: letters r w l k m x of AppArmor, then three of our own. */
#define HW_TBL_READ 0u
#define HW_TBL_WRITE 1u
#define HW_TBL_LINK 2u
#define HW_TBL_LOCK 3u
#define HW_TBL_MAP 4u /* as executable */
#define HW_TBL_EXEC 5u
/* Of a directory above something that is blocked: to move it, to mount over it. Rules alone speak of them, no list. */
#define HW_TBL_ABOVE 6u
#define HW_TBL_OVER 7u
/* Of a name that is asked of DNS, spelled as a directory from the top level down: /example/evil/www/ */
#define HW_TBL_QUERY 8u
#define HW_TBL_OPERATIONS 9u
/* In masks (1 << operation) only. */
#define HW_TBL_SOCKETS 9u
#define HW_TBL_CAPABILITIES 10u
#define HW_TBL_ALL_PATH_OPERATIONS 0x3fu /* those of AppArmor */

#define HW_TBL_OWNER 0u
#define HW_TBL_OTHER 1u

/* Kinds of sockets. NONE is not the network (unix, netlink, alg, key) and is never judged. inet6 is inet + 16. */
#define HW_TBL_SOCKET_NONE 0u
#define HW_TBL_SOCKET_INET_TCP 1u
#define HW_TBL_SOCKET_INET_MPTCP 2u
#define HW_TBL_SOCKET_INET_SCTP 3u /* one-to-one */
#define HW_TBL_SOCKET_INET_STREAM 4u
#define HW_TBL_SOCKET_INET_UDP 5u
#define HW_TBL_SOCKET_INET_UDPLITE 6u
#define HW_TBL_SOCKET_INET_ICMP 7u /* what ping opens; in inet6 it is ICMPv6 */
#define HW_TBL_SOCKET_INET_DGRAM 8u
#define HW_TBL_SOCKET_INET_SCTP_MANY 9u
#define HW_TBL_SOCKET_INET_SEQPACKET 10u
#define HW_TBL_SOCKET_INET_RDM 11u
#define HW_TBL_SOCKET_INET_DCCP 12u
#define HW_TBL_SOCKET_INET_RAW_ICMP 13u
#define HW_TBL_SOCKET_INET_RAW 14u
#define HW_TBL_SOCKET_INET_OTHER 15u
#define HW_TBL_SOCKET_INET6 16u
#define HW_TBL_SOCKET_PACKET_RAW 32u
#define HW_TBL_SOCKET_PACKET_DGRAM 33u
#define HW_TBL_SOCKET_VSOCK 34u
#define HW_TBL_SOCKET_BLUETOOTH 35u
#define HW_TBL_SOCKET_CAN 36u
#define HW_TBL_SOCKET_TIPC 37u
#define HW_TBL_SOCKET_RDS 38u
#define HW_TBL_SOCKET_XDP 39u
#define HW_TBL_SOCKET_SMC 40u
#define HW_TBL_SOCKET_OTHER 41u /* any other family that reaches beyond the host */
#define HW_TBL_SOCKET_KINDS 42u

/* Where a walk is: states of the automata that were started. 0 is dead. */
struct hw_tbl_walk {
        __u32 n;
        __u32 state[HW_TBL_AUTOMATA_MAX];
};

struct hw_tbl_verdict {
        __u8 deny;
        __u8 logged;  /* an Audit rule matches, or a list in audit posture decided that is not silent */
        __u8 says;    /* a rule decided; else the list did, if posture is set */
        __u8 posture; /* HW_TBL_LIST_* of the list that decided */
        __u32 rule;   /* of the rule that decided: index + 1, or 0 */
        __u32 audit;  /* of the first Audit rule that matches: index + 1, or 0 */
        __u32 list;   /* of the list that decided: index of its rule + 1, or 0 */
        __u64 decision; /* of the rule that decided */
};

#ifdef HW_TBL_MASK

typedef const void *hw_tbl_ref;

/* The barrier keeps clang from working round the mask, which is what the verifier reads the bound from. */
static __always_inline __u64 hw_tbl_masked(__u64 off, __u64 mask) {
        off &= mask;
        __asm__ volatile("" : "+r"(off));
        return off;
}

#define HW_TBL_LOAD8(blob, off) (*((const __u8 *)(blob) + hw_tbl_masked(off, HW_TBL_MASK)))
#define HW_TBL_LOAD32(blob, off) \
        (*(const __u32 *)((const __u8 *)(blob) + hw_tbl_masked(off, (HW_TBL_MASK) & ~3u)))
#define HW_TBL_LOAD64(blob, off) \
        (*(const __u64 *)((const __u8 *)(blob) + hw_tbl_masked(off, (HW_TBL_MASK) & ~7u)))

#else

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the table is little-endian");

struct hw_tbl_blob {
        const __u8 *data;
        __u32 size;
};
typedef const struct hw_tbl_blob *hw_tbl_ref;

static __always_inline __u64 hw_tbl_load(hw_tbl_ref blob, __u64 off, __u32 bytes) {
        __u64 value = 0;

        if (off > blob->size || blob->size - off < bytes)
                return 0;
        __builtin_memcpy(&value, blob->data + off, bytes);
        return value;
}

#define HW_TBL_LOAD8(blob, off) ((__u8)hw_tbl_load(blob, off, 1))
#define HW_TBL_LOAD32(blob, off) ((__u32)hw_tbl_load(blob, off, 4))
#define HW_TBL_LOAD64(blob, off) hw_tbl_load(blob, off, 8)

#endif

/* What hw_tbl_next takes for a byte. */
static __always_inline __u32 hw_tbl_byte_class(hw_tbl_ref blob, __u8 byte) {
        return HW_TBL_LOAD8(blob, HW_TBL_BYTE_CLASSES + byte);
}

/* One automaton's state after a byte of that class. */
static __always_inline __u32 hw_tbl_next(hw_tbl_ref blob, __u32 state, __u32 byte_class) {
        __u64 slot;

        if (state == 0)
                return 0;
        slot = HW_TBL_LOAD64(blob, state + HW_TBL_SLOT_BYTES * byte_class);
        if ((__u32)slot == state)
                return (__u32)(slot >> 32);
        return HW_TBL_LOAD32(blob, state + 4);
}

/*
 * Starts the automata that speak of any of these operations (mask). With n == 0 afterwards no path need be made or
 * walked: hw_tbl_decide answers at once.
 */
static __always_inline void hw_tbl_start_for(hw_tbl_ref blob, struct hw_tbl_walk *walk, __u32 operations) {
        __u32 automata = HW_TBL_LOAD32(blob, HW_TBL_OFF_N_AUTOMATA);

        walk->n = 0;
        HW_TBL_UNROLL
        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++) {
                walk->state[i] = 0;
                if (i >= automata || (HW_TBL_LOAD32(blob, HW_TBL_OFF_OPERATIONS + 4 * i) & operations) == 0)
                        continue;
                walk->state[i] = HW_TBL_LOAD32(blob, HW_TBL_OFF_START + 4 * i);
                walk->n = i + 1;
        }
}

static __always_inline void hw_tbl_start(hw_tbl_ref blob, struct hw_tbl_walk *walk) {
        hw_tbl_start_for(blob, walk, (1u << HW_TBL_OPERATIONS) - 1);
}

/* One byte on in all automata. */
static __always_inline void hw_tbl_step(hw_tbl_ref blob, struct hw_tbl_walk *walk, __u8 byte) {
        __u32 byte_class = hw_tbl_byte_class(blob, byte);

        HW_TBL_UNROLL
        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++) {
                if (i >= walk->n)
                        break;
                walk->state[i] = hw_tbl_next(blob, walk->state[i], byte_class);
        }
}

/* Whether nothing can match any more, however the path goes on. */
static __always_inline int hw_tbl_dead(const struct hw_tbl_walk *walk) {
        __u32 any = 0;

        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++)
                any |= walk->state[i];
        return any == 0;
}

/* A subject of another rule set than the blob's counts as everybody. */
static __always_inline __u32 hw_tbl_subject_record(hw_tbl_ref blob, __u32 subject) {
        if (subject >= HW_TBL_LOAD32(blob, HW_TBL_OFF_N_SUBJECTS))
                subject = 0;
        return HW_TBL_LOAD32(blob, HW_TBL_OFF_SUBJECTS) + HW_TBL_SUBJECT_BYTES * subject;
}

/* Whether any of these operations (mask) can be denied or logged for the subject: if not, all is done. */
static __always_inline int hw_tbl_concerns(hw_tbl_ref blob, __u32 subject, __u32 operations) {
        __u32 record = hw_tbl_subject_record(blob, subject);

        return (HW_TBL_LOAD32(blob, record + HW_TBL_SUBJECT_CONCERNS) & operations) != 0;
}

static __always_inline void hw_tbl_clear(struct hw_tbl_verdict *out) {
        out->deny = out->logged = out->says = out->posture = 0;
        out->rule = out->audit = out->list = 0;
        out->decision = 0;
}

static __always_inline __u32 hw_tbl_rule_of(__u64 decision) {
        return HW_TBL_DECISION_RULE - (__u32)(decision & HW_TBL_DECISION_RULE) + 1;
}

/* A verdict from the strongest decision, the first audit, and the list that counts where no rule decides. */
static __always_inline void hw_tbl_settle(__u64 decision, __u32 audit, __u32 list, struct hw_tbl_verdict *out) {
        hw_tbl_clear(out);
        out->audit = audit;
        out->logged = audit != 0;
        if (decision & HW_TBL_DECISION_SAYS) {
                out->says = 1;
                out->deny = (decision & HW_TBL_DECISION_DENY) != 0;
                out->rule = hw_tbl_rule_of(decision);
                out->decision = decision;
                return;
        }
        out->posture = list & HW_TBL_LIST_POSTURE;
        if (out->posture == HW_TBL_LIST_NONE)
                return;
        out->list = (list >> HW_TBL_LIST_RULE_SHIFT) + 1;
        if (out->posture == HW_TBL_LIST_BLOCK)
                out->deny = 1;
        else if (!(list & HW_TBL_LIST_SILENT))
                out->logged = 1;
}

/* The row of a class for a subject. */
static __always_inline __u32 hw_tbl_row(hw_tbl_ref blob, __u32 class_record, __u32 subject) {
        __u64 record = HW_TBL_LOAD64(blob, class_record);
        __u64 exception = HW_TBL_LOAD64(blob, (__u32)(record >> 32) + HW_TBL_EXCEPTION_BYTES * subject);

        return (__u32)exception == class_record ? (__u32)(exception >> 32) : (__u32)record;
}

/* The class whose list speaks of an operation. */
static __always_inline __u32 hw_tbl_list_of(__u32 operation) {
        return operation == HW_TBL_EXEC    ? HW_TBL_LIST_OF_PROCESS
               : operation == HW_TBL_QUERY ? HW_TBL_LIST_OF_QUERIES
                                           : HW_TBL_LIST_OF_FILE;
}

/* Whether hw_tbl_decide can answer anything on the path of a file that was walked: a rule may match it, or there is a list. */
static __always_inline int hw_tbl_speaks(hw_tbl_ref blob, const struct hw_tbl_walk *walk, __u32 subject) {
        __u32 lists = hw_tbl_subject_record(blob, subject) + HW_TBL_SUBJECT_LISTS;

        HW_TBL_UNROLL
        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++)
                if (walk->state[i] != 0 && (HW_TBL_LOAD32(blob, walk->state[i]) & HW_TBL_CLASS_MASK) != 0)
                        return 1;
        return ((HW_TBL_LOAD32(blob, lists + 4 * HW_TBL_LIST_OF_PROCESS) |
                 HW_TBL_LOAD32(blob, lists + 4 * HW_TBL_LIST_OF_FILE)) & HW_TBL_LIST_POSTURE) != HW_TBL_LIST_NONE;
}

/* Whether any of these operations (mask) can be denied or logged for anybody. */
static __always_inline int hw_tbl_concerns_any(hw_tbl_ref blob, __u32 operations) {
        return (HW_TBL_LOAD32(blob, HW_TBL_OFF_CONCERNS) & operations) != 0;
}

/* The verdict on the path that was walked. asker: HW_TBL_OWNER if fsuid is the owner of the file. */
static __always_inline void hw_tbl_decide(hw_tbl_ref blob, const struct hw_tbl_walk *walk, __u32 subject,
                                          __u32 operation, __u32 asker, struct hw_tbl_verdict *out) {
        __u32 column = 4 * (operation * 2 + (asker & 1)), audit = 0, list = HW_TBL_LIST_NONE;
        __u64 decision = 0;

        if (subject >= HW_TBL_LOAD32(blob, HW_TBL_OFF_N_SUBJECTS))
                subject = 0;
        HW_TBL_UNROLL
        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++) {
                __u32 class_record, cell, watched;
                __u64 says;

                if (i >= walk->n)
                        break;
                if (walk->state[i] == 0)
                        continue;
                class_record = HW_TBL_LOAD32(blob, walk->state[i]) & HW_TBL_CLASS_MASK;
                if (class_record == 0)
                        continue;
                cell = HW_TBL_LOAD32(blob, hw_tbl_row(blob, class_record, subject) + column);
                says = HW_TBL_LOAD64(blob, cell);
                watched = HW_TBL_LOAD32(blob, cell + 8);
                if (says > decision)
                        decision = says;
                if (watched - 1 < audit - 1) /* 0, none, is the greatest here */
                        audit = watched;
        }
        if (operation <= HW_TBL_EXEC || operation == HW_TBL_QUERY)
                list = HW_TBL_LOAD32(blob, hw_tbl_subject_record(blob, subject) + HW_TBL_SUBJECT_LISTS +
                                                   4 * hw_tbl_list_of(operation));
        hw_tbl_settle(decision, audit, list, out);
}

/*
 * The first condition of one automaton on an exec of the path that was walked, or 0. One counts where it says Audit, or
 * outranks hw_tbl_verdict.decision.
 */
static __always_inline __u32 hw_tbl_conditions(hw_tbl_ref blob, const struct hw_tbl_walk *walk, __u32 automaton,
                                               __u32 subject, __u32 asker) {
        const __u32 state = walk->state[automaton & (HW_TBL_AUTOMATA_MAX - 1)];
        const __u32 class_record = state == 0 ? 0 : HW_TBL_LOAD32(blob, state) & HW_TBL_CLASS_MASK;
        const __u32 column = 4 * (HW_TBL_EXEC * 2 + (asker & 1));

        if (subject >= HW_TBL_LOAD32(blob, HW_TBL_OFF_N_SUBJECTS))
                subject = 0;
        return class_record == 0 ? 0
                                 : HW_TBL_LOAD32(blob, HW_TBL_LOAD32(blob, hw_tbl_row(blob, class_record, subject) + column) +
                                                               HW_TBL_CELL_CONDITIONS);
}

/* Whether there is any. */
static __always_inline int hw_tbl_has_conditions(hw_tbl_ref blob) {
        return HW_TBL_LOAD32(blob, HW_TBL_OFF_CONDITIONS) != HW_TBL_LOAD32(blob, HW_TBL_OFF_VECTORS);
}

/* Whether a set holds the argument whose walk ended in this state. */
static __always_inline int hw_tbl_holds(hw_tbl_ref blob, __u32 state) {
        return state != 0 && (HW_TBL_LOAD32(blob, state) & HW_TBL_CLASS_MASK) != 0;
}

/*
 * Leaves of a walk only the automata in which the other walk, to where a directory is moved, ends in another class. In
 * an automaton of directories above blocked objects a class stands for those of its globs that match; so where it is
 * the same, what is blocked below is blocked there too.
 */
static __always_inline void hw_tbl_leave(hw_tbl_ref blob, struct hw_tbl_walk *walk, const struct hw_tbl_walk *to) {
        HW_TBL_UNROLL
        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++) {
                if (i >= walk->n)
                        break;
                if (walk->state[i] != 0 && to->state[i] != 0 &&
                    HW_TBL_LOAD32(blob, walk->state[i]) == HW_TBL_LOAD32(blob, to->state[i]))
                        walk->state[i] = 0;
        }
}

static __always_inline void hw_tbl_vector(hw_tbl_ref blob, __u32 subject, __u32 field, __u32 number, __u32 list,
                                          struct hw_tbl_verdict *out) {
        __u32 record = hw_tbl_subject_record(blob, subject);
        __u32 vector = HW_TBL_LOAD32(blob, record + field);
        __u32 cell = HW_TBL_LOAD32(blob, vector + 4 * (number & (HW_TBL_VECTOR_LENGTH - 1)));

        hw_tbl_settle(HW_TBL_LOAD64(blob, cell), HW_TBL_LOAD32(blob, cell + 8),
                      HW_TBL_LOAD32(blob, record + HW_TBL_SUBJECT_LISTS + 4 * list), out);
}

/* The verdict on a kind of socket (HW_TBL_SOCKET_*). */
static __always_inline void hw_tbl_cell(hw_tbl_ref blob, __u32 subject, __u32 kind, struct hw_tbl_verdict *out) {
        hw_tbl_clear(out);
        if (kind == HW_TBL_SOCKET_NONE || kind >= HW_TBL_SOCKET_KINDS)
                return;
        hw_tbl_vector(blob, subject, HW_TBL_SUBJECT_SOCKETS, kind, HW_TBL_LIST_OF_NETWORK, out);
}

/* The verdict on a capability, by its number in linux/capability.h. */
static __always_inline void hw_tbl_capability(hw_tbl_ref blob, __u32 subject, __u32 number,
                                              struct hw_tbl_verdict *out) {
        hw_tbl_clear(out);
        if (number >= HW_TBL_VECTOR_LENGTH)
                return;
        hw_tbl_vector(blob, subject, HW_TBL_SUBJECT_CAPABILITIES, number, HW_TBL_LIST_OF_CAPABILITIES, out);
}

/* The subject automaton: path of an executable to its subject, 0 for everybody. */
static __always_inline __u32 hw_tbl_subject_start(hw_tbl_ref blob) {
        return HW_TBL_LOAD32(blob, HW_TBL_OFF_SUBJECT_START);
}

static __always_inline __u32 hw_tbl_subject_step(hw_tbl_ref blob, __u32 state, __u8 byte) {
        return hw_tbl_next(blob, state, hw_tbl_byte_class(blob, byte));
}

/* Its class field holds the subject itself. */
static __always_inline __u32 hw_tbl_subject_result(hw_tbl_ref blob, __u32 state) {
        return state == 0 ? 0 : HW_TBL_LOAD32(blob, state) & HW_TBL_CLASS_MASK;
}

/*
 * How many subjects are told by their programs. Where a rule asks for a terminal each of them comes again behind these,
 * as it is while it has one.
 */
static __always_inline __u32 hw_tbl_programs(hw_tbl_ref blob) {
        return HW_TBL_LOAD32(blob, HW_TBL_OFF_N_SUBJECTS) - HW_TBL_LOAD32(blob, HW_TBL_OFF_TERMINALS);
}

/* Kind of an inet or inet6 socket, as of inet. */
static __always_inline __u32 hw_tbl_inet_kind(__u32 type, __u32 protocol, __u32 icmp) {
        switch (type) {
        case 1: /* SOCK_STREAM */
                if (protocol == 0 || protocol == 6 || protocol == 256) /* 256: SMC, falls back to TCP by itself */
                        return HW_TBL_SOCKET_INET_TCP;
                return protocol == 262   ? HW_TBL_SOCKET_INET_MPTCP
                       : protocol == 132 ? HW_TBL_SOCKET_INET_SCTP
                                         : HW_TBL_SOCKET_INET_STREAM;
        case 2: /* SOCK_DGRAM */
                return protocol == 0 || protocol == 17 ? HW_TBL_SOCKET_INET_UDP
                       : protocol == 136               ? HW_TBL_SOCKET_INET_UDPLITE
                       : protocol == icmp              ? HW_TBL_SOCKET_INET_ICMP
                                                       : HW_TBL_SOCKET_INET_DGRAM;
        case 3: /* SOCK_RAW */
                return protocol == icmp ? HW_TBL_SOCKET_INET_RAW_ICMP : HW_TBL_SOCKET_INET_RAW;
        case 4: /* SOCK_RDM */
                return HW_TBL_SOCKET_INET_RDM;
        case 5: /* SOCK_SEQPACKET */
                return protocol == 0 || protocol == 132 ? HW_TBL_SOCKET_INET_SCTP_MANY
                                                        : HW_TBL_SOCKET_INET_SEQPACKET;
        case 6: /* SOCK_DCCP */
                return HW_TBL_SOCKET_INET_DCCP;
        default:
                return HW_TBL_SOCKET_INET_OTHER;
        }
}

/* Kind of a socket by what socket(2) was given, or by sk_family, sk_type and sk_protocol. */
static __always_inline __u32 hw_tbl_socket_kind(__u32 family, __u32 type, __u32 protocol) {
        type &= 0xf; /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
        switch (family) {
        case 0:  /* AF_UNSPEC */
        case 1:  /* AF_UNIX */
        case 15: /* AF_KEY */
        case 16: /* AF_NETLINK */
        case 38: /* AF_ALG */
                return HW_TBL_SOCKET_NONE;
        case 2: /* AF_INET */
                return hw_tbl_inet_kind(type, protocol, 1);
        case 10: /* AF_INET6 */
                return HW_TBL_SOCKET_INET6 + hw_tbl_inet_kind(type, protocol, 58);
        case 17: /* AF_PACKET */
                return type == 2 ? HW_TBL_SOCKET_PACKET_DGRAM : HW_TBL_SOCKET_PACKET_RAW;
        case 21: /* AF_RDS */
                return HW_TBL_SOCKET_RDS;
        case 29: /* AF_CAN */
                return HW_TBL_SOCKET_CAN;
        case 30: /* AF_TIPC */
                return HW_TBL_SOCKET_TIPC;
        case 31: /* AF_BLUETOOTH */
                return HW_TBL_SOCKET_BLUETOOTH;
        case 40: /* AF_VSOCK */
                return HW_TBL_SOCKET_VSOCK;
        case 43: /* AF_SMC: as protocol 256 */
                return HW_TBL_SOCKET_SMC;
        case 44: /* AF_XDP */
                return HW_TBL_SOCKET_XDP;
        default:
                return HW_TBL_SOCKET_OTHER;
        }
}

#endif
