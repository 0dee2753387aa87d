/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_ABI_H
#define HOSTWARD_ABI_H
/*
 * The one declaration of what is spoken over /run/hostward/sensor.sock (agent and console to sensor) and
 * /run/hostward/compiler.sock (sensor to compiler), and of the snapshot file that early boot reads.
 * Mirror: libs/sensor/src/protocol.ts, held equal by libs/sensor/src/protocol.spec.ts, which reads this file.
 *
 * A frame is a header of 16 bytes and a payload of `length` bytes; integers are little-endian.
 * A payload is a sequence of fields: u16 tag, u16 zero, u32 length, bytes. A number is a field of 8 bytes (u64).
 * Text is UTF-8 without a final NUL. Unknown tags, a wrong magic or version, a length above the bound, a field that
 * runs past its frame and a non-zero reserved half are all refused, and the connection is closed. Unknown tags from
 * HW_OPTIONAL_TAGS on are passed over: a later program gives such a number to what may be left out with nothing blocked
 * less, so that an older one, to which a host goes back, reads what that one wrote.
 */
#define HW_MAGIC 0x31445748u /* "HWD1" */
#define HW_ABI_VERSION 1u
#define HW_HEADER_BYTES 16u
#define HW_FIELD_HEADER_BYTES 8u
#define HW_MAX_FRAME_BYTES 33554432u /* 32 MiB */
#define HW_OPTIONAL_TAGS 32768u

struct hw_header {
        unsigned int magic;
        unsigned short version;
        unsigned short type;
        unsigned int length;  /* of the payload, bytes */
        unsigned int request; /* chosen by the asker, echoed in the answer; 0 in what nobody asked for */
};

/* Message types. 1-31 agent or console <-> sensor, 32-63 sensor <-> compiler. */
#define HW_MSG_HELLO 1u      /* VERSION -> HELLO_OK */
#define HW_MSG_HELLO_OK 2u   /* VERSION, STATE */
#define HW_MSG_APPLY 3u      /* ENVELOPE -> APPLIED or ERROR; any peer that may connect: the envelope proves itself */
#define HW_MSG_APPLIED 4u    /* STATE */
#define HW_MSG_STATUS 5u     /* -> STATUS_OK */
#define HW_MSG_STATUS_OK 6u  /* STATE */
#define HW_MSG_CONFIRM 7u    /* EPOCH GENERATION ISSUED_AT: the control plane was reached after this swap -> DONE, or ERROR restart-needed */
#define HW_MSG_SUSPEND 8u    /* MODE UNTIL REASON: root at the console only -> DONE, or ERROR not-kept: done, and not on disk */
#define HW_MSG_RESUME 9u     /* root at the console only -> DONE, or ERROR not-kept */
#define HW_MSG_SUBSCRIBE 10u /* SEQUENCE (last one seen, 0 = from now) -> DONE, then EVENT frames with request 0 */
#define HW_MSG_EVENT 11u     /* SEQUENCE, EVENT */
#define HW_MSG_DONE 12u
#define HW_MSG_ERROR 13u /* CODE MESSAGE */
#define HW_MSG_RECHECK 14u /* read back, probe and count coverage now -> STATUS_OK */
#define HW_MSG_UNLOAD 15u /* root at the console only: replace our profiles by open ones -> DONE, or ERROR not-kept */

#define HW_MSG_COMPILE 32u  /* ENVELOPE, EPOCH GENERATION ISSUED_AT (highest seen, 0 0 0 = none), LOADED_NAME* TIME_LIMIT [BPF_LSM] [ENDED_AT] [AGAIN] */
#define HW_MSG_COMPILED 33u /* EPOCH GENERATION ISSUED_AT EXPIRES_AT DIGEST REPORT PROFILE_NAME* ENFORCE AUDIT OPEN TEXT PROBE* [SUSPEND_*] DROPIN* [OVERRIDES] [VALID_UNTIL] [ROOT] [MINIMUM_VERSIONS] [TABLE SUBJECT_NAME*] [KILL_HOLDERS] [DEVICES] [VISIBILITY] [LINKS] */
#define HW_MSG_REJECTED 34u /* CODE MESSAGE [EPOCH GENERATION ISSUED_AT [SUSPEND_*]]: of an assignment that is believed, and cannot be compiled */

/* Files of the sensor itself, frames too; they never travel. */
#define HW_MSG_SNAPSHOT 64u /* the fields of COMPILED, then CHECKSUM: the table that early boot loads */
#define HW_MSG_MEMORY 65u   /* what must outlive the daemon beside the table: highest, rejected, suspension, confirm, [TABLE] [ENFORCE] [MODE UNTIL REASON] [MINIMUM_VERSIONS]; fields are only ever added, of tags that are known here before: older programs read it */

