/*
 * test_ind_naive.c - indicators that TA-Lib lacks, or gets wrong, against straightforward arithmetic: whole windows, long
 * double, no running sums. Nothing here is shared with the engine but the candles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "test/unit/ind_data.h"

enum { N = 1200 };
typedef long double ld;
static const ld NONE = (ld)NAN;

/* A column of values, NONE where absent; all columns have N rows. */
struct col { ld v[N]; };
struct bars { struct col o, h, l, c, v, qv, n, buy, sell; };

/* Every column since the last cols_free. */
static struct col *kept[64];
static size_t n_kept;

static struct col *col_new(void)
{
	struct col *x = malloc(sizeof *x);

	assert_non_null(x);
	assert_true(n_kept < sizeof kept / sizeof kept[0]);
	kept[n_kept++] = x;
	for (size_t i = 0; i < N; i++)
		x->v[i] = NONE;
	return x;
}

static void cols_free(void)
{
	while (n_kept > 0)
		free(kept[--n_kept]);
}

static size_t col_first(const struct col *x)
{
	size_t i = 0;

	while (i < N && isnan(x->v[i]))
		i++;
	return i;
}

/* --- pieces: each gives a new column, frees nothing (cols_free does) ---------------------- */

typedef ld fn2(ld a, ld b);
static struct col *map2(const struct col *a, const struct col *b, fn2 *f)
{
	struct col *y = col_new();

	for (size_t i = 0; i < N; i++)
		if (!isnan(a->v[i]) && !isnan(b->v[i]))
			y->v[i] = f(a->v[i], b->v[i]);
	return y;
}

static ld f_add(ld a, ld b) { return a + b; }
static ld f_sub(ld a, ld b) { return a - b; }
static ld f_mul(ld a, ld b) { return a * b; }
static ld f_mid(ld a, ld b) { return (a + b) / 2; }
static ld f_absdiff(ld a, ld b) { return fabsl(a - b); }
static ld f_ratio(ld a, ld b) { return b == 0 ? NONE : a / b; }
static ld f_ratio0(ld a, ld b) { return b == 0 ? 0 : a / b; }
static ld f_change(ld a, ld b) { return b == 0 ? 0 : a / b - 1; }
static ld f_logratio(ld a, ld b) { return logl(a / b); }

typedef ld fnw(const ld *w, size_t n);
/* f over the last n values, from the first n-th value on. */
static struct col *window(const struct col *x, size_t n, fnw *f)
{
	struct col *y = col_new();

	for (size_t i = col_first(x) + n - 1; i < N; i++)
		y->v[i] = f(x->v + i + 1 - n, n);
	return y;
}

static ld w_sum(const ld *w, size_t n)
{
	ld s = 0;

	for (size_t i = 0; i < n; i++)
		s += w[i];
	return s;
}

static ld w_mean(const ld *w, size_t n) { return w_sum(w, n) / (ld)n; }

static ld w_var(const ld *w, size_t n)
{
	ld m = w_mean(w, n), s = 0;

	for (size_t i = 0; i < n; i++)
		s += (w[i] - m) * (w[i] - m);
	return s / (ld)n;
}

static ld w_sample_var(const ld *w, size_t n) { return w_var(w, n) * (ld)n / (ld)(n - 1); }

static ld w_max(const ld *w, size_t n)
{
	ld m = w[0];

	for (size_t i = 1; i < n; i++)
		m = w[i] > m ? w[i] : m;
	return m;
}

static ld w_min(const ld *w, size_t n)
{
	ld m = w[0];

	for (size_t i = 1; i < n; i++)
		m = w[i] < m ? w[i] : m;
	return m;
}

static ld w_weighted(const ld *w, size_t n)
{
	ld s = 0;

	for (size_t i = 0; i < n; i++)
		s += w[i] * (ld)(i + 1);
	return s / ((ld)n * (ld)(n + 1) / 2);
}

/* The share of the n values before the last that are not above it. */
static ld w_rank(const ld *w, size_t n)
{
	ld k = 0;

	for (size_t i = 0; i + 1 < n; i++)
		k += w[i] <= w[n - 1];
	return 100 * k / (ld)(n - 1);
}

