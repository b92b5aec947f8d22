/*
 * quote_state.c - the quotes' part of the fold's memory as fields of a hash, and back.
 *
 *   q<no>:<open>            a slot of the smallest timeframe, with its points
 *   m<no>:<tf>:<open>       a slot of a larger one, once it says more than its small slots do
 *   u<no>                   a series: what was let go
 *
 * <no> is the series' number (state.c). Values as there: version, content, XXH3. Points are written as differences, in
 * groups of seven bits: time and the venue's number from the point before, the spread likewise.
 */
#include "field.h"
#include "quote_fold.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_BYTES = 512, POINT_BYTES = 3 * FIELD_GROUPS_MAX };         /* of a value but its points; of a point: at most */
enum { BIT_FINAL = 1, BIT_ISSUED = 2, BIT_UNTOLD = 4, BIT_ANY = 8 };

/* --- writing ----------------------------------------------------------- */

static void put_part(struct field_wr *b, const struct quote_part *p)
{
	const ap_i128 wide[] = {
		p->open.bid.e18, p->open.ask.e18, p->close.bid.e18, p->close.ask.e18, p->bid_high.e18, p->bid_low.e18,
		p->ask_high.e18, p->ask_low.e18, p->sum_high, p->sum_low, p->spread_min, p->spread_max,
	};

	field_put_u64(b, p->n);
	field_put_u64(b, p->locked);
	for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
		field_put_i128(b, wide[i]);
	field_put_u8(b, (uint8_t)p->level);
}

/* What points are measured to; of a small slot it is measured again. */
static void put_run(struct field_wr *b, const struct quote_run *r)
{
	field_put_i64(b, r->first_ns);
	field_put_i64(b, r->last_ns);
	field_put_i128(b, r->last_spread);
	for (int i = 0; i < 4; i++)
		field_put_u64(b, r->area.w[i]);
}

static void put_key(struct field_wr *b, const struct quote_key *k)
{
	field_put_i64(b, k->ts_ns);
	field_put_u64(b, k->seq);
}

static void put_points(struct field_wr *b, const struct quote_small *q, int64_t open_ms)
{
	struct quote_point before = { .key = { open_ms * 1000000, 0 } };

	field_put_groups(b, q->n);
	for (uint32_t i = 0; i < q->n; i++) {
		const struct quote_point *p = &q->v[i];

		field_put_groups(b, (ap_u128)(p->key.ts_ns - before.key.ts_ns));
		field_put_diff(b, (int64_t)(p->key.seq - before.key.seq));
		field_put_diff(b, p->spread - before.spread);
		before = *p;
	}
}

/* Memory for a value, of a slot with so many points. */
static struct field_wr value_new(struct candle_fold_state *st, uint32_t points)
{
	const size_t size = VALUE_BYTES + (size_t)points * POINT_BYTES;
	uint8_t *p = ap_buf_room(&st->quotes->value, size);

	assert(p != NULL);
	return (struct field_wr){ p, p, p + size };
}

/* Whether a slot says anything that its small slots, and its absence, do not. */
static bool slot_worth(const struct quote_slot *s)
{
	return s->lane == 0 || s->issued || s->q.part.n > 0;
}

static void slot_out(struct candle_fold_state *st, const struct candle_series *ser, struct quote_slot *s, struct ap_saver *to)
{
	struct field_wr b = value_new(st, s->q.n);
	const bool any = s->q.part.n > 0;
	char name[FIELD_NAME_MAX];

	if (!slot_worth(s))
		return;
	field_put_u8(&b, FIELD_V);
	field_put_u8(&b, (uint8_t)((s->state == SLOT_FINAL ? BIT_FINAL : 0) | (s->issued ? BIT_ISSUED : 0) |
				   (s->untold ? BIT_UNTOLD : 0) | (any ? BIT_ANY : 0)));
	field_put_i64(&b, s->close_ms);
	field_put_u64(&b, s->revision);
	if (any) {
		put_part(&b, &s->q.part);
		if (s->lane == 0) {
			put_key(&b, &s->q.first);
			put_key(&b, &s->q.last);
			put_points(&b, &s->q, s->open_ms);
		} else {
			put_run(&b, &s->q.part.run);
		}
	}
	s->saved = true;
	candle_field_out(to, candle_slot_name(st, "qm", ser, s->lane, s->open_ms, name), &b);
}

