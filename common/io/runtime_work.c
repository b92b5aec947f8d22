/*
 * runtime_work.c - a batch: entries of a reply through the fold, then one write with the commit and the next read.
 */
#include <assert.h>
#include <stdio.h>

#include "../core/timefmt.h"
#include "runtime_part.h"

enum {
	FRAMES_MAX = 1024,              /* outputs of one commit (schema/streams.md) */
	FRAMES_CUT = FRAMES_MAX - AP_FOLD_FRAMES,       /* frames after which the rest of a reply waits for the next commit */
	BYTES_CUT = 16 * 1024 * 1024,   /* bytes of outputs, likewise */
};

static size_t bytes_out(const struct part *p)
{
	size_t bytes = 0;

	for (unsigned s = 0; s < AP_S_N; s++)
		bytes += p->fold.bytes[s].len;
	return bytes;
}

static bool enough(const struct part *p)
{
	return p->fold.n_frames >= FRAMES_CUT || bytes_out(p) >= BYTES_CUT;
}

static void batch_begin(struct part *p)
{
	ap_buf_clear(&p->acks);
	p->n_acks = 0;
	p->next_q = p->q;
	p->next_records = p->next_lost = p->first_q = 0;
	p->bytes_in = 0;
	p->cut = false;
}

static void ack_alone(struct part *p, const struct ap_entry *e)
{
	ap_redis_sendf(p->redis, NULL, NULL, "XACK %s %s %b", p->key_stream[p->rt->stage->in], p->rt->stage->name, e->id_text.p,
		       e->id_text.len);
}

static void entry_step(struct part *p, const struct ap_entry *e)
{
	const char *why = e->bad;
	uint32_t len = (uint32_t)e->id_text.len;

	if (e->bad != NULL)
		ap_fold_poison(&p->fold, e->id, e->body, e->bad);
	else if (alone_wanted(p))
		alone_begin(p, e->id, e->n, e->body);
	else
		ap_fold_entry(&p->fold, e->id, e->n, e->body, &why);
	if (why != NULL)
		ap_log(&p->rt->app.log, AP_ERROR, "bad_frame", KV_U("part", p->p), KV_T("id", e->id_text), KV_S("why", why),
		       KV_S("next", "rejected"));
	ap_buf_put(&p->acks, &len, sizeof len);
	ap_buf_str(&p->acks, e->id_text);
	p->n_acks++;
	if (p->first_q == 0)
		p->first_q = e->q;
	p->next_q = e->q;
	p->next_id = e->id;
	p->next_records += e->n;
	p->bytes_in += e->body.len;
	snprintf(p->next_cursor, sizeof p->next_cursor, "%.*s", (int)e->id_text.len, e->id_text.p);
}

/*
 * An entry that does not follow. True: step it all the same, the loss is proven and counted. The proof is what the stream
 * itself held behind the cursor when the group was placed: that a read brings a gap proves nothing, a zombie's read may have
 * taken what lies between.
 */
static bool gap_taken(struct part *p, const struct ap_entry *e)
{
	uint64_t lost = e->q - p->next_q - 1;

	if (p->n_acks > 0 || e->q != p->first_there)
		return false;
	p->next_lost = lost;
	ap_log(&p->rt->app.log, AP_ERROR, "entries_lost", KV_U("part", p->p), KV_S("stream", ap_stream_name(p->rt->stage->in)),
	       KV_U("after_q", p->q), KV_U("entries", lost),
	       KV_S("why", p->fresh ? "trimmed_before_this_stage_began" : "trimmed_or_deleted"), KV_S("next", "go_on"));
	return true;
}

