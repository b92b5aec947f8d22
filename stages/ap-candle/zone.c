/*
 * zone.c - TZif and POSIX TZ rules, worked out into one list of shifts.
 */
#include "zone.h"

#include <assert.h>
#include <stdlib.h>

enum {
	HEAD = 44,              /* bytes of a TZif header */
	SHIFTS_MAX = 8192,
	YEAR_FROM = 1970, YEAR_TO = 2262,
	DAY_S = 86400,
};

/* --- days ---------------------------------------------------------------- */

static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	const int64_t yy = m <= 2 ? y - 1 : y, mm = m <= 2 ? m + 9 : m - 3;

	return 365 * yy + yy / 4 - yy / 100 + yy / 400 + (153 * mm + 2) / 5 + d - 1 - 719468;
}

static bool leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t month_days(int64_t y, int64_t m)
{
	static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[m - 1] + (m == 2 && leap(y));
}

/* 0: Sunday. 1970-01-01 was a Thursday. */
static int64_t weekday(int64_t days)
{
	return (days % 7 + 11) % 7;
}

/* --- the list -------------------------------------------------------------- */

static bool shift_add(struct candle_zone *z, int64_t at_s, int32_t offset_s)
{
	if (z->n > 0 && (at_s <= z->shift[z->n - 1].at_s || z->shift[z->n - 1].offset_s == offset_s))
		return at_s > z->shift[z->n - 1].at_s || z->n == 1;
	if (z->n == SHIFTS_MAX)
		return false;
	z->shift[z->n++] = (struct candle_shift){ at_s, offset_s };
	return true;
}

void candle_zone_done(struct candle_zone *z)
{
	free(z->shift);
	memset(z, 0, sizeof *z);
}

static void zone_init(struct candle_zone *z)
{
	memset(z, 0, sizeof *z);
	z->shift = calloc(SHIFTS_MAX, sizeof *z->shift);
	assert(z->shift != NULL);
}

/* --- POSIX TZ (IEEE Std 1003.1, 8.3) ----------------------------------------- */

struct text {
	const char *p, *end;
};