static ld w_zscore(const ld *w, size_t n)
{
	ld sd = sqrtl(w_var(w, n));

	return sd == 0 ? 0 : (w[n - 1] - w_mean(w, n)) / sd;
}

static struct col *lag(const struct col *x, size_t n)
{
	struct col *y = col_new();

	for (size_t i = n; i < N; i++)
		y->v[i] = x->v[i - n];
	return y;
}

static struct col *scale(const struct col *x, ld k)
{
	struct col *y = col_new();

	for (size_t i = 0; i < N; i++)
		y->v[i] = k * x->v[i];
	return y;
}

static struct col *root(const struct col *x)
{
	struct col *y = col_new();

	for (size_t i = 0; i < N; i++)
		y->v[i] = x->v[i] < 0 ? 0 : sqrtl(x->v[i]);
	return y;
}

static struct col *ema(const struct col *x, size_t n, ld k, bool first_value)
{
	struct col *y = col_new();
	size_t seed = first_value ? 1 : n, i = col_first(x) + seed - 1;

	if (i >= N)
		return y;
	y->v[i] = w_mean(x->v + i + 1 - seed, seed);
	for (i++; i < N; i++)
		y->v[i] = y->v[i - 1] + k * (x->v[i] - y->v[i - 1]);
	return y;
}

static struct col *ema_n(const struct col *x, size_t n, bool tv) { return ema(x, n, 2 / ((ld)n + 1), tv); }
static struct col *rma(const struct col *x, size_t n) { return ema(x, n, 1 / (ld)n, false); }

static struct col *cum(const struct col *x)
{
	struct col *y = col_new();
	ld s = 0;

	for (size_t i = col_first(x); i < N; i++)
		y->v[i] = s += x->v[i];
	return y;
}

static struct col *typical(const struct bars *b) { return scale(map2(map2(&b->h, &b->l, f_add), &b->c, f_add), 1 / 3.0L); }

static struct col *true_range(const struct bars *b, bool tv)
{
	struct col *y = col_new();

	for (size_t i = 0; i < N; i++) {
		ld r = b->h.v[i] - b->l.v[i];

		if (i > 0)
			r = fmaxl(r, fmaxl(fabsl(b->h.v[i] - b->c.v[i - 1]), fabsl(b->l.v[i] - b->c.v[i - 1])));
		if (i > 0 || tv)
			y->v[i] = r;
	}
	return y;
}

static struct col *move(const struct bars *b, bool up)
{
	struct col *y = col_new();

	for (size_t i = 1; i < N; i++) {
		ld u = b->h.v[i] - b->h.v[i - 1], d = b->l.v[i - 1] - b->l.v[i];

		y->v[i] = up ? (u > 0 && u > d ? u : 0) : (d > 0 && d > u ? d : 0);
	}
	return y;
}

static struct col *ext_mid(const struct bars *b, size_t n)
{
	return map2(window(&b->h, n, w_max), window(&b->l, n, w_min), f_mid);
}

static struct col *hundred(struct col *x) { return scale(x, 100); }

/* --- the indicators ---------------------------------------------------------------------------- */

static struct col *x_zlema(const struct bars *b)
{
	return ema_n(map2(scale(&b->c, 2), lag(&b->c, 9), f_sub), 20, false);
}

static struct col *x_vwap_day(const struct bars *b)
{
	struct col *y = col_new(), *tp = typical(b);
	ld pv = 0, v = 0;

	for (size_t i = 0; i < N; i++) {
		/* 60 s a candle from 1700000000 s: 22:13:20 UTC, the day turns at candle 107, then every 1,440. */
		if (i == 107)
			pv = v = 0;
		pv += tp->v[i] * b->v.v[i];
		v += b->v.v[i];
		y->v[i] = v > 0 ? pv / v : NONE;
	}
	return y;
}

static struct col *x_vwap_rolling(const struct bars *b)
{
	return map2(window(map2(typical(b), &b->v, f_mul), 20, w_sum), window(&b->v, 20, w_sum), f_ratio);
}

static struct col *x_vwap_quote(const struct bars *b)
{
	return map2(window(&b->qv, 20, w_sum), window(&b->v, 20, w_sum), f_ratio);
}

