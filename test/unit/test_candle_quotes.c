/*
 * test_candle_quotes.c - quote bars: what they hold, when they are told, and that the order of arrival does not matter.
 *
 * Times are ms after 2024-03-01T00:00:00Z. Every feed ends in an entry of its own unless `hold` is on.
 */
#include "stages/ap-candle/candle.h"
#include "test/lib/conf.h"
#include "stages/ap-candle/quote_bar.h"
#include "test/lib/laws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const int64_t t0_ms = 1709251200000;
enum { MIN = 60000, HOUR = 3600000, DAY = 86400000 };

struct told {
	enum ap_stream to;
	struct ap_quotebar b;
	char symbol[16], tf[16];
};

struct rig {
	struct ap_out out;
	struct ap_conf conf;
	void *st;
	struct told *told;
	size_t n, cap, candles, rejects;
	char reason[32];
	bool quote;                     /* the last reject was of one */
	uint64_t entry;
	bool hold;
	int64_t beat_ms;
	const char *source, *symbol;
};

static void put(struct ap_out *out, enum ap_stream to, const struct ap_rec *rec)
{
	struct rig *r = (struct rig *)(void *)out;
	struct told *t;

	if (to == AP_S_REJECT) {
		r->rejects++;
		r->quote = rec->u.reject.quote;
		snprintf(r->reason, sizeof r->reason, "%.*s", (int)rec->u.reject.reason.len, rec->u.reject.reason.p);
		return;
	}
	r->candles += rec->kind == AP_CANDLE;
	if (rec->kind != AP_QUOTEBAR)
		return;
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 256 : r->cap * 2;
		r->told = realloc(r->told, r->cap * sizeof *r->told);
		assert_non_null(r->told);
	}
	t = &r->told[r->n++];
	t->to = to;
	t->b = rec->u.quotebar;
	snprintf(t->symbol, sizeof t->symbol, "%.*s", (int)t->b.symbol.len, t->b.symbol.p);
	snprintf(t->tf, sizeof t->tf, "%.*s", (int)t->b.tf.len, t->b.tf.p);
}

/* Options as "key", "value", ..., NULL. */
static struct rig rig_new(const char *key, ...)
{
	struct rig r = { .out = { put }, .source = "sim", .symbol = "BTC-USDT" };
	char err[200] = "";
	va_list ap;

	ap_conf_init(&r.conf);
	va_start(ap, key);
	for (; key != NULL; key = va_arg(ap, const char *))
		conf_set(&r.conf, key, va_arg(ap, const char *));
	va_end(ap);
	r.st = ap_candle_stage.open(&r.conf, err, sizeof err);
	if (r.st == NULL)
		fail_msg("%s", err);
	return r;
}

static void rig_free(struct rig *r)
{
	ap_candle_stage.close(r->st);
	ap_conf_done(&r->conf);
	free(r->told);
}

static void flush(struct rig *r)
{
	ap_candle_stage.flush(r->st, &r->out);
	r->entry++;
}

static enum ap_verdict step(struct rig *r, struct ap_rec *rec)
{
	enum ap_verdict v;

	rec->id = (ap_id){ 1000 + r->entry, 0 };
	v = ap_candle_stage.step(r->st, rec, &r->out);
	if (!r->hold)
		flush(r);
	return v;
}

static ap_dec dec(const char *s)
{
	ap_dec d = { 0 };

	if (ap_dec_parse(s, strlen(s), &d) != AP_DEC_OK)
		fail_msg("not a decimal: %s", s);
	return d;
}

static enum ap_verdict quote_ns(struct rig *r, int64_t ns, const char *bid, const char *ask, uint64_t seq)
{
	struct ap_rec rec = { .kind = AP_QUOTE };

	rec.u.quote = (struct ap_quote){ .source = ap_str_c(r->source), .symbol = ap_str_c(r->symbol), .venue_symbol = ap_str_c(r->symbol),
					 .ts = { t0_ms * 1000000 + ns }, .bid = dec(bid), .ask = dec(ask), .seq = seq };
	return step(r, &rec);
}

static enum ap_verdict quote(struct rig *r, int64_t ms, const char *bid, const char *ask)
{
	return quote_ns(r, ms * 1000000, bid, ask, 0);
}