/* Field tags. */
#define HW_TAG_VERSION 1u      /* text, program version */
#define HW_TAG_STATE 2u        /* text, JSON: SensorState in libs/sensor/src/state.ts */
#define HW_TAG_ENVELOPE 3u     /* opaque bytes: what the agent fetched; only the compiler looks inside */
#define HW_TAG_EPOCH 4u        /* number */
#define HW_TAG_GENERATION 5u   /* number */
#define HW_TAG_ISSUED_AT 6u    /* number, ms since 1970 */
#define HW_TAG_EXPIRES_AT 7u   /* number, ms since 1970 */
#define HW_TAG_DIGEST 8u       /* text, hex of the bundle's digest */
#define HW_TAG_REPORT 9u       /* opaque bytes (JSON CompileReport), stored and handed on unread */
#define HW_TAG_CODE 10u        /* text, kebab-case */
#define HW_TAG_MESSAGE 11u     /* text */
#define HW_TAG_MODE 12u        /* text: enforce | audit | off. In MEMORY, with UNTIL and REASON: what the newest assignment orders */
#define HW_TAG_UNTIL 13u       /* number, ms since 1970 */
#define HW_TAG_REASON 14u      /* text */
#define HW_TAG_SEQUENCE 15u    /* number */
#define HW_TAG_EVENT 16u       /* text, JSON: SensorEvent in libs/sensor/src/state.ts */
#define HW_TAG_LOADED_NAME 17u /* text: a profile of ours that is loaded now */
#define HW_TAG_PROFILE_NAME 18u /* text: a profile contained in ENFORCE, AUDIT and OPEN alike */
#define HW_TAG_ENFORCE 19u     /* binary policy for the kernel's .replace, empty where the host has no AppArmor. In MEMORY: number, what the rule set that was taken back does */
#define HW_TAG_AUDIT 20u       /* same profiles, denials turned into audited permissions */
#define HW_TAG_OPEN 21u        /* same profiles, everything allowed, nothing logged */
#define HW_TAG_TEXT 22u        /* text: the profiles' source, for people (/var/lib/hostward/profiles.txt) */
#define HW_TAG_PROBE 23u       /* text: KIND NUL RULE NUL PROFILE NUL PATH, KIND = read | write | exec */
#define HW_TAG_SUSPEND_MODE 24u   /* text: audit | off, ordered by the control plane and signed */
#define HW_TAG_SUSPEND_UNTIL 25u  /* number, ms since 1970 */
#define HW_TAG_SUSPEND_REASON 26u /* text */
#define HW_TAG_DROPIN 27u      /* text: UNIT NUL CONTENT: /etc/systemd/system/UNIT.d/50-hostward.conf */
#define HW_TAG_CHECKSUM 28u       /* number, CRC-32 of the payload before this field; always the last field of a file */
#define HW_TAG_HOLD 29u           /* text: unloaded | fell-back: the open variant is loaded until a newer table */
#define HW_TAG_CONFIRM_STATE 30u  /* text: waiting | confirmed | unconfirmed | fell-back */
#define HW_TAG_SINCE 31u          /* number, ms since 1970 */
#define HW_TAG_BY 32u             /* text: console | control-plane | boot-guard */
#define HW_TAG_SEEN_AT 33u        /* number, ms since 1970: the time of the suspension, so that a clock that is set extends nothing */
#define HW_TAG_OVERRIDES 34u      /* number of policies that override the protection of the control path; absent = 0 */
#define HW_TAG_VALID_UNTIL 35u    /* number, ms since 1970: compiled anew then, since an exception ends; absent = never */
#define HW_TAG_ROOT 36u           /* opaque bytes, at most 128 KiB: the newest root document, kept as root.json before the swap */
#define HW_TAG_MINIMUM_VERSIONS 37u         /* opaque bytes, at most 1 MiB: versions seen, kept as minimum-versions.json before the swap. In MEMORY: struct hw_assignment_version, of the newest assignment of which only the suspension was done */
#define HW_TAG_TABLE 38u       /* opaque bytes: the table of hostward-table.h; then ENFORCE, AUDIT, OPEN are empty and BPF enforces. In MEMORY: number, CHECKSUM of the snapshot it is about */
#define HW_TAG_SUBJECT_NAME 39u /* text: name of a subject of TABLE, in its order: hostward | hostward-src-..., then each with -tty */
#define HW_TAG_BPF_LSM 40u     /* number, 1: the sensor can enforce by BPF-LSM; absent = it cannot */
#define HW_TAG_ENDED_AT 41u    /* number, ms since 1970: latest end of an exception that was seen to pass; absent = none */
#define HW_TAG_KILL_HOLDERS 42u /* number, 1: who has open what a rule of TABLE refuses is killed when it comes; absent: only told */
#define HW_TAG_DEVICES 43u /* text: rules about USB devices, a line each (docs/reference/protocol/sensor.md); absent: there are none */
#define HW_TAG_VISIBILITY 44u  /* number, bit 1 << class (enum hw_sense_class of hostward-sense.h): what is watched; absent = nothing */
#define HW_TAG_TIME_LIMIT 45u /* number, ms that whoever asks waits for the answer; absent = the compiler's own bound */
#define HW_TAG_AGAIN 46u /* number, 1: the sensor took this envelope before and has kept it; neither its place in the order nor its end is looked at */
#define HW_TAG_LINKS 47u /* opaque bytes, at most 256 KiB: PATH NUL TARGET NUL for each name that may be a link and was looked at; TARGET empty: it was none */
#define HW_TAG_EFFECT 48u /* opaque bytes, 64: half of them tell what ENFORCE, AUDIT and OPEN were made from, half by what, since the parser may make other bytes of the same; absent: they tell it themselves */
#define HW_TAG_LAST HW_TAG_EFFECT

#endif
