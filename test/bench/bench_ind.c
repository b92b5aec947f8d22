/*
 * bench_ind.c - nanoseconds per candle of the indicator engine, one candle at a time.
 *
 * Sets: each of the five everyday indicators alone, the five together, the default set, sixty indicators, the sixty
 * with all 61 patterns, everything there is. Tapes: a walk, a falling market (worst for windows of extremes), a flat one,
 * and one that falls for 200 candles and then leaps. "plain" is what the machine allows: the five written by hand in C,
 * one call each, without checks, start-up, or care for rounding, on the same walk in the same run.
 * Prints one JSON line: per set and tape the least and the median of the repeats, and the processor's clock at that time, for
 * on many machines it comes and goes.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stages/ap-indicators/ind.h"
#include "stages/ap-indicators/pat.h"

enum { BARS = 5000, REPEATS = 40 };

static uint64_t rng = 88172645463325252u;

static double chance(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (double)(rng >> 11) * 0x1p-53;
}

static struct ind_bar bar_of(size_t i, double o, double c, double up, double down)
{
	struct ind_bar b = { .open_ms = (int64_t)i * 60000, .o = o, .h = fmax(o, c) + up, .l = fmin(o, c) - down, .c = c };

	b.v = floor(1 + 100 * chance());
	b.buy_v = floor(b.v * chance());
	b.sell_v = b.v - b.buy_v;
	b.qv = b.v * c;
	b.n = floor(1 + 50 * chance());
	return b;
}

static void walk(struct ind_bar *b)
{
	double p = 10000;

	for (size_t i = 0; i < BARS; i++) {
		const double o = p + floor(chance() * 5) - 2, c = o + floor(chance() * 41) - 20;

		b[i] = bar_of(i, o, c, floor(chance() * 20), floor(chance() * 20));
		p = c > 1000 ? c : 10000;
	}
}

static void falling(struct ind_bar *b)
{
	for (size_t i = 0; i < BARS; i++)
		b[i] = bar_of(i, 100000 - (double)i, 100000 - (double)i - 3, 0, 0);
}

static void flat(struct ind_bar *b)
{
	for (size_t i = 0; i < BARS; i++)
		b[i] = bar_of(i, 100, 100, 0, 0);
}

static void leaps(struct ind_bar *b)
{
	for (size_t i = 0; i < BARS; i++)
		b[i] = bar_of(i, 1000 - (double)(i % 200), 999 - (double)(i % 200), 0, 0);
}

/* --- the five by hand -------------------------------------------------------------------------- */

struct plain { double ring[32], sum, sq, ema, prev, gain, loss, fast, slow, signal, out[9]; unsigned t; };
#define ALONE __attribute__((noinline)) static void
ALONE plain_sma(struct plain *p, double x)
{
	p->sum += x - p->ring[(p->t - 20) & 31];
	p->out[0] = p->sum / 20;
}

ALONE plain_ema(struct plain *p, double x)
{
	p->out[1] = p->ema += (x - p->ema) * (2.0 / 13);
}

ALONE plain_rsi(struct plain *p, double x)
{
	double d = x - p->prev, up = d > 0 ? d : 0;

	p->prev = x;
	p->gain = (p->gain * 13 + up) * (1.0 / 14);
	p->loss = (p->loss * 13 + up - d) * (1.0 / 14);
	p->out[2] = 100 * p->gain / (p->gain + p->loss);
}

ALONE plain_macd(struct plain *p, double x)
{
	p->fast += (x - p->fast) * (2.0 / 13);
	p->slow += (x - p->slow) * (2.0 / 27);
	p->out[3] = p->fast - p->slow;
	p->out[4] = p->signal += (p->out[3] - p->signal) * 0.2;
	p->out[5] = p->out[3] - p->out[4];
}

ALONE plain_bands(struct plain *p, double x)
{
	double old = p->ring[(p->t - 20) & 31], mean = p->sum / 20, var;

	p->sq += x * x - old * old;
	var = p->sq / 20 - mean * mean;
	var = 2 * sqrt(var > 0 ? var : 0);
	p->out[6] = mean + var;
	p->out[7] = mean;
	p->out[8] = mean - var;
}

static double plain_run(const struct ind_bar *b)
{
	struct plain p = { .t = 32 };
	double sum = 0;

	for (size_t i = 0; i < BARS; i++, p.t++) {
		plain_sma(&p, b[i].c);
		plain_ema(&p, b[i].c);
		plain_rsi(&p, b[i].c);
		plain_macd(&p, b[i].c);
		plain_bands(&p, b[i].c);
		p.ring[p.t & 31] = b[i].c;
		sum += p.out[i & 7];
	}
	return sum;
}

/* --- measuring --------------------------------------------------------------------------------- */

static double now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct subject { struct ind_set *set; void *state; double *val; size_t look[8]; bool patterns; };  /* look: places of some values */

/* As the stage does it: memory and core apart. */
static double subject_run(const struct subject *subject, const struct ind_bar *b)
{
	const struct subject s = *subject;
	void *const core = (char *)s.state + ind_set_ring_size(s.set);
	uint64_t valid[16];
	struct pat_state pat;
	int16_t found[PAT_N];
	double sum = 0;

	ind_init(s.set, s.state);
	pat_init(&pat);
	for (size_t i = 0; i < BARS; i++) {
		ind_step(s.set, s.state, core, &b[i], s.val, valid);
		sum += s.val[s.look[i & 7]];
		if (s.patterns) {
			pat_update(&pat, &b[i], found);
			sum += found[i & 31];
		}
	}
	return sum;
}

