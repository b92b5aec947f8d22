/*
 * qbar.c - quote bars by time, and their objects member by member.
 */
#include "qbar.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "member.h"

void api_qbars_init(struct api_qbars *r, uint32_t max)
{
	*r = (struct api_qbars){ .max = max };
}

void api_qbars_done(struct api_qbars *r)
{
	free(r->bar);
	*r = (struct api_qbars){ 0 };
}

/* Whether a says more than b about the same interval; equals say as much. */
static bool newer(const struct ap_quotebar *a, const struct ap_quotebar *b)
{
	if ((a->state == AP_FORMING) != (b->state == AP_FORMING))
		return b->state == AP_FORMING;
	if (a->state == AP_FORMING)
		return a->quote_count >= b->quote_count;
	return a->revision > b->revision;
}

static bool grow(struct api_qbars *r)
{
	uint32_t cap = r->cap == 0 ? 4 : r->cap * 2;
	struct ap_quotebar *p;
	if (cap > r->max)
		cap = r->max;
	assert(cap > r->cap);
	p = realloc(r->bar, cap * sizeof *p);
	if (p == NULL)
		return false;
	r->bar = p;
	r->cap = cap;
	return true;
}

bool api_qbars_put(struct api_qbars *r, const struct ap_quotebar *q)
{
	uint32_t at = r->n;
	while (at > 0 && r->bar[at - 1].open_ms >= q->open_ms)
		at--;
	if (at < r->n && r->bar[at].open_ms == q->open_ms) {
		if (!newer(q, &r->bar[at]))
			return false;
		r->bar[at] = *q;
		return true;
	}
	if (r->n == r->max) {
		if (at == 0)
			return false;
		memmove(r->bar, r->bar + 1, (at - 1) * sizeof *r->bar);
		r->bar[at - 1] = *q;
		return true;
	}
	if (r->n == r->cap && !grow(r))
		return false;
	memmove(r->bar + at + 1, r->bar + at, (r->n - at) * sizeof *r->bar);
	r->bar[at] = *q;
	r->n++;
	return true;
}

/* --- JSON */

static void put_px(struct ap_buf *b, const char *key, const struct ap_px4 *p)
{
	ap_buf_printf(b, ",\"%s\":", key);
	api_put_dec(b, "{", "open", p->open);
	api_put_dec(b, ",", "high", p->high);
	api_put_dec(b, ",", "low", p->low);
	api_put_dec(b, ",", "close", p->close);
	ap_buf_putc(b, '}');
}

void api_json_quotebar(struct ap_buf *b, const struct ap_quotebar *q)
{
	api_put_bar(b, q->source, q->symbol, q->tf, q->open_ms);
	ap_buf_putc(b, ',');
	api_put_ts(b, "close_time", q->close_ms * 1000000, 0);
	put_px(b, "bid", &q->bid);
	put_px(b, "ask", &q->ask);
	put_px(b, "mid", &q->mid);
	ap_buf_puts(b, ",\"spread\":");
	api_put_dec(b, "{", "min", q->spread_min);
	api_put_dec(b, ",", "max", q->spread_max);
	api_put_dec(b, ",", "mean", q->spread_mean);
	api_put_dec(b, ",", "last", q->spread_last);
	ap_buf_printf(b, "},\"weighted_ns\":%" PRIu64 ",\"resolution_ms\":%" PRIu32 ",\"quote_count\":%" PRIu64 ",\"locked_count\":%" PRIu64,
		      q->weighted_ns, q->resolution_ms, q->quote_count, q->locked_count);
	api_put_bar_end(b, q->state, q->revision, q->coverage_ms, q->quality);
}

void api_json_quote(struct ap_buf *b, const struct api_quote *q)
{
	if (q->ns == 0) {
		ap_buf_puts(b, "null");
		return;
	}
	ap_buf_putc(b, '{');
	api_put_ts(b, "timestamp", q->ns, 3);
	api_put_dec(b, ",", "bid", q->bid);
	api_put_dec(b, ",", "bid_size", q->bid_qty);
	api_put_dec(b, ",", "ask", q->ask);
	api_put_dec(b, ",", "ask_size", q->ask_qty);
	api_put_dec(b, ",", "spread", (ap_dec){ q->ask.e18 - q->bid.e18 });
	ap_buf_putc(b, '}');
}

void api_answer_quotes(struct ap_buf *b, const char *source, const char *symbol, const char *tf, const struct api_quote *last,
		       const struct api_qbars *bars, uint32_t limit, int64_t now_ns)
{
	const uint32_t from = bars->n > limit ? bars->n - limit : 0;
	ap_buf_putc(b, '{');
	api_put_names(b, symbol, source, tf);
	ap_buf_puts(b, ",\"last_quote\":");
	api_json_quote(b, last);
	ap_buf_puts(b, ",\"quote_bars\":[");
	for (uint32_t i = from; i < bars->n; i++) {
		if (i > from)
			ap_buf_putc(b, ',');
		api_json_quotebar(b, &bars->bar[i]);
	}
	ap_buf_puts(b, "],");
	api_put_ts(b, "timestamp", now_ns, 3);
	ap_buf_putc(b, '}');
}
