/*
 * entry.c - stream entries out of replies. The layout is in schema/streams.md.
 */
#include "entry.h"

#include "../core/timefmt.h"

static bool digits(ap_str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > 18)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*out = v;
	return true;
}

static ap_str text_of(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? ap_str_n(r->str, r->len) : (ap_str){ NULL, 0 };
}

static void fields_read(const redisReply *f, const char *want, struct ap_entry *e)
{
	static const char names[6] = { 'v', 'k', 'q', 'n', 't', 'b' };
	ap_str val[6] = { { NULL, 0 } };
	uint64_t v = 0, n = 0;

	for (size_t i = 0; i + 1 < f->elements; i += 2) {
		ap_str name = text_of(f->element[i]);
		const char *at = name.len == 1 ? memchr(names, name.p[0], sizeof names) : NULL;
		if (at != NULL)
			val[at - names] = text_of(f->element[i + 1]);
	}
	e->kind = val[1];
	e->body = val[5];
	e->foreign = !digits(val[2], &e->q) || e->q == 0;
	if (!digits(val[0], &v) || v != AP_WIRE_V)
		e->bad = "version";
	else if (want != NULL && !ap_str_is(e->kind, want))
		e->bad = "kind";
	else if (!digits(val[3], &n) || n == 0 || n > AP_FRAME_RECS)
		e->bad = "record count";
	else if (!digits(val[4], &e->t_ms))
		e->bad = "event time";
	else if (e->body.len == 0 || e->body.len > AP_FRAME_BYTES)
		e->bad = "body length";
	e->n = (uint32_t)n;
}

bool ap_entry_read(const redisReply *reply, const char *want, struct ap_entry *out)
{
	*out = (struct ap_entry){ .bad = NULL };
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
		return false;
	out->id_text = text_of(reply->element[0]);
	if (!ap_id_parse(out->id_text, &out->id))
		return false;
	const redisReply *f = reply->element[1];
	if (f->type == REDIS_REPLY_NIL) {
		out->gone = true;
		return true;
	}
	if (f->type != REDIS_REPLY_ARRAY)
		return false;
	fields_read(f, want, out);
	return true;
}

const redisReply *ap_entries_of(const redisReply *reply, size_t *n)
{
	*n = 0;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
		return NULL;
	const redisReply *s = reply->element[0];
	if (s->type != REDIS_REPLY_ARRAY || s->elements != 2 || s->element[1]->type != REDIS_REPLY_ARRAY)
		return NULL;
	*n = s->element[1]->elements;
	return *n == 0 ? NULL : s->element[1];
}
