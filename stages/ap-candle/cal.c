/*
 * cal.c - intervals in zones and trading hours.
 */
#include "cal.h"
#include "entry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOUR_MS = 3600000, DAY_S = 86400, SEARCH_DAYS = 400 };
static const int64_t never_ms = INT64_MAX / 4;

static int64_t floor_to(int64_t v, int64_t step)
{
	const int64_t r = v % step;

	return r < 0 ? v - r - step : v - r;
}

static int64_t local_s(const struct candle_cal *c, int64_t t_s)
{
	return c->zoned ? t_s + candle_zone_offset(&c->zone, t_s) : t_s;
}

static int64_t utc_ms(const struct candle_cal *c, int64_t l_s)
{
	return (c->zoned ? candle_zone_utc(&c->zone, l_s) : l_s) * 1000;
}

/* --- sessions ---------------------------------------------------------------- */

static int by_day(const void *a, const void *b)
{
	const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

static bool day_on(const struct candle_cal *c, int64_t day)
{
	const int32_t key = (int32_t)day;
	const int64_t weekday = ((day + 4) % 7 + 7) % 7;

	if ((c->days & (1u << weekday)) == 0)
		return false;
	return c->holidays == 0 || bsearch(&key, c->holiday, c->holidays, sizeof key, by_day) == NULL;
}

struct span {
	int64_t from_ms, to_ms;
};

static int early_by_day(const void *a, const void *b)
{
	const struct candle_early *x = a, *y = b;

	return (x->day > y->day) - (x->day < y->day);
}

static int32_t close_of(const struct candle_cal *c, int64_t day)
{
	const struct candle_early key = { .day = (int32_t)day }, *e = NULL;

	if (c->earlies > 0)
		e = bsearch(&key, c->early, c->earlies, sizeof key, early_by_day);
	return e != NULL ? e->close_s : c->close_s;
}

static struct span session_of(const struct candle_cal *c, int64_t day)
{
	return (struct span){ utc_ms(c, day * DAY_S + c->open_s), utc_ms(c, day * DAY_S + close_of(c, day)) };
}

/* The session that holds t, or the next one (false). */
static bool session_find(const struct candle_cal *c, int64_t t_ms, struct span *s)
{
	const int64_t today = floor_to(local_s(c, floor_to(t_ms, 1000) / 1000), DAY_S) / DAY_S;

	for (int64_t day = today; day < today + SEARCH_DAYS; day++) {
		if (!day_on(c, day))
			continue;
		*s = session_of(c, day);
		if (t_ms < s->to_ms)
			return t_ms >= s->from_ms;
	}
	*s = (struct span){ never_ms, never_ms };
	return false;
}

bool candle_cal_on(const struct candle_cal *c, int64_t t_ms)
{
	struct span s;

	return !c->session || session_find(c, t_ms, &s);
}

/* --- intervals ---------------------------------------------------------------- */

/* By the offset in force, cut where it changes. */
static struct span by_offset(const struct candle_cal *c, const struct candle_tf *tf, int64_t t_ms)
{
	const int64_t t_s = floor_to(t_ms, 1000) / 1000, off_ms = candle_zone_offset(&c->zone, t_s) * (int64_t)1000;
	const int64_t open_ms = floor_to(t_ms + off_ms, tf->step_ms) - off_ms;
	struct span s = { open_ms, open_ms + tf->step_ms };
	int64_t from_s, to_s;

	candle_zone_span(&c->zone, t_s, &from_s, &to_s);
	if (from_s > s.from_ms / 1000)
		s.from_ms = from_s * 1000;
	if (to_s <= s.to_ms / 1000)
		s.to_ms = to_s * 1000;
	return s;
}

/* By the wall clock: what candle_tf_at says of the local time, as instants. A day begins shift_s after midnight. */
static struct span by_clock(const struct candle_cal *c, const struct candle_tf *tf, int64_t t_ms, int32_t shift_s)
{
	const int64_t l_s = local_s(c, floor_to(t_ms, 1000) / 1000) - shift_s;
	struct span s;
	int64_t open_ms, close_ms;

	if (l_s < 0)
		return (struct span){ 0, t_ms + 1 };    /* the first hours of 1970, west of Greenwich */
	candle_tf_at(tf, l_s * 1000, &open_ms, &close_ms);
	s = (struct span){ utc_ms(c, open_ms / 1000 + shift_s), utc_ms(c, close_ms / 1000 + shift_s) };
	/* A boundary inside an hour that the clocks show twice: no zone has it where whole hours divide the day. */
	return t_ms >= s.from_ms && t_ms < s.to_ms ? s : by_offset(c, tf, t_ms);
}

static struct span interval(const struct candle_cal *c, const struct candle_tf *tf, int64_t t_ms)
{
	struct span s;

	if (!c->zoned) {
		candle_tf_at(tf, t_ms, &s.from_ms, &s.to_ms);
		return s;
	}
	return tf->unit <= CANDLE_HOUR && tf->step_ms <= HOUR_MS ? by_offset(c, tf, t_ms) : by_clock(c, tf, t_ms, 0);
}

bool candle_cal_at(const struct candle_cal *c, const struct candle_tf *tf, int64_t t_ms, int64_t *open_ms, int64_t *close_ms)
{
	struct span day = { 0, 0 }, s;

	if (c->session && !session_find(c, t_ms, &day)) {
		*open_ms = *close_ms = day.from_ms;
		return false;
	}
	if (!c->session || tf->unit > CANDLE_DAY || (tf->unit == CANDLE_DAY && tf->count > 1)) {
		s = c->session && c->open_s < 0 ? by_clock(c, tf, t_ms, c->open_s) : interval(c, tf, t_ms);
	} else if (tf->unit == CANDLE_DAY) {
		s = day;
	} else {
		s.from_ms = day.from_ms + floor_to(t_ms - day.from_ms, tf->step_ms);
		s.to_ms = s.from_ms + tf->step_ms < day.to_ms ? s.from_ms + tf->step_ms : day.to_ms;
	}
	*open_ms = s.from_ms < 0 ? 0 : s.from_ms;
	*close_ms = s.to_ms;
	return true;
}

/* --- configuration -------------------------------------------------------------- */

struct cals_in {
	struct candle_cals *cals;
	candle_zone_reader *read;
	void *ctx;
};

/* False with what is wrong in why. */
static bool zone_by_name(struct candle_cal *c, const struct cals_in *in, ap_str name, const char **why)
{
	char text[65] = "";
	struct ap_buf bytes;
	bool ok;

	if (name.len == 0 || name.len >= sizeof text) {
		*why = "a zone is wanted, such as America/New_York";
		return false;
	}
	memcpy(text, name.p, name.len);
	if (strcmp(text, "UTC") == 0)
		return true;
	c->zoned = candle_zone_rule(&c->zone, name);
	if (c->zoned)
		return true;
	ap_buf_init(&bytes, CANDLE_ZONE_BYTES_MAX);
	ok = in->read != NULL && in->read(in->ctx, text, &bytes) && !bytes.full;
	if (!ok)
		*why = "there is no such zone (is the package tzdata installed?)";
	else if (!candle_zone_parse(&c->zone, ap_buf_view(&bytes)))
		ok = (*why = "the zone's file cannot be read", false);
	ap_buf_done(&bytes);
	c->zoned = ok;
	return ok;
}

static bool digits(ap_str s, size_t at, size_t n, int32_t *out)
{
	*out = 0;
	for (size_t i = at; i < at + n; i++) {
		if (i >= s.len || s.p[i] < '0' || s.p[i] > '9')
			return false;
		*out = *out * 10 + (s.p[i] - '0');
	}
	return true;
}

/* "09:30"; 24:00 is the end of the day. */
static bool clock_time(ap_str s, int32_t *out)
{
	int32_t h, m;

	if (s.len != 5 || s.p[2] != ':' || !digits(s, 0, 2, &h) || !digits(s, 3, 2, &m) || h > 24 || m > 59 || (h == 24 && m > 0))
		return false;
	*out = h * 3600 + m * 60;
	return true;
}

static bool date(ap_str s, int32_t *day)
{
	struct candle_tf month;
	char err[80];
	int32_t y, m, d;
	int64_t open_ms = 0, close_ms = 0;

	if (s.len != 10 || s.p[4] != '-' || s.p[7] != '-' || !digits(s, 0, 4, &y) || !digits(s, 5, 2, &m) || !digits(s, 8, 2, &d) ||
	    y < 1971 || y > 2261 || m < 1 || m > 12 || d < 1)
		return false;
	/* Month by month from its middle: candle_tf_at knows the calendar. */
	(void)candle_tf_parse(&month, ap_str_c("1M"), err, sizeof err);
	for (int32_t k = 0, left = (y - 1970) * 12 + m; k < left; k++)
		candle_tf_at(&month, close_ms, &open_ms, &close_ms);
	*day = (int32_t)(open_ms / 1000 / DAY_S) + d - 1;
	return (int64_t)*day * DAY_S * 1000 < close_ms;
}

static bool session_days(const struct candle_entry *in, struct candle_cal *c)
{
	static const char words[][4] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };
	char *list = NULL;

	c->days = 0x3e;                 /* Monday to Friday */
	if (!candle_entry_texts(in, "days", "mon", &list))
		return false;
	if (list == NULL)
		return true;
	c->days = 0;
	for (const char *p = list; *p != '\0'; p += strlen(p) + 1) {
		unsigned k = 0;

		while (k < 7 && strcmp(p, words[k]) != 0)
			k++;
		if (k == 7) {
			free(list);
			return candle_entry_bad(in, "days are sun mon tue wed thu fri sat", "");
		}
		c->days |= (uint8_t)(1u << k);
	}
	free(list);
	return true;
}

