/*
 * tf.c - timeframes by name and the interval an instant lies in, in UTC.
 *
 * Seconds, minutes and hours divide the next larger unit, so that intervals nest. Days count from 1970-01-02, as
 * Binance's 3d bars do; weeks begin on Monday; months are those of the calendar.
 */
#include "tf.h"

#include <inttypes.h>
#include <stdio.h>

enum { MS = 1000, DAY_MS = 86400000, FIRST_DAY = 1, FIRST_MONDAY = 4 };

struct unit {
	char letter;
	int64_t ms;
	uint32_t parent;                /* how many make the next larger unit; 0: any number will do */
};

static const struct unit units[] = {
	[CANDLE_SECOND] = { 's', MS, 60 },
	[CANDLE_MINUTE] = { 'm', 60 * MS, 60 },
	[CANDLE_HOUR] = { 'h', 3600 * MS, 24 },
	[CANDLE_DAY] = { 'd', DAY_MS, 0 },
	[CANDLE_WEEK] = { 'w', (int64_t)7 * DAY_MS, 0 },
	[CANDLE_MONTH] = { 'M', (int64_t)31 * DAY_MS, 12 },
};

static bool tf_bad(ap_str name, const char *what, char *err, size_t errlen)
{
	(void)snprintf(err, errlen, "timeframe \"%.*s\": %s", (int)(name.len > 40 ? 40 : name.len), name.p == NULL ? "" : name.p, what);
	return false;
}

bool candle_tf_parse(struct candle_tf *tf, ap_str name, char *err, size_t errlen)
{
	uint32_t count = 0;
	size_t i = 0, u = 0;

	if (name.len < 2 || name.len > 4 || name.p[0] == '0')
		return tf_bad(name, "a number and one of s m h d w M is wanted, such as 15m", err, errlen);
	while (i < name.len && name.p[i] >= '0' && name.p[i] <= '9')
		count = count * 10 + (uint32_t)(name.p[i++] - '0');
	while (u < sizeof units / sizeof units[0] && units[u].letter != name.p[name.len - 1])
		u++;
	if (i == 0 || i + 1 != name.len || u == sizeof units / sizeof units[0])
		return tf_bad(name, "a number and one of s m h d w M is wanted, such as 15m", err, errlen);
	if (units[u].parent != 0 && units[u].parent % count != 0)
		return tf_bad(name, "seconds and minutes must divide 60, hours 24, months 12", err, errlen);
	if ((u == CANDLE_DAY && count > 7) || (u == CANDLE_WEEK && count > 4))
		return tf_bad(name, "at most 7d and 4w", err, errlen);
	memset(tf, 0, sizeof *tf);
	memcpy(tf->name, name.p, name.len);
	tf->name_len = (uint32_t)name.len;
	tf->unit = (enum candle_unit)u;
	tf->count = count;
	tf->step_ms = units[u].ms * count;
	return true;
}

/* Days since 1970-01-01 of the first day of a month counted from January 1970 (proleptic Gregorian calendar). */
static int64_t month_to_days(int64_t month)
{
	const int64_t y = 1970 + month / 12, m = month % 12;    /* m: 0 January */
	const int64_t yy = m < 2 ? y - 1 : y, mm = m < 2 ? m + 10 : m - 2;     /* years begin in March */

	return 365 * yy + yy / 4 - yy / 100 + yy / 400 + (153 * mm + 2) / 5 - 719468;
}

static int64_t days_to_month(int64_t days)
{
	int64_t m = days * 12 / 366;    /* never too late a guess, and at most a few months early */

	while (month_to_days(m + 1) <= days)
		m++;
	return m;
}