static void beat_of(struct rig *r, int64_t ms, bool alive, bool close)
{
	struct ap_rec rec = { .kind = AP_BEAT };

	rec.u.beat = (struct ap_beat){ .source = ap_str_c(r->source), .ts = { (t0_ms + ms) * 1000000 }, .alive = alive, .close = close,
				       .covers_ms = alive && ms > r->beat_ms ? (uint32_t)(ms - r->beat_ms) : 0 };
	r->beat_ms = ms;
	assert_int_equal(step(r, &rec), AP_V_TAKEN);
}

static void beat(struct rig *r, int64_t ms)
{
	beat_of(r, ms, true, false);
}

static size_t count(const struct rig *r, enum ap_stream to, const char *tf)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->told[i].to == to && strcmp(r->told[i].tf, tf) == 0;
	return n;
}

/* The newest bar of that stream, timeframe and open. */
static const struct ap_quotebar *need(const struct rig *r, enum ap_stream to, const char *tf, int64_t open)
{
	for (size_t i = r->n; i > 0; i--) {
		const struct told *t = &r->told[i - 1];

		if (t->to == to && strcmp(t->tf, tf) == 0 && t->b.open_ms == t0_ms + open && strcmp(t->symbol, r->symbol) == 0)
			return &t->b;
	}
	fail_msg("no %s bar that opens at %lld came on %s", tf, (long long)open, ap_stream_name(to));
	abort();        /* not reached; tells the compiler so */
}

static void is_dec(ap_dec got, const char *want)
{
	char text[AP_DEC_TEXT];

	(void)ap_dec_format(got, text);
	assert_string_equal(text, want);
}

static void is_px(const struct ap_px4 *p, const char *o, const char *h, const char *l, const char *c)
{
	is_dec(p->open, o);
	is_dec(p->high, h);
	is_dec(p->low, l);
	is_dec(p->close, c);
}

/* --- what a bar holds --------------------------------------------------- */

static void a_bar_holds_bid_ask_mid_and_spread(void **s)
{
	struct rig r = rig_new(NULL);
	const struct ap_quotebar *b;

	(void)s;
	beat(&r, 0);
	quote(&r, 10000, "100", "101");         /* spread 1 for 20 s */
	quote(&r, 30000, "99.5", "102.5");      /* spread 3 for 15 s */
	quote(&r, 45000, "100.5", "100.5");     /* locked for 10 s */
	quote(&r, 55000, "100.1", "100.6");     /* spread 0.5 for 5 s */
	beat(&r, 60000);
	assert_int_equal(count(&r, AP_S_CANDLE, "1m"), 0);
	beat(&r, 62000);
	b = need(&r, AP_S_CANDLE, "1m", 0);
	is_px(&b->bid, "100", "100.5", "99.5", "100.1");
	is_px(&b->ask, "101", "102.5", "100.5", "100.6");
	is_px(&b->mid, "100.5", "101", "100.35", "100.35");
	is_dec(b->spread_min, "0");
	is_dec(b->spread_max, "3");
	is_dec(b->spread_last, "0.5");
	is_dec(b->spread_mean, "1.35");         /* (20 + 45 + 0 + 2.5) / 50 */
	assert_int_equal(b->weighted_ns, INT64_C(50000000000));
	assert_int_equal(b->resolution_ms, 0);
	assert_int_equal(b->quote_count, 4);
	assert_int_equal(b->locked_count, 1);
	assert_int_equal(b->state, AP_FINAL);
	assert_int_equal(b->revision, 0);
	assert_int_equal(b->close_ms - b->open_ms, 60000);
	assert_int_equal(b->coverage_ms, 60000);
	assert_int_equal(b->quality, AP_Q_FULL);
	assert_int_equal(r.candles, 0);
	rig_free(&r);
}