static bool session_holidays(const struct candle_entry *in, struct candle_cal *c)
{
	char *list = NULL;
	bool ok = true;

	if (!candle_entry_texts(in, "holidays", "2024-12-25", &list))
		return false;
	if (list == NULL)
		return true;
	c->holiday = calloc(CANDLE_HOLIDAYS_MAX, sizeof *c->holiday);
	assert(c->holiday != NULL);
	for (const char *p = list; ok && *p != '\0'; p += strlen(p) + 1) {
		if (c->holidays == CANDLE_HOLIDAYS_MAX)
			ok = candle_entry_bad(in, "more than 2000 holidays", "");
		else if (!date(ap_str_c(p), &c->holiday[c->holidays++]))
			ok = candle_entry_bad(in, "holidays are dates such as \"2024-12-25\", not ", p);
	}
	free(list);
	if (ok)
		qsort(c->holiday, c->holidays, sizeof *c->holiday, by_day);
	return ok;
}

/* "2024-11-29 13:00" */
static bool early_close(ap_str s, struct candle_early *e)
{
	return s.len == 16 && s.p[10] == ' ' && date(ap_str_n(s.p, 10), &e->day) && clock_time(ap_str_n(s.p + 11, 5), &e->close_s);
}

static bool session_early(const struct candle_entry *in, struct candle_cal *c)
{
	char *list = NULL;
	bool ok = true;

	if (!candle_entry_texts(in, "early_closes", "2024-12-24 13:00", &list))
		return false;
	if (list == NULL)
		return true;
	c->early = calloc(CANDLE_HOLIDAYS_MAX, sizeof *c->early);
	assert(c->early != NULL);
	for (const char *p = list; ok && *p != '\0'; p += strlen(p) + 1) {
		if (c->earlies == CANDLE_HOLIDAYS_MAX)
			ok = candle_entry_bad(in, "more than 2000 early closes", "");
		else if (!early_close(ap_str_c(p), &c->early[c->earlies++]))
			ok = candle_entry_bad(in, "early closes are such as \"2024-11-29 13:00\", not ", p);
		else if (c->early[c->earlies - 1].close_s <= c->open_s || c->early[c->earlies - 1].close_s > c->close_s)
			ok = candle_entry_bad(in, "an early close lies between open and close; not so ", p);
	}
	free(list);
	if (ok)
		qsort(c->early, c->earlies, sizeof *c->early, early_by_day);
	return ok;
}