static void floor_out(struct candle_fold_state *st, const struct candle_series *ser, struct ap_saver *to)
{
	struct field_wr b = value_new(st, 0);
	char name[FIELD_NAME_MAX];
	const int n = snprintf(name, sizeof name, "u%" PRIu32, ser->no);

	field_put_u8(&b, FIELD_V);
	field_put_i64(&b, ser->quotes->floor_ms);
	candle_field_out(to, ap_str_n(name, (size_t)n), &b);
}

static void series_out(struct candle_fold_state *st, const struct candle_series *ser, struct ap_saver *to, bool all)
{
	struct candle_quotes *q = ser->quotes;

	if (all ? q->floor_ms != CANDLE_NEVER : q->floor_unsaved)
		floor_out(st, ser, to);
	for (uint32_t lane = 0; lane < st->plan.n; lane++) {
		for (uint32_t i = 0; i < q->lane[lane].n; i++) {
			struct quote_slot *s = q->lane[lane].v[i];

			if (all || s->unsaved)
				slot_out(st, ser, s, to);
			s->unsaved = s->unsaved && all;
		}
	}
	q->floor_unsaved = q->floor_unsaved && all;
}

void quote_save(struct candle_fold_state *st, struct ap_saver *to, bool all)
{
	struct quote_state *q = st->quotes;

	if (all) {
		for (uint32_t i = 0; i < st->series_n; i++)
			if (st->series[i]->quotes != NULL)
				series_out(st, st->series[i], to, true);
		return;
	}
	for (size_t i = 0; i < q->unsaved.n; i++) {
		struct candle_series *ser = q->unsaved.v[i];

		series_out(st, ser, to, false);
		ser->quotes->unsaved = false;
	}
	q->unsaved.n = 0;
}

void quote_forget_field(struct candle_fold_state *st, const struct candle_series *ser, const struct quote_slot *s)
{
	char name[FIELD_NAME_MAX];

	candle_gone_add(st, candle_slot_name(st, "qm", ser, s->lane, s->open_ms, name));
}

/* --- reading ----------------------------------------------------------- */

static bool px_fine(const struct quote_px *px)
{
	return field_price_fine(px->bid) && field_price_fine(px->ask) && px->bid.e18 <= px->ask.e18;
}

static bool part_fine(const struct quote_part *p)
{
	/* bid + ask */
	if (!field_price_fine((ap_dec){ p->sum_high - p->sum_high / 2 }) || !field_price_fine((ap_dec){ p->sum_low - p->sum_low / 2 }))
		return false;
	return p->n > 0 && field_count_fine(p->n) && p->locked <= p->n && p->level <= QUOTE_LEVEL_MAX && px_fine(&p->open) && px_fine(&p->close) &&
	       field_price_fine(p->bid_high) && field_price_fine(p->bid_low) && field_price_fine(p->ask_high) && field_price_fine(p->ask_low) &&
	       p->spread_min >= 0 && p->spread_min <= p->spread_max && field_size_fine(p->spread_max);
}

static void get_part(struct field_rd *in, struct quote_part *p)
{
	ap_i128 *const wide[] = {
		&p->open.bid.e18, &p->open.ask.e18, &p->close.bid.e18, &p->close.ask.e18, &p->bid_high.e18, &p->bid_low.e18,
		&p->ask_high.e18, &p->ask_low.e18, &p->sum_high, &p->sum_low, &p->spread_min, &p->spread_max,
	};

	p->n = field_get_u64(in);
	p->locked = field_get_u64(in);
	for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
		*wide[i] = field_get_i128(in);
	p->level = field_get_u8(in);
	if (!part_fine(p))
		in->bad = true;
}