static void a_mid_that_needs_a_nineteenth_decimal_is_rounded_half_even(void **s)
{
	struct rig r = rig_new(NULL);
	const struct ap_quotebar *b;

	(void)s;
	quote(&r, 0, "1", "1.000000000000000001");      /* 1.0000000000000000005 -> even 1 */
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_dec(b->mid.open, "1");
	quote(&r, 1, "1.000000000000000001", "1.000000000000000002");   /* ...15 -> ...2 */
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_dec(b->mid.close, "1.000000000000000002");
	quote(&r, 2, "999999999999999999", "999999999999999999.999999999999999999");
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_dec(b->mid.high, "999999999999999999.5");    /* ...4999 and a half, half-even */
	rig_free(&r);
}

static void the_mean_is_rounded_half_even_at_eighteen_decimals(void **s)
{
	struct rig r = rig_new("candle.lateness_ms", "0", NULL);

	(void)s;
	beat(&r, 0);
	/* 1e-18 for 45 s and 0 for 15 s: 0.75e-18. */
	quote(&r, 0, "1", "1.000000000000000001");
	quote(&r, 45000, "1", "1");
	/* 1e-18 for 30 of 60 s: 0.5e-18, to even. */
	quote(&r, 60000, "1", "1.000000000000000001");
	quote(&r, 90000, "1", "1");
	/* 3e-18 for 30 of 60 s: 1.5e-18, to even. */
	quote(&r, 120000, "1", "1.000000000000000003");
	quote(&r, 150000, "1", "1");
	beat(&r, 180000);
	is_dec(need(&r, AP_S_CANDLE, "1m", 0)->spread_mean, "0.000000000000000001");
	is_dec(need(&r, AP_S_CANDLE, "1m", 60000)->spread_mean, "0");
	is_dec(need(&r, AP_S_CANDLE, "1m", 120000)->spread_mean, "0.000000000000000002");
	rig_free(&r);
}

static void a_forming_bar_is_weighted_up_to_its_last_quote(void **s)
{
	struct rig r = rig_new(NULL);
	const struct ap_quotebar *b;

	(void)s;
	quote(&r, 1000, "10", "11");
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_dec(b->spread_mean, "1");            /* one instant */
	assert_int_equal(b->weighted_ns, 0);
	assert_int_equal(b->state, AP_FORMING);
	quote(&r, 4000, "10", "12");
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_dec(b->spread_mean, "1");
	quote(&r, 7000, "10", "10");
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_dec(b->spread_mean, "1.5");
	assert_int_equal(b->weighted_ns, INT64_C(6000000000));
	is_dec(need(&r, AP_S_LIVE, "1d", 0)->spread_mean, "1.5");
	rig_free(&r);
}

static void equal_times_go_by_the_venues_number_then_by_arrival(void **s)
{
	struct rig r = rig_new(NULL);
	const struct ap_quotebar *b;

	(void)s;
	beat(&r, 0);
	quote_ns(&r, 5, "10", "11", 7);
	quote_ns(&r, 5, "20", "22", 9);         /* the last of that instant */
	quote_ns(&r, 5, "1", "5", 8);
	quote_ns(&r, 5, "2", "7", 6);           /* the first */
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_px(&b->bid, "2", "20", "1", "20");
	is_dec(b->spread_mean, "2");
	quote_ns(&r, 5, "21", "21", 9);         /* equal in both: whoever came last */
	b = need(&r, AP_S_LIVE, "1m", 0);
	is_dec(b->bid.close, "21");
	is_dec(b->bid.open, "2");
	beat(&r, 62000);
	is_dec(need(&r, AP_S_CANDLE, "1m", 0)->spread_mean, "0");
	rig_free(&r);
}

static void the_largest_prices_and_the_longest_bar_do_not_overflow(void **s)
{
	struct rig r = rig_new("candle.timeframes", "1m,1M", "candle.lateness_ms", "0", NULL);

	(void)s;
	beat(&r, 0);
	quote(&r, 0, "0.000000000000000001", "999999999999999999.999999999999999999");
	beat(&r, INT64_C(31) * DAY);
	is_dec(need(&r, AP_S_CANDLE, "1M", 0)->spread_mean, "999999999999999999.999999999999999998");
	rig_free(&r);
}

/* --- an independent straightforward computation --------------------------- */

struct q {
	int64_t ns;
	uint64_t seq;
	int64_t bid, ask;               /* hundredths */
	size_t arrival;
};

static int by_key(const void *a, const void *b)
{
	const struct q *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->arrival < y->arrival ? -1 : 1;
}

