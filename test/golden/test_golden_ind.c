/*
 * test_golden_ind.c - every indicator against TA-Lib 0.6.4 and against a 50-digit reference.
 *
 * A table names, for each golden column, the indicator that must give it. Error of a value: |a - b| divided by the
 * greater of |b| and the column's median magnitude; both must be absent at the same candles. Where TA-Lib 0.6.4 is
 * itself wrong in the last digits (or altogether) the column is left out for that series, with the reason, and the
 * exact reference stands for it. Looks for the files at run time ($AP_SHARED) and says so when they are absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stages/ap-indicators/ind.h"
#include "test/golden/csv.h"

/* The golden column, the indicator, which of its outputs. */
struct pair { const char *column, *spec; size_t output; };
static const struct pair pairs[] = {
	{ "SMA_20", "SMA period=20", 0 }, { "SMA_50", "SMA period=50", 0 }, { "SMA_200", "SMA period=200", 0 },
	{ "EMA_12", "EMA period=12", 0 }, { "EMA_20", "EMA period=20", 0 }, { "EMA_26", "EMA period=26", 0 },
	{ "EMA_200", "EMA period=200", 0 }, { "WMA_20", "WMA period=20", 0 }, { "DEMA_20", "DEMA period=20", 0 },
	{ "TEMA_20", "TEMA period=20", 0 }, { "KAMA_30", "KAMA period=30", 0 }, { "RSI_14", "RSI period=14", 0 },
	{ "RSI_2", "RSI period=2", 0 }, { "RSI_7", "RSI period=7", 0 },
	{ "MACD_12_26_9.macd", "MACD fast=12 slow=26 signal=9", 0 },
	{ "MACD_12_26_9.signal", "MACD fast=12 slow=26 signal=9", 1 },
	{ "MACD_12_26_9.hist", "MACD fast=12 slow=26 signal=9", 2 },
	{ "BBANDS_20_2.upper", "BBANDS period=20 k=2", 0 }, { "BBANDS_20_2.middle", "BBANDS period=20 k=2", 1 },
	{ "BBANDS_20_2.lower", "BBANDS period=20 k=2", 2 }, { "STDDEV_20", "STDDEV period=20", 0 },
	{ "VAR_20", "VAR period=20", 0 }, { "TRANGE", "TRANGE", 0 }, { "ATR_14", "ATR period=14", 0 },
	{ "NATR_14", "NATR period=14", 0 }, { "ADX_14", "ADX period=14", 0 }, { "ADXR_14", "ADXR period=14", 0 },
	{ "DX_14", "DX period=14", 0 }, { "PLUS_DI_14", "PLUS_DI period=14", 0 },
	{ "MINUS_DI_14", "MINUS_DI period=14", 0 },
	{ "STOCH_14_3_3.k", "STOCH fastk=14 slowk=3 slowd=3", 0 },
	{ "STOCH_14_3_3.d", "STOCH fastk=14 slowk=3 slowd=3", 1 }, { "STOCHF_14_3.k", "STOCHF fastk=14 fastd=3", 0 },
	{ "STOCHF_14_3.d", "STOCHF fastk=14 fastd=3", 1 },
	{ "STOCHRSI_14_14_3.k", "STOCHRSI period=14 fastk=14 fastd=3", 0 },
	{ "STOCHRSI_14_14_3.d", "STOCHRSI period=14 fastk=14 fastd=3", 1 }, { "CCI_20", "CCI period=20", 0 },
	{ "WILLR_14", "WILLR period=14", 0 }, { "ROC_10", "ROC period=10", 0 }, { "MOM_10", "MOM period=10", 0 },
	{ "CMO_14", "CMO period=14", 0 }, { "AROON_25.down", "AROON period=25", 0 },
	{ "AROON_25.up", "AROON period=25", 1 }, { "AROONOSC_25", "AROONOSC period=25", 0 },
	{ "SAR_0.02_0.2", "SAR step=0.02 limit=0.2", 0 }, { "TRIX_15", "TRIX period=15", 0 },
	{ "ULTOSC_7_14_28", "ULTOSC short=7 medium=14 long=28", 0 }, { "BOP", "BOP", 0 },
	{ "APO_12_26_EMA", "APO fast=12 slow=26 ma=ema", 0 }, { "APO_12_26_SMA", "APO fast=12 slow=26 ma=sma", 0 },
	{ "PPO_12_26_EMA", "PPO fast=12 slow=26 ma=ema", 0 }, { "PPO_12_26_SMA", "PPO fast=12 slow=26 ma=sma", 0 },
	{ "LINEARREG_14", "LINEARREG period=14", 0 }, { "OBV", "OBV", 0 }, { "AD", "AD", 0 },
	{ "ADOSC_3_10", "ADOSC fast=3 slow=10", 0 }, { "MFI_14", "MFI period=14", 0 },
	{ "MIDPOINT_14", "MIDPOINT period=14", 0 }, { "MIDPRICE_14", "MIDPRICE period=14", 0 },
	{ "TRIMA_30", "TRIMA period=30", 0 }, { "T3_5_0.7", "T3 period=5 vfactor=0.7", 0 },
	{ "MAMA.mama", "MAMA fast=0.5 slow=0.05", 0 }, { "MAMA.fama", "MAMA fast=0.5 slow=0.05", 1 },
	{ "ACCBANDS_20.upper", "ACCBANDS period=20", 0 }, { "ACCBANDS_20.middle", "ACCBANDS period=20", 1 },
	{ "ACCBANDS_20.lower", "ACCBANDS period=20", 2 }, { "HT_TRENDLINE", "HT_TRENDLINE", 0 },
	{ "HT_DCPERIOD", "HT_DCPERIOD", 0 }, { "HT_DCPHASE", "HT_DCPHASE", 0 },
	{ "HT_PHASOR.inphase", "HT_PHASOR", 0 }, { "HT_PHASOR.quadrature", "HT_PHASOR", 1 },
	{ "HT_SINE.sine", "HT_SINE", 0 }, { "HT_SINE.leadsine", "HT_SINE", 1 }, { "HT_TRENDMODE", "HT_TRENDMODE", 0 },
	{ "MACDEXT_12_26_9_SMA.macd", "MACDEXT fast=12 slow=26 signal=9", 0 },
	{ "MACDEXT_12_26_9_SMA.signal", "MACDEXT fast=12 slow=26 signal=9", 1 },
	{ "MACDEXT_12_26_9_SMA.hist", "MACDEXT fast=12 slow=26 signal=9", 2 },
	{ "MACDFIX_9.macd", "MACDFIX signal=9", 0 }, { "MACDFIX_9.signal", "MACDFIX signal=9", 1 },
	{ "MACDFIX_9.hist", "MACDFIX signal=9", 2 }, { "IMI_14", "IMI period=14", 0 },
	{ "PLUS_DM_14", "PLUS_DM period=14", 0 }, { "MINUS_DM_14", "MINUS_DM period=14", 0 },
	{ "ROCP_10", "ROCP period=10", 0 }, { "ROCR_10", "ROCR period=10", 0 }, { "ROCR100_10", "ROCR100 period=10", 0 },
	{ "AVGPRICE", "AVGPRICE", 0 }, { "MEDPRICE", "MEDPRICE", 0 }, { "TYPPRICE", "TYPPRICE", 0 },
	{ "WCLPRICE", "WCLPRICE", 0 }, { "AVGDEV_14", "AVGDEV period=14", 0 },
	{ "BETA_HL_5", "BETA period=5 x=high y=low", 0 }, { "CORREL_HL_30", "CORREL period=30 x=high y=low", 0 },
	{ "LINEARREG_ANGLE_14", "LINEARREG_ANGLE period=14", 0 },
	{ "LINEARREG_INTERCEPT_14", "LINEARREG_INTERCEPT period=14", 0 },
	{ "LINEARREG_SLOPE_14", "LINEARREG_SLOPE period=14", 0 }, { "TSF_14", "TSF period=14", 0 },
	{ "MAX_30", "MAX period=30", 0 }, { "MIN_30", "MIN period=30", 0 }, { "SUM_30", "SUM period=30", 0 },
	/* what TA-Lib 0.6.4 lacks */
	{ "x.LINEARREG_SLOPE_14", "LINEARREG_SLOPE period=14", 0 },
	{ "x.MFI_14_nothreshold", "MFI period=14 min_flow=0", 0 }, { "x.VWMA_20", "VWMA period=20", 0 },
	{ "x.HMA_16", "HMA period=16", 0 }, { "x.RMA_14", "RMA period=14", 0 },
	{ "x.DONCHIAN_20.upper", "DONCHIAN period=20", 0 }, { "x.DONCHIAN_20.middle", "DONCHIAN period=20", 1 },
	{ "x.DONCHIAN_20.lower", "DONCHIAN period=20", 2 },
	{ "x.KELTNER_20_2_10.upper", "KELTNER period=20 k=2 atr=10", 0 },
	{ "x.KELTNER_20_2_10.lower", "KELTNER period=20 k=2 atr=10", 2 }, { "tv.ATR_14", "ATR period=14 seed=tv", 0 },
	{ "tv.EMA_12", "EMA period=12 seed=tv", 0 }, { "tv.EMA_26", "EMA period=26 seed=tv", 0 },
	{ "tv.MACD.macd", "MACD seed=tv", 0 }, { "tv.MACD.signal", "MACD seed=tv", 1 },
	{ "tv.MACD.hist", "MACD seed=tv", 2 }, { "tv.STOCHRSI_14_14_3_3.k", "STOCHRSI seed=tv", 0 },
	{ "tv.STOCHRSI_14_14_3_3.d", "STOCHRSI seed=tv", 1 }, { "tv.SUPERTREND_10_3.line", "SUPERTREND period=10 k=3", 0 },
	{ "tv.SUPERTREND_10_3.dir", "SUPERTREND period=10 k=3", 1 }, { "x.VORTEX_14.plus", "VORTEX period=14", 0 },
	{ "x.VORTEX_14.minus", "VORTEX period=14", 1 }, { "x.CMF_20", "CMF period=20", 0 },
	{ "tv.TSI_25_13", "TSI long=25 short=13", 0 }, { "x.ICHIMOKU.tenkan", "ICHIMOKU", 0 },
	{ "x.ICHIMOKU.kijun", "ICHIMOKU", 1 }, { "x.ICHIMOKU.spanB_unshifted", "ICHIMOKU", 3 },
	{ "x.AO_5_34", "AO fast=5 slow=34", 0 }, { "x.VWAP_cum", "VWAP session=0", 0 },
};
enum { PAIRS = sizeof pairs / sizeof pairs[0] };

