/*
 * main_out_journal.c - an outlet's journal: opening it, what it tells, and deleting from it what is stored elsewhere.
 *
 * What a journal is and how it is written is common/io/journal.h's; what its numbers mean in Redis is main_out_start.c's.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main_out.h"

static const double TRIM_S = 10, SHORT_S = 1;   /* how often is asked what may be deleted: usually, and with no room left */

/* The segment that is written to cannot be deleted, so alone it is never too large. */
static bool is_over(const struct outlet *o)
{
	struct ap_journal_counts n;

	ap_journal_count(o->journal, &n);
	return o->app->conf.journal_max_mb > 0 && n.disk_bytes >> 20 >= o->app->conf.journal_max_mb && n.segments > 1;
}

/* There is no room: look what may go. */
static void trim_soon(struct outlet *o)
{
	if (o->trim == NULL)
		return;
	ev_timer_stop(o->app->loop, &o->trim_timer);
	ev_timer_set(&o->trim_timer, 0, 0);
	ev_timer_start(o->app->loop, &o->trim_timer);
}

/* --- what it tells ---------------------------------------------------------------------------- */

static void on_synced(void *ctx, uint64_t seq)
{
	struct outlet *o = ctx;
	bool over = is_over(o);

	if (over && !o->disk_over)
		trim_soon(o);
	o->disk_over = over;
	appender_safe(o->out, seq);
	out_pump(o);
	out_judge(o);
	appender_flush(o->out);
	if (o->ev.moved != NULL)
		o->ev.moved(o->ctx);
}

static void on_state(void *ctx, enum ap_journal_state s, const char *why)
{
	struct outlet *o = ctx;

	ap_log(&o->app->log, s == AP_JOURNAL_GOOD ? AP_INFO : AP_ERROR, s == AP_JOURNAL_GOOD ? "journal_good" : s == AP_JOURNAL_FULL ? "journal_full" : "journal_failed",
	       KV_S("why", why), KV_S("next", s == AP_JOURNAL_GOOD ? "go_on" : s == AP_JOURNAL_FULL ? "hold_sources" : "exit"));
	if (s == AP_JOURNAL_FAILED)
		exit(AP_EX_AGAIN);
	if (s == AP_JOURNAL_FULL)
		trim_soon(o);
	out_judge(o);
}

/* --- deleting ----------------------------------------------------------------------------------- */

/* What is confirmed goes when its time is over; at once when there is no room for more. */
static void on_confirmed(void *ctx, uint64_t confirmed)
{
	struct outlet *o = ctx;
	bool room = ap_journal_state(o->journal) == AP_JOURNAL_GOOD && !o->disk_over;
	ap_ts now = ap_now();

	if (!room)
		now.ns += (int64_t)o->app->conf.journal_retain_h * 3600 * 1000000000;
	ap_journal_trim(o->journal, confirmed, now);
}

/* Everything of a partition with a number up to this one is in its stream: one that nothing comes for holds nobody up. */
static uint64_t lane_upto(const struct outlet *o, unsigned p)
{
	const struct ap_frame *f = appender_first(o->out, p);
	uint64_t next = o->direct ? o->last + 1 : o->read_next;

	return f != NULL && f->n > 0 && ap_frame_first_seq(f) <= next ? ap_frame_first_seq(f) - 1 : next - 1;
}

void out_trim_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct outlet *o = w->data;

	(void)revents;
	o->disk_over = is_over(o);
	out_judge(o);
	for (unsigned p = 0; p < o->parts && appender_flows(o->out); p++)
		trim_mark(o->trim, p, appender_last_id(o->out, p), lane_upto(o, p), true);
	trim_ask(o->trim);
	ev_timer_set(w, o->disk_over || ap_journal_state(o->journal) != AP_JOURNAL_GOOD ? SHORT_S : TRIM_S, 0);
	ev_timer_start(loop, w);
}

void out_trim_start(struct outlet *o)
{
	o->trim = trim_new(o->app, appender_redis(o->out), on_confirmed, o);
	if (o->trim == NULL) {
		out_fail(o, AP_EX_AGAIN, "no memory");
		return;
	}
	ev_timer_set(&o->trim_timer, SHORT_S, 0);
	ev_timer_start(o->app->loop, &o->trim_timer);
}

/* --- the word it leaves -------------------------------------------------------------------------- */

static void word_path(const struct outlet *o, char *out, size_t cap)
{
	snprintf(out, cap, "%s/published", o->dir);
}

/* It was about what the journal held then. */
static void word_take_back(const struct outlet *o)
{
	char path[720];

	word_path(o, path, sizeof path);
	(void)unlink(path);
}