struct naive {
	size_t n, locked;
	int64_t bid[4], ask[4], sum[4]; /* open, high, low, close */
	int64_t min, max;
	int64_t weighted_ns, first_ns, last_ns, last;
	ap_i128 area;
	int64_t resolution_ms;
};

static void four(int64_t out[4], int64_t v, bool first)
{
	if (first)
		out[0] = out[1] = out[2] = v;
	out[1] = v > out[1] ? v : out[1];
	out[2] = v < out[2] ? v : out[2];
	out[3] = v;
}

/* The last quotes of the cells of one minute: the least coarseness at which there are at most `most`. */
static size_t thin(const struct q *v, size_t n, int64_t open_ns, size_t most, struct q *out, int64_t *resolution_ms)
{
	for (int64_t ms = 0;; ms = ms == 0 ? 1 : ms * 2) {
		size_t k = 0;

		for (size_t i = 0; i < n; i++) {
			const int64_t unit = ms == 0 ? 1 : ms * 1000000;

			if (k > 0 && (out[k - 1].ns - open_ns) / unit == (v[i].ns - open_ns) / unit)
				k--;
			out[k++] = v[i];
		}
		*resolution_ms = ms;
		if (k <= most)
			return k;
	}
}

/* v is sorted. */
static struct naive naive_of(const struct q *v, size_t n, int64_t open_ns, int64_t close_ns, size_t most)
{
	struct naive o = { .min = INT64_MAX };
	struct q *kept = calloc(n + 1, sizeof *kept);

	assert_non_null(kept);
	for (size_t i = 0; i < n;) {
		const int64_t minute = v[i].ns / 60000000000 * 60000000000;
		int64_t ms;
		size_t to = i, k;

		if (v[i].ns < open_ns || v[i].ns >= close_ns) {
			i++;
			continue;
		}
		for (; to < n && v[to].ns < minute + 60000000000; to++) {
			const int64_t spread = v[to].ask - v[to].bid;

			four(o.bid, v[to].bid, o.n == 0);
			four(o.ask, v[to].ask, o.n == 0);
			four(o.sum, v[to].bid + v[to].ask, o.n == 0);
			o.min = spread < o.min ? spread : o.min;
			o.max = spread > o.max ? spread : o.max;
			o.locked += spread == 0;
			o.n++;
		}
		k = thin(v + i, to - i, minute, most, kept, &ms);
		o.resolution_ms = ms > o.resolution_ms ? ms : o.resolution_ms;
		for (size_t j = 0; j < k; j++) {
			if (o.first_ns == 0)
				o.first_ns = kept[j].ns;
			else
				o.area += (ap_i128)o.last * (kept[j].ns - o.last_ns);
			o.last_ns = kept[j].ns;
			o.last = kept[j].ask - kept[j].bid;
		}
		i = to;
	}
	free(kept);
	o.weighted_ns = close_ns - o.first_ns;
	o.area += (ap_i128)o.last * (close_ns - o.last_ns);
	return o;
}

static const int64_t cent_e16 = 10000000000000000;

static void is_four(const struct ap_px4 *got, const int64_t want[4], int64_t unit)
{
	const ap_i128 u = unit;

	assert_true(got->open.e18 == want[0] * u && got->high.e18 == want[1] * u && got->low.e18 == want[2] * u && got->close.e18 == want[3] * u);
}

static void is_naive(const struct ap_quotebar *b, const struct naive *w)
{
	ap_i128 scaled = w->area * cent_e16, mean = scaled / w->weighted_ns, rest = scaled % w->weighted_ns;

	if (2 * rest > w->weighted_ns || (2 * rest == w->weighted_ns && (mean & 1) != 0))
		mean++;
	is_four(&b->bid, w->bid, cent_e16);
	is_four(&b->ask, w->ask, cent_e16);
	is_four(&b->mid, w->sum, cent_e16 / 2);
	assert_true(b->spread_min.e18 == w->min * (ap_i128)cent_e16 && b->spread_max.e18 == w->max * (ap_i128)cent_e16);
	assert_true(b->spread_last.e18 == w->last * (ap_i128)cent_e16);
	assert_int_equal(b->weighted_ns, w->weighted_ns);
	assert_int_equal(b->resolution_ms, w->resolution_ms);
	assert_int_equal(b->quote_count, w->n);
	assert_int_equal(b->locked_count, w->locked);
	assert_true(b->spread_mean.e18 == mean);
}