/* Sends the commit's arguments. The order is that of schema/streams.md. */
static void commit_args(struct part *p, const bool *used, size_t n_used)
{
	const struct ap_fold *f = &p->fold;
	struct ap_redis *r = p->redis;
	size_t which[AP_S_N] = { 0 }, pos = 0, n = 0;
	ap_str text;

	ap_redis_arg(r, ap_str_c("FCALL"));
	ap_redis_arg(r, ap_str_c("ap_commit_v1"));
	ap_redis_arg_u64(r, 4 + n_used);
	const char *const keys[] = { p->key_own, p->key_state, p->key_seq, p->key_stream[p->rt->stage->in] };
	for (size_t i = 0; i < 4; i++)
		ap_redis_arg(r, ap_str_c(keys[i]));
	for (unsigned s = 0; s < AP_S_N; s++) {
		if (used[s]) {
			ap_redis_arg(r, ap_str_c(p->key_stream[s]));
			which[s] = ++n;
		}
	}
	ap_redis_arg(r, ap_str_c(p->token));
	ap_redis_arg_u64(r, p->epoch);
	ap_redis_arg(r, ap_str_c(p->rt->stage->name));
	ap_redis_arg(r, ap_str_c(p->cursor));
	ap_redis_arg_u64(r, p->q);
	ap_redis_arg(r, ap_str_c(p->next_cursor));
	ap_redis_arg_u64(r, p->next_q);
	ap_redis_arg_u64(r, p->next_records);
	ap_redis_arg_u64(r, p->first_q);
	ap_redis_arg_u64(r, p->next_lost);
	ap_redis_arg_u64(r, p->n_acks);
	while (ap_fold_text(&p->acks, &pos, &text))
		ap_redis_arg(r, text);
	ap_redis_arg_u64(r, f->n_frames);
	for (size_t i = 0; i < f->n_frames; i++) {
		const struct ap_frame *fr = &f->frames[i];
		char id[AP_ID_TEXT];
		ap_redis_arg_u64(r, which[fr->to]);
		ap_redis_arg(r, ap_str_c(ap_stream_name(fr->to)));
		ap_redis_arg(r, ap_str_n(id, ap_id_format(fr->id, id)));
		ap_redis_arg_u64(r, fr->n);
		ap_redis_arg_u64(r, fr->t_ms);
		ap_redis_arg(r, ap_fold_body(f, fr));
		ap_redis_arg_u64(r, fr->to == AP_S_LIVE ? p->rt->app.conf.runtime_live_max : 0);
	}
	ap_redis_arg_u64(r, f->n_sets);
	for (pos = 0; ap_fold_text(&f->sets, &pos, &text);)
		ap_redis_arg(r, text);
	ap_redis_arg_u64(r, f->n_dels);
	for (pos = 0; ap_fold_text(&f->dels, &pos, &text);)
		ap_redis_arg(r, text);
}

static void commit_taken(struct part *p)
{
	int64_t now_ms = ap_now().ns / 1000000;

	memcpy(p->cursor, p->next_cursor, sizeof p->cursor);
	p->q = p->next_q;
	p->taken += p->next_records;
	p->fresh = p->survived = false;
	alone_committed(p);
	p->attempt = 0;
	p->m.commits++;
	p->m.lost += p->next_lost;
	ap_hist_add(&p->m.commit_us, (uint64_t)(ap_mono_ns() - p->sent_ns) / 1000);
	/* A clock behind Redis's would give a negative age. */
	ap_hist_add(&p->m.age_ms, now_ms > (int64_t)p->next_id.ms ? (uint64_t)(now_ms - (int64_t)p->next_id.ms) : 0);
	if (p->next_beat.ns > 0)
		ap_hist_add(&p->m.beat_ms, now_ms > ap_ts_ms(p->next_beat) ? (uint64_t)(now_ms - ap_ts_ms(p->next_beat)) : 0);
	/* Once a second is too seldom for one that takes many: whoever reads behind it may have stopped meanwhile. */
	p->since_room += p->next_records;
	if (p->since_room > p->rt->app.conf.runtime_stream_max / 4)
		part_ask_room(p);
	part_event(p, p->read_behind ? AP_R_COMMITTED : AP_R_FULL);
}