/* The clock: each addition of a chain takes one cycle. */
static double clock_ghz(void)
{
	enum { TURNS = 1000000 };
	uint64_t sum = 0;
	const double start = now_ns();

	for (uint64_t i = 0; i < TURNS; i++) {
		sum++;
		__asm__ volatile("" : "+r"(sum));
	}
	return (double)sum / (now_ns() - start);
}

/* Least and median ns per candle. s NULL: the five by hand. */
static void measure(const char *name, const struct subject *s, const struct ind_bar *b)
{
	double ns[REPEATS], sum = 0;

	for (size_t r = 0; r < REPEATS; r++) {
		double start = now_ns();

		sum += s != NULL ? subject_run(s, b) : plain_run(b);
		ns[r] = (now_ns() - start) / BARS;
	}
	qsort(ns, REPEATS, sizeof *ns, by_value);
	printf(",\"%s\":[%.1f,%.1f]", name, ns[0], ns[REPEATS / 2]);
	if (isnan(sum))
		exit(1);
}

#define FIVE "SMA period=20; EMA period=12; RSI; MACD; BBANDS"
#define SIXTY \
	FIVE "; SMA period=50; SMA period=200; EMA period=26; WMA; RMA; VWMA; HMA; DEMA; TEMA; KAMA; T3; ZLEMA; ATR; TRANGE; NATR;" \
	"ADX; PLUS_DI; MINUS_DI; DX; STOCH; STOCHF; STOCHRSI; CCI; MFI; OBV; VWAP; SUPERTREND; SAR; WILLR; ROC; MOM; AROON;" \
	"AROONOSC; ULTOSC; TRIX; PPO; APO; CMO; AO; DONCHIAN; KELTNER; ICHIMOKU; AD; ADOSC; CMF; STDDEV; VAR; LINEARREG;" \
	"LINEARREG_SLOPE; TSF; BOP; TSI; VORTEX; COPPOCK; FORCE"

/* false: the registry refuses a set of the bench. */
static bool bench(const char *name, const char *specs, bool patterns)
{
	static const struct { const char *name; void (*make)(struct ind_bar *); } tapes[] = {
		{ "walk", walk }, { "falling", falling }, { "flat", flat }, { "leaps", leaps }
	};
	static struct ind_bar bars[BARS];
	struct subject s = { .patterns = patterns };
	char err[300];

	s.set = ind_set_parse(specs, err, sizeof err);
	if (s.set == NULL) {
		fprintf(stderr, "%s: %s\n", name, err);
		return false;
	}
	s.state = malloc(ind_set_size(s.set));
	s.val = calloc(ind_set_values(s.set) + 8, sizeof *s.val);
	if (s.state == NULL || s.val == NULL)
		return false;
	for (size_t i = 0; i < 8; i++)
		s.look[i] = ind_set_places(s.set)[i % ind_set_slots(s.set)];
	printf(",\"%s\":{\"values\":%zu,\"state_bytes\":%zu", name, ind_set_slots(s.set), ind_set_size(s.set));
	for (size_t i = 0; i < sizeof tapes / sizeof *tapes; i++) {
		tapes[i].make(bars);
		measure(tapes[i].name, &s, bars);
	}
	if (strcmp(name, "five") == 0) {
		walk(bars);
		measure("plain_walk", NULL, bars);
	}
	printf("}");
	free(s.state);
	free(s.val);
	ind_set_free(s.set);
	return true;
}

static char *everything(void)
{
	char *text = calloc(1, 16384);
	const struct ind_def *d;

	for (size_t i = 0; text != NULL && (d = ind_def_at(i)) != NULL; i++)
		strcat(strcat(text, d->name), ";");
	return text;
}

int main(void)
{
	static const struct { const char *name, *specs; bool patterns; } cases[] = {
		{ "SMA20", "SMA period=20", false }, { "EMA12", "EMA period=12", false }, { "RSI14", "RSI", false },
		{ "MACD", "MACD", false }, { "BB20", "BBANDS", false }, { "five", FIVE, false },
		{ "default", "SMA period=20; SMA period=50; SMA period=200; EMA period=12; EMA period=26; RSI; MACD; BBANDS", false },
		{ "extremes200", "MAX period=200; MIN period=200; WILLR period=200; AROON period=200", false },
		{ "sixty", SIXTY, false }, { "sixty_and_patterns", SIXTY, true }
	};
	char *all = everything();
	bool ok = all != NULL;

	printf("{\"bench\":\"indicators\",\"unit\":\"ns/candle, [least, median]\"");
	for (size_t i = 0; i < sizeof cases / sizeof *cases && ok; i++)
		ok = bench(cases[i].name, cases[i].specs, cases[i].patterns);
	ok = ok && bench("everything", all, false);
	printf(",\"clock_ghz\":%.2f}\n", clock_ghz());
	free(all);
	return ok ? 0 : 1;
}
