/*
 * laws_tape.c - tapes for the laws: records in entries, and markets made of random walks.
 *
 * Knows no stage. Integers only: the same seed gives the same bytes everywhere.
 */
#include "laws.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t laws_rand(struct laws_rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t laws_below(struct laws_rng *r, uint64_t n)
{
	assert(n > 0);
	return laws_rand(r) % n;
}

bool laws_chance(struct laws_rng *r, unsigned pct)
{
	return laws_below(r, 100) < pct;
}

struct laws_tape *laws_tape_new(void)
{
	struct laws_tape *t = calloc(1, sizeof *t);

	assert(t != NULL);
	t->next_ms = 1700000000000;
	return t;
}

void laws_tape_free(struct laws_tape *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		ap_buf_done(&t->entry[i].body);
	free(t->entry);
	free(t);
}

static struct laws_entry *entry_at_hand(struct laws_tape *t)
{
	if (t->open)
		return &t->entry[t->n - 1];
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->entry = realloc(t->entry, t->cap * sizeof *t->entry);
		assert(t->entry != NULL);
	}
	t->entry[t->n] = (struct laws_entry){ .id = { t->next_ms++, 0 } };
	ap_buf_init(&t->entry[t->n].body, AP_FRAME_BYTES);
	t->open = true;
	return &t->entry[t->n++];
}

void laws_tape_cut(struct laws_tape *t)
{
	t->open = false;
}

void laws_tape_add(struct laws_tape *t, const struct ap_rec *rec)
{
	struct laws_entry *e = entry_at_hand(t);
	bool fits;

	if (e->n == AP_FRAME_RECS || e->body.len + ap_wire_size(rec) > AP_FRAME_BYTES) {
		laws_tape_cut(t);
		e = entry_at_hand(t);
	}
	fits = ap_wire_put(&e->body, rec);
	assert(fits);
	e->n++;
}

size_t laws_tape_recs(const struct laws_tape *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->entry[i].n;
	return n;
}

/* --- random walks ------------------------------------------------------ */

enum { WALK_SOURCES = 8, WALK_SYMBOLS = 4096, WALK_PAST = 64 };

struct past {                   /* a trade that may be sent again */
	struct ap_trade t;
	char id[AP_TRADE_ID_MAX];
};

struct walk {
	const struct laws_walk *w;
	struct laws_rng rng;
	struct laws_tape *tape;
	bool raws;
	unsigned left;                  /* records until the entry is cut */
	int64_t now_ms, next_beat_ms;
	bool dead[WALK_SOURCES];
	int64_t proven_ms[WALK_SOURCES];        /* the connection is proven up to here */
	char source[WALK_SOURCES][16];
	char (*symbol)[24];
	int64_t *price;                 /* per series, in hundredths */
	uint64_t *next_id;
	struct past past[WALK_PAST];
	unsigned npast;
	uint64_t raw_seq;
	struct ap_buf text;
};

static void walk_put(struct walk *k, const struct ap_rec *rec)
{
	if (k->left == 0) {
		laws_tape_cut(k->tape);
		k->left = 1 + (unsigned)laws_below(&k->rng, k->w->entry_max == 0 ? 1 : k->w->entry_max);
	}
	k->left--;
	laws_tape_add(k->tape, rec);
}

static void walk_beat(struct walk *k, unsigned s, bool close)
{
	const int64_t since = k->now_ms - k->proven_ms[s];
	struct ap_rec r = { .kind = AP_BEAT };

	if (laws_chance(&k->rng, k->w->dead_pct)) {
		k->dead[s] = !k->dead[s];
		k->proven_ms[s] = k->now_ms;
	}
	r.u.beat.source = ap_str_c(k->source[s]);
	r.u.beat.ts.ns = k->now_ms * 1000000;
	r.u.beat.alive = !k->dead[s];
	r.u.beat.close = close;
	if (!k->dead[s]) {
		r.u.beat.covers_ms = (uint32_t)since;
		k->proven_ms[s] = k->now_ms;
	}
	walk_put(k, &r);
}

static void walk_beats_until(struct walk *k, int64_t until_ms)
{
	if (k->w->beat_ms == 0)
		return;
	while (k->next_beat_ms <= until_ms) {
		/* A long silence is told by one beat, as a replay does. */
		if (until_ms - k->next_beat_ms > 1000 * (int64_t)k->w->beat_ms)
			k->next_beat_ms += (until_ms - k->next_beat_ms) / k->w->beat_ms * k->w->beat_ms;
		k->now_ms = k->next_beat_ms;
		for (unsigned s = 0; s < k->w->sources; s++)
			walk_beat(k, s, false);
		k->next_beat_ms += k->w->beat_ms;
	}
}