void candle_tf_at(const struct candle_tf *tf, int64_t t_ms, int64_t *open_ms, int64_t *close_ms)
{
	int64_t shift = 0;

	if (tf->unit == CANDLE_MONTH) {
		const int64_t m = days_to_month(t_ms / DAY_MS), first = m - m % tf->count;

		*open_ms = month_to_days(first) * DAY_MS;
		*close_ms = month_to_days(first + tf->count) * DAY_MS;
		return;
	}
	if (tf->unit == CANDLE_DAY && tf->count > 1)
		shift = (int64_t)FIRST_DAY * DAY_MS;
	else if (tf->unit == CANDLE_WEEK)
		shift = (int64_t)FIRST_MONDAY * DAY_MS;
	/* Before the first Monday the remainder is negative: one step further down. */
	*open_ms = t_ms - (t_ms - shift) % tf->step_ms;
	if (*open_ms > t_ms)
		*open_ms -= tf->step_ms;
	*close_ms = *open_ms + tf->step_ms;
	if (*open_ms < 0)
		*open_ms = 0;           /* time begins in 1970, in the middle of a week */
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b != 0) {
		const uint64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

/* The longest step every timeframe is a multiple of, and boundaries too: weeks, months and 3d begin on days. */
static int64_t plan_base_ms(const struct candle_plan *p, int64_t step_ms)
{
	uint64_t g = (uint64_t)step_ms;

	for (uint32_t i = 0; i < p->n; i++)
		g = gcd(g, p->tf[i].unit == CANDLE_MONTH ? DAY_MS : (uint64_t)p->tf[i].step_ms);
	return (int64_t)g;
}

static void plan_insert(struct candle_plan *p, const struct candle_tf *tf)
{
	uint32_t i = p->n++;

	for (; i > 0 && p->tf[i - 1].step_ms > tf->step_ms; i--)
		p->tf[i] = p->tf[i - 1];
	p->tf[i] = *tf;
}

/* A base that was not asked for: the shortest name of that many ms. */
static void plan_hide(struct candle_plan *p, int64_t base_ms)
{
	struct candle_tf tf = { .unit = CANDLE_SECOND, .step_ms = base_ms };

	for (unsigned u = CANDLE_SECOND; u <= CANDLE_DAY; u++)
		if (base_ms % units[u].ms == 0)
			tf.unit = (enum candle_unit)u;
	tf.count = (uint32_t)(base_ms / units[tf.unit].ms);
	tf.name_len = (uint32_t)snprintf(tf.name, sizeof tf.name, "%" PRIu32 "%c", tf.count, units[tf.unit].letter);
	plan_insert(p, &tf);
	p->hidden = true;
}

bool candle_plan_parse(struct candle_plan *p, ap_str list, int64_t step_ms, char *err, size_t errlen)
{
	int64_t base_ms;
	size_t at = 0;

	memset(p, 0, sizeof *p);
	while (at <= list.len) {
		const char *comma = at < list.len ? memchr(list.p + at, ',', list.len - at) : NULL;
		size_t len = comma == NULL ? list.len - at : (size_t)(comma - (list.p + at)), skip = 0;
		struct candle_tf tf;

		while (skip < len && list.p[at + skip] == ' ')
			skip++;
		if (!candle_tf_parse(&tf, ap_str_n(list.p + at + skip, len - skip), err, errlen))
			return false;
		if (candle_plan_find(p, ap_str_c(tf.name)) != -1)
			return tf_bad(ap_str_c(tf.name), "named twice", err, errlen);
		if (p->n == CANDLE_TFS_MAX - 1)
			return tf_bad(ap_str_c(tf.name), "more than 23 timeframes", err, errlen);
		plan_insert(p, &tf);
		at += len + 1;
	}
	base_ms = plan_base_ms(p, step_ms);
	if (p->tf[0].step_ms != base_ms || p->tf[0].unit == CANDLE_MONTH)
		plan_hide(p, base_ms);
	return true;
}

int candle_plan_find(const struct candle_plan *p, ap_str name)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (ap_str_is(name, p->tf[i].name))
			return (int)i;
	return -1;
}