enum { QUOTES = 3000, SPAN_MIN = 40 };

static void quotes_make(struct q *v, uint64_t seed)
{
	struct laws_rng r = { seed };
	int64_t bid = 10000;

	for (size_t i = 0; i < QUOTES; i++) {
		/* Some minutes are crowded, and some instants are shared. */
		int64_t ms = (int64_t)laws_below(&r, SPAN_MIN * MIN);

		if (laws_chance(&r, 50))
			ms = ms % (3 * MIN) + 17 * MIN;
		bid += (int64_t)laws_below(&r, 41) - 20;
		v[i].ns = t0_ms * 1000000 + ms / 10 * 10000000 + (laws_chance(&r, 20) ? (int64_t)laws_below(&r, 3) : 0);
		v[i].seq = i;
		v[i].bid = bid < 1 ? bid = 1 : bid;
		v[i].ask = v[i].bid + (int64_t)laws_below(&r, 30);
	}
}

static void feed(struct rig *r, const struct q *q)
{
	struct ap_rec rec = { .kind = AP_QUOTE };

	rec.u.quote = (struct ap_quote){ .source = ap_str_c(r->source), .symbol = ap_str_c(r->symbol), .venue_symbol = ap_str_c(r->symbol),
					 .ts = { q->ns }, .bid = { q->bid * (ap_i128)cent_e16 }, .ask = { q->ask * (ap_i128)cent_e16 },
					 .seq = q->seq };
	assert_int_equal(step(r, &rec), AP_V_TAKEN);
}

static void shuffle(struct q *v, size_t n, uint64_t seed)
{
	struct laws_rng r = { seed };

	for (size_t i = n; i > 1; i--) {
		const size_t k = laws_below(&r, i);
		const struct q t = v[k];

		v[k] = v[i - 1];
		v[i - 1] = t;
	}
}

/* Feeds in the order of v, with beats before or after, and compares the last word on every bar with the naive one. */
static void compare(const struct q *v, const char *points, bool beats_first, unsigned per_entry)
{
	static const struct { const char *tf; int64_t ms; } tfs[] = { { "1m", MIN }, { "5m", 5 * MIN }, { "15m", 15 * MIN }, { "1h", HOUR } };
	struct rig r = rig_new("candle.timeframes", "1m,5m,15m,1h", "candle.quote_points", points, "candle.revision_ms", "7200000", NULL);
	struct q *sorted = malloc(QUOTES * sizeof *sorted);
	size_t compared = 0;

	assert_non_null(sorted);
	beat(&r, 0);
	for (int64_t t = 1; beats_first && t <= SPAN_MIN; t++)
		beat(&r, t * MIN);
	r.hold = true;
	for (size_t i = 0; i < QUOTES; i++) {
		feed(&r, &v[i]);
		if (i % per_entry == per_entry - 1)
			flush(&r);
	}
	flush(&r);
	r.hold = false;
	for (int64_t t = beats_first ? SPAN_MIN + 1 : 1; t <= 3 * 60; t++)
		beat(&r, t * MIN);
	memcpy(sorted, v, QUOTES * sizeof *sorted);
	qsort(sorted, QUOTES, sizeof *sorted, by_key);
	for (size_t f = 0; f < sizeof tfs / sizeof tfs[0]; f++) {
		for (int64_t open = 0; open < SPAN_MIN * MIN; open += tfs[f].ms) {
			const struct naive w = naive_of(sorted, QUOTES, (t0_ms + open) * 1000000, (t0_ms + open + tfs[f].ms) * 1000000,
							(size_t)atoi(points));

			if (w.n == 0)
				continue;
			is_naive(need(&r, AP_S_CANDLE, tfs[f].tf, open), &w);
			compared++;
		}
	}
	assert_true(compared > 40);
	assert_int_equal(r.rejects, 0);
	free(sorted);
	rig_free(&r);
}