/* For whoever looks after the journal from now on: what Redis has of each partition. */
void out_word_leave(const struct outlet *o)
{
	char path[720], fresh[730];
	FILE *f;
	bool ok;

	word_path(o, path, sizeof path);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	f = fopen(fresh, "we");
	if (f == NULL)
		return;         /* then it is looked through once more */
	for (unsigned p = 0; p < o->parts; p++)
		fprintf(f, "%" PRIu64 "\n", appender_appended(o->out, p));
	ok = ferror(f) == 0;
	if (fclose(f) == 0 && ok)
		(void)rename(fresh, path);
}

/* --- opening ------------------------------------------------------------------------------------ */

static void log_report(struct outlet *o, const struct ap_journal_report *r)
{
	bool bad = r->lost_records > 0 || r->lost_bytes > 0 || r->set_aside > 0;

	ap_log(&o->app->log, bad ? AP_ERROR : AP_INFO, bad ? "journal_damaged" : "journal_open", KV_S("producer", appender_producer(o->out)),
	       KV_U("segments", r->segments), KV_U("bytes", r->bytes), KV_U("last", r->last_seq), KV_U("torn_bytes", r->torn_bytes),
	       KV_U("lost_records", r->lost_records), KV_U("lost_bytes", r->lost_bytes), KV_U("set_aside", r->set_aside));
}

static bool journal_open(struct outlet *o, struct ap_journal_report *rep)
{
	static const struct ap_journal_events ev = { on_synced, on_state };
	const struct ap_conf *c = &o->app->conf;
	const struct ap_journal_conf jc = {
		.dir = o->dir,
		.dataset = ap_redis_dataset(ap_redis_set_home(appender_redis(o->out))),
		.producer = appender_producer(o->out),
		.segment_bytes = c->journal_segment_mb << 20,
		.min_free_bytes = c->journal_min_free_mb << 20,
		.held_max = HELD_BYTES + HELD_ROOM,
		.group_ms = (unsigned)c->journal_group_ms,
		.retain_ms = c->journal_retain_h * 3600000,
	};

	o->journal = ap_journal_open(o->app->loop, &o->app->log, &jc, &ev, o, rep);
	return o->journal != NULL;
}

/* Somebody else writes the journal: the lease is no use without it. */
static void journal_refused(struct outlet *o, const struct ap_journal_report *rep)
{
	if (rep->locked && o->lease != NULL) {
		lease_wait(o->lease);
		if (!o->standing_by) {
			o->standing_by = true;
			ap_log(&o->app->log, AP_INFO, "standby", KV_S("why", rep->err), KV_S("next", "wait"));
			o->ev.standby(o->ctx, false);
		}
		return;
	}
	ap_log(&o->app->log, AP_ERROR, "journal_refused", KV_S("why", rep->err), KV_S("next", "exit"));
	out_fail(o, rep->foreign ? AP_EX_MISTAKE : AP_EX_AGAIN, rep->err);
}

/* A journal that can be written again from its source begins anew. */
static void journal_wipe(struct outlet *o)
{
	DIR *d = opendir(o->dir);
	const struct dirent *e;

	ap_log(&o->app->log, AP_WARN, "journal_begins_anew", KV_S("dir", o->dir), KV_S("why", "its end is damaged, and the source has it all"));
	ap_journal_free(o->journal);
	o->journal = NULL;
	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);

		if (n > 4 && strcmp(e->d_name + n - 4, ".apj") == 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d != NULL)
		closedir(d);
}

/*
 * Numbers go on above all that Redis has seen, so that none is given out twice. A tape's numbers are its places: they go on
 * right behind the journal's; where there is no journal any more, behind what every partition has.
 */
bool out_journal_start(struct outlet *o, uint64_t least, uint64_t most)
{
	struct ap_journal_report rep = { 0 };
	bool whole = false;

	for (int try = 0; try < 2 && !whole; try++) {
		if (!journal_open(o, &rep)) {
			journal_refused(o, &rep);
			return false;
		}
		log_report(o, &rep);
		word_take_back(o);
		whole = o->kind != OUT_TAPE || (ap_journal_last(o->journal) == rep.last_seq && rep.lost_records == 0 && rep.set_aside == 0);
		if (!whole && try == 0)
			journal_wipe(o);
		else if (try == 0)
			ap_journal_raise(o->journal, out_is_live(o) ? most : o->kind == OUT_TAPE ? least : 0);
	}
	o->last = rep.last_seq;
	appender_safe(o->out, ap_journal_synced(o->journal));
	o->direct = least >= o->last;
	if (!o->direct) {
		o->read_next = least + 1;
		ap_log(&o->app->log, AP_INFO, "republishing", KV_U("from", o->read_next), KV_U("to", o->last));
	}
	return true;
}