/* Columns of talib/ that are not the truth for a series. */
struct defect { const char *series, *column, *why; };
static const char RUNNING[] = "its running sums keep what large values left behind";
static const char TINY[] = "it takes a variance below 1e-14 for none";
static const char NOISE[] = "it divides rounding noise by rounding noise";
static const struct defect defects[] = {
	{ "synth_edge", "SMA_20", RUNNING }, { "synth_edge", "SMA_50", RUNNING }, { "synth_edge", "SMA_200", RUNNING },
	{ "synth_edge", "WMA_20", RUNNING }, { "synth_edge", "KAMA_30", RUNNING },
	{ "synth_edge", "PPO_12_26_SMA", RUNNING }, { "synth_edge", "ULTOSC_7_14_28", RUNNING },
	{ "synth_edge", "BBANDS_20_2.upper", RUNNING }, { "synth_edge", "BBANDS_20_2.middle", RUNNING },
	{ "synth_edge", "BBANDS_20_2.lower", RUNNING }, { "synth_edge", "STDDEV_20", RUNNING },
	{ "synth_edge", "VAR_20", RUNNING }, { "synth_edge", "MFI_14", RUNNING },
	{ "synth_edge", "STOCHRSI_14_14_3.k", NOISE }, { "synth_edge", "STOCHRSI_14_14_3.d", NOISE },
	{ "synth_edge", "CCI_20", NOISE }, { "alt_1m_flat", "BBANDS_20_2.upper", TINY },
	{ "alt_1m_flat", "BBANDS_20_2.lower", TINY }, { "alt_1m_flat", "STDDEV_20", TINY },
	{ "alt_1m_flat", "STOCHRSI_14_14_3.k", NOISE }, { "alt_1m_flat", "STOCHRSI_14_14_3.d", NOISE },
	/* These have no exact/ column; test/unit/test_ind_naive.c compares them with long double arithmetic. */
	{ "alt_1m_flat", "CORREL_HL_30", TINY }, { "synth_edge", "CORREL_HL_30", RUNNING },
	{ "alt_1m_flat", "BETA_HL_5", TINY }, { "synth_edge", "BETA_HL_5", RUNNING },
	{ "btcperp_1m", "BETA_HL_5", TINY },
	{ "alt_1m_flat", "IMI_14", "0 / 0 on a flat window" }, { "synth_edge", "IMI_14", "0 / 0 on a flat window" },
	/* Columns that no indicator here gives. */
	{ "", "SAREXT", "not offered" }, { "", "MAXINDEX_30", "depends on the path where values are equal" },
	{ "", "MININDEX_30", "depends on the path where values are equal" },
};