static void bars_equal_a_straightforward_computation_in_any_order(void **s)
{
	struct q v[QUOTES];

	(void)s;
	quotes_make(v, 3);
	qsort(v, QUOTES, sizeof *v, by_key);
	compare(v, "4096", false, 5);
	compare(v, "32", false, 5);
	for (uint64_t seed = 1; seed <= 6; seed++) {
		shuffle(v, QUOTES, seed);
		compare(v, "4096", seed % 2 == 0, 1 + (unsigned)seed * 7);
		compare(v, "32", seed % 2 == 0, 1 + (unsigned)seed * 7);
		compare(v, "8", seed % 2 == 0, 1 + (unsigned)seed * 7);
	}
}

/* --- when it is told -------------------------------------------------------- */

static void a_late_quote_revises_and_a_very_late_one_is_rejected(void **s)
{
	struct rig r = rig_new(NULL);
	const struct ap_quotebar *b;

	(void)s;
	beat(&r, 0);
	quote(&r, 10000, "10", "11");
	beat(&r, 62000);
	assert_int_equal(need(&r, AP_S_CANDLE, "1m", 0)->state, AP_FINAL);
	quote(&r, 40000, "9", "12");
	b = need(&r, AP_S_CANDLE, "1m", 0);
	assert_int_equal(b->state, AP_REVISED);
	assert_int_equal(b->revision, 1);
	is_dec(b->spread_mean, "1.8");          /* 1 for 30 s, 3 for 20 s */
	assert_int_equal(count(&r, AP_S_CANDLE, "5m"), 0);      /* still forming, and told so */
	assert_int_equal(need(&r, AP_S_LIVE, "5m", 0)->quote_count, 2);
	/* A minute nobody had quoted in: revision 1 of nothing. */
	beat(&r, 130000);
	quote(&r, 61000, "9", "10");
	assert_int_equal(need(&r, AP_S_CANDLE, "1m", 60000)->revision, 1);
	beat(&r, 60000 + 900000);
	assert_int_equal(quote(&r, 59999, "9", "12"), AP_V_LATE);
	assert_string_equal(r.reason, "late");
	assert_true(r.quote);
	assert_int_equal(quote(&r, 60000, "9", "12"), AP_V_TAKEN);
	rig_free(&r);
}

static void a_beat_of_a_dead_feed_closes_nothing_until_the_window_has_passed(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	beat(&r, 0);
	quote(&r, 10000, "10", "11");
	for (int64_t t = 1; t <= 15; t++)
		beat_of(&r, t * MIN, false, false);
	assert_int_equal(count(&r, AP_S_CANDLE, "1m"), 0);
	beat_of(&r, 16 * MIN, false, false);
	assert_int_equal(need(&r, AP_S_CANDLE, "1m", 0)->quality, AP_Q_GAP);
	rig_free(&r);
}

static void the_end_of_a_tape_closes_everything(void **s)
{
	struct rig r = rig_new(NULL);

	(void)s;
	beat(&r, 0);
	quote(&r, 10000, "10", "11");
	beat_of(&r, 20000, true, true);
	assert_int_equal(count(&r, AP_S_CANDLE, "1m") + count(&r, AP_S_CANDLE, "1d"), 2);
	assert_int_equal(need(&r, AP_S_CANDLE, "1d", 0)->quality, AP_Q_PARTIAL);
	/* The tape goes on: what had been ended early forms again and is revised when its time comes. */
	quote(&r, 30000, "10", "13");
	beat(&r, 62000);
	assert_int_equal(need(&r, AP_S_CANDLE, "1m", 0)->revision, 1);
	rig_free(&r);
}

static void quotes_far_ahead_of_their_source_are_bounded(void **s)
{
	struct rig r = rig_new(NULL);
	size_t taken = 0;

	(void)s;
	beat(&r, 0);
	for (int64_t t = 2; t < 100; t++)
		taken += quote(&r, t * MIN, "10", "11") == AP_V_TAKEN;
	assert_int_equal(taken, 64);
	assert_string_equal(r.reason, "too_far_ahead");
	rig_free(&r);
}

