/*
 * toy.c - a stage that copies, a feeder and a checker: the runtime seen without any real stage.
 *
 *   toy setup                    loads the functions, makes the data set
 *   toy feed [FRAMES [RECORDS]]  appends frames to every partition, numbering the records of each from 1 (goes on where it was)
 *   toy check                    walks ap:{p}:raw and the copy: same records, same ids, same order, state as they say
 *   TOY_STAGE=normalize toy stage ...   the stage, with the arguments of any stage
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"
#include "common/core/wire.h"
#include "common/io/app.h"
#include "common/io/entry.h"
#include "common/io/fn_load.h"
#include "common/io/redis_set.h"
#include "common/io/runtime.h"

/* --- the stage: its state is an order-sensitive sum of what it saw --- */

struct toy {
	uint64_t n, sum;
	bool changed;
};

static uint64_t mix(uint64_t sum, uint64_t seq)
{
	return (sum ^ seq) * 0x9E3779B97F4A7C15u + 1;
}

static enum ap_stream toy_out = AP_S_TICK;
static uint64_t toy_dies_at;    /* TOY_DIES_AT: the sequence number of a record that kills it */

static void *toy_open(const struct ap_conf *conf, char *err, size_t errlen)
{
	(void)conf, (void)err, (void)errlen;
	return calloc(1, sizeof(struct toy));
}

static enum ap_verdict toy_step(void *st, const struct ap_rec *rec, struct ap_out *out)
{
	struct toy *t = st;

	if (toy_dies_at != 0 && rec->kind == AP_RAW && rec->u.raw.seq == toy_dies_at)
		abort();
	t->n++;
	t->sum = mix(t->sum, rec->kind == AP_RAW ? rec->u.raw.seq : 0);
	t->changed = true;
	ap_out_put(out, toy_out, rec);
	return AP_V_TAKEN;
}

static size_t toy_bound(const void *st, const struct ap_rec *rec)
{
	(void)st, (void)rec;
	return 1;
}

static void toy_save(void *st, struct ap_saver *s, bool all)
{
	struct toy *t = st;

	if (t->changed || all)
		s->put(s, ap_str_c("toy"), ap_str_n((const char *)t, 16));
	t->changed = false;
}

static bool toy_load(void *st, ap_str field, ap_str value)
{
	if (!ap_str_is(field, "toy") || value.len != 16)
		return false;
	memcpy(st, value.p, 16);
	return true;
}

static void toy_count(const void *st, struct ap_counts *c)
{
	c->put(c, "toy_records", AP_M_COUNTER, (double)((const struct toy *)st)->n);
}

static int stage_run(int argc, char **argv)
{
	static struct ap_stage s = { .name = "normalize", .in = AP_S_RAW, .outs = 1u << AP_S_TICK, .open = toy_open, .close = free,
				     .step = toy_step, .bound = toy_bound, .save = toy_save, .load = toy_load, .count = toy_count };
	const char *name = getenv("TOY_STAGE");
	const char *dies = getenv("TOY_DIES_AT");

	toy_dies_at = dies != NULL ? strtoull(dies, NULL, 10) : 0;

	if (name != NULL && strcmp(name, "candle") == 0)
		s = (s.name = name, s.in = AP_S_TICK, toy_out = AP_S_CANDLE, s);
	else if (name != NULL && strcmp(name, "indicators") == 0)
		s = (s.name = name, s.in = AP_S_CANDLE, toy_out = AP_S_INDICATOR, s);
	s.outs = 1u << toy_out;
	return ap_stage_main(&s, argc, argv);
}

/* --- the tools: one command after the other over one connection --- */

struct tool {
	struct ap_app app;
	struct ap_redis_set *set;
	void (*run)(struct tool *t);
	bool started;
	int argc;
	char **argv;
	uint64_t frames, records;       /* feed */
	unsigned waiting;
	uint64_t fed;
};

static void tool_end(struct tool *t, int rc)
{
	t->app.exit_code = rc;
	ev_break(t->app.loop, EVBREAK_ALL);
}

static void up_cb(void *ctx, unsigned first, unsigned last)
{
	struct tool *t = ctx;

	(void)first, (void)last;
	if (t->started || !ap_redis_set_is_up(t->set))
		return;
	t->started = true;
	t->run(t);
}

static void dataset_cb(void *ctx, const char *why)
{
	if (why != NULL)
		fprintf(stderr, "toy: data set: %s\n", why);
	tool_end(ctx, why == NULL ? 0 : 1);
}

static void functions_cb(void *ctx, const char *why)
{
	struct tool *t = ctx;

	if (why != NULL || !ap_dataset_ensure(ap_redis_set_home(t->set), (unsigned)t->app.conf.data_partitions, NULL, dataset_cb, t)) {
		fprintf(stderr, "toy: functions: %s\n", why != NULL ? why : "down");
		tool_end(t, 1);
	}
}