static void walk_emit(struct walk *k, const struct ap_trade *t)
{
	struct ap_rec r = { .kind = AP_TRADE };
	char price[AP_DEC_TEXT], qty[AP_DEC_TEXT];

	if (!k->raws) {
		r.u.trade = *t;
		walk_put(k, &r);
		return;
	}
	(void)ap_dec_format(t->price, price);
	(void)ap_dec_format(t->qty, qty);
	ap_buf_clear(&k->text);
	ap_buf_printf(&k->text, "{\"source\":\"%.*s\",\"symbol\":\"%.*s\",\"price\":\"%s\",\"quantity\":%s,\"timestamp\":%" PRId64,
		      (int)t->source.len, t->source.p, (int)t->symbol.len, t->symbol.p, price, qty, t->ts.ns / 1000000);
	if (t->trade_id.len > 0)
		ap_buf_printf(&k->text, ",\"trade_id\":\"%.*s\"", (int)t->trade_id.len, t->trade_id.p);
	if (t->side != AP_SIDE_UNKNOWN)
		ap_buf_printf(&k->text, ",\"side\":\"%s\"", t->side == AP_SIDE_BUY ? "buy" : "sell");
	ap_buf_putc(&k->text, '}');
	r.kind = AP_RAW;
	r.u.raw = (struct ap_raw){ .source = t->source, .symbol = t->symbol, .format = ap_str_c("trade"),
				   .payload = ap_buf_view(&k->text), .recv = { k->now_ms * 1000000 }, .seq = ++k->raw_seq };
	walk_put(k, &r);
}

/* The text of a decimal of cents as a JSON member. */
static void walk_member(struct walk *k, const char *key, ap_dec v)
{
	char t[AP_DEC_TEXT];

	(void)ap_dec_format(v, t);
	ap_buf_printf(&k->text, ",\"%s\":\"%s\"", key, t);
}

static void walk_emit_quote(struct walk *k, const struct ap_quote *q)
{
	struct ap_rec r = { .kind = AP_QUOTE };

	if (!k->raws) {
		r.u.quote = *q;
		walk_put(k, &r);
		return;
	}
	ap_buf_clear(&k->text);
	ap_buf_printf(&k->text, "{\"source\":\"%.*s\",\"symbol\":\"%.*s\",\"timestamp\":%" PRId64 ",\"seq\":%" PRIu64, (int)q->source.len,
		      q->source.p, (int)q->symbol.len, q->symbol.p, q->ts.ns / 1000000, q->seq);
	walk_member(k, "bid", q->bid);
	walk_member(k, "bid_size", q->bid_qty);
	walk_member(k, "ask", q->ask);
	walk_member(k, "ask_size", q->ask_qty);
	ap_buf_putc(&k->text, '}');
	r.kind = AP_RAW;
	r.u.raw = (struct ap_raw){ .source = q->source, .symbol = q->symbol, .format = ap_str_c("trade"),
				   .payload = ap_buf_view(&k->text), .recv = { k->now_ms * 1000000 }, .seq = ++k->raw_seq };
	walk_put(k, &r);
}

/* Around the series' price; now and then locked, crossed, out of order, or of the same instant as others. */
static void walk_quote(struct walk *k, size_t s, size_t y)
{
	const ap_i128 cent = 10000000000000000;
	const int64_t price = k->price[s * k->w->symbols + y];
	struct ap_quote q = {
		.source = ap_str_c(k->source[s]), .symbol = ap_str_c(k->symbol[y]), .venue_symbol = ap_str_c(k->symbol[y]),
		.seq = laws_chance(&k->rng, 50) ? laws_below(&k->rng, 4) : 0,
	};
	int64_t ts = k->now_ms;

	if (laws_chance(&k->rng, k->w->delay_pct))
		ts -= (int64_t)laws_below(&k->rng, (uint64_t)k->w->delay_ms_max + 1);
	q.ts.ns = ts * 1000000 + (int64_t)laws_below(&k->rng, 2);
	q.bid.e18 = price * cent;
	q.ask.e18 = q.bid.e18 + cent / 2 * (ap_i128)laws_below(&k->rng, 9);
	q.bid_qty.e18 = cent * (ap_i128)laws_below(&k->rng, 99);
	q.ask_qty.e18 = cent * (ap_i128)laws_below(&k->rng, 99);
	if (laws_chance(&k->rng, 2))
		q.ask.e18 = q.bid.e18 - 1;
	walk_emit_quote(k, &q);
	if (laws_chance(&k->rng, k->w->dup_pct))
		walk_emit_quote(k, &q);
}

