/*
 * test_laws_engine.c - raw messages through ap-normalize, ap-candle and ap-indicators: whatever order they come in, and
 * however often, the last word on every candle, indicator value, pattern, signal and outcome is the same, byte for byte.
 */
#include "stages/ap-candle/candle.h"
#include "stages/ap-indicators/indicators.h"
#include "stages/ap-normalize/normalize.h"
#include "test/lib/conf.h"
#include "test/lib/laws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Delays stay inside the revision window of 15 minutes, which is 15 candles of the smallest timeframe. */
enum { TRADES = 2500, DELAY_MS = 13 * 60000, ENTRY = 16 };

/* Rules that fire and end often, so that short tapes have much to tell. */
static const char rules[] =
	"[{\"name\":\"up\",\"direction\":\"long\",\"when\":\"cross_over(SMA(2), SMA(4))\",\"stop\":\"entry * 0.999\","
	"\"target\":\"entry * 1.002\",\"confidence\":\"rsi14 / 100\",\"expiry\":6,\"cooldown\":2},"
	"{\"name\":\"hit\",\"direction\":\"short\",\"when\":\"engulfing < 0 or doji > 0\",\"entry\":\"close * 1.0005\","
	"\"stop\":\"max(high, high[1]) * 1.001\",\"target\":\"entry * 0.999\",\"confidence\":\"0.5\",\"expiry\":4}]";

static const char list[] =
	"[{\"name\":\"SMA\",\"period\":5},{\"name\":\"EMA\",\"period\":9},{\"name\":\"RSI\",\"period\":5},{\"name\":\"MACD\"},"
	"{\"name\":\"BBANDS\"},{\"name\":\"ATR\"},{\"name\":\"STOCH\"},{\"name\":\"OBV\"},{\"name\":\"SAR\"},{\"name\":\"VWAP\"},"
	"{\"name\":\"AROON\"},{\"name\":\"IMBALANCE\",\"period\":5},{\"name\":\"KAMA\",\"period\":5},{\"name\":\"SUPERTREND\"}]";

/* --- tapes that are disordered ----------------------------------------------------------------- */

struct message {
	int64_t at_ms;          /* when it comes */
	uint64_t turn;          /* among those of one time */
	struct ap_rec rec;      /* its texts lie in the tape */
};

static int by_arrival(const void *a, const void *b)
{
	const struct message *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return (x->turn > y->turn) - (x->turn < y->turn);
}

static int64_t time_of(const struct ap_rec *rec)
{
	return (rec->kind == AP_RAW ? rec->u.raw.recv.ns : rec->u.beat.ts.ns) / 1000000;
}

/* Delays pct of 100 messages and sends dup of 100 twice, in entries of random length. Beats come when they do. */
static struct laws_tape *disordered(const struct laws_tape *tape, uint64_t seed, unsigned pct, unsigned dup)
{
	struct laws_tape *out = laws_tape_new();
	struct message *m = calloc(2 * laws_tape_recs(tape), sizeof *m);
	struct ap_wire_iter *it = calloc(1, sizeof *it);
	struct laws_rng r = { seed };
	size_t n = 0;

	for (size_t i = 0; i < tape->n; i++) {
		struct ap_rec rec;

		ap_wire_start(it, ap_buf_view(&tape->entry[i].body), tape->entry[i].n);
		while (ap_wire_next(it, &rec) == AP_WIRE_OK) {
			/* A beat that ends the tape waits for the last message. */
			bool last = rec.kind == AP_BEAT && rec.u.beat.close;
			unsigned times = rec.kind == AP_RAW && laws_chance(&r, dup) ? 2 : 1;

			for (unsigned k = 0; k < times; k++) {
				int64_t late = rec.kind == AP_RAW && laws_chance(&r, pct) ? (int64_t)laws_below(&r, DELAY_MS) : 0;

				m[n++] = (struct message){ time_of(&rec) + (last ? 2 * DELAY_MS : late), laws_rand(&r) % (seed + 1), rec };
			}
		}
	}
	qsort(m, n, sizeof *m, by_arrival);
	for (size_t i = 0; i < n; i++) {
		if (m[i].rec.kind == AP_RAW)
			m[i].rec.u.raw.seq = i + 1;
		laws_tape_add(out, &m[i].rec);
		if (laws_below(&r, ENTRY) == 0)
			laws_tape_cut(out);
	}
	free(it);
	free(m);
	return out;
}

