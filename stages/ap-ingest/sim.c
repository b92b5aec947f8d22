/*
 * sim.c - an invented market. Same seed and same start: same trades, on any machine with IEEE doubles and this libm.
 */
#include "sim.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/symbol.h"

/*
 * Hawkes process with kernel a e^(-b t): each trade raises the intensity by a, which dies away at b a second. a / b
 * = 0.65 means that of 100 trades 65 were set off by others.
 */
static const double EXCITE = 0.65, DECAY = 4.0;

/* The price's octaves: noise with knots every 2^k s, k = 0..OCTAVES-1 (the longest is 97 days). */
enum { OCTAVES = 23 };

struct market {
	char name[AP_SYMBOL_MAX + 1];
	size_t name_len;
	uint64_t key;           /* of its noise */
	double base;            /* price around which it wanders */
	double vol;             /* standard deviation of the log price over one second */
	uint64_t tick_e18, lot_e18;
	double lots;            /* median size, in lots */
	double quiet;           /* intensity without excitement, trades/s */
	double excited;         /* the rest of it, as of `at` */
	double at;              /* s since start */
	int side;               /* of the last trade: +1, -1 */
};

struct ap_sim {
	uint64_t rng;
	ap_ts start;
	uint64_t id;
	unsigned n, next;       /* markets; whose trade comes next */
	double when;            /* of it, s since start */
	char id_text[24];
	struct market m[AP_SIM_SYMBOLS];
};

static const struct {
	const char *name;
	double price, vol;
	uint64_t tick_e18, lot_e18;
	double lots;
} known[] = {
	{ "BTC-USDT", 64000, 1.1e-4, 10000000000000000u, 10000000000000u, 900 },
	{ "ETH-USDT", 3200, 1.4e-4, 10000000000000000u, 100000000000000u, 1500 },
	{ "SOL-USDT", 155, 1.9e-4, 10000000000000000u, 1000000000000000u, 3000 },
	{ "XRP-USDT", 0.58, 1.7e-4, 100000000000000u, 100000000000000000u, 4000 },
	{ "ADA-USDT", 0.44, 1.8e-4, 100000000000000u, 100000000000000000u, 4000 },
	{ "DOGE-USDT", 0.13, 2.2e-4, 10000000000000u, 1000000000000000000u, 1500 },
	{ "LINK-USDT", 14.2, 1.8e-4, 1000000000000000u, 10000000000000000u, 2500 },
	{ "AVAX-USDT", 28.5, 2.0e-4, 1000000000000000u, 10000000000000000u, 1200 },
};

/* --- chance ----------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014): the finalizer as a hash, the sequence as a generator. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t draw(struct ap_sim *s)
{
	s->rng += 0x9e3779b97f4a7c15u;
	return mix(s->rng);
}

/* In (0, 1). */
static double uniform_of(uint64_t x)
{
	return ((double)(x >> 11) + 0.5) * 0x1p-53;
}

static double uniform(struct ap_sim *s)
{
	return uniform_of(draw(s));
}

static double normal(struct ap_sim *s)
{
	double r = sqrt(-2 * log(uniform(s)));

	return r * cos(2 * 3.14159265358979323846 * uniform(s));
}

/* --- the price ---------------------------------------------------------------------- */

/* Smooth noise in about [-1, 1], mean 0: random values at whole t, a cubic ease between them. */
static double noise(uint64_t key, double t)
{
	double whole = floor(t), f = t - whole;
	uint64_t k = (uint64_t)(int64_t)whole;
	double a = 2 * uniform_of(mix(key ^ mix(k))) - 1, b = 2 * uniform_of(mix(key ^ mix(k + 1))) - 1;

	return a + (b - a) * f * f * (3 - 2 * f);
}

/*
 * Log of the price over its base at absolute time t (s). Each octave is as large as a random walk moves in its knot
 * distance; together they look like one at every scale. The short octaves, up to a quarter of an hour, are scaled by a
 * slow noise: quiet hours and wild ones.
 */
static double log_price(const struct market *m, double t)
{
	double x = 0, mood = exp(1.3 * noise(m->key ^ 0x6d6f6f64, t / 1800) + 0.7 * noise(m->key ^ 0x6d6f6f65, t / 240));

	for (unsigned k = 0; k < OCTAVES; k++) {
		double knots = (double)(1u << k);

		x += m->vol * sqrt(knots) * noise(m->key + k, t / knots) * (k < 10 ? mood : 1);
	}
	return x;
}

/* --- arrivals ------------------------------------------------------------------------ */

static double intensity(const struct market *m, double at)
{
	return m->quiet + m->excited * exp(-DECAY * (at - m->at));
}

/*
 * Draws the next arrival of all markets by thinning (Ogata 1981): the present total intensity bounds the future one,
 * since it only falls until the next trade; a candidate is kept with probability true / bound.
 */
