/*
 * main_replay.c - a file as a source: its content is its name, an item's place on the tape its sequence number.
 *
 * What Redis says is already there is left out, so a second run adds nothing and one that was killed goes on where it
 * stopped. Two passes over the file: the first for the name.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/core/part.h"
#include "common/core/recjson.h"
#include "common/io/file.h"
#include "main.h"
#include "replay.h"
#include "split.h"

enum {
	READ_BYTES = 64 * 1024,
	START_S = 10,                   /* longest wait for Redis at the start */
	AWAY_S = 60,                    /* and later */
	SAY_S = 10,                     /* a line of progress */
};

struct replay {
	struct ap_app *app;
	struct infile *in;
	struct ap_tape *tape;
	struct ap_split split;
	struct outlet *out;
	struct ap_batch *frames;        /* --file: no Redis, one partition */
	struct ap_buf wire;             /* and there: a record's bytes */
	ap_id last;
	unsigned parts;
	ev_idle pump;
	ev_timer away, say, pace;
	double speed;                   /* times as fast as it happened; 0: as fast as it goes */
	int64_t pace_tape_ns, pace_mono_ns;     /* where pacing began */
	int64_t start_mono_ns;
	bool close, started, ended, failed;
	uint64_t records, already, beats, beats_put, bytes;
	char err[256];
	char buf[READ_BYTES];
};

/* --- items ------------------------------------------------------------------------------------- */

static void file_frames(struct replay *r, bool all);

static void put_frame(struct replay *r, const struct ap_tape_item *i)
{
	ap_buf_clear(&r->wire);
	if (!ap_wire_put(&r->wire, i->rec) || !ap_batch_put(r->frames, 0, ap_buf_view(&r->wire), i->place, i->t_ms, 0)) {
		r->failed = true;
		snprintf(r->err, sizeof r->err, "no memory");
	}
	file_frames(r, false);
}

static void on_item(void *ctx, const struct ap_tape_item *i)
{
	struct replay *r = ctx;
	struct ap_rec rec = *i->rec;
	bool put = true;

	if (r->frames != NULL)
		put_frame(r, i);
	else
		put = outlet_put_at(r->out, i->place, i->everywhere ? OUT_ALL : (int)ap_part(rec.u.raw.source, rec.u.raw.symbol, r->parts), &rec,
				    i->t_ms);
	if (i->everywhere) {
		r->beats++;
		r->beats_put += put;
	} else {
		r->records++;
		r->already += !put;
	}
}

static void on_line(void *ctx, ap_str line, bool cut)
{
	struct replay *r = ctx;

	ap_tape_line(r->tape, line, cut, on_item, r);
}

/* --- the file's name -------------------------------------------------------------------------------- */

/* "replay:" and XXH3-128 of what the options mean and of the unpacked content. */
static bool name_file(struct replay *r, char out[48])
{
	XXH3_state_t *st = XXH3_createState();
	XXH128_canonical_t c;
	struct ap_buf meaning;
	long n = -1;

	ap_buf_init(&meaning, 4096);
	ap_tape_meaning(r->tape, &meaning);
	if (st != NULL && XXH3_128bits_reset(st) == XXH_OK && !meaning.full) {
		XXH3_128bits_update(st, meaning.p, meaning.len);
		while ((n = infile_read(r->in, r->buf, sizeof r->buf, r->err, sizeof r->err)) > 0)
			XXH3_128bits_update(st, r->buf, (size_t)n);
	}
	if (n == 0) {
		XXH128_canonicalFromHash(&c, XXH3_128bits_digest(st));
		memcpy(out, "replay:", 8);
		for (unsigned i = 0; i < 16; i++)
			snprintf(out + 7 + 2 * i, 3, "%02x", c.digest[i]);
		r->failed = !infile_rewind(r->in, r->err, sizeof r->err);
	} else {
		r->failed = true;
	}
	ap_buf_done(&meaning);
	XXH3_freeState(st);
	return !r->failed;
}

/* --- reading ------------------------------------------------------------------------------------------ */

static void stop(struct replay *r, int code, const char *why)
{
	if (why != NULL)
		snprintf(r->err, sizeof r->err, "%s", why);
	r->app->exit_code = code;
	ev_break(r->app->loop, EVBREAK_ALL);
}

/* One piece of the file. */
static void read_piece(struct replay *r)
{
	long n = infile_read(r->in, r->buf, sizeof r->buf, r->err, sizeof r->err);

	if (n > 0) {
		r->bytes += (uint64_t)n;
		ap_split_feed(&r->split, r->buf, (size_t)n, on_line, r);
		return;
	}
	r->ended = true;
	r->failed = r->failed || n < 0;
	if (n == 0) {
		ap_split_end(&r->split, on_line, r);
		ap_tape_end(r->tape, r->close, on_item, r);
	}
}