static void get_run(struct field_rd *in, struct quote_run *r)
{
	r->first_ns = field_get_i64(in);
	r->last_ns = field_get_i64(in);
	r->last_spread = field_get_i128(in);
	for (int i = 0; i < 4; i++)
		r->area.w[i] = field_get_u64(in);
}

/* Of a larger slot: within its interval, and in the mean not above the greatest spread. */
static bool run_fine(const struct quote_slot *s)
{
	const struct quote_run *r = &s->q.part.run;
	ap_sum most = { { 0 } };

	if (r->first_ns < s->open_ms * 1000000 || r->last_ns < r->first_ns || r->last_ns >= s->close_ms * 1000000 ||
	    r->last_spread < s->q.part.spread_min || r->last_spread > s->q.part.spread_max)
		return false;
	return ap_sum_addmul(&most, (ap_dec){ s->q.part.spread_max }, (ap_dec){ r->last_ns - r->first_ns }) && r->area.w[3] >> 63 == 0 &&
	       ap_sum_cmp(&r->area, &most) <= 0;
}

static void get_key(struct field_rd *in, struct quote_key *k)
{
	k->ts_ns = field_get_i64(in);
	k->seq = field_get_u64(in);
}

/* Every point lies in the interval, behind the one before, and its spread is one of those that there were. */
static void get_points(struct field_rd *in, struct quote_slot *s)
{
	struct quote_point p = { .key = { s->open_ms * 1000000, 0 } };
	const ap_u128 n = field_get_groups(in);

	for (ap_u128 i = 0; i < n && !in->bad; i++) {
		const ap_u128 step = field_get_groups(in);
		const uint64_t seq = (uint64_t)(int64_t)field_get_diff(in);
		const ap_i128 wider = field_get_diff(in);

		if (step >= (ap_u128)(s->close_ms * 1000000 - p.key.ts_ns) || !field_size_fine(wider < 0 ? ~wider : wider)) {
			in->bad = true;
			return;
		}
		p.key.ts_ns += (int64_t)step;
		p.key.seq += seq;
		p.spread += wider;
		if (p.spread < s->q.part.spread_min || p.spread > s->q.part.spread_max || !quote_small_point(&s->q, &p))
			in->bad = true;
	}
	if (s->q.n == 0)
		in->bad = true;
	if (!in->bad)
		quote_small_measure(&s->q);
}

/* What was read waits here until all of it is there: fields come in any order. */
struct loaded {
	uint64_t series_no;
	char tf[AP_TF_MAX];             /* "" : the smallest */
	bool is_floor;
	int64_t floor_ms;
	struct quote_slot s;
};

struct quote_load {
	struct loaded *v;
	size_t n, cap;
};

void quote_load_done(struct quote_state *q)
{
	if (q->load == NULL)
		return;
	for (size_t i = 0; i < q->load->n; i++)
		quote_small_done(&q->load->v[i].s.q);
	free(q->load->v);
	free(q->load);
	q->load = NULL;
}

/* Digits only, up to the end or `stop`; moves *p behind it. */
static bool name_number(const char **p, const char *end, char stop, uint64_t *out)
{
	const char *s = *p;

	*out = 0;
	while (s < end && *s >= '0' && *s <= '9' && s - *p < 19)
		*out = *out * 10 + (uint64_t)(*s++ - '0');
	if (s == *p || (stop == '\0' ? s != end : s == end || *s != stop))
		return false;
	*p = stop == '\0' ? s : s + 1;
	return true;
}

static bool slot_named(struct loaded *l, ap_str name, const char *p)
{
	const char *end = name.p + name.len, *colon;
	uint64_t open;

	if (!name_number(&p, end, ':', &l->series_no))
		return false;
	if (name.p[0] == 'm') {
		colon = memchr(p, ':', (size_t)(end - p));
		if (colon == NULL || colon == p || colon - p >= AP_TF_MAX || *p == '\0')
			return false;
		memcpy(l->tf, p, (size_t)(colon - p));
		p = colon + 1;
	}
	if (!name_number(&p, end, '\0', &open) || open > FIELD_LAST_MS)
		return false;
	l->s.open_ms = (int64_t)open;
	return true;
}