static struct col *x_width(const struct bars *b)
{
	return map2(scale(root(window(&b->c, 20, w_var)), 400), window(&b->c, 20, w_mean), f_ratio0);
}

static struct col *x_percent_b(const struct bars *b)
{
	struct col *y = col_new(), *m = window(&b->c, 20, w_mean), *sd = root(window(&b->c, 20, w_var));

	for (size_t i = 19; i < N; i++)
		y->v[i] = sd->v[i] == 0 ? 0.5L : (b->c.v[i] - (m->v[i] - 2 * sd->v[i])) / (4 * sd->v[i]);
	return y;
}

static struct col *x_chaikin(const struct bars *b)
{
	struct col *e = ema_n(map2(&b->h, &b->l, f_sub), 10, false);

	return hundred(map2(e, lag(e, 10), f_change));
}

static struct col *x_pvt(const struct bars *b)
{
	return cum(map2(&b->v, map2(&b->c, lag(&b->c, 1), f_change), f_mul));
}

static struct col *x_force(const struct bars *b)
{
	return ema_n(map2(map2(&b->c, lag(&b->c, 1), f_sub), &b->v, f_mul), 13, false);
}

static struct col *x_delta(const struct bars *b) { return map2(&b->buy, &b->sell, f_sub); }
static struct col *x_cvd(const struct bars *b) { return cum(x_delta(b)); }

static struct col *x_imbalance(const struct bars *b)
{
	return map2(window(x_delta(b), 10, w_sum), window(map2(&b->buy, &b->sell, f_add), 10, w_sum), f_ratio);
}

static struct col *x_vpin(const struct bars *b)
{
	return map2(window(map2(&b->buy, &b->sell, f_absdiff), 50, w_sum),
		    window(map2(&b->buy, &b->sell, f_add), 50, w_sum), f_ratio);
}

static struct col *x_trade_size(const struct bars *b)
{
	return map2(window(&b->v, 10, w_sum), window(&b->n, 10, w_sum), f_ratio);
}

static struct col *x_trade_count(const struct bars *b) { return window(&b->n, 10, w_mean); }
static struct col *x_zscore(const struct bars *b) { return window(&b->c, 20, w_zscore); }
static struct col *x_rank(const struct bars *b) { return window(&b->c, 101, w_rank); }

static struct col *x_vol_close(const struct bars *b)
{
	return root(window(map2(&b->c, lag(&b->c, 1), f_logratio), 20, w_sample_var));
}

static struct col *x_vol_parkinson(const struct bars *b)
{
	struct col *x = map2(&b->h, &b->l, f_logratio);

	return root(scale(window(map2(x, x, f_mul), 20, w_mean), 1 / (4 * logl(2))));
}

static struct col *x_vol_garman_klass(const struct bars *b)
{
	struct col *hl = map2(&b->h, &b->l, f_logratio), *co = map2(&b->c, &b->o, f_logratio);

	return root(window(map2(scale(map2(hl, hl, f_mul), 0.5L), scale(map2(co, co, f_mul), 2 * logl(2) - 1), f_sub), 20,
			   w_mean));
}

static struct col *rogers_satchell(const struct bars *b)
{
	return map2(map2(map2(&b->h, &b->c, f_logratio), map2(&b->h, &b->o, f_logratio), f_mul),
		    map2(map2(&b->l, &b->c, f_logratio), map2(&b->l, &b->o, f_logratio), f_mul), f_add);
}

static struct col *x_vol_rogers_satchell(const struct bars *b) { return root(window(rogers_satchell(b), 20, w_mean)); }

static struct col *x_vol_yang_zhang(const struct bars *b)
{
	ld n = 20, k = 0.34L / (1.34L + (n + 1) / (n - 1));
	struct col *night = window(map2(&b->o, lag(&b->c, 1), f_logratio), 20, w_sample_var);
	struct col *day = scale(window(map2(&b->c, &b->o, f_logratio), 20, w_sample_var), k);

	return root(map2(map2(night, day, f_add), scale(window(rogers_satchell(b), 20, w_mean), 1 - k), f_add));
}

