/*
 * main_out_read.c - what Redis has not, or has lost, is read back from the journal, in order, until Redis has all there is.
 *
 * A bounded number of records in one turn of the loop, and no more than Redis can be given. Knows nothing of why it was left behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/part.h"
#include "main_out.h"

enum {
	READ_RECS = 4096,                       /* of the journal, in one turn of the loop */
	READ_BYTES = 4 * 1024 * 1024,           /* read and waiting for Redis */
};

void out_join_give_up(struct outlet *o)
{
	if (o->tail == NULL)
		return;
	for (unsigned p = 0; p < o->parts; p++)
		out_wait_for_frames(o, ap_batch_first(o->tail, p));
	ap_batch_free(o->tail);
	o->tail = NULL;
}

void out_to_disk(struct outlet *o, uint64_t from)
{
	out_join_give_up(o);
	if (!o->direct && from >= o->read_next)
		return;
	if (o->direct && o->started) {
		ap_log(&o->app->log, AP_WARN, "redis_left_behind", KV_U("from", from), KV_U("backlog_bytes", appender_backlog(o->out)),
		       KV_S("next", "catch_up_from_journal"));
	}
	ap_journal_reader_free(o->reader);
	o->reader = NULL;
	o->read_next = from;
	o->behind_most = 0;
	o->direct = o->full = false;
}

static void to_direct(struct outlet *o)
{
	if (o->tail != NULL)
		appender_join(o->out, o->tail);
	ap_batch_free(o->tail);
	o->tail = NULL;
	ap_journal_reader_free(o->reader);
	o->reader = NULL;
	o->direct = true;
	ap_log(&o->app->log, AP_INFO, "caught_up", KV_U("number", o->last), KV_U("read", o->n.read), KV_U("waiters_most", o->wait_cap));
}

/* All that is safe has been read. */
static void read_to_end(struct outlet *o)
{
	if (o->read_next > o->last) {
		to_direct(o);
	} else if (o->tail == NULL && out_is_live(o)) {
		o->tail = ap_batch_new(o->parts);
		o->join_at = o->last;
	}
}

static void give(struct outlet *o, const struct ap_journal_rec *j)
{
	struct ap_rec rec;
	unsigned p = 0, end = o->parts;
	uint64_t ticket = out_waited_for(o, j->seq);
	bool given = false;
	int64_t t_ms;

	ap_wire_start(&o->it, j->payload, 1);
	if (ap_wire_next(&o->it, &rec) != AP_WIRE_OK || (rec.kind != AP_RAW && rec.kind != AP_BEAT)) {
		o->n.damaged++;
		ap_log(&o->app->log, AP_ERROR, "journal_record_unreadable", KV_U("number", j->seq), KV_S("next", "pass_over"));
		return;
	}
	t_ms = ap_ts_ms(rec.kind == AP_RAW ? rec.u.raw.recv : rec.u.beat.ts);
	if (rec.kind == AP_RAW) {
		p = ap_part(rec.u.raw.source, rec.u.raw.symbol, o->parts);
		end = p + 1;
	}
	for (; p < end; p++) {
		if (j->seq <= appender_last(o->out, p))
			continue;
		appender_put(o->out, p, j->payload, j->seq, t_ms, ticket);
		given = true;
	}
	o->n.read += given;
}

static void lost(struct outlet *o, const struct ap_journal_loss *l)
{
	o->n.lost += l->records;
	o->read_next = l->first_seq + l->records;
	ap_log(&o->app->log, AP_ERROR, "journal_lost", KV_U("number", l->first_seq), KV_U("records", l->records), KV_U("bytes", l->to - l->from),
	       KV_S("next", "go_on_behind"));
	if (o->kind == OUT_TAPE)
		out_fail(o, AP_EX_AGAIN, "its journal is damaged in the middle; remove it and run this again: the source has it all");
}

/* One record. False: there is none now. */
static bool read_one(struct outlet *o)
{
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;

	ap_journal_reader_limit(o->reader, ap_journal_synced(o->journal));
	switch (ap_journal_read(o->reader, &rec, &loss)) {
	case AP_JOURNAL_READ_REC:
		give(o, &rec);
		o->read_next = rec.seq + 1;
		if (o->tail != NULL && o->read_next > o->join_at)
			to_direct(o);
		return true;
	case AP_JOURNAL_READ_LOSS:
		lost(o, &loss);
		return true;
	case AP_JOURNAL_READ_END:
		read_to_end(o);
		return false;
	case AP_JOURNAL_READ_ERROR:
		break;
	}
	ap_log(&o->app->log, AP_ERROR, "journal_unreadable", KV_S("why", ap_journal_reader_err(o->reader)), KV_S("next", "exit"));
	exit(AP_EX_AGAIN);
}

void out_pump(struct outlet *o)
{
	unsigned n = 0;

	if (o->direct || !o->started || o->dead)
		return;
	while (n < READ_RECS && !o->direct && !o->dead && appender_flows(o->out) && !appender_lags(o->out) &&
	       appender_backlog(o->out) < READ_BYTES) {
		if (o->reader == NULL)
			o->reader = ap_journal_reader_new(o->dir, o->read_next);
		if (o->reader == NULL) {
			ap_log(&o->app->log, AP_ERROR, "journal_unreadable", KV_S("why", strerror(errno)), KV_S("next", "exit"));
			exit(AP_EX_AGAIN);
		}
		if (!read_one(o))
			break;
		n++;
	}
	if (n == READ_RECS)
		ev_timer_start(o->app->loop, &o->more);
	appender_flush(o->out);
}

void out_more_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct outlet *o = w->data;

	(void)loop, (void)revents;
	ev_timer_set(w, 0, 0);
	out_pump(o);
	out_judge(o);
}