static void schedule(struct ap_sim *s)
{
	double at = s->when, bound, total, pick;
	unsigned i;

	for (;;) {
		bound = 0;
		for (i = 0; i < s->n; i++)
			bound += intensity(&s->m[i], at);
		at += -log(uniform(s)) / bound;
		total = 0;
		for (i = 0; i < s->n; i++)
			total += intensity(&s->m[i], at);
		pick = uniform(s) * bound;
		if (pick < total)
			break;
	}
	for (i = 0; i + 1 < s->n; i++) {
		pick -= intensity(&s->m[i], at);
		if (pick < 0)
			break;
	}
	s->m[i].excited = s->m[i].excited * exp(-DECAY * (at - s->m[i].at)) + EXCITE * DECAY;
	s->m[i].at = at;
	s->when = at;
	s->next = i;
}

/* --- markets ------------------------------------------------------------------------- */

static void market_init(struct market *m, uint64_t seed, double rate)
{
	uint64_t h = seed;

	for (size_t i = 0; i < m->name_len; i++)
		h = mix(h ^ (unsigned char)m->name[i]);
	m->key = h;
	m->quiet = rate * (1 - EXCITE);
	m->side = 1;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(m->name, known[i].name) == 0) {
			m->base = known[i].price;
			m->vol = known[i].vol;
			m->tick_e18 = known[i].tick_e18;
			m->lot_e18 = known[i].lot_e18;
			m->lots = known[i].lots;
			return;
		}
	}
	m->base = exp(log(1000.0) * uniform_of(mix(h ^ 1)));    /* 1 to 1000 */
	m->vol = 1e-4 * (1 + 2 * uniform_of(mix(h ^ 2)));
	m->tick_e18 = 1000000000000000u;
	m->lot_e18 = 10000000000000000u;
	m->lots = 2000;
}

static bool markets_read(struct ap_sim *s, uint64_t seed, double rate, const char *list, char *err, size_t errlen)
{
	double weight = 0;

	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, ",");
		struct market *m = &s->m[s->n];

		if (s->n == AP_SIM_SYMBOLS) {
			snprintf(err, errlen, "more than %d symbols", AP_SIM_SYMBOLS);
			return false;
		}
		m->name_len = ap_symbol_canon(ap_str_c("sim"), ap_str_n(p, n), m->name);
		if (m->name_len == 0) {
			snprintf(err, errlen, "'%.*s' is no symbol", (int)(n > 60 ? 60 : n), p);
			return false;
		}
		s->n++;
		weight += 1 / (double)s->n;
		p += n + (p[n] == ',');
	}
	if (s->n == 0) {
		snprintf(err, errlen, "no symbols");
		return false;
	}
	/* The first is traded most, the k-th 1/k as much. */
	for (unsigned i = 0; i < s->n; i++)
		market_init(&s->m[i], seed, rate / (double)(i + 1) / weight);
	return true;
}

struct ap_sim *ap_sim_new(uint64_t seed, double rate, const char *symbols, ap_ts start, char *err, size_t errlen)
{
	struct ap_sim *s = calloc(1, sizeof *s);

