/*
 * post.c - one request, its messages, their fates.
 */
#include "post.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../common/core/recjson.h"
#include "../../common/core/symbol.h"
#include "../../common/core/timefmt.h"

/* Fields of `data`, and the names they have in the pipeline's own NDJSON. */
static const struct field {
	const char *in, *out;
} fields[] = {
	{ "price", "price" }, { "quantity", "quantity" }, { "volume", "quantity" }, { "qty", "quantity" },
	{ "timestamp", "timestamp" }, { "trade_id", "trade_id" }, { "side", "side" },
	{ "bid", "bid" }, { "bid_size", "bid_size" }, { "ask", "ask" }, { "ask_size", "ask_size" }, { "seq", "seq" },
};

static bool put_scalar(struct ap_buf *b, const struct ap_json *j, uint32_t at)
{
	const struct ap_jtok *t = &j->tok[at];
	if (t->type == AP_J_OBJ || t->type == AP_J_ARR)
		return false;
	bool quoted = t->type == AP_J_STR;
	if (quoted)
		ap_buf_putc(b, '"');
	ap_buf_str(b, ap_str_n(j->text + t->off, t->len));
	if (quoted)
		ap_buf_putc(b, '"');
	return true;
}

/* {"price":..} of data as members of the line; false with the field's name in *which. */
static bool put_data(struct ap_buf *b, const struct ap_json *j, uint32_t data, const char **which)
{
	const char *seen = "";
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		uint32_t at = ap_json_get(j, data, fields[i].in);
		if (at == 0 || strcmp(seen, fields[i].out) == 0)
			continue;
		seen = fields[i].out;
		ap_buf_printf(b, ",\"%s\":", fields[i].out);
		if (!put_scalar(b, j, at)) {
			*which = fields[i].in;
			return false;
		}
	}
	return true;
}

static bool text_member(const struct ap_json *j, uint32_t obj, const char *key, char *out, size_t cap)
{
	uint32_t at = ap_json_get(j, obj, key);
	size_t len = 0;
	out[0] = '\0';
	if (at == 0 || j->tok[at].type == AP_J_NULL)
		return true;
	if (j->tok[at].type != AP_J_STR || !ap_json_unescape(j, at, out, cap - 1, &len) || memchr(out, 0, len) != NULL)
		return false;
	out[len] = '\0';
	return true;
}

static bool type_ok(const char *type)
{
	return type[0] == '\0' || strcmp(type, "trade") == 0 || strcmp(type, "tick") == 0 || strcmp(type, "quote") == 0;
}

/* One message into a line. Returns NULL, or what is wrong with it. */
static const char *put_line(struct ap_buf *b, const struct ap_json *j, uint32_t obj, char why[96])
{
	char source[AP_SOURCE_MAX + 1], symbol[AP_SYMBOL_MAX + 1], type[16], canon[AP_SYMBOL_MAX];
	const char *which = "";
	if (j->tok[obj].type != AP_J_OBJ)
		return "an object is expected";
	if (!text_member(j, obj, "symbol", symbol, sizeof symbol) || symbol[0] == '\0')
		return "symbol: a text of 1 to 48 bytes is expected";
	if (!text_member(j, obj, "source", source, sizeof source))
		return "source: a text of at most 32 bytes is expected";
	if (source[0] == '\0')
		memcpy(source, "http", sizeof "http");
	if (ap_source_canon(ap_str_c(source), canon) == 0)
		return "source: only a-z 0-9 _ . - are allowed";
	if (!text_member(j, obj, "data_type", type, sizeof type) || !type_ok(type))
		return "data_type: trade (or tick) or quote is expected";
	uint32_t data = ap_json_get(j, obj, "data");
	if (data == 0 || j->tok[data].type != AP_J_OBJ)
		return "data: an object is expected";
	ap_buf_puts(b, "{\"source\":");
	ap_json_string(b, ap_str_c(source));
	ap_buf_puts(b, ",\"symbol\":");
	ap_json_string(b, ap_str_c(symbol));
	if (strcmp(type, "quote") == 0)
		ap_buf_puts(b, ",\"data_type\":\"quote\"");
	if (!put_data(b, j, data, &which)) {
		snprintf(why, 96, "data.%s: a text or a number is expected", which);
		return why;
	}
	ap_buf_puts(b, "}\n");
	return b->full ? "too long" : NULL;
}