static struct col *x_coppock(const struct bars *b)
{
	struct col *x = map2(map2(&b->c, lag(&b->c, 14), f_change), map2(&b->c, lag(&b->c, 11), f_change), f_add);

	return window(hundred(x), 10, w_weighted);
}

static struct col *x_fisher(const struct bars *b)
{
	struct col *y = col_new(), *m = map2(&b->h, &b->l, f_mid), *hi = window(m, 9, w_max), *lo = window(m, 9, w_min);
	ld v = 0, f = 0;

	for (size_t i = 8; i < N; i++) {
		ld r = hi->v[i] - lo->v[i], at = r > 0 ? (m->v[i] - lo->v[i]) / r - 0.5L : 0;

		v = 0.66L * at + 0.67L * v;
		v = v > 0.999L ? 0.999L : v < -0.999L ? -0.999L : v;
		y->v[i] = f = 0.5L * logl((1 + v) / (1 - v)) + 0.5L * f;
	}
	return y;
}

static struct col *x_fisher_trigger(const struct bars *b) { return lag(x_fisher(b), 1); }
static struct col *x_bull(const struct bars *b) { return map2(&b->h, ema_n(&b->c, 13, false), f_sub); }
static struct col *x_bear(const struct bars *b) { return map2(&b->l, ema_n(&b->c, 13, false), f_sub); }
static struct col *x_span_a(const struct bars *b) { return map2(ext_mid(b, 9), ext_mid(b, 26), f_mid); }
static struct col *x_cloud_a(const struct bars *b) { return lag(x_span_a(b), 26); }
static struct col *x_cloud_b(const struct bars *b) { return lag(ext_mid(b, 52), 26); }
static struct col *x_keltner_middle(const struct bars *b) { return ema_n(&b->c, 20, false); }
static struct col *x_trange_tv(const struct bars *b) { return true_range(b, true); }
static struct col *x_natr_tv(const struct bars *b) { return hundred(map2(rma(true_range(b, true), 14), &b->c, f_ratio0)); }

static struct col *x_plus_di_tv(const struct bars *b)
{
	return hundred(map2(rma(move(b, true), 14), rma(true_range(b, false), 14), f_ratio0));
}

static struct col *x_minus_di_tv(const struct bars *b)
{
	return hundred(map2(rma(move(b, false), 14), rma(true_range(b, false), 14), f_ratio0));
}

static struct col *x_adx_tv(const struct bars *b)
{
	struct col *p = x_plus_di_tv(b), *m = x_minus_di_tv(b);

	return rma(hundred(map2(map2(p, m, f_absdiff), map2(p, m, f_add), f_ratio0)), 14);
}

static struct col *x_obv_tv(const struct bars *b)
{
	struct col *y = col_new();

	y->v[0] = 0;
	for (size_t i = 1; i < N; i++)
		y->v[i] = y->v[i - 1] + (b->c.v[i] > b->c.v[i - 1] ? b->v.v[i] : b->c.v[i] < b->c.v[i - 1] ? -b->v.v[i] : 0);
	return y;
}

static struct col *covariance(const struct col *x, const struct col *y, size_t n, bool divide_by_both)
{
	struct col *r = col_new();

	for (size_t i = (col_first(x) > col_first(y) ? col_first(x) : col_first(y)) + n - 1; i < N; i++) {
		const ld *a = x->v + i + 1 - n, *b = y->v + i + 1 - n;
		ld ma = w_mean(a, n), mb = w_mean(b, n), s = 0, d;

		for (size_t k = 0; k < n; k++)
			s += (a[k] - ma) * (b[k] - mb);
		d = divide_by_both ? sqrtl(w_var(a, n) * w_var(b, n)) : w_var(a, n);
		r->v[i] = d > 0 ? s / (ld)n / d : 0;
	}
	return r;
}

static struct col *x_correl(const struct bars *b) { return covariance(&b->h, &b->l, 30, true); }

static struct col *x_beta(const struct bars *b)
{
	return covariance(map2(&b->h, lag(&b->h, 1), f_change), map2(&b->l, lag(&b->l, 1), f_change), 5, false);
}