static void setup_run(struct tool *t)
{
	ap_fn_load(ap_redis_set_home(t->set), functions_cb, t);
}

struct feed {
	struct tool *t;
	unsigned p;
	uint64_t left, next;
};

static void feed_more(struct feed *f);

static void fed_cb(void *ctx, const redisReply *reply)
{
	struct feed *f = ctx;
	const char *word = ap_reply_word(reply);

	if (strcmp(word, "OK") != 0 && strcmp(word, "DUP") != 0) {
		/* Lost or refused: the same frame again, the high-water mark tells whether it was taken. */
		fprintf(stderr, "toy: feed: part %u: %s\n", f->p, reply == NULL ? "lost" : *word != '\0' ? word : reply->str);
		tool_end(f->t, 1);
		return;
	}
	f->next += f->t->records;
	f->t->fed += f->t->records;
	f->left--;
	feed_more(f);
}

static void feed_more(struct feed *f)
{
	struct ap_buf b;
	uint64_t n = f->t->records;

	if (f->left == 0) {
		if (--f->t->waiting == 0) {
			printf("%" PRIu64 "\n", f->t->fed);
			tool_end(f->t, 0);
		}
		return;
	}
	ap_buf_init(&b, AP_FRAME_BYTES);
	for (uint64_t i = 0; i < n; i++) {
		struct ap_rec rec = { .kind = AP_RAW };
		rec.u.raw = (struct ap_raw){ ap_str_c("toy"), ap_str_c("BTC-USD"), ap_str_c("trade"),
					     ap_str_c("{\"price\":\"100.25\",\"quantity\":\"0.5\",\"timestamp\":1700000000000}"),
					     ap_now(), f->next + i };
		ap_wire_put(&b, &rec);
	}
	assert(!b.full);
	ap_redis_sendf(ap_redis_set_part(f->t->set, f->p), fed_cb, f, "FCALL ap_append_v1 3 ap:{%u}:raw ap:{%u}:seq ap:{%u}:hw toy %llu %llu 0-0 %llu %llu %b",
		       f->p, f->p, f->p, (unsigned long long)f->next, (unsigned long long)(f->next + n - 1), (unsigned long long)n,
		       (unsigned long long)(ap_now().ns / 1000000), b.p, b.len);
	ap_buf_done(&b);
}

static void mark_cb(void *ctx, const redisReply *reply)
{
	struct feed *f = ctx;

	f->next = reply != NULL && reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) + 1 : 1;
	feed_more(f);
}

static void feed_run(struct tool *t)
{
	static struct feed all[AP_PARTS_MAX];

	t->frames = t->argc > 0 ? strtoull(t->argv[0], NULL, 10) : 100;
	t->records = t->argc > 1 ? strtoull(t->argv[1], NULL, 10) : 10;
	for (unsigned p = 0; p < t->app.conf.data_partitions; p++) {
		all[p] = (struct feed){ t, p, t->frames, 0 };
		t->waiting++;
		ap_redis_sendf(ap_redis_set_part(t->set, p), mark_cb, &all[p], "HGET ap:{%u}:hw toy", p);
	}
}

/* --- check --- */

struct side {
	char key[64], at[AP_ID_TEXT];
	uint64_t entries, records, sum, ids, q;
	const char *wrong;
	bool done;
};

struct check {
	struct tool *t;
	unsigned p;
	struct side raw, copy;
	bool state_ok, state_seen;
};

static void side_ask(struct check *c, struct side *s);

static void entry_walk(struct side *s, const redisReply *reply)
{
	struct ap_wire_iter *it = malloc(sizeof *it);
	struct ap_entry e;
	struct ap_rec rec;
	enum ap_wire_rc rc;

	assert(it != NULL);
	if (!ap_entry_read(reply, NULL, &e) || e.bad != NULL || e.gone || e.q != s->q + 1) {
		s->wrong = "an entry that cannot be read, or a gap";
		free(it);
		return;
	}
	s->q = e.q;
	s->entries++;
	s->ids = mix(mix(s->ids, e.id.ms), e.id.seq);
	ap_wire_start(it, e.body, e.n);
	while ((rc = ap_wire_next(it, &rec)) == AP_WIRE_OK) {
		s->sum = mix(s->sum, rec.u.raw.seq);
		s->records++;
	}
	if (rc != AP_WIRE_END)
		s->wrong = "a body that does not decode";
	snprintf(s->at, sizeof s->at, "(%.*s", (int)e.id_text.len, e.id_text.p);
	free(it);
}