static size_t walk_id(struct walk *k, size_t series, char out[AP_TRADE_ID_MAX])
{
	const uint64_t id = k->next_id[series]++;

	if (laws_chance(&k->rng, k->w->noid_pct))
		return 0;
	if (laws_chance(&k->rng, k->w->uuid_pct))
		return (size_t)snprintf(out, AP_TRADE_ID_MAX, "%016" PRIx64 "-%04" PRIx64 "-x", laws_rand(&k->rng), id & 0xffff);
	return (size_t)snprintf(out, AP_TRADE_ID_MAX, "%" PRIu64, id);
}

static void walk_trade(struct walk *k)
{
	const size_t s = laws_below(&k->rng, k->w->sources), y = laws_below(&k->rng, k->w->symbols);
	const size_t series = s * k->w->symbols + y;
	struct past *p = &k->past[k->npast++ % WALK_PAST];
	int64_t ts = k->now_ms, lots = 1 + (int64_t)laws_below(&k->rng, 1000);

	if (laws_chance(&k->rng, k->w->delay_pct))
		ts -= (int64_t)laws_below(&k->rng, (uint64_t)k->w->delay_ms_max + 1);
	if (laws_chance(&k->rng, 5))
		lots *= 1 + (int64_t)laws_below(&k->rng, 5000);
	k->price[series] += (int64_t)laws_below(&k->rng, 41) - 20;
	if (k->price[series] < 1)
		k->price[series] = 1;
	p->t = (struct ap_trade){
		.source = ap_str_c(k->source[s]), .symbol = ap_str_c(k->symbol[y]), .venue_symbol = ap_str_c(k->symbol[y]),
		.ts = { ts * 1000000 + (int64_t)laws_below(&k->rng, 3) }, .side = (enum ap_side)laws_below(&k->rng, 3),
		.price = { (ap_i128)k->price[series] * 10000000000000000 },
		.qty = { (ap_i128)lots * 1000000000000000 },
	};
	p->t.trade_id = ap_str_n(p->id, walk_id(k, series, p->id));
	if (k->w->quote_pct > 0 && laws_chance(&k->rng, k->w->quote_pct))
		walk_quote(k, s, y);
	walk_emit(k, &p->t);
	if (k->npast > WALK_PAST && laws_chance(&k->rng, k->w->dup_pct))
		walk_emit(k, &k->past[laws_below(&k->rng, WALK_PAST)].t);
}

static void walk_init(struct walk *k, const struct laws_walk *w, bool raws)
{
	const size_t series = (size_t)w->sources * w->symbols;

	assert(w->sources >= 1 && w->sources <= WALK_SOURCES && w->symbols >= 1 && w->symbols <= WALK_SYMBOLS);
	*k = (struct walk){ .w = w, .rng = { w->seed }, .raws = raws, .tape = laws_tape_new() };
	k->now_ms = w->start_ms != 0 ? w->start_ms : 1709251200000;
	k->next_beat_ms = k->now_ms;
	ap_buf_init(&k->text, AP_PAYLOAD_MAX);
	k->symbol = calloc(w->symbols, sizeof *k->symbol);
	k->price = calloc(series, sizeof *k->price);
	k->next_id = calloc(series, sizeof *k->next_id);
	assert(k->symbol != NULL && k->price != NULL && k->next_id != NULL);
	for (unsigned s = 0; s < w->sources; s++) {
		(void)snprintf(k->source[s], sizeof k->source[s], "venue%u", s);
		k->proven_ms[s] = k->now_ms;
	}
	for (unsigned y = 0; y < w->symbols; y++)
		(void)snprintf(k->symbol[y], sizeof k->symbol[y], "S%u-USDT", y);
	for (size_t i = 0; i < series; i++) {
		k->price[i] = 100 + (int64_t)laws_below(&k->rng, 1000000);
		k->next_id[i] = 90 + laws_below(&k->rng, 20);
	}
}

static struct laws_tape *walk_run(const struct laws_walk *w, bool raws)
{
	struct walk *k = malloc(sizeof *k);
	struct laws_tape *tape;

	assert(k != NULL);
	walk_init(k, w, raws);
	for (unsigned i = 0; i < w->trades; i++) {
		int64_t step = (int64_t)laws_below(&k->rng, (uint64_t)w->step_ms_max + 1);

		if (laws_below(&k->rng, 1000) < w->gap_pct)
			step *= 1000;
		step += k->now_ms;
		walk_beats_until(k, step);
		k->now_ms = step;
		walk_trade(k);
	}
	for (unsigned s = 0; w->close && s < w->sources; s++)
		walk_beat(k, s, true);
	laws_tape_cut(k->tape);
	tape = k->tape;
	ap_buf_done(&k->text);
	free(k->symbol);
	free(k->price);
	free(k->next_id);
	free(k);
	return tape;
}

struct laws_tape *laws_walk_ticks(const struct laws_walk *w)
{
	return walk_run(w, false);
}

struct laws_tape *laws_walk_raws(const struct laws_walk *w)
{
	return walk_run(w, true);
}
