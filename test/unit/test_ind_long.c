/*
 * test_ind_long.c - ten million candles without drift; warm-ups as the registry's texts say them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "test/unit/ind_data.h"

static void rig_open(struct rig *r, const char *specs)
{
	if (!rig_init(r, specs))
		fail_msg("%s", r->err);
}

/* --- drift ------------------------------------------------------------------------------------- */

/* What has a finite memory: the same after ten million candles as after the last few hundred alone. */
#define WINDOWS \
	"SMA period=20; SMA period=200; WMA period=20; STDDEV period=20; VAR period=200; BBANDS; LINEARREG_SLOPE; TSF; CCI;" \
	"ULTOSC; MFI; CORREL; BETA; STOCH; WILLR; AROON; SUM source=volume; VWMA; CMF; IMI; VORTEX; ZSCORE; HMA; TRIMA; AO;" \
	"EMA period=12; RSI period=5; STOCHRSI period=5"

static void ten_million_candles_leave_no_drift(void **state)
{
	enum { ALL = 10000000, TAIL = 1500, SAMPLES = 5 };
	struct ind_bar *tail = calloc(TAIL, sizeof *tail);
	struct rng rng = { 21 };
	struct rig r, fresh;
	double price = 100, worst = 0, before = 0;
	long double obv = 0;

	(void)state;
	rig_open(&r, WINDOWS "; OBV");
	rig_open(&fresh, WINDOWS);
	for (size_t i = 0; i < ALL; i++) {
		struct ind_bar b = bar_walk(&rng, &price, (int64_t)i * 60000, 0.004);

		if (i % 5000 == 77)
			b.h *= 50;
		price = price < 1 || price > 1e5 ? 100 : price;
		obv += b.c > before ? (long double)b.v : b.c < before ? -(long double)b.v : 0;
		before = b.c;
		rig_take(&r, &b);
		tail[i % TAIL] = b;
		if ((i + 1) % (ALL / SAMPLES) != 0)
			continue;
		ind_init(fresh.set, fresh.state);
		for (size_t k = i + 1; k < i + 1 + TAIL; k++)
			rig_take(&fresh, &tail[k % TAIL]);
		for (size_t s = 0; s < ind_set_slots(fresh.set); s++) {
			double a = rig_value(&r, s), e = rig_value(&fresh, s);

			/* A position in a range, a slope: against the scale of their terms. */
			e = a == e ? 0 : fabs(a - e) / fmax(fabs(e), 1e-3);
			worst = e > worst ? e : worst;
			if (!(e <= 1e-10))
				fail_msg("%s after %zu candles: %.17g, anew %.17g", ind_set_slot(r.set, s)->name, i + 1, a,
					 rig_value(&fresh, s));
		}
		assert_true(rig_value(&r, ind_set_slots(fresh.set)) == (double)obv);
	}
	print_message("# %d candles: worst difference from a fresh start %.1e\n", ALL, worst);
	rig_done(&r);
	rig_done(&fresh);
	free(tail);
}

/* --- warm-ups as texts: + - * / ( ) ?: max(a,b) isqrt(a), names are parameters ------------------- */

struct expr { const char *p; const struct ind_def *def; const double *val; };

static long choice(struct expr *e);

static void blank(struct expr *e)
{
	while (*e->p == ' ')
		e->p++;
}

static bool take(struct expr *e, char c)
{
	blank(e);
	if (*e->p != c)
		return false;
	e->p++;
	return true;
}

static long name_value(struct expr *e)
{
	char name[40];
	size_t n = 0;
	long a, b;

	while (isalpha((unsigned char)*e->p) || *e->p == '_')
		name[n++] = *e->p++;
	name[n] = '\0';
	if (strcmp(name, "max") == 0 || strcmp(name, "isqrt") == 0) {
		assert_true(take(e, '('));
		a = choice(e);
		b = take(e, ',') ? choice(e) : 0;
		assert_true(take(e, ')'));
		return name[0] == 'i' ? (long)sqrt((double)a) : a > b ? a : b;
	}
	for (size_t i = 0; i < ind_def_params(e->def); i++)
		if (strcmp(e->def->params[i].name, name) == 0)
			return (long)e->val[i];
	fail_msg("%s: \"%s\" in its warm-up is no parameter", e->def->name, name);
	return 0;
}

static long atom(struct expr *e)
{
	long v = 0;

	if (take(e, '(')) {
		v = choice(e);
		assert_true(take(e, ')'));
		return v;
	}
	blank(e);
	if (!isdigit((unsigned char)*e->p))
		return name_value(e);
	while (isdigit((unsigned char)*e->p))
		v = v * 10 + (*e->p++ - '0');
	return v;
}

static long product(struct expr *e)
{
	long v = atom(e);

	for (;;) {
		if (take(e, '*'))
			v *= atom(e);
		else if (take(e, '/'))
			v /= atom(e);
		else
			return v;
	}
}

static long sum(struct expr *e)
{
	long v = product(e);

	for (;;) {
		if (take(e, '+'))
			v += product(e);
		else if (take(e, '-'))
			v -= product(e);
		else
			return v;
	}
}

static long choice(struct expr *e)
{
	long v = sum(e), a, b;

	if (!take(e, '?'))
		return v;
	a = choice(e);
	assert_true(take(e, ':'));
	b = choice(e);
	return v != 0 ? a : b;
}

/* With whole numbers moved by `shift` and seeds as given. */
static size_t warm_up_check(const struct ind_def *d, int shift, bool tv)
{
	char spec[512];
	size_t len = (size_t)snprintf(spec, sizeof spec, "%s", d->name);
	struct expr e = { d->warmup, d, NULL };
	size_t checked = 0;
	struct rig r;

	for (size_t i = 0; i < ind_def_params(d); i++) {
		const struct ind_param *p = &d->params[i];

		if (p->kind == IND_INT)
			len += (size_t)snprintf(spec + len, sizeof spec - len, " %s=%d", p->name, (int)p->def + shift);
		else if (strcmp(p->name, "seed") == 0)
			len += (size_t)snprintf(spec + len, sizeof spec - len, " seed=%s", tv ? "tv" : "talib");
	}
	rig_open(&r, spec);
	for (size_t s = 0; s < ind_set_slots(r.set) && *d->warmup != '\0'; s++) {
		const struct ind_slot *slot = ind_set_slot(r.set, s);
		long want;

		/* One expression for each output, or one for all. */
		if (s == 0 || !take(&e, ','))
			e.p = d->warmup;
		e.val = slot->params;
		want = choice(&e);
		if (want != (long)slot->first)
			fail_msg("%s: the text says %ld, it begins at %u", slot->name, want, slot->first);
		checked++;
	}
	rig_done(&r);
	return checked;
}

static void the_documented_warm_up_is_the_compiled_one(void **state)
{
	const struct ind_def *d;
	size_t checked = 0;

	(void)state;
	for (size_t i = 0; (d = ind_def_at(i)) != NULL; i++)
		for (int shift = 0; shift < 6; shift++) {
			checked += warm_up_check(d, shift, false);
			checked += warm_up_check(d, shift, true);
		}
	print_message("# %zu warm-ups checked\n", checked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documented_warm_up_is_the_compiled_one),
		cmocka_unit_test(ten_million_candles_leave_no_drift),
	};

	return cmocka_run_group_tests_name("indicators in the long run", tests, NULL, NULL);
}