/* How long to wait so that the tape runs at its speed; what is there already is not waited for. */
static double pace_wait_s(struct replay *r)
{
	int64_t tape_ns = ap_tape_now(r->tape).ns, mono_ns = ap_mono_ns();
	bool idle = r->records == r->already;

	if (r->speed <= 0 || tape_ns == 0)
		return 0;
	if (r->pace_tape_ns == 0 || idle) {
		r->pace_tape_ns = tape_ns;
		r->pace_mono_ns = mono_ns;
		return 0;
	}
	return (double)(tape_ns - r->pace_tape_ns) / 1e9 / r->speed - (double)(mono_ns - r->pace_mono_ns) / 1e9;
}

static void pump_on(struct replay *r, bool on)
{
	if (on && r->started && !r->ended && !outlet_held(r->out) && !ev_is_active(&r->pace))
		ev_idle_start(r->app->loop, &r->pump);
	else
		ev_idle_stop(r->app->loop, &r->pump);
}

static void maybe_done(struct replay *r)
{
	if (r->failed)
		stop(r, AP_EX_MISTAKE, NULL);
	else if (r->ended && outlet_empty(r->out))
		stop(r, AP_EX_OK, NULL);
}

static void pump_cb(struct ev_loop *loop, ev_idle *w, int revents)
{
	struct replay *r = w->data;
	double wait_s;

	(void)revents;
	read_piece(r);
	outlet_flush(r->out);
	wait_s = pace_wait_s(r);
	if (wait_s > 0 && !r->ended) {
		ev_timer_set(&r->pace, wait_s > 0.2 ? 0.2 : wait_s, 0);
		ev_timer_start(loop, &r->pace);
	}
	pump_on(r, true);
	maybe_done(r);
}

static void pace_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct replay *r = w->data;
	double wait_s = pace_wait_s(r);

	(void)revents;
	if (wait_s > 0) {
		ev_timer_set(w, wait_s > 0.2 ? 0.2 : wait_s, 0);
		ev_timer_start(loop, w);
		return;
	}
	pump_on(r, true);
}

/* --- what the appender tells ------------------------------------------------------------------------------ */

static void on_ready(void *ctx)
{
	struct replay *r = ctx;

	r->started = true;
	r->start_mono_ns = ap_mono_ns();
}

static void on_up(void *ctx)
{
	struct replay *r = ctx;

	ev_timer_stop(r->app->loop, &r->away);
	pump_on(r, true);
}

static void on_down(void *ctx)
{
	struct replay *r = ctx;

	if (ev_is_active(&r->away))
		return;
	ev_timer_set(&r->away, AWAY_S, 0);
	ev_timer_start(r->app->loop, &r->away);
}

static void away_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	stop(w->data, AP_EX_AGAIN, "Redis is away, or is not set up; run it again to go on where it stopped");
}

static void on_moved(void *ctx)
{
	maybe_done(ctx);
}

static void on_failed(void *ctx, int code, const char *why)
{
	stop(ctx, code, why);
}

static void on_held(void *ctx, bool held)
{
	pump_on(ctx, !held);
}

static void say_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct replay *r = w->data;

	(void)loop, (void)revents;
	ap_log(&r->app->log, AP_INFO, "replaying", KV_U("records", r->records), KV_U("already", r->already), KV_U("read_bytes", r->bytes),
	       KV_U("lag_records", outlet_appended(r->out)->lag_max), KV_S("held", outlet_held(r->out) ? "yes" : "no"));
}

static void on_stop(struct ap_app *app)
{
	stop(app->ctx, AP_EX_AGAIN, "stopped before the end; run it again to go on where it stopped");
}

/* --- ending ---------------------------------------------------------------------------------------------------- */

static int finish(struct replay *r, const char *path, int rc, int64_t mono_ns)
{
	FILE *to = r->frames != NULL ? stderr : stdout;
	double s = (double)(mono_ns - r->start_mono_ns) / 1e9;
	struct ap_buf b;

	if (rc != AP_EX_OK) {
		fprintf(stderr, "ap-ingest: %s\n", r->err);
		return rc;
	}
	ap_buf_init(&b, 1 << 16);
	ap_buf_puts(&b, "{\"file\":");
	ap_json_string(&b, ap_str_c(path));
	ap_buf_printf(&b,
		      ",\"records\":%" PRIu64 ",\"appended\":%" PRIu64 ",\"already\":%" PRIu64 ",\"beats\":%" PRIu64 ",\"beats_appended\":%" PRIu64
		      ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f,\"records_per_s\":%.0f",
		      r->records, r->records - r->already, r->already, r->beats, r->beats_put, r->bytes, s,
		      s > 0 ? (double)r->records / s : 0);
	if (r->out != NULL)
		ap_buf_printf(&b, ",\"producer\":\"%s\"", outlet_producer(r->out));
	ap_buf_puts(&b, "}\n");
	fwrite(b.p, 1, b.len, to);
	ap_buf_done(&b);
	return fflush(to) == 0 ? AP_EX_OK : AP_EX_AGAIN;
}

/* --- without Redis ------------------------------------------------------------------------------------------------ */