/* --- the last words ---------------------------------------------------------------------------- */

static struct ap_buf *text_of(struct ap_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static struct ap_buf *text_of(struct ap_buf *b, const char *fmt, ...)
{
	char text[3000];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && n < (int)sizeof text);
	ap_buf_put(b, text, (size_t)n);
	return b;
}

#define S(s) (int)(s).len, (s).p

struct words {
	struct laws_map *map;
	struct ap_buf key, value;
	size_t withdrawn;
	size_t n[AP_KIND_N];
};

static void candle_said(struct words *w, const struct ap_candle *c)
{
	char d[7][AP_DEC_TEXT], q[AP_SUM_TEXT];
	const ap_dec v[7] = { c->open, c->high, c->low, c->close, c->volume, c->buy_volume, c->sell_volume };

	for (int i = 0; i < 7; i++)
		d[i][ap_dec_format(v[i], d[i])] = '\0';
	q[ap_sum_format(&c->quote_volume, q)] = '\0';
	text_of(&w->key, "candle %.*s %.*s %.*s %lld", S(c->source), S(c->symbol), S(c->tf), (long long)c->open_ms);
	text_of(&w->value, "%s %s %s %s %s %s %s %s %llu", d[0], d[1], d[2], d[3], d[4], d[5], d[6], q,
		(unsigned long long)c->trade_count);
}

static void values_said(struct words *w, const struct ap_indicator *v)
{
	text_of(&w->key, "values %.*s %.*s %.*s %lld", S(v->source), S(v->symbol), S(v->tf), (long long)v->open_ms);
	for (uint32_t i = 0; i < v->n; i++)
		text_of(&w->value, "%.*s %.*s %a; ", S(v->values[i].name), S(v->values[i].params), v->values[i].v);
}

static void signal_said(struct words *w, const struct ap_signal *s)
{
	text_of(&w->key, "%s %.*s %.*s %.*s %lld %.*s", ap_signal_kind_name(s->kind), S(s->source), S(s->symbol), S(s->tf),
		(long long)s->open_ms, S(s->name));
	if (s->direction != AP_DIR_NONE)
		text_of(&w->value, "%s %a %a %a %a %.*s", ap_direction_name(s->direction), s->strength, s->entry, s->stop, s->target,
			S(s->inputs));
	w->withdrawn += s->direction == AP_DIR_NONE;
}

static void said(struct words *w, const struct ap_rec *rec)
{
	ap_buf_clear(&w->key);
	ap_buf_clear(&w->value);
	if (rec->kind == AP_CANDLE)
		candle_said(w, &rec->u.candle);
	else if (rec->kind == AP_INDICATOR)
		values_said(w, &rec->u.indicator);
	else
		signal_said(w, &rec->u.signal);
	w->n[rec->kind]++;
	if (w->value.len == 0)
		laws_map_del(w->map, ap_buf_view(&w->key));
	else
		laws_map_put(w->map, ap_buf_view(&w->key), ap_buf_view(&w->value));
}

static void tape_said(struct words *w, const struct laws_tape *t)
{
	struct ap_wire_iter *it = calloc(1, sizeof *it);
	struct ap_rec rec;

	for (size_t i = 0; i < t->n; i++) {
		ap_wire_start(it, ap_buf_view(&t->entry[i].body), t->entry[i].n);
		while (ap_wire_next(it, &rec) == AP_WIRE_OK)
			said(w, &rec);
	}
	free(it);
}

static void result_said(struct words *w, const struct laws_result *r, enum ap_stream s)
{
	struct ap_wire_iter *it = calloc(1, sizeof *it);
	struct ap_rec rec;

	for (uint32_t i = 0; laws_result_rec(r, s, i, it, &rec); i++)
		said(w, &rec);
	free(it);
}

/* The whole engine over the tape. */
static struct words words_of(const struct ap_conf *conf, const struct laws_tape *raws)
{
	struct words w = { .map = laws_map_new() };
	char why[LAWS_WHY] = "";
	struct laws_tape *ticks, *candles = NULL;
	struct laws_result r;
	bool ok = false;

