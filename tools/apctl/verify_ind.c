/*
 * verify_ind.c - indicators by their formulas, over the last closes each time where the formula says so.
 */
#include "verify_ind.h"

#include <math.h>

enum { SMA_20, SMA_50, SMA_200, EMA_12, EMA_26, RSI_14, MACD, MACD_SIGNAL, MACD_HIST, BB_UPPER, BB_MIDDLE, BB_LOWER };

#define MACD_PARAMS "{\"fast\": 12, \"slow\": 26, \"signal\": 9}"
#define BBANDS_PARAMS "{\"k\": 2, \"period\": 20}"

const struct verify_ind_name verify_ind_names[VERIFY_IND_N] = {
	[SMA_20] = { "SMA", "{\"period\": 20}" },
	[SMA_50] = { "SMA", "{\"period\": 50}" },
	[SMA_200] = { "SMA", "{\"period\": 200}" },
	[EMA_12] = { "EMA", "{\"period\": 12}" },
	[EMA_26] = { "EMA", "{\"period\": 26}" },
	[RSI_14] = { "RSI", "{\"period\": 14}" },
	[MACD] = { "MACD", MACD_PARAMS },
	[MACD_SIGNAL] = { "MACD_SIGNAL", MACD_PARAMS },
	[MACD_HIST] = { "MACD_HIST", MACD_PARAMS },
	[BB_UPPER] = { "BBANDS_UPPER", BBANDS_PARAMS },
	[BB_MIDDLE] = { "BBANDS_MIDDLE", BBANDS_PARAMS },
	[BB_LOWER] = { "BBANDS_LOWER", BBANDS_PARAMS },
};

void verify_ind_init(struct verify_ind *v)
{
	memset(v, 0, sizeof *v);
}

/* The close k candles ago; 0: the newest. */
static double ago(const struct verify_ind *v, unsigned k)
{
	return v->close[(v->n - 1 - k) % VERIFY_IND_BARS];
}

/* Mean of the last n closes. Their differences from the newest are summed: small numbers lose nothing. */
static double mean(const struct verify_ind *v, unsigned n)
{
	double sum = 0, base = ago(v, 0);

	for (unsigned k = 0; k < n; k++)
		sum += ago(v, k) - base;
	return base + sum / n;
}

static void set(struct verify_ind *v, int i, double x)
{
	v->value[i] = x;
	v->there[i] = true;
}

static void sma(struct verify_ind *v, int i, unsigned period)
{
	if (v->n >= period)
		set(v, i, mean(v, period));
}

static void ema(struct verify_ind *v, int i, unsigned period, double *e)
{
	if (v->n == period)
		*e = mean(v, period);
	else if (v->n > period)
		*e = *e + 2.0 / (period + 1) * (ago(v, 0) - *e);
	if (v->n >= period)
		set(v, i, *e);
}

/* Wilder: means of the first 14 gains and losses, then (13 x + new) / 14. 0 where nothing has moved. */
static void rsi(struct verify_ind *v)
{
	const double d = v->n > 1 ? ago(v, 0) - ago(v, 1) : 0, up = d > 0 ? d : 0, down = d < 0 ? -d : 0;

	if (v->n <= 15) {
		v->gain += up;
		v->loss += down;
		if (v->n == 15) {
			v->gain /= 14;
			v->loss /= 14;
		}
	} else {
		v->gain = (v->gain * 13 + up) / 14;
		v->loss = (v->loss * 13 + down) / 14;
	}
	if (v->n >= 15)
		set(v, RSI_14, v->gain + v->loss == 0 ? 0 : 100 * v->gain / (v->gain + v->loss));
}

/*
 * Both averages begin at the 26th close: the slow one with the mean of all 26, the fast one with that of the last 12. The signal
 * begins with the mean of the first nine differences; nothing is shown before it.
 */
static void macd(struct verify_ind *v)
{
	double line;

	if (v->n < 26)
		return;
	if (v->n == 26) {
		v->slow = mean(v, 26);
		v->fast = mean(v, 12);
	} else {
		v->slow += 2.0 / 27 * (ago(v, 0) - v->slow);
		v->fast += 2.0 / 13 * (ago(v, 0) - v->fast);
	}
	line = v->fast - v->slow;
	if (v->n <= 34)
		v->signal += line / 9;
	else
		v->signal += 0.2 * (line - v->signal);
	if (v->n < 34)
		return;
	set(v, MACD, line);
	set(v, MACD_SIGNAL, v->signal);
	set(v, MACD_HIST, line - v->signal);
}

static void bbands(struct verify_ind *v)
{
	double m, sum = 0;

	if (v->n < 20)
		return;
	m = mean(v, 20);
	for (unsigned k = 0; k < 20; k++)
		sum += (ago(v, k) - m) * (ago(v, k) - m);
	set(v, BB_MIDDLE, m);
	set(v, BB_UPPER, m + 2 * sqrt(sum / 20));
	set(v, BB_LOWER, m - 2 * sqrt(sum / 20));
}

void verify_ind_add(struct verify_ind *v, double close)
{
	memset(v->there, 0, sizeof v->there);
	v->close[v->n % VERIFY_IND_BARS] = close;
	v->n++;
	sma(v, SMA_20, 20);
	sma(v, SMA_50, 50);
	sma(v, SMA_200, 200);
	ema(v, EMA_12, 12, &v->ema[0]);
	ema(v, EMA_26, 26, &v->ema[1]);
	rsi(v);
	macd(v);
	bbands(v);
}

bool verify_ind_same(size_t i, double expected, double stored, double close)
{
	const bool difference = i == MACD || i == MACD_SIGNAL || i == MACD_HIST;
	double scale = fmax(fabs(expected), fabs(stored));

	if (difference)
		scale = fmax(scale, fabs(close) * 1e-3);
	return fabs(expected - stored) <= 1e-9 * scale;
}