static struct col *x_imi(const struct bars *b)
{
	struct col *up = col_new(), *all = map2(&b->c, &b->o, f_absdiff);

	for (size_t i = 0; i < N; i++)
		up->v[i] = fmaxl(b->c.v[i] - b->o.v[i], 0);
	return hundred(map2(window(up, 14, w_sum), window(all, 14, w_sum), f_ratio0));
}

static struct col *x_min(const struct bars *b) { return window(&b->c, 30, w_min); }
static struct col *x_max(const struct bars *b) { return window(&b->c, 30, w_max); }

/* How far the window's latest extreme is from its beginning, in percent. */
static ld w_highest_at(const ld *w, size_t n)
{
	size_t at = 0;

	for (size_t i = 1; i < n; i++)
		at = w[i] >= w[at] ? i : at;
	return 100 * (ld)at / (ld)(n - 1);
}

static ld w_lowest_at(const ld *w, size_t n)
{
	size_t at = 0;

	for (size_t i = 1; i < n; i++)
		at = w[i] <= w[at] ? i : at;
	return 100 * (ld)at / (ld)(n - 1);
}

static struct col *x_aroon_31_down(const struct bars *b) { return window(&b->l, 32, w_lowest_at); }
static struct col *x_aroon_31_up(const struct bars *b) { return window(&b->h, 32, w_highest_at); }
static struct col *x_aroon_32_down(const struct bars *b) { return window(&b->l, 33, w_lowest_at); }
static struct col *x_aroon_32_up(const struct bars *b) { return window(&b->h, 33, w_highest_at); }
static struct col *x_var_volume(const struct bars *b) { return window(&b->v, 20, w_var); }
static struct col *x_sum_hlc3(const struct bars *b) { return window(typical(b), 30, w_sum); }
static struct col *x_sma_250(const struct bars *b) { return window(&b->c, 250, w_mean); }
static struct col *x_dev_250(const struct bars *b) { return root(window(&b->c, 250, w_var)); }
static struct col *x_wma_250(const struct bars *b) { return window(&b->c, 250, w_weighted); }

struct row { const char *spec; size_t output; struct col *(*naive)(const struct bars *b); };
static const struct row rows[] = {
	{ "ZLEMA", 0, x_zlema }, { "VWAP", 0, x_vwap_day }, { "VWAP_ROLLING", 0, x_vwap_rolling },
	{ "VWAP_ROLLING price=quote", 0, x_vwap_quote }, { "BBWIDTH", 0, x_width }, { "BBWIDTH", 1, x_percent_b },
	{ "CHAIKIN_VOL", 0, x_chaikin }, { "PVT", 0, x_pvt }, { "FORCE", 0, x_force }, { "DELTA", 0, x_delta },
	{ "CVD", 0, x_cvd }, { "IMBALANCE", 0, x_imbalance }, { "VPIN", 0, x_vpin }, { "TRADE_SIZE", 0, x_trade_size },
	{ "TRADE_COUNT", 0, x_trade_count }, { "ZSCORE", 0, x_zscore }, { "PERCENT_RANK", 0, x_rank },
	{ "VOL_CLOSE", 0, x_vol_close }, { "VOL_PARKINSON", 0, x_vol_parkinson },
	{ "VOL_GARMAN_KLASS", 0, x_vol_garman_klass }, { "VOL_ROGERS_SATCHELL", 0, x_vol_rogers_satchell },
	{ "VOL_YANG_ZHANG", 0, x_vol_yang_zhang }, { "COPPOCK", 0, x_coppock }, { "FISHER", 0, x_fisher },
	{ "FISHER", 1, x_fisher_trigger }, { "ELDER", 0, x_bull }, { "ELDER", 1, x_bear }, { "ICHIMOKU", 2, x_span_a },
	{ "ICHIMOKU", 4, x_cloud_a }, { "ICHIMOKU", 5, x_cloud_b }, { "KELTNER", 1, x_keltner_middle },
	{ "TRANGE seed=tv", 0, x_trange_tv }, { "NATR seed=tv", 0, x_natr_tv }, { "PLUS_DI seed=tv", 0, x_plus_di_tv },
	{ "MINUS_DI seed=tv", 0, x_minus_di_tv }, { "ADX seed=tv", 0, x_adx_tv }, { "OBV seed=tv", 0, x_obv_tv },
	{ "CORREL", 0, x_correl }, { "BETA", 0, x_beta }, { "IMI", 0, x_imi }, { "MINMAX", 0, x_min },
	/* Short windows are read through, longer ones have a queue. */
	{ "AROON period=31", 0, x_aroon_31_down }, { "AROON period=31", 1, x_aroon_31_up },
	{ "AROON period=32", 0, x_aroon_32_down }, { "AROON period=32", 1, x_aroon_32_up },
	{ "MINMAX", 1, x_max }, { "VAR source=volume", 0, x_var_volume }, { "SUM source=hlc3", 0, x_sum_hlc3 },
	{ "SMA period=250", 0, x_sma_250 }, { "STDDEV period=250", 0, x_dev_250 }, { "WMA period=250", 0, x_wma_250 },
};