	if (s == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	assert(rate > 0 && start.ns >= 0);
	s->rng = mix(seed);
	s->start = start;
	s->id = (uint64_t)(start.ns / 1000);    /* microseconds: rises over restarts as long as the rate is below 10^6 */
	if (!markets_read(s, seed, rate, symbols, err, errlen)) {
		free(s);
		return NULL;
	}
	schedule(s);
	return s;
}

void ap_sim_free(struct ap_sim *s)
{
	free(s);
}

ap_ts ap_sim_when(const struct ap_sim *s)
{
	return (ap_ts){ s->start.ns + (int64_t)(s->when * 1e9) };
}

void ap_sim_enlarge(struct ap_sim *s, double times)
{
	assert(times >= 1);
	for (unsigned i = 0; i < s->n; i++)
		s->m[i].lots *= times;
}

/* A size: log-normal body, every 25th from a Pareto tail of exponent 1.5, at most 5,000 medians. */
static uint64_t lots_draw(struct ap_sim *s, const struct market *m)
{
	double x = m->lots * exp(1.1 * normal(s));

	if (uniform(s) < 0.04)
		x = 3 * m->lots * pow(uniform(s), -1 / 1.5);
	if (x > 5000 * m->lots)
		x = 5000 * m->lots;
	return x < 1 ? 1 : (uint64_t)x;
}

/* What a buyer (side 1) pays at absolute time t (s), or a seller (-1) gets, in ticks. */
static uint64_t touch(const struct market *m, double t, int side)
{
	double mid = m->base * exp(log_price(m, t)), tick = (double)m->tick_e18 * 1e-18, spread = tick > mid * 4e-5 ? tick : mid * 4e-5;
	double ticks = (mid + side * spread / 2) / tick;

	ticks = side > 0 ? ceil(ticks) : floor(ticks);
	return ticks < 1 ? 1 : (uint64_t)ticks;
}

static ap_dec dec_of(uint64_t n, uint64_t unit_e18)
{
	return (ap_dec){ (ap_i128)n * (ap_i128)unit_e18 };
}

void ap_sim_quote(const struct ap_sim *s, struct ap_quote *out)
{
	const struct market *m = &s->m[s->next];
	ap_ts ts = ap_sim_when(s);
	double t = (double)ts.ns * 1e-9;
	uint64_t size = mix(m->key ^ (uint64_t)ts.ns), most = (uint64_t)(4 * m->lots) + 1;

	*out = (struct ap_quote){
		.symbol = ap_str_n(m->name, m->name_len),
		.venue_symbol = ap_str_n(m->name, m->name_len),
		.ts = ts,
		.bid = dec_of(touch(m, t, -1), m->tick_e18),
		.bid_qty = dec_of(1 + size % most, m->lot_e18),
		.ask = dec_of(touch(m, t, 1), m->tick_e18),
		.ask_qty = dec_of(1 + mix(size) % most, m->lot_e18),
		.seq = s->id + 1,
	};
}

void ap_sim_next(struct ap_sim *s, struct ap_trade *out)
{
	struct market *m = &s->m[s->next];
	ap_ts ts = ap_sim_when(s);
	int n;

	/* Buyers follow buyers: the side changes at three trades in ten. A buyer pays the ask. */
	if (uniform(s) < 0.3)
		m->side = -m->side;
	n = snprintf(s->id_text, sizeof s->id_text, "%llu", (unsigned long long)++s->id);
	*out = (struct ap_trade){
		.symbol = ap_str_n(m->name, m->name_len),
		.venue_symbol = ap_str_n(m->name, m->name_len),
		.trade_id = ap_str_n(s->id_text, (size_t)n),
		.ts = ts,
		.price = dec_of(touch(m, (double)ts.ns * 1e-9, m->side), m->tick_e18),
		.qty = dec_of(lots_draw(s, m), m->lot_e18),
		.side = m->side > 0 ? AP_SIDE_BUY : AP_SIDE_SELL,
	};
	schedule(s);
}

static void raw_of(ap_str symbol, ap_ts ts, const char *text, int n, struct ap_rec *out)
{
	assert(n > 0 && n < AP_SIM_TEXT);
	*out = (struct ap_rec){ .kind = AP_RAW };
	out->u.raw = (struct ap_raw){ .source = ap_str_c("sim"), .symbol = symbol, .format = ap_str_c("trade"),
				      .payload = ap_str_n(text, (size_t)n), .recv = ts };
}

void ap_sim_quote_raw(const struct ap_quote *q, char text[AP_SIM_TEXT], struct ap_rec *out)
{
	char bid[AP_DEC_TEXT], bid_qty[AP_DEC_TEXT], ask[AP_DEC_TEXT], ask_qty[AP_DEC_TEXT];

	ap_dec_format(q->bid, bid);
	ap_dec_format(q->bid_qty, bid_qty);
	ap_dec_format(q->ask, ask);
	ap_dec_format(q->ask_qty, ask_qty);
	raw_of(q->symbol, q->ts, text,
	       snprintf(text, AP_SIM_TEXT,
			"{\"source\":\"sim\",\"symbol\":\"%.*s\",\"bid\":\"%s\",\"bid_size\":\"%s\",\"ask\":\"%s\",\"ask_size\":\"%s\","
			"\"timestamp\":%" PRId64 ",\"seq\":%" PRIu64 "}",
			(int)q->symbol.len, q->symbol.p, bid, bid_qty, ask, ask_qty, q->ts.ns / 1000, q->seq),
	       out);
}

void ap_sim_raw(const struct ap_trade *t, char text[AP_SIM_TEXT], struct ap_rec *out)
{
	char price[AP_DEC_TEXT], qty[AP_DEC_TEXT];
	int n;

	ap_dec_format(t->price, price);
	ap_dec_format(t->qty, qty);
	n = snprintf(text, AP_SIM_TEXT,
		     "{\"source\":\"sim\",\"symbol\":\"%.*s\",\"price\":\"%s\",\"quantity\":\"%s\",\"timestamp\":%" PRId64
		     ",\"trade_id\":\"%.*s\",\"side\":\"%s\"}",
		     (int)t->symbol.len, t->symbol.p, price, qty, t->ts.ns / 1000, (int)t->trade_id.len, t->trade_id.p,
		     ap_side_name(t->side));
	raw_of(t->symbol, t->ts, text, n, out);
}