static void an_entry_of_many_series_tells_larger_bars_with_the_next_beat(void **s)
{
	struct rig r = rig_new("candle.timeframes", "1m,1h", NULL);
	char symbol[16];

	(void)s;
	beat(&r, 0);
	r.hold = true;
	for (int i = 0; i < 20; i++) {
		snprintf(symbol, sizeof symbol, "S%d-USD", i);
		r.symbol = symbol;
		quote(&r, 1000 + i, "10", "11");
	}
	flush(&r);
	r.hold = false;
	assert_int_equal(count(&r, AP_S_LIVE, "1m"), 20);
	assert_int_equal(count(&r, AP_S_LIVE, "1h"), 0);
	beat(&r, 2000);
	assert_int_equal(count(&r, AP_S_LIVE, "1h"), 20);
	beat(&r, 3000);
	assert_int_equal(count(&r, AP_S_LIVE, "1h"), 20);
	rig_free(&r);
}

static void trades_and_quotes_leave_each_other_alone(void **s)
{
	struct rig with = rig_new(NULL), without = rig_new(NULL);
	struct ap_rec rec = { .kind = AP_TRADE };

	(void)s;
	rec.u.trade = (struct ap_trade){ .source = ap_str_c("sim"), .symbol = ap_str_c("BTC-USDT"), .price = dec("10"), .qty = dec("1") };
	for (int64_t t = 0; t < 300; t++) {
		beat(&with, t * 1000);
		beat(&without, t * 1000);
		rec.u.trade.ts.ns = (t0_ms + t * 1000) * 1000000;
		step(&with, &rec);
		step(&without, &rec);
		quote(&with, t * 1000 - 1000 * (t % 70), "9", "11");
	}
	assert_int_equal(with.candles, without.candles);
	assert_true(with.n > 300);
	rig_free(&with);
	rig_free(&without);
}

/* --- options ------------------------------------------------------------------ */

static void bars_are_built_for_whom_they_are_asked(void **s)
{
	struct rig off = rig_new("candle.quotes", "false", NULL);
	struct rig some = rig_new("candle.quote_series", "[{\"symbols\":[\"ETH-*\"],\"sources\":[\"s*\"]},{\"symbols\":[\"X-USD\"]}]", NULL);

	(void)s;
	assert_int_equal(quote(&off, 0, "1", "2"), AP_V_IGNORED);
	assert_int_equal(quote(&some, 0, "1", "2"), AP_V_IGNORED);
	some.symbol = "ETH-USD";
	assert_int_equal(quote(&some, 0, "1", "2"), AP_V_TAKEN);
	some.source = "okx";
	assert_int_equal(quote(&some, 0, "1", "2"), AP_V_IGNORED);
	some.symbol = "X-USD";
	assert_int_equal(quote(&some, 0, "1", "2"), AP_V_TAKEN);
	assert_int_equal(off.n, 0);
	rig_free(&off);
	rig_free(&some);
}

static void a_wrong_option_is_refused_with_a_sentence(void **s)
{
	struct ap_conf conf;
	char err[200] = "";

	(void)s;
	ap_conf_init(&conf);
	assert_true(ap_conf_set(&conf, ap_opt_find(ap_str_c("candle.quote_series")), ap_str_c("[{\"symbol\":[\"A\"]}]"), err, sizeof err));
	assert_null(ap_candle_stage.open(&conf, err, sizeof err));
	assert_string_equal(err, "candle.quote_series, entry 1: there is no key symbol; there are symbols sources");
	assert_false(ap_conf_set(&conf, ap_opt_find(ap_str_c("candle.quote_points")), ap_str_c("7"), err, sizeof err));
	ap_conf_done(&conf);
}

/* --- state ---------------------------------------------------------------------- */

struct keep {
	struct ap_saver saver;
	struct laws_map *map;
};

static void keep_put(struct ap_saver *s, ap_str field, ap_str value)
{
	laws_map_put(((struct keep *)(void *)s)->map, field, value);
}

static void keep_del(struct ap_saver *s, ap_str field)
{
	laws_map_del(((struct keep *)(void *)s)->map, field);
}