static struct bars *columns(const struct ind_bar *b)
{
	struct bars *x = malloc(sizeof *x);

	assert_non_null(x);
	for (size_t i = 0; i < N; i++) {
		x->o.v[i] = (ld)b[i].o;
		x->h.v[i] = (ld)b[i].h;
		x->l.v[i] = (ld)b[i].l;
		x->c.v[i] = (ld)b[i].c;
		x->v.v[i] = (ld)b[i].v;
		x->qv.v[i] = (ld)b[i].qv;
		x->n.v[i] = (ld)b[i].n;
		x->buy.v[i] = (ld)b[i].buy_v;
		x->sell.v[i] = (ld)b[i].sell_v;
	}
	return x;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const struct col *x)
{
	static double v[N];
	size_t n = 0;

	for (size_t i = 0; i < N; i++)
		if (!isnan(x->v[i]))
			v[n++] = (double)fabsl(x->v[i]);
	qsort(v, n, sizeof *v, by_size);
	return n > 0 ? v[n / 2] : 0;
}

static size_t compare(const struct ind_bar *b, const struct row *row, double tol, double *worst)
{
	struct bars *bars = columns(b);
	struct col *want = row->naive(bars);
	double scale_by = median(want);
	size_t values = 0;
	struct rig r;

	if (!rig_init(&r, row->spec))
		fail_msg("%s", r.err);
	for (size_t i = 0; i < N; i++) {
		double got, ref = (double)want->v[i], e;

		rig_take(&r, &b[i]);
		got = rig_value(&r, row->output);
		if (isnan(got) && isnan(ref))
			continue;
		e = got == ref ? 0 : fabs(got - ref) / fmax(fmax(fabs(ref), scale_by), 1e-300);
		values++;
		*worst = e > *worst ? e : *worst;
		if (!(e <= tol))
			fail_msg("%s output %zu at candle %zu: %.17g instead of %.17g (%.2g)", row->spec, row->output, i, got,
				 ref, e);
	}
	rig_done(&r);
	cols_free();
	free(bars);
	return values;
}

static void on_walks_every_value_equals_the_naive_one(void **state)
{
	size_t values = 0;
	double worst = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct ind_bar *b = bars_make(N, seed, false);

		for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
			values += compare(b, &rows[k], 1e-11, &worst);
		free(b);
	}
	print_message("# compared %zu outputs, %zu values with naive arithmetic: worst error %.1e\n",
		      sizeof rows / sizeof rows[0], values, worst);
}

static void on_extreme_markets_every_value_equals_the_naive_one(void **state)
{
	size_t values = 0;
	double worst = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct ind_bar *b = bars_make(N, seed, true);

		for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
			values += compare(b, &rows[k], 1e-9, &worst);
		free(b);
	}
	print_message("# compared %zu outputs, %zu values with naive arithmetic on extreme markets: worst error %.1e\n",
		      sizeof rows / sizeof rows[0], values, worst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_walks_every_value_equals_the_naive_one),
		cmocka_unit_test(on_extreme_markets_every_value_equals_the_naive_one),
	};

	return cmocka_run_group_tests_name("indicators against naive arithmetic", tests, NULL, NULL);
}