static void commit_cb(void *ctx, const redisReply *reply)
{
	struct part *p = ctx;
	const char *word = ap_reply_word(reply);

	/* NULL: the connection's own `down` follows. Other states: what an earlier life of this partition had sent. */
	if (reply == NULL || p->state != AP_R_COMMITTING)
		return;
	if (strcmp(word, "OK") == 0)
		commit_taken(p);
	else
		part_refused(p, "commit", reply->type == REDIS_REPLY_ERROR ? reply->str : word);
}

static void commit_send(struct part *p)
{
	struct ap_fold *f = &p->fold;
	bool used[AP_S_N] = { false };
	size_t n_used = 0;

	p->next_beat = f->live_beat;
	size_t bytes = bytes_out(p) > p->bytes_in ? bytes_out(p) : p->bytes_in;
	p->entry_bytes = (3 * p->entry_bytes + bytes / p->n_acks) / 4;
	ap_fold_save(f, false);
	for (size_t i = 0; i < f->n_frames; i++) {
		n_used += !used[f->frames[i].to];
		used[f->frames[i].to] = true;
	}
	size_t argc = 3 + 4 + n_used + 11 + p->n_acks + 1 + 7 * f->n_frames + 1 + 2 * f->n_sets + 1 + f->n_dels;
	p->sent_ns = ap_mono_ns();
	if (ap_redis_begin(p->redis, argc)) {
		commit_args(p, used, n_used);
		ap_redis_end(p->redis, commit_cb, p, 0);
	}
	ap_fold_clear(f);
}

/* What was read beyond the cut comes again when the group is set back to the new cursor. */
static void group_set_back(struct part *p)
{
	ap_redis_sendf(p->redis, NULL, NULL, "XGROUP SETID %s %s %s ENTRIESREAD %llu", p->key_stream[p->rt->stage->in],
		       p->rt->stage->name, p->next_cursor, (unsigned long long)p->next_q);
}

/* Steps what follows. False: a gap at the very beginning. */
static bool entries_step(struct part *p, const redisReply *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ap_entry e;
		if (!ap_entry_read(entries->element[i], ap_stream_name(p->rt->stage->in), &e))
			continue;
		if (e.gone || e.foreign || e.q <= p->next_q) {
			/* Done before, or nothing we could do: only the group's list is to be cleaned. */
			*(e.gone ? &p->m.gone : e.foreign ? &p->m.foreign : &p->m.duplicates) += 1;
			if (e.gone || e.foreign || e.q <= p->q)
				ack_alone(p, &e);
			continue;
		}
		if (e.q != p->next_q + 1 && !gap_taken(p, &e)) {
			p->cut = p->n_acks > 0;
			return p->cut;
		}
		entry_step(p, &e);
		if ((enough(p) || p->alone.on) && i + 1 < n) {
			p->cut = true;
			return true;
		}
	}
	return true;
}

/* The batch is stepped: commit, and what is to be read behind it. */
static void batch_end(struct part *p)
{
	p->read_behind = !p->full;
	if (p->n_acks > 0)
		commit_send(p);
	if (p->cut)
		group_set_back(p);
	if (p->read_behind)
		part_read(p);
	if (p->n_acks == 0)
		part_event(p, p->read_behind ? AP_R_COMMITTED : AP_R_FULL);
}

void part_work(struct part *p, const redisReply *entries, size_t n)
{
	batch_begin(p);
	if (ap_mono_ns() >= p->lease_ns) {
		part_event(p, AP_R_EXPIRED);
		return;
	}
	bool steps = entries_step(p, entries, n);

	if (p->alone.on)
		return;         /* its marks are on their way; the end of the entry comes back to part_commit_alone */
	p->survived = true;
	if (!steps) {
		part_refused(p, "read", "gap");
		return;
	}
	batch_end(p);
}

void part_commit_alone(struct part *p)
{
	p->survived = true;
	batch_end(p);
}