	ap_buf_init(&w.key, 1 << 16);
	ap_buf_init(&w.value, 1 << 16);
	ticks = laws_through(&ap_normalize_stage, conf, raws, AP_S_TICK, why);
	if (ticks != NULL)
		candles = laws_through(&ap_candle_stage, conf, ticks, AP_S_CANDLE, why);
	if (candles != NULL)
		ok = laws_run(&ap_indicators_stage, conf, candles, &r, why);
	if (!ok)
		fail_msg("%s", why);
	tape_said(&w, candles);
	result_said(&w, &r, AP_S_INDICATOR);
	result_said(&w, &r, AP_S_SIGNAL);
	laws_tape_free(ticks);
	laws_tape_free(candles);
	laws_result_done(&r);
	return w;
}

static void words_free(struct words *w)
{
	laws_map_free(w->map);
	ap_buf_done(&w->key);
	ap_buf_done(&w->value);
}

static void assert_same_words(const struct words *want, const struct words *got)
{
	ap_str key, value;

	for (size_t i = 0; i < laws_map_slots(want->map); i++) {
		ap_str other;

		if (!laws_map_slot(want->map, i, &key, &value))
			continue;
		other = laws_map_get(got->map, key);
		if (other.p == NULL || !ap_str_eq(other, value))
			fail_msg("%.*s\n  %.*s\n  instead of\n  %.*s", S(key), (int)other.len, other.p == NULL ? "" : other.p, S(value));
	}
	assert_int_equal(laws_map_n(want->map), laws_map_n(got->map));
}

/* --- the laws ---------------------------------------------------------------------------------- */

static struct laws_tape *market(void)
{
	const struct laws_walk w = {
		.seed = 31, .sources = 1, .symbols = 2, .trades = TRADES, .entry_max = 8, .step_ms_max = 15000, .beat_ms = 5000, .close = true
	};

	return laws_walk_raws(&w);
}

static void engine_conf(struct ap_conf *conf)
{
	ap_conf_init(conf);
	conf_set(conf, "candle.timeframes", "1m,5m,15m");
	conf_set(conf, "normalize.outlier_ratio_pct", "0");
	conf_set(conf, "indicators.list", list);
	conf_set(conf, "indicators.rules", rules);
}

static void any_order_delay_and_duplication_inside_the_window_ends_in_the_same_words(void **unused)
{
	struct laws_tape *tape = market(), *straight = disordered(tape, 0, 0, 0);
	struct ap_conf conf;
	struct words want;

	(void)unused;
	engine_conf(&conf);
	want = words_of(&conf, straight);
	assert_true(want.n[AP_CANDLE] > 300 && want.n[AP_INDICATOR] > 300 && want.n[AP_SIGNAL] > 1000);
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct laws_tape *mixed = disordered(tape, seed, 25 * (unsigned)seed, 20);
		struct words got = words_of(&conf, mixed);

		assert_same_words(&want, &got);
		print_message("# %u%% delayed: %zu candles, %zu values, %zu signals told, %zu of these withdrawn\n",
			      25 * (unsigned)seed, got.n[AP_CANDLE], got.n[AP_INDICATOR], got.n[AP_SIGNAL], got.withdrawn);
		assert_true(got.withdrawn > 0);
		words_free(&got);
		laws_tape_free(mixed);
	}
	words_free(&want);
	laws_tape_free(straight);
	laws_tape_free(tape);
	ap_conf_done(&conf);
}

static void the_same_tape_gives_the_same_signals_byte_for_byte(void **unused)
{
	struct laws_tape *tape = market(), *mixed = disordered(tape, 9, 30, 10), *ticks, *candles;
	struct laws_result a, b;
	char why[LAWS_WHY] = "";
	struct ap_conf conf;

	(void)unused;
	engine_conf(&conf);
	ticks = laws_through(&ap_normalize_stage, &conf, mixed, AP_S_TICK, why);
	assert_non_null(ticks);
	candles = laws_through(&ap_candle_stage, &conf, ticks, AP_S_CANDLE, why);
	assert_non_null(candles);
	if (!laws_run(&ap_indicators_stage, &conf, candles, &a, why) || !laws_run(&ap_indicators_stage, &conf, candles, &b, why) ||
	    !laws_same(&a, &b, why))
		fail_msg("%s", why);
	laws_result_done(&a);
	laws_result_done(&b);
	laws_tape_free(candles);
	laws_tape_free(ticks);
	laws_tape_free(mixed);
	laws_tape_free(tape);
	ap_conf_done(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_delay_and_duplication_inside_the_window_ends_in_the_same_words),
		cmocka_unit_test(the_same_tape_gives_the_same_signals_byte_for_byte),
	};

	return cmocka_run_group_tests_name("the engine", tests, NULL, NULL);
}