static bool take(struct text *t, char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static bool take_number(struct text *t, int64_t least, int64_t most, int64_t *out)
{
	const char *from = t->p;
	int64_t v = 0;

	while (t->p < t->end && *t->p >= '0' && *t->p <= '9' && t->p - from < 5)
		v = v * 10 + (*t->p++ - '0');
	*out = v;
	return t->p > from && v >= least && v <= most;
}

static bool take_name(struct text *t)
{
	const char *from = t->p;

	if (take(t, '<')) {
		while (t->p < t->end && *t->p != '>')
			t->p++;
		return take(t, '>');
	}
	while (t->p < t->end && ((*t->p >= 'A' && *t->p <= 'Z') || (*t->p >= 'a' && *t->p <= 'z')))
		t->p++;
	return t->p - from >= 3;
}

/* [+-]hh[:mm[:ss]]; hours up to a week, as RFC 8536 allows in rules. */
static bool take_time(struct text *t, int64_t *out)
{
	const bool neg = take(t, '-');
	int64_t h, m = 0, s = 0;

	if (!neg)
		(void)take(t, '+');
	if (!take_number(t, 0, 167, &h) || (take(t, ':') && (!take_number(t, 0, 59, &m) || (take(t, ':') && !take_number(t, 0, 59, &s)))))
		return false;
	*out = (h * 3600 + m * 60 + s) * (neg ? -1 : 1);
	return true;
}

struct when {                   /* Mm.w.d, Jn or n, and a time of day */
	char form;
	int64_t m, w, d, time_s;
};

static bool take_when(struct text *t, struct when *out)
{
	bool ok;

	*out = (struct when){ .form = 'n', .time_s = 7200 };
	if (take(t, 'M')) {
		out->form = 'M';
		ok = take_number(t, 1, 12, &out->m) && take(t, '.') && take_number(t, 1, 5, &out->w) && take(t, '.') && take_number(t, 0, 6, &out->d);
	} else if (take(t, 'J')) {
		out->form = 'J';
		ok = take_number(t, 1, 365, &out->d);
	} else {
		ok = take_number(t, 0, 365, &out->d);
	}
	return ok && (!take(t, '/') || take_time(t, &out->time_s));
}

/* Local seconds since 1970 of the rule in that year. */
static int64_t when_in(const struct when *r, int64_t year)
{
	const int64_t first = days_from_civil(year, r->form == 'M' ? r->m : 1, 1);
	int64_t day = first + r->d;

	if (r->form == 'J') {
		day = first + r->d - 1 + (leap(year) && r->d >= 60);
	} else if (r->form == 'M') {
		day = first + (r->d - weekday(first) + 7) % 7 + (r->w - 1) * 7;
		if (day >= first + month_days(year, r->m))
			day -= 7;
	}
	return day * DAY_S + r->time_s;
}

static bool rule_shifts(struct candle_zone *z, const struct when at[2], int64_t std_s, int64_t dst_s)
{
	for (int64_t y = YEAR_FROM; y <= YEAR_TO; y++) {
		/* Told in the clock before each change. */
		struct candle_shift a = { when_in(&at[0], y) - std_s, (int32_t)dst_s }, b = { when_in(&at[1], y) - dst_s, (int32_t)std_s };

		if (a.at_s > b.at_s) {
			const struct candle_shift t = a;

			a = b;
			b = t;
		}
		if (a.at_s > z->shift[z->n - 1].at_s && !shift_add(z, a.at_s, a.offset_s))
			return false;
		if (b.at_s > z->shift[z->n - 1].at_s && !shift_add(z, b.at_s, b.offset_s))
			return false;
	}
	return true;
}

static bool zone_rule(struct candle_zone *z, ap_str rule)
{
	struct text t = { rule.p, rule.p + rule.len };
	struct when at[2];
	int64_t std_s, dst_s;

	if (!take_name(&t) || !take_time(&t, &std_s))
		return false;
	std_s = -std_s;                 /* west is positive there */
	if (z->n == 0)
		(void)shift_add(z, INT64_MIN, (int32_t)std_s);
	if (t.p == t.end)
		return true;
	dst_s = std_s + 3600;
	if (!take_name(&t))
		return false;
	if (t.p < t.end && *t.p != ',') {
		if (!take_time(&t, &dst_s))
			return false;
		dst_s = -dst_s;
	}
	if (!take(&t, ',') || !take_when(&t, &at[0]) || !take(&t, ',') || !take_when(&t, &at[1]) || t.p != t.end)
		return false;
	return rule_shifts(z, at, std_s, dst_s);
}

bool candle_zone_rule(struct candle_zone *z, ap_str rule)
{
	zone_init(z);
	if (zone_rule(z, rule))
		return true;
	candle_zone_done(z);
	return false;
}

/* --- TZif -------------------------------------------------------------------- */

struct head {
	uint32_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
};

static uint64_t big(const uint8_t *p, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static bool head_read(const uint8_t *p, size_t left, struct head *h)
{
	if (left < HEAD || memcmp(p, "TZif", 4) != 0)
		return false;
	*h = (struct head){ (uint32_t)big(p + 20, 4), (uint32_t)big(p + 24, 4), (uint32_t)big(p + 28, 4),
			    (uint32_t)big(p + 32, 4), (uint32_t)big(p + 36, 4), (uint32_t)big(p + 40, 4) };
	return h->timecnt < SHIFTS_MAX && h->typecnt >= 1 && h->typecnt <= 256 && h->charcnt <= 2048 && h->leapcnt <= 1024 &&
	       h->isutcnt <= 256 && h->isstdcnt <= 256;
}

static size_t body_size(const struct head *h, size_t time_size)
{
	return h->timecnt * (time_size + 1) + h->typecnt * 6u + h->charcnt + h->leapcnt * (time_size + 4) + h->isstdcnt + h->isutcnt;
}

static bool body_read(struct candle_zone *z, const uint8_t *p, const struct head *h)
{
	const uint8_t *type = p + h->timecnt * 8u, *info = type + h->timecnt;

	for (uint32_t i = 0; i < h->typecnt; i++) {
		const int32_t offset_s = (int32_t)(uint32_t)big(info + i * 6u, 4);

		if (offset_s < -26 * 3600 || offset_s > 26 * 3600)
			return false;
	}
	(void)shift_add(z, INT64_MIN, (int32_t)(uint32_t)big(info, 4));
	for (uint32_t i = 0; i < h->timecnt; i++) {
		if (type[i] >= h->typecnt || !shift_add(z, (int64_t)big(p + i * 8u, 8), (int32_t)(uint32_t)big(info + type[i] * 6u, 4)))
			return false;
	}
	return true;
}

static bool zone_read(struct candle_zone *z, ap_str bytes)
{
	const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.len, *line;
	struct head h;

	if (!head_read(p, bytes.len, &h) || p[4] < '2' || (size_t)(end - p) - HEAD < body_size(&h, 4))
		return false;
	p += HEAD + body_size(&h, 4);           /* the 32-bit part is history */
	if (!head_read(p, (size_t)(end - p), &h) || (size_t)(end - p) - HEAD < body_size(&h, 8))
		return false;
	p += HEAD;
	if (!body_read(z, p, &h))
		return false;
	p += body_size(&h, 8);
	if (p == end || *p != '\n')
		return false;
	p++;
	line = memchr(p, '\n', (size_t)(end - p));
	if (line == NULL)
		return false;
	return line == p || zone_rule(z, ap_str_n((const char *)p, (size_t)(line - p)));
}

bool candle_zone_parse(struct candle_zone *z, ap_str bytes)
{
	zone_init(z);
	if (bytes.len <= CANDLE_ZONE_BYTES_MAX && zone_read(z, bytes))
		return true;
	candle_zone_done(z);
	return false;
}

/* --- asking -------------------------------------------------------------------- */

static uint32_t shift_at(const struct candle_zone *z, int64_t utc_s)
{
	uint32_t lo = 0, hi = z->n;

	while (hi - lo > 1) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (z->shift[mid].at_s <= utc_s)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int32_t candle_zone_offset(const struct candle_zone *z, int64_t utc_s)
{
	return z->shift[shift_at(z, utc_s)].offset_s;
}

void candle_zone_span(const struct candle_zone *z, int64_t utc_s, int64_t *from_s, int64_t *to_s)
{
	const uint32_t i = shift_at(z, utc_s);

	*from_s = z->shift[i].at_s;
	*to_s = i + 1 < z->n ? z->shift[i + 1].at_s : INT64_MAX;
}

int64_t candle_zone_utc(const struct candle_zone *z, int64_t local_s)
{
	/* Offsets stay below 26 hours: two days around hold every candidate. */
	for (uint32_t i = shift_at(z, local_s - 2 * DAY_S); i < z->n && z->shift[i].at_s <= local_s + 2 * DAY_S; i++) {
		const int64_t utc_s = local_s - z->shift[i].offset_s;
		const int64_t to_s = i + 1 < z->n ? z->shift[i + 1].at_s : INT64_MAX;

		if (utc_s < z->shift[i].at_s)
			return z->shift[i].at_s;        /* the clocks skipped it */
		if (utc_s < to_s)
			return utc_s;
	}
	return local_s - z->shift[z->n - 1].offset_s;
}