static bool session_hours(const struct candle_entry *in, struct candle_cal *c)
{
	if (!clock_time(candle_entry_text(in, "open"), &c->open_s) || !clock_time(candle_entry_text(in, "close"), &c->close_s))
		return candle_entry_bad(in, "open and close are times such as \"09:30\"", "");
	/* Over midnight: the session belongs to the day on which it ends. */
	if (c->open_s >= c->close_s)
		c->open_s -= DAY_S;
	return true;
}

static bool one_session(const struct candle_entry *in, void *ctx)
{
	static const char *const keys[] = { "symbols", "sources", "zone", "open", "close", "days", "holidays", "early_closes", NULL };
	const struct cals_in *ci = ctx;
	struct candle_cal *c = &ci->cals->v[ci->cals->n];
	const ap_str zone = candle_entry_text(in, "zone");
	const char *why = "";

	if (ci->cals->n == CANDLE_CALS_MAX)
		return candle_entry_bad(in, "more than 16 entries", "");
	ci->cals->n++;
	c->session = true;
	if (!candle_entry_keys(in, keys) || !candle_entry_texts(in, "symbols", "BTC-*", &c->symbols) ||
	    !candle_entry_texts(in, "sources", "binance", &c->sources) || !session_days(in, c) || !session_holidays(in, c) ||
	    !session_hours(in, c) || !session_early(in, c))
		return false;
	if (zone.len > 0 && !zone_by_name(c, ci, zone, &why))
		return candle_entry_bad(in, "zone: ", why);
	return true;
}