/* The rig's state into a fold of other options. */
static bool reload(struct rig *from, struct rig *to, char *err, size_t errlen)
{
	struct keep k = { { keep_put, keep_del }, laws_map_new() };
	bool ok = true;

	ap_candle_stage.save(from->st, &k.saver, true);
	for (size_t i = 0; ok && i < laws_map_slots(k.map); i++) {
		ap_str name, value;

		ok = !laws_map_slot(k.map, i, &name, &value) || ap_candle_stage.load(to->st, name, value);
	}
	ok = ok && ap_candle_stage.loaded(to->st, err, errlen);
	laws_map_free(k.map);
	to->beat_ms = from->beat_ms;
	return ok;
}

static void a_timeframe_added_later_begins_with_what_is_there(void **s)
{
	struct rig old = rig_new("candle.timeframes", "1m,1h", NULL), new = rig_new("candle.timeframes", "1m,5m", NULL);
	char err[200] = "";

	(void)s;
	beat(&old, 0);
	quote(&old, 10000, "10", "11");
	beat(&old, 62000);
	if (!reload(&old, &new, err, sizeof err))
		fail_msg("%s", err);
	quote(&new, 70000, "10", "13");
	assert_int_equal(need(&new, AP_S_LIVE, "5m", 0)->quote_count, 2);
	beat(&new, 302000);
	is_dec(need(&new, AP_S_CANDLE, "5m", 0)->spread_mean, "2.586206896551724138");  /* 1 for 60 s, 3 for 230 s */
	rig_free(&old);
	rig_free(&new);
}

static void a_damaged_field_is_refused(void **s)
{
	struct rig r = rig_new(NULL);
	struct keep k = { { keep_put, keep_del }, laws_map_new() };
	size_t tried = 0;

	(void)s;
	beat(&r, 0);
	for (int i = 0; i < 40; i++)
		quote_ns(&r, INT64_C(100000000) * i, "10", i % 3 == 0 ? "10.5" : "11", (uint64_t)(i * i));
	ap_candle_stage.save(r.st, &k.saver, true);
	for (size_t i = 0; i < laws_map_slots(k.map); i++) {
		ap_str name, value;
		char copy[4096];

		if (!laws_map_slot(k.map, i, &name, &value) || name.p[0] != 'q')
			continue;
		assert_true(value.len < sizeof copy);
		for (size_t at = 0; at < value.len; at++) {
			struct rig other = rig_new(NULL);

			memcpy(copy, value.p, value.len);
			copy[at] = (char)(copy[at] ^ 0x41);
			assert_false(ap_candle_stage.load(other.st, name, ap_str_n(copy, value.len)));
			assert_false(ap_candle_stage.load(other.st, name, ap_str_n(value.p, at)));
			rig_free(&other);
			tried++;
		}
	}
	assert_true(tried > 200);
	laws_map_free(k.map);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bar_holds_bid_ask_mid_and_spread),
		cmocka_unit_test(a_mid_that_needs_a_nineteenth_decimal_is_rounded_half_even),
		cmocka_unit_test(the_mean_is_rounded_half_even_at_eighteen_decimals),
		cmocka_unit_test(a_forming_bar_is_weighted_up_to_its_last_quote),
		cmocka_unit_test(equal_times_go_by_the_venues_number_then_by_arrival),
		cmocka_unit_test(the_largest_prices_and_the_longest_bar_do_not_overflow),
		cmocka_unit_test(bars_equal_a_straightforward_computation_in_any_order),
		cmocka_unit_test(a_late_quote_revises_and_a_very_late_one_is_rejected),
		cmocka_unit_test(a_beat_of_a_dead_feed_closes_nothing_until_the_window_has_passed),
		cmocka_unit_test(the_end_of_a_tape_closes_everything),
		cmocka_unit_test(quotes_far_ahead_of_their_source_are_bounded),
		cmocka_unit_test(an_entry_of_many_series_tells_larger_bars_with_the_next_beat),
		cmocka_unit_test(trades_and_quotes_leave_each_other_alone),
		cmocka_unit_test(bars_are_built_for_whom_they_are_asked),
		cmocka_unit_test(a_wrong_option_is_refused_with_a_sentence),
		cmocka_unit_test(a_timeframe_added_later_begins_with_what_is_there),
		cmocka_unit_test(a_damaged_field_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