static bool slot_in(struct loaded *l, struct field_rd *in)
{
	struct quote_slot *s = &l->s;
	const uint8_t bits = field_get_u8(in);

	s->close_ms = field_get_i64(in);
	s->revision = (uint32_t)field_get_u64(in);
	s->state = bits & BIT_FINAL ? SLOT_FINAL : SLOT_FORMING;
	s->issued = (bits & BIT_ISSUED) != 0;
	s->untold = (bits & BIT_UNTOLD) != 0;
	if (s->close_ms <= s->open_ms || s->close_ms > FIELD_LAST_MS)
		return false;
	if ((bits & BIT_ANY) != 0) {
		get_part(in, &s->q.part);
		if (l->tf[0] == '\0') {
			get_key(in, &s->q.first);
			get_key(in, &s->q.last);
			get_points(in, s);
		} else {
			get_run(in, &s->q.part.run);
			in->bad = in->bad || !run_fine(s);
		}
	}
	return !in->bad && in->p == in->end && (l->tf[0] != '\0' || s->q.n > 0);
}

bool quote_load(struct candle_fold_state *st, ap_str name, const uint8_t *value, size_t len)
{
	struct quote_state *q = st->quotes;
	struct field_rd in = { value, value + len, false };
	const char *p = name.p + 1;
	struct loaded *l;

	if (q->load == NULL) {
		q->load = calloc(1, sizeof *q->load);
		assert(q->load != NULL);
	}
	if (q->load->n == q->load->cap) {
		q->load->cap = q->load->cap == 0 ? 64 : q->load->cap * 2;
		q->load->v = realloc(q->load->v, q->load->cap * sizeof *q->load->v);
		assert(q->load->v != NULL);
	}
	l = &q->load->v[q->load->n++];
	memset(l, 0, sizeof *l);
	l->is_floor = name.p[0] == 'u';
	if (!l->is_floor)
		return slot_named(l, name, p) && slot_in(l, &in);
	l->floor_ms = field_get_i64(&in);
	return name_number(&p, name.p + name.len, '\0', &l->series_no) && !in.bad && in.p == in.end;
}

/* --- putting it together ------------------------------------------------ */

/* By series, then larger slots before small ones (as they were made), then by time. */
static int by_place(const void *a, const void *b)
{
	const struct loaded *x = a, *y = b;

	if (x->series_no != y->series_no)
		return x->series_no < y->series_no ? -1 : 1;
	if ((x->tf[0] == '\0') != (y->tf[0] == '\0'))
		return x->tf[0] == '\0' ? 1 : -1;
	return (x->s.open_ms > y->s.open_ms) - (x->s.open_ms < y->s.open_ms);
}

static bool wrong(char *err, size_t errlen, const char *what)
{
	(void)snprintf(err, errlen, "%s", what);
	return false;
}

static void forget_larger(struct candle_fold_state *st, const struct candle_series *ser, const struct loaded *l)
{
	char name[FIELD_NAME_MAX];
	const int n = snprintf(name, sizeof name, "m%" PRIu32 ":%s:%" PRId64, ser->no, l->tf, l->s.open_ms);

	candle_gone_add(st, ap_str_n(name, (size_t)n));
}

