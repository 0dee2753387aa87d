/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_AS_COMPILER_H
#define HOSTWARD_AS_COMPILER_H
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "jobs.h"
#include "lives.h"
#include "recompile.h"
#include "samples.h"

/* The test is the compiler: `mark` is what a rule set does, the digest what it is called. */

#define CLIENT 1u

struct given {
        uint64_t generation;
        const char *digest, *mark;
        uint64_t suspended_until, valid_until;
        const char *root, *minimum_versions, *effect, *made_by;
};

#define SET(generation_, digest_, mark_, ...) \
        ((struct given){ .generation = generation_, .digest = digest_, .mark = mark_, ##__VA_ARGS__ })

static char trust[80], code[64];

static inline void begin_trusting(void) {
        begin();
        (void)snprintf(trust, sizeof trust, "%s/trust", dir);
        CHECK(mkdir(trust, 0700) == 0);
        options.trust_dir = trust;
}

static inline void put_suspension(struct hw_buffer *b, uint64_t until) {
        if (!until)
                return;
        hw_put_text(b, HW_TAG_SUSPEND_MODE, "audit");
        hw_put_u64(b, HW_TAG_SUSPEND_UNTIL, until);
        hw_put_text(b, HW_TAG_SUSPEND_REASON, "fleet");
}

static inline void put_table(struct hw_buffer *b, struct given g) {
        const struct sample sample = { .generation = g.generation, .digest = g.digest, .names = { "hostward" },
                                       .mark = g.mark };

        sample_payload(b, &sample);
        put_suspension(b, g.suspended_until);
        if (g.valid_until)
                hw_put_u64(b, HW_TAG_VALID_UNTIL, g.valid_until);
        if (g.root)
                hw_put_text(b, HW_TAG_ROOT, g.root);
        if (g.minimum_versions)
                hw_put_text(b, HW_TAG_MINIMUM_VERSIONS, g.minimum_versions);
        if (g.effect) {
                uint8_t effect[HW_EFFECT_BYTES] = { 0 };

                (void)snprintf((char *)effect, sizeof effect / 2, "%s", g.effect);
                (void)snprintf((char *)effect + sizeof effect / 2, sizeof effect / 2, "%s", g.made_by ? g.made_by : "");
                hw_put_bytes(b, HW_TAG_EFFECT, effect, sizeof effect);
        }
}

/* The code of the refusal in what the client was sent, empty where there is none. */
static inline void read_answer(void) {
        struct hw_client *client = &d.server.clients[0];
        struct hw_header header;
        struct hw_slice value;

        code[0] = 0;
        CHECK(client->out.len > HW_HEADER_BYTES && hw_header_parse(client->out.data, &header) == 0);
        if (header.type == HW_MSG_ERROR) {
                const struct hw_slice payload = { client->out.data + HW_HEADER_BYTES, header.length };

                CHECK(hw_payload_one(payload, HW_TAG_CODE, &value) == 0);
                (void)snprintf(code, sizeof code, "%.*s", (int)value.len, (const char *)value.data);
        }
        hw_buffer_free(&client->out);
}

static inline void compiler_answers(enum hw_job_kind kind, uint16_t type, const struct hw_buffer *payload) {
        struct hw_buffer frame = { 0 };
        const size_t begun = hw_frame_begin(&frame, type, 1);
        int ends[2];

        hw_buffer_add(&frame, payload->data, payload->len);
        CHECK(hw_frame_end(&frame, begun) == 0);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        CHECK(hw_write_all(ends[1], frame.data, frame.len) == 0);
        d.jobs.running = (struct hw_job){ .kind = kind, .client = kind == HW_JOB_APPLY ? CLIENT : 0, .request = 1 };
        d.server.clients[0] = (struct hw_client){ .id = CLIENT, .fd = -1 };
        hw_recompile_begins(&d);
        d.jobs.compile.fd = ends[0];
        hw_jobs_compile_ready(&d);
        CHECK(close(ends[1]) == 0);
        if (kind == HW_JOB_APPLY)
                read_answer();
        hw_buffer_free(&frame);
}

static inline void compile_as(enum hw_job_kind kind, struct given g) {
        struct hw_buffer payload = { 0 };

        put_table(&payload, g);
        compiler_answers(kind, HW_MSG_COMPILED, &payload);
        hw_buffer_free(&payload);
}

/* The answer's code, empty where the rule set was taken. */
static inline const char *apply(struct given g) {
        compile_as(HW_JOB_APPLY, g);
        return code;
}

static inline bool taken(struct given g) {
        return apply(g)[0] == 0;
}

static inline bool refused(const char *as, struct given g) {
        return strcmp(apply(g), as) == 0;
}

static inline uint64_t in_a_minute(void) {
        return hw_wall_ms() + 60000;
}

#endif