bool api_post_parse(struct api_post *p, ap_str body, struct ap_jtok *toks, uint32_t cap, char *err, size_t errlen)
{
	struct ap_json j;
	char why[96];
	*p = (struct api_post){ 0 };
	ap_buf_init(&p->lines, body.len * 8 + 65536);
	if (!ap_json_parse(&j, body, toks, cap)) {
		snprintf(err, errlen, "the body is not JSON: %s", j.err);
		return false;
	}
	p->list = j.tok[0].type == AP_J_ARR;
	uint32_t n = p->list ? j.tok[0].n : 1;
	if (n == 0 || n > API_POST_MAX) {
		snprintf(err, errlen, "1 to %d messages are expected", API_POST_MAX);
		return false;
	}
	p->msg = calloc(n, sizeof *p->msg);
	if (p->msg == NULL) {
		snprintf(err, errlen, "out of memory");
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct api_msg *m = &p->msg[i];
		m->line_off = (uint32_t)p->lines.len;
		const char *bad = put_line(&p->lines, &j, p->list ? ap_json_at(&j, 0, i) : 0, why);
		if (bad != NULL) {
			snprintf(err, errlen, "message %u: %s", i, bad);
			return false;
		}
		m->line_len = (uint32_t)p->lines.len - m->line_off;
	}
	p->n = p->pending = n;
	return true;
}

void api_post_done(struct api_post *p)
{
	ap_buf_done(&p->lines);
	free(p->msg);
	p->msg = NULL;
}

static void set_text(char *out, size_t cap, ap_str s)
{
	size_t n = s.len < cap - 1 ? s.len : cap - 1;
	if (n > 0)
		memcpy(out, s.p, n);
	out[n] = '\0';
}

static uint32_t index_of(ap_str t)
{
	uint32_t n = 0;
	for (size_t i = 0; i < t.len && i < 9; i++)
		if (t.p[i] >= '0' && t.p[i] <= '9')
			n = n * 10 + (uint32_t)(t.p[i] - '0');
	return n;
}

bool api_post_ack(struct api_msg *msg, ap_str line, struct ap_jtok *toks, uint32_t cap)
{
	struct ap_json j;
	if (!ap_json_parse(&j, line, toks, cap) || j.tok[0].type != AP_J_OBJ)
		return false;
	uint32_t id = ap_json_get(&j, 0, "id"), idx = ap_json_get(&j, 0, "idx"), error = ap_json_get(&j, 0, "error");
	if (error != 0) {
		uint32_t detail = ap_json_get(&j, 0, "detail");
		msg->state = API_MSG_REFUSED;
		set_text(msg->reason, sizeof msg->reason, ap_json_text(&j, error));
		set_text(msg->detail, sizeof msg->detail, detail == 0 ? ap_str_c(NULL) : ap_json_text(&j, detail));
		return true;
	}
	if (id == 0 || idx == 0 || !ap_id_parse(ap_json_text(&j, id), &msg->id))
		return false;
	msg->idx = index_of(ap_json_text(&j, idx));
	msg->state = API_MSG_TAKEN;
	return true;
}

bool api_outcome_of(const struct ap_rec *rec, struct api_outcome *out)
{
	*out = (struct api_outcome){ 0 };
	switch (rec->kind) {
	case AP_TRADE:
		out->id = ap_id_origin(rec->id);
		out->idx = rec->u.trade.raw_idx;
		out->status = AP_ST_VALID;
		return true;
	case AP_QUOTE:
		out->id = ap_id_origin(rec->id);
		out->idx = rec->u.quote.raw_idx;
		out->status = AP_ST_VALID;
		return true;
	case AP_REJECT:
		out->id = ap_id_origin(rec->u.reject.origin);
		out->idx = rec->u.reject.raw_idx;
		out->status = rec->u.reject.status;
		set_text(out->reason, sizeof out->reason, rec->u.reject.reason);
		set_text(out->detail, sizeof out->detail, rec->u.reject.detail);
		return true;
	default:
		return false;
	}
}

bool api_outcomes_init(struct api_outcomes *o, uint32_t cap)
{
	*o = (struct api_outcomes){ .cap = cap, .ring = calloc(cap, sizeof *o->ring) };
	return o->ring != NULL;
}

void api_outcomes_done(struct api_outcomes *o)
{
	free(o->ring);
	*o = (struct api_outcomes){ 0 };
}

void api_outcomes_put(struct api_outcomes *o, const struct api_outcome *x)
{
	o->ring[o->next] = *x;
	o->next = (o->next + 1) % o->cap;
	if (o->n < o->cap)
		o->n++;
}

const struct api_outcome *api_outcomes_find(const struct api_outcomes *o, ap_id id, uint32_t idx)
{
	for (uint32_t i = 0; i < o->n; i++)
		if (o->ring[i].idx == idx && ap_id_cmp(o->ring[i].id, id) == 0)
			return &o->ring[i];
	return NULL;
}

bool api_post_settle(struct api_post *p, const struct api_outcome *x)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct api_msg *m = &p->msg[i];
		if (m->state != API_MSG_TAKEN || m->idx != x->idx || ap_id_cmp(m->id, x->id) != 0)
			continue;
		m->state = API_MSG_DONE;
		m->status = x->status;
		memcpy(m->reason, x->reason, sizeof m->reason);
		memcpy(m->detail, x->detail, sizeof m->detail);
		p->pending--;
	}
	return p->pending == 0;
}
