/*
 * timefmt.c - instants and entry ids as text. No clock, no time zone database, no locale.
 */
#include "timefmt.h"

#include <assert.h>

static const int64_t NS = 1000000000;

/* n digits at p as a number; -1 when one is not a digit. */
static int digits_at(const char *p, unsigned n)
{
	int v = 0;

	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

/*
 * Days from 1970-01-01 of a Gregorian date. Years are counted from March, so that the leap day is the last of its
 * year; 400 years are 146,097 days.
 */
static int64_t days_of(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool date_ok(int y, int m, int d)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap);
}

/* Fraction digits at *p (after the point) as ns; what is finer is dropped. False: no digit. */
static bool read_frac(const char **p, const char *end, int64_t *ns)
{
	int64_t v = 0, unit = NS;
	const char *start = *p;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		if (unit > 1) {
			unit /= 10;
			v += unit * (**p - '0');
		}
	}
	*ns = v;
	return *p > start;
}

/* "Z" or "+hh:mm" to the end of the text, as minutes east. */
static bool read_zone(const char *p, const char *end, int *east)
{
	int h, m;

	*east = 0;
	if (end - p == 1)
		return *p == 'Z' || *p == 'z';
	if (end - p != 6 || (p[0] != '+' && p[0] != '-') || p[3] != ':')
		return false;
	h = digits_at(p + 1, 2);
	m = digits_at(p + 4, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return false;
	*east = (p[0] == '-' ? -1 : 1) * (h * 60 + m);
	return true;
}

static bool parse_rfc3339(const char *p, const char *end, ap_ts *out)
{
	int y, mo, d, h, mi, s, east;
	int64_t ns = 0, sec, r;

	if (end - p < 20 || p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != 't' && p[10] != ' ') ||
	    p[13] != ':' || p[16] != ':')
		return false;
	y = digits_at(p, 4);
	mo = digits_at(p + 5, 2);
	d = digits_at(p + 8, 2);
	h = digits_at(p + 11, 2);
	mi = digits_at(p + 14, 2);
	s = digits_at(p + 17, 2);
	/* Second 60 is a leap second; it counts as the first of the next minute. */
	if (y < 0 || !date_ok(y, mo, d) || h < 0 || h > 23 || mi < 0 || mi > 59 || s < 0 || s > 60)
		return false;
	p += 19;
	if (*p == '.') {
		p++;
		if (!read_frac(&p, end, &ns))
			return false;
	}
	if (!read_zone(p, end, &east))
		return false;
	sec = days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + s - east * 60;
	if (sec < 0 || __builtin_mul_overflow(sec, NS, &r) || __builtin_add_overflow(r, ns, &r))
		return false;
	out->ns = r;
	return true;
}

static bool parse_epoch(const char *p, const char *end, ap_ts *out)
{
	const char *start = p;
	uint64_t v = 0;
	int64_t frac = 0, unit, r;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	if (p == start)
		return false;
	if (p < end && *p == '.') {
		p++;
		if (!read_frac(&p, end, &frac))
			return false;
	}
	if (p != end || v > INT64_MAX)
		return false;
	unit = v < 100000000000u ? NS : v < 100000000000000u ? 1000000 : v < 100000000000000000u ? 1000 : 1;
	/* frac is in 1e-9 of a unit; finer than a ns is dropped. */
	if (__builtin_mul_overflow((int64_t)v, unit, &r) || __builtin_add_overflow(r, frac / (NS / unit), &r))
		return false;
	out->ns = r;
	return true;
}

bool ap_ts_parse(ap_str text, ap_ts *out)
{
	const char *p = text.p, *end;

	if (text.len == 0)
		return false;
	end = p + text.len;
	if (text.len >= 20 && p[4] == '-')
		return parse_rfc3339(p, end, out);
	return parse_epoch(p, end, out);
}

/* Writes v as exactly n digits; returns the end. */
static char *put_digits(char *p, uint64_t v, unsigned n)
{
	for (unsigned i = n; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + n;
}

size_t ap_ts_format(ap_ts ts, unsigned frac_digits, char out[AP_TS_TEXT])
{
	int64_t sec = ts.ns / NS, ns = ts.ns % NS, day, era, doe, yoe, doy, mp, y;
	uint64_t unit_ns = 1;
	char *p = out;

	assert(frac_digits <= 9 && frac_digits % 3 == 0);
	if (ns < 0) {
		ns += NS;
		sec--;
	}
	day = sec / 86400 - (sec % 86400 < 0);
	sec -= day * 86400;
	day += 719468;
	era = (day >= 0 ? day : day - 146096) / 146097;
	doe = day - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	y = yoe + era * 400 + (mp >= 10);
	p = put_digits(p, (uint64_t)y, 4);
	*p++ = '-';
	p = put_digits(p, (uint64_t)(mp < 10 ? mp + 3 : mp - 9), 2);
	*p++ = '-';
	p = put_digits(p, (uint64_t)(doy - (153 * mp + 2) / 5 + 1), 2);
	*p++ = 'T';
	p = put_digits(p, (uint64_t)(sec / 3600), 2);
	*p++ = ':';
	p = put_digits(p, (uint64_t)(sec / 60 % 60), 2);
	*p++ = ':';
	p = put_digits(p, (uint64_t)(sec % 60), 2);
	if (frac_digits > 0) {
		*p++ = '.';
		for (unsigned i = frac_digits; i < 9; i++)
			unit_ns *= 10;
		p = put_digits(p, (uint64_t)ns / unit_ns, frac_digits);
	}
	*p++ = 'Z';
	*p = '\0';
	return (size_t)(p - out);
}

/* The digits at p as a number. Returns where they end, NULL if there are none or too many for 64 bits. */
static const char *read_u64(const char *p, const char *end, uint64_t *out)
{
	const char *start = p;
	uint64_t v = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return NULL;
	*out = v;
	return p == start ? NULL : p;
}

bool ap_id_parse(ap_str text, ap_id *out)
{
	const char *end, *p;
	ap_id id;

	if (text.len == 0)
		return false;
	end = text.p + text.len;
	p = read_u64(text.p, end, &id.ms);
	if (p == NULL || p == end || *p != '-')
		return false;
	p = read_u64(p + 1, end, &id.seq);
	if (p != end)
		return false;
	*out = id;
	return true;
}

static char *put_u64(char *p, uint64_t v)
{
	unsigned n = 1;

	for (uint64_t t = v; t >= 10; t /= 10)
		n++;
	return put_digits(p, v, n);
}

size_t ap_id_format(ap_id id, char out[AP_ID_TEXT])
{
	char *p = put_u64(out, id.ms);

	*p++ = '-';
	p = put_u64(p, id.seq);
	*p = '\0';
	return (size_t)(p - out);
}
