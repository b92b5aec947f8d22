/*
 * ind_def_cycle.c - Ehlers' cycle measures. Their start-up counts are TA-Lib's.
 */
#include "stages/ap-indicators/ind_impl.h"

/* The filters start after 12 candles where 32 are waited for, after 37 where 63 are. */
static struct ind_ref hilbert(struct ind_build *b, struct ind_ref x, uint32_t after)
{
	return ind_op(b, (struct ind_op){ .code = OP_HILBERT, .n = after, .ring = { ind_ring(b, x, 4), 0 } }, &x, 1,
		      4, after);
}

static struct ind_ref phase(struct ind_build *b, struct ind_ref x)
{
	struct ind_ref h = hilbert(b, x, 37);

	return ind_op(b, (struct ind_op){ .code = OP_PHASE, .ring = { ind_ring(b, h, 50), 0 } },
		      (struct ind_ref[]){ h, ind_out(h, 1) }, 2, 3, 0);
}

static struct ind_ref trendline(struct ind_build *b, struct ind_ref x)
{
	return ind_op(b, (struct ind_op){ .code = OP_TRENDLINE, .ring = { ind_ring(b, x, 50), 0 } },
		      (struct ind_ref[]){ x, ind_out(hilbert(b, x, 37), 1) }, 2, 1, 0);
}

static const char *dcperiod(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[0]);

	out[0] = ind_from(ind_out(hilbert(b, x, 12), 1), x.first + 32);
	return NULL;
}

static const char *dcphase(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[0]);

	out[0] = ind_from(phase(b, x), x.first + 63);
	return NULL;
}

static const char *phasor(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[0]), h = hilbert(b, x, 12);

	out[0] = ind_from(ind_out(h, 2), x.first + 32);
	out[1] = ind_from(ind_out(h, 3), x.first + 32);
	return NULL;
}

static const char *sine(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[0]), ph = phase(b, x);

	out[0] = ind_from(ind_out(ph, 1), x.first + 63);
	out[1] = ind_from(ind_out(ph, 2), x.first + 63);
	return NULL;
}

static const char *ht_trendline(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[0]);

	out[0] = ind_from(trendline(b, x), x.first + 63);
	return NULL;
}

static const char *trendmode(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[0]), h = hilbert(b, x, 37);
	struct ind_ref in[4] = { phase(b, x), ind_out(h, 1), trendline(b, x), h };

	out[0] = ind_from(ind_op(b, (struct ind_op){ .code = OP_TRENDMODE }, in, 4, 1, 0), x.first + 63);
	return NULL;
}

static const char *mama(struct ind_build *b, const double *p, struct ind_ref *out)
{
	struct ind_ref x = ind_source(b, p[2]), h = hilbert(b, x, 12);

	out[0] = ind_op(b, (struct ind_op){ .code = OP_MAMA, .k = { p[0], p[1] } },
			(struct ind_ref[]){ x, ind_out(h, 2), ind_out(h, 3) }, 3, 2, 0);
	out[1] = ind_from(ind_out(out[0], 1), x.first + 32);
	out[0] = ind_from(out[0], x.first + 32);
	return NULL;
}

#define FLAT_CYCLE "nothing to go by: the value before, or what rounding makes of it"
static const struct ind_def defs[] = {
	{ "HT_TRENDLINE", "instantaneous trendline", "source", { P_SOURCE }, { "value" }, "63",
	  "mean of the price over the dominant cycle, smoothed with weights 4 3 2 1", "the price itself",
	  "HT_TRENDLINE", ht_trendline },
	{ "HT_DCPERIOD", "dominant cycle period", "source", { P_SOURCE }, { "value" }, "32",
	  "period of the dominant cycle in candles, 6 to 50, by the Hilbert transform", FLAT_CYCLE, "HT_DCPERIOD",
	  dcperiod },
	{ "HT_DCPHASE", "dominant cycle phase", "source", { P_SOURCE }, { "value" }, "63",
	  "phase of the dominant cycle in degrees, -45 to 315", FLAT_CYCLE, "HT_DCPHASE", dcphase },
	{ "HT_PHASOR", "phasor components", "source", { P_SOURCE }, { "inphase", "quadrature" }, "32",
	  "detrended price three candles ago and its Hilbert transform", "0", "HT_PHASOR", phasor },
	{ "HT_SINE", "sine wave", "source", { P_SOURCE }, { "sine", "leadsine" }, "63",
	  "sine of the phase and of the phase + 45 degrees", FLAT_CYCLE, "HT_SINE", sine },
	{ "HT_TRENDMODE", "trend or cycle", "source", { P_SOURCE }, { "value" }, "63",
	  "1 in a trend, 0 in a cycle: from the crossings of the sine lines, the phase's speed, the distance to the "
	  "trendline", FLAT_CYCLE, "HT_TRENDMODE", trendmode },
	{ "MAMA", "MESA adaptive moving average", "source",
	  { { "fast", IND_REAL, 0.5, 0.01, 0.99, NULL, true }, { "slow", IND_REAL, 0.05, 0.01, 0.99, NULL, true },
	    P_SOURCE }, { "mama", "fama" }, "32",
	  "m += a (x - m), a = fast / change of phase, between slow and fast; fama follows mama at a / 2",
	  "the price itself", "MAMA", mama },
};
GROUP(ind_group_cycle, "Cycles", defs);