static bool put_slot(struct candle_fold_state *st, struct candle_series *ser, struct loaded *l, char *err, size_t errlen)
{
	const int lane = l->tf[0] == '\0' ? 0 : candle_plan_find(&st->plan, ap_str_c(l->tf));
	struct candle_quotes *q = quote_series_get(st, ser);
	struct quote_slot *s;

	if (lane < 0 || (lane > 0 && ser->recut)) {     /* a timeframe, or a calendar, that is no longer asked for */
		forget_larger(st, ser, l);
		return true;
	}
	if ((lane == 0) != (l->tf[0] == '\0') || quote_lane_find(&q->lane[lane], l->s.open_ms) != NULL)
		return wrong(err, errlen, "two slots of quotes for one interval");
	if (!field_interval_fine(st, ser, (uint32_t)lane, l->s.open_ms, l->s.close_ms))
		return wrong(err, errlen, "a slot of quotes lies where its timeframe has no interval");
	s = quote_lane_insert(st, ser, (uint32_t)lane, l->s.open_ms, l->s.close_ms);
	s->revision = l->s.revision;
	s->state = l->s.state;
	s->issued = l->s.issued;
	s->untold = l->s.untold;
	s->q = l->s.q;
	memset(&l->s.q, 0, sizeof l->s.q);
	s->saved = true;
	if (s->state == SLOT_FINAL)
		ser->source->quotes_forming--;
	if (s->untold && !q->untold) {
		q->untold = true;
		ser->source->quotes_untold++;
	}
	/* A larger slot that was not saved was a plain forming one. */
	for (uint32_t i = 1; lane == 0 && i < st->plan.n; i++) {
		int64_t open_ms, close_ms;

		if (candle_interval(st, ser, i, s->open_ms, &open_ms, &close_ms) && quote_lane_find(&q->lane[i], open_ms) == NULL)
			(void)quote_lane_insert(st, ser, i, open_ms, close_ms);
	}
	return true;
}

/* What was let go lies before what is there, and both meet where intervals do: so parts join in the order of time. */
static bool series_fine(const struct candle_fold_state *st, const struct candle_series *ser)
{
	const struct candle_quotes *q = ser->quotes;
	const int64_t floor_ms = q->floor_ms, step_ms = st->plan.tf[0].step_ms;

	if (floor_ms != CANDLE_NEVER && (!field_time_fine(floor_ms) || floor_ms % step_ms != 0))
		return false;
	for (uint32_t i = 0; i < q->lane[0].n; i++)
		if (q->lane[0].v[i]->open_ms < floor_ms)
			return false;
	for (uint32_t lane = 1; lane < st->plan.n; lane++) {
		for (uint32_t i = 0; i < q->lane[lane].n; i++) {
			const struct quote_slot *s = q->lane[lane].v[i];

			if (s->close_ms % step_ms != 0 ||
			    (s->q.part.n > 0 && (floor_ms == CANDLE_NEVER || s->q.part.run.last_ns >= floor_ms * 1000000)))
				return false;
		}
	}
	return true;
}

/* Larger slots of which nothing is there: what they held belongs to other intervals now. */
static void drop_empty(struct candle_fold_state *st, struct candle_series *ser)
{
	for (uint32_t lane = 1; lane < st->plan.n; lane++) {
		for (uint32_t i = ser->quotes->lane[lane].n; i > 0; i--) {
			struct quote_part part;

			quote_whole(st, ser, ser->quotes->lane[lane].v[i - 1], &part);
			if (part.n == 0)
				quote_lane_remove(st, ser, lane, i - 1);
		}
	}
}

bool quote_loaded(struct candle_fold_state *st, char *err, size_t errlen)
{
	struct quote_load *l = st->quotes->load;

	if (l == NULL)
		return true;
	qsort(l->v, l->n, sizeof *l->v, by_place);
	for (size_t i = 0; i < l->n; i++) {
		struct candle_series *ser;

		if (l->v[i].series_no >= st->series_n)
			return wrong(err, errlen, "quotes belong to no series");
		ser = st->series[l->v[i].series_no];
		if (l->v[i].is_floor)
			quote_series_get(st, ser)->floor_ms = l->v[i].floor_ms;
		else if (!put_slot(st, ser, &l->v[i], err, errlen))
			return false;
	}
	for (uint32_t i = 0; i < st->series_n; i++) {
		if (st->series[i]->quotes == NULL)
			continue;
		if (!series_fine(st, st->series[i]))
			return wrong(err, errlen, "quotes lie before what was let go");
		drop_empty(st, st->series[i]);
		quote_due_recompute(st, st->series[i]);
	}
	quote_load_done(st->quotes);
	return true;
}