/* Writes full frames (all: every frame) to standard output, with ids made as ap_append_v1 makes them, tape time for clock. */
static void file_frames(struct replay *r, bool all)
{
	struct ap_file_frame out = { .stream = AP_S_RAW };
	struct ap_frame *f;

	while (!r->failed && ap_batch_bytes(r->frames) > (all ? 0 : 2 * AP_FRAME_BYTES) && (f = ap_batch_head(r->frames, 0, UINT64_MAX)) != NULL) {
		uint64_t ms = f->t_ms > 0 ? (uint64_t)f->t_ms : 0;

		r->last = ms > r->last.ms ? (ap_id){ ms, 0 } : (ap_id){ r->last.ms, r->last.seq + AP_ID_STEP };
		out.id = r->last;
		out.n = f->n;
		out.t_ms = ms;
		out.body = ap_buf_view(&f->body);
		if (!ap_file_write(stdout, &out)) {
			r->failed = true;
			snprintf(r->err, sizeof r->err, "standard output: %s", strerror(errno));
		}
		ap_batch_pop(r->frames, 0);
	}
}

static int run_file(struct replay *r)
{
	ap_app_signals_plain(r->app);
	r->parts = 1;
	r->last = (ap_id){ 1, 0 };
	r->start_mono_ns = ap_mono_ns();
	ap_buf_init(&r->wire, AP_FRAME_BYTES);
	r->frames = ap_batch_new(1);
	if (r->frames == NULL)
		return AP_EX_AGAIN;
	while (!r->ended && !r->failed)
		read_piece(r);
	file_frames(r, true);
	return r->failed || fflush(stdout) != 0 ? AP_EX_MISTAKE : AP_EX_OK;
}

/* --- with Redis ------------------------------------------------------------------------------------------------------ */

static int run_redis(struct replay *r)
{
	static const struct outlet_events ev = { .ready = on_ready, .up = on_up, .down = on_down, .moved = on_moved, .held = on_held,
						 .failed = on_failed };
	struct ev_loop *loop = r->app->loop;
	char name[48];

	if (!name_file(r, name))
		return AP_EX_MISTAKE;
	r->parts = (unsigned)r->app->conf.data_partitions;
	r->out = outlet_new(r->app, OUT_TAPE, name, &ev, r, r->err, sizeof r->err);
	if (r->out == NULL)
		return AP_EX_MISTAKE;
	r->app->ctx = r;
	r->app->on_stop = on_stop;
	ev_idle_init(&r->pump, pump_cb);
	ev_timer_init(&r->pace, pace_cb, 0, 0);
	ev_timer_init(&r->away, away_cb, START_S, 0);
	ev_timer_init(&r->say, say_cb, SAY_S, SAY_S);
	r->pump.data = r->pace.data = r->away.data = r->say.data = r;
	ev_timer_start(loop, &r->away);
	ev_timer_start(loop, &r->say);
	int rc = ap_app_run(r->app);
	if (rc == AP_EX_OK)
		outlet_end(r->out);
	ev_idle_stop(loop, &r->pump);
	ev_timer_stop(loop, &r->pace);
	ev_timer_stop(loop, &r->away);
	ev_timer_stop(loop, &r->say);
	return rc;
}

static bool options_read(struct replay *r, const char **path)
{
	const struct ap_app *app = r->app;
	const char *speed = ap_app_flag(app, "speed");
	struct ap_tape_spec spec = { ap_app_flag(app, "format"), ap_app_flag(app, "columns"), ap_app_flag(app, "source"),
				     ap_app_flag(app, "symbol") };
	char *end = NULL;

	*path = ap_app_flag(app, "replay");
	r->close = ap_app_flag(app, "close") != NULL;
	if (speed != NULL && strcmp(speed, "max") != 0) {
		r->speed = strtod(speed, &end);
		if (*end != '\0' || !(r->speed > 0) || r->speed > 1e9) {
			snprintf(r->err, sizeof r->err, "--speed '%.40s': max, or how many times as fast as it happened", speed);
			return false;
		}
	}
	r->tape = ap_tape_new(&spec, r->err, sizeof r->err);
	if (r->tape == NULL)
		return false;
	ap_split_init(&r->split, ap_tape_line_max(r->tape), ap_tape_by_lines(r->tape));
	r->in = infile_open(*path, r->err, sizeof r->err);
	return r->in != NULL;
}

int replay_main(struct ap_app *app)
{
	struct replay *r = calloc(1, sizeof *r);
	const char *path = "";
	int rc = AP_EX_MISTAKE;

	if (r == NULL)
		return AP_EX_AGAIN;
	r->app = app;
	if (options_read(r, &path))
		rc = ap_app_flag(app, "file") != NULL ? run_file(r) : run_redis(r);
	rc = finish(r, path, rc, ap_mono_ns());
	outlet_free(r->out);
	ap_batch_free(r->frames);
	if (r->in != NULL)
		infile_close(r->in);
	if (r->tape != NULL)
		ap_split_done(&r->split);
	ap_tape_free(r->tape);
	ap_buf_done(&r->wire);
	free(r);
	return rc;
}