static const char *defect_of(const char *series, const char *column)
{
	for (size_t i = 0; i < sizeof defects / sizeof defects[0]; i++)
		if ((*defects[i].series == '\0' || strcmp(defects[i].series, series) == 0) &&
		    strcmp(defects[i].column, column) == 0)
			return defects[i].why;
	return NULL;
}

static size_t pairs_of(const char *column)
{
	for (size_t i = 0; i < PAIRS; i++)
		if (strcmp(pairs[i].column, column) == 0)
			return i;
	return PAIRS;
}

/* All pairs' values over a series: rows x PAIRS, NAN where absent. */
static double *run(const struct csv *in)
{
	static const char *const col[] = { "open", "high", "low", "close", "volume" };
	char *text = calloc(PAIRS, 96), err[256] = "";
	double *all = calloc(in->rows * PAIRS, sizeof *all), *val;
	size_t slot[PAIRS], n = 0;
	struct ind_set *set;
	uint64_t valid[16];
	void *state;

	assert_non_null(text);
	assert_non_null(all);
	for (size_t i = 0; i < PAIRS; i++) {
		strcat(text, pairs[i].spec);
		strcat(text, ";");
	}
	set = ind_set_parse(text, err, sizeof err);
	if (set == NULL)
		fail_msg("%s", err);
	for (size_t i = 0, s = 0; i < PAIRS; i++) {
		slot[i] = s + pairs[i].output;
		s += ind_def_outputs(ind_set_slot(set, s)->def);
		n = s;
	}
	assert_int_equal(n, ind_set_slots(set));
	state = malloc(ind_set_size(set));
	val = malloc(ind_set_values(set) * sizeof *val);
	ind_init(set, state);
	for (size_t r = 0; r < in->rows; r++) {
		double x[5];

		for (int k = 0; k < 5; k++)
			x[k] = csv_at(in, r, csv_col(in, col[k]));
		ind_update(set, state, &(struct ind_bar){ .open_ms = (int64_t)csv_at(in, r, 0), .o = x[0],
			   .h = x[1], .l = x[2], .c = x[3], .v = x[4] }, val, valid);
		for (size_t i = 0; i < PAIRS; i++)
			all[r * PAIRS + i] = ind_valid(valid, slot[i]) ? val[ind_set_places(set)[slot[i]]] : (double)NAN;
	}
	free(text);
	free(val);
	free(state);
	ind_set_free(set);
	return all;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const struct csv *t, int col)
{
	double *v = calloc(t->rows + 1, sizeof *v), m;
	size_t n = 0;

	for (size_t r = 0; r < t->rows; r++)
		if (!isnan(csv_at(t, r, col)))
			v[n++] = fabs(csv_at(t, r, col));
	qsort(v, n, sizeof *v, by_size);
	m = n > 0 ? v[n / 2] : 0;
	free(v);
	return m;
}