static void state_cb(void *ctx, const redisReply *reply)
{
	struct check *c = ctx;
	struct toy t = { 0 };
	ap_str toy = ap_reply_text(reply, 0);

	if (toy.len == 16)
		memcpy(&t, toy.p, 16);
	bool ok = c->raw.wrong == NULL && c->copy.wrong == NULL && c->raw.records == c->copy.records && c->raw.sum == c->copy.sum
		  && c->raw.ids == c->copy.ids && t.n == c->raw.records && t.sum == c->raw.sum
		  && ap_reply_u64(reply, 1, 0) == c->raw.q && ap_reply_u64(reply, 2, 0) == c->raw.records && ap_reply_u64(reply, 3, 0) == 0;
	printf("part %u: raw %" PRIu64 " records in %" PRIu64 " entries, copy %" PRIu64 " in %" PRIu64 ", state %" PRIu64 ": %s%s%s\n",
	       c->p, c->raw.records, c->raw.entries, c->copy.records, c->copy.entries, t.n, ok ? "same" : "DIFFERENT",
	       c->raw.wrong != NULL ? " raw: " : c->copy.wrong != NULL ? " copy: " : "",
	       c->raw.wrong != NULL ? c->raw.wrong : c->copy.wrong != NULL ? c->copy.wrong : "");
	if (!ok)
		c->t->app.exit_code = 1;
	if (--c->t->waiting == 0)
		ev_break(c->t->app.loop, EVBREAK_ALL);
}

static void side_cb(struct check *c, struct side *s, const redisReply *reply)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY)
		s->wrong = "no answer";
	for (size_t i = 0; s->wrong == NULL && i < reply->elements; i++)
		entry_walk(s, reply->element[i]);
	s->done = s->wrong != NULL || reply->elements == 0;
	if (!s->done)
		side_ask(c, s);
	else if (c->raw.done && c->copy.done)
		ap_redis_sendf(ap_redis_set_part(c->t->set, c->p), state_cb, c, "HMGET ap:{%u}:state:normalize f:toy q n lost", c->p);
}

static void raw_cb(void *ctx, const redisReply *reply)
{
	side_cb(ctx, &((struct check *)ctx)->raw, reply);
}

static void copy_cb(void *ctx, const redisReply *reply)
{
	side_cb(ctx, &((struct check *)ctx)->copy, reply);
}

static void side_ask(struct check *c, struct side *s)
{
	ap_redis_sendf(ap_redis_set_part(c->t->set, c->p), s == &c->raw ? raw_cb : copy_cb, c, "XRANGE %s %s + COUNT 100", s->key, s->at);
}

static void check_run(struct tool *t)
{
	static struct check all[AP_PARTS_MAX];

	for (unsigned p = 0; p < t->app.conf.data_partitions; p++) {
		struct check *c = &all[p];
		*c = (struct check){ .t = t, .p = p, .raw = { .at = "-" }, .copy = { .at = "-" } };
		snprintf(c->raw.key, sizeof c->raw.key, "ap:{%u}:raw", p);
		snprintf(c->copy.key, sizeof c->copy.key, "ap:{%u}:tick", p);
		t->waiting++;
		side_ask(c, &c->raw);
		side_ask(c, &c->copy);
	}
}

static int tool_run(const char *verb, int argc, char **argv)
{
	static const struct ap_app_spec spec = { .name = "toy", .summary = "tests of the runtime", .sections = "redis runtime data",
						 .operands = "VERB [ARG...]" };
	static const struct ap_redis_set_events ev = { up_cb, NULL };
	struct tool t = { .run = strcmp(verb, "setup") == 0 ? setup_run : strcmp(verb, "feed") == 0 ? feed_run : check_run };
	char err[256];

	int rc = ap_app_init(&t.app, &spec, argc, argv);
	if (rc != -1)
		return rc;
	t.app.log.least = AP_WARN;
	t.argc = t.app.argc_rest;
	t.argv = t.app.argv_rest;
	t.set = ap_redis_set_new(t.app.loop, &t.app.log, &t.app.conf, t.run == setup_run ? AP_REDIS_PRIMARY : AP_REDIS_DATASET, &ev, &t, err,
				 sizeof err);
	if (t.set == NULL) {
		fprintf(stderr, "toy: %s\n", err);
		return AP_EX_MISTAKE;
	}
	rc = ap_app_run(&t.app);
	ap_redis_set_free(t.set);
	ap_app_done(&t.app);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: toy setup|feed|check|stage ...\n");
		return AP_EX_MISTAKE;
	}
	if (strcmp(argv[1], "stage") == 0)
		return stage_run(argc - 1, argv + 1);
	return tool_run(argv[1], argc - 1, argv + 1);
}