bool candle_cals_parse(struct candle_cals *c, ap_str zone, ap_str sessions, candle_zone_reader *read, void *ctx, char *err, size_t errlen)
{
	struct cals_in in = { c, read, ctx };
	const char *why = "";

	memset(c, 0, sizeof *c);
	c->n = 1;
	if (!zone_by_name(&c->v[0], &in, zone, &why)) {
		(void)snprintf(err, errlen, "candle.zone = \"%.*s\": %s", (int)(zone.len < 64 ? zone.len : 64), zone.p, why);
		return false;
	}
	if (candle_entries("candle.sessions", sessions, one_session, &in, err, errlen))
		return true;
	candle_cals_done(c);
	return false;
}

void candle_cals_done(struct candle_cals *c)
{
	for (uint32_t i = 0; i < CANDLE_CALS_MAX; i++) {
		candle_zone_done(&c->v[i].zone);
		free(c->v[i].holiday);
		free(c->v[i].early);
		free(c->v[i].symbols);
		free(c->v[i].sources);
	}
	memset(c, 0, sizeof *c);
}

const struct candle_cal *candle_cals_pick(const struct candle_cals *c, ap_str source, ap_str symbol)
{
	for (uint32_t i = 1; i < c->n; i++)
		if (candle_any_of(c->v[i].symbols, symbol) && candle_any_of(c->v[i].sources, source))
			return &c->v[i];
	return &c->v[0];
}

int64_t candle_cals_step_ms(const struct candle_cals *c)
{
	int64_t step_ms = (int64_t)DAY_S * 1000;

	for (uint32_t i = 0; i < c->n; i++) {
		if (c->v[i].session)
			step_ms = 60000;
		else if (c->v[i].zoned && step_ms > 900000)
			step_ms = 900000;       /* offsets are multiples of a quarter of an hour since 1972 */
	}
	return step_ms;
}