struct tally { size_t columns, values, bad; double worst; };

static void compare_column(const char *series, const struct csv *want, int col, size_t pair, const double *got,
			   double tol, struct tally *sum)
{
	double scale = median(want, col), worst = 0;
	size_t bad = 0, at = 0;

	for (size_t r = 0; r < want->rows; r++) {
		double b = csv_at(want, r, col), a = got[r * PAIRS + pair], e;

		if (isnan(a) && isnan(b))
			continue;
		e = a == b ? 0 : fabs(a - b) / fmax(fmax(fabs(b), scale), 1e-300);
		sum->values++;
		if (!(e <= tol) && bad++ == 0)
			at = r;
		worst = e > worst ? e : worst;
	}
	sum->columns++;
	sum->worst = worst > sum->worst ? worst : sum->worst;
	if (bad > 0) {
		print_error("%s %s: %zu values off, first at row %zu: %.17g, reference %.17g (worst %.2g)\n", series,
			    want->name[col], bad, at, got[at * PAIRS + pair], csv_at(want, at, col), worst);
		sum->bad++;
	}
}

/* Columns of one reference file. talib: leave out where it is wrong, and allow its deviation 1e-8. */
static void compare(const char *series, const char *file, double tol, bool talib, struct tally *sum)
{
	char path[512], rest[128];
	struct csv in, want;
	double *got;

	(void)snprintf(rest, sizeof rest, "input/%s.csv", series);
	csv_shared_path(path, sizeof path, rest);
	if (!csv_read(&in, path))
		fail_msg("cannot read %s", path);
	csv_shared_path(path, sizeof path, file);
	if (!csv_read(&want, path))
		fail_msg("cannot read %s", path);
	got = run(&in);
	for (size_t c = 1; c < want.cols; c++) {
		size_t pair = pairs_of(want.name[c]);
		bool var = strncmp(want.name[c], "STDDEV", 6) == 0 || strncmp(want.name[c], "VAR", 3) == 0;

		if (talib && defect_of(series, want.name[c]) != NULL)
			continue;
		if (pair == PAIRS)
			fail_msg("no indicator for the golden column %s", want.name[c]);
		compare_column(series, &want, (int)c, pair, got, talib && var ? 1e-8 : tol, sum);
	}
	free(got);
	csv_free(&in);
	csv_free(&want);
}

static void need_files(void)
{
	char path[512];

	csv_shared_path(path, sizeof path, "talib/manifest.tsv");
	if (csv_absent(path)) {
		print_message("no golden files at %s: skipped\n", path);
		skip();
	}
}

static void report(const char *what, const struct tally *t)
{
	print_message("# compared %zu columns, %zu values with %s: worst error %.1e\n", t->columns, t->values, what,
		      t->worst);
	if (t->bad > 0)
		fail_msg("%zu columns differ", t->bad);
}

static void every_value_equals_talib(void **state)
{
	static const char *const series[] = { "btcperp_1m", "alt_1m_flat", "talib252_1d", "synth_edge" };
	struct tally t = { 0, 0, 0, 0 };
	char file[128];

	(void)state;
	need_files();
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(file, sizeof file, "talib/%s.core.csv", series[i]);
		compare(series[i], file, 1e-9, true, &t);
		(void)snprintf(file, sizeof file, "talib/%s.extra.csv", series[i]);
		compare(series[i], file, 1e-9, true, &t);
	}
	report("TA-Lib 0.6.4", &t);
}

static void every_value_equals_the_exact_reference(void **state)
{
	static const char *const series[] = { "btcperp_1m", "alt_1m_flat", "talib252_1d" };
	struct tally t = { 0, 0, 0, 0 }, edge = { 0, 0, 0, 0 };
	char file[128];

	(void)state;
	need_files();
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(file, sizeof file, "exact/%s.exact.csv", series[i]);
		compare(series[i], file, 1e-11, false, &t);
	}
	compare("synth_edge", "exact/synth_edge.exact.csv", 1e-9, false, &edge);
	report("50 digits, real series", &t);
	report("50 digits, synthetic extremes", &edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_equals_talib),
		cmocka_unit_test(every_value_equals_the_exact_reference),
	};

	return cmocka_run_group_tests_name("indicators, golden", tests, NULL, NULL);
}
