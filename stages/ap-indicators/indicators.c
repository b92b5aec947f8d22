/*
 * indicators.c - candle records in, indicator and signal records out.
 *
 * A series here is (source, symbol, timeframe). Its field of the saved state is "i<no>", no in order of first appearance:
 *
 *   0  version (2)   1  source, symbol, timeframe, each with its length (1 byte) before it
 *  ..  the image of series.c                  ..  XXH64 of field name and all before
 *
 * The names and the sum stand there in every version: a series saved by another one, or for another choice of indicators, begins
 * anew with its stored candles, where whoever drives the fold can give them.
 *
 * Forming candles, should they come this way, give provisional values and leave no trace.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>
#include "common/core/symbol.h"
#include "stages/ap-indicators/indicators.h"
#include "stages/ap-indicators/plan.h"
#include "stages/ap-indicators/series.h"

enum { STATE_V = 2, FIELD_MAX = 24, SUM_BYTES = 8, NAMES_MAX = 3 * 256, JSON_MAX = 65536 };

struct line {
	ap_str source, symbol, tf;      /* into text */
	char *text;
	const struct plan_set *plan;
	struct ind_series series;
	uint32_t no;
	bool unsaved;
};

struct fold {
	struct plan *plan;
	struct line **line;             /* by number; NULL only while loading */
	uint32_t n, cap, max;
	uint32_t *table, table_cap;     /* open addressing: number + 1, 0: free; table_cap a power of two */
	uint32_t *unsaved, n_unsaved;   /* numbers of lines */
	uint32_t *gone, n_gone;         /* numbers whose saved field is to be deleted */
	uint32_t *anew, n_anew, cap_anew;       /* numbers of lines that would have their stored candles first */
	uint32_t past_most;
	/* scratch */
	struct ind_work work;
	uint8_t *image;
	size_t image_cap;
	struct ap_value *values;
	struct ap_buf json;
	struct {
		uint64_t candles, revised, provisional, too_old, refused, values, patterns, signals, outcomes, withdrawn,
			senseless, restarted, past;
	} count;
};

/* --- lines ------------------------------------------------------------------------------------- */

static uint64_t names_hash(ap_str source, ap_str symbol, ap_str tf)
{
	return XXH64(tf.p, tf.len, XXH64(symbol.p, symbol.len, XXH64(source.p, source.len, source.len)));
}

static struct line **line_slot(const struct fold *st, ap_str source, ap_str symbol, ap_str tf, uint32_t *place)
{
	uint32_t i = (uint32_t)names_hash(source, symbol, tf) & (st->table_cap - 1);

	for (; st->table[i] != 0; i = (i + 1) & (st->table_cap - 1)) {
		struct line *l = st->line[st->table[i] - 1];

		if (ap_str_eq(l->tf, tf) && ap_str_eq(l->symbol, symbol) && ap_str_eq(l->source, source))
			return &st->line[st->table[i] - 1];
	}
	*place = i;
	return NULL;
}

static bool table_grow(struct fold *st)
{
	uint32_t cap = st->table_cap ? st->table_cap * 2 : 64, *old = st->table, place = 0;

	st->table = calloc(cap, sizeof *st->table);
	if (st->table == NULL) {
		st->table = old;
		return false;
	}
	st->table_cap = cap;
	free(old);
	for (uint32_t i = 0; i < st->n; i++)
		if (st->line[i] != NULL && line_slot(st, st->line[i]->source, st->line[i]->symbol, st->line[i]->tf,
						     &place) == NULL)
			st->table[place] = i + 1;
	return true;
}

/* Room for lines 0 to n - 1. */
static bool lines_room(struct fold *st, uint32_t n)
{
	uint32_t cap = st->cap ? st->cap : 16;
	struct line **line;
	uint32_t *unsaved;

	while (cap < n)
		cap *= 2;
	if (cap > st->cap) {
		line = realloc(st->line, cap * sizeof *line);   /* NOLINT(bugprone-sizeof-expression): of pointers */
		if (line == NULL)
			return false;
		memset(line + st->cap, 0, (cap - st->cap) * sizeof *line);      /* NOLINT(bugprone-sizeof-expression) */
		st->line = line;
		unsaved = realloc(st->unsaved, cap * sizeof *unsaved);
		if (unsaved == NULL)
			return false;
		st->unsaved = unsaved;
		st->cap = cap;
	}
	while (st->table_cap < 2 * (uint64_t)n + 2)
		if (!table_grow(st))
			return false;
	return true;
}

/* The scratch memory suits the largest engine in use. */
static bool scratch_room(struct fold *st, const struct engine *e)
{
	size_t need = ind_series_save_size(e) + NAMES_MAX + 64;
	uint8_t *more;

	if (!ind_work_fit(&st->work, e))
		return false;
	if (need <= st->image_cap)
		return true;
	more = realloc(st->image, need);
	if (more == NULL)
		return false;
	st->image = more;
	st->image_cap = need;
	return true;
}

static void line_free(struct line *l)
{
	if (l == NULL)
		return;
	ind_series_done(&l->series);
	free(l->text);
	free(l);
}

static bool line_names(struct line *l, ap_str source, ap_str symbol, ap_str tf)
{
	char *p = malloc(source.len + symbol.len + tf.len + 1);

	l->text = p;
	if (p == NULL)
		return false;
	memcpy(p, source.p, source.len);
	memcpy(p + source.len, symbol.p, symbol.len);
	memcpy(p + source.len + symbol.len, tf.p, tf.len);
	l->source = ap_str_n(p, source.len);
	l->symbol = ap_str_n(p + source.len, symbol.len);
	l->tf = ap_str_n(p + source.len + symbol.len, tf.len);
	return true;
}

/* A new line with number no; NULL: memory is short. */
static struct line *line_new(struct fold *st, uint32_t no, ap_str source, ap_str symbol, ap_str tf,
			     const struct plan_set *plan)
{
	struct line *l = calloc(1, sizeof *l);
	uint32_t place;

	if (l == NULL)
		return NULL;
	l->plan = plan;
	l->no = no;
	if (!line_names(l, source, symbol, tf) || !ind_series_init(&l->series, &plan->engine) ||
	    !scratch_room(st, &plan->engine) || !lines_room(st, no + 1) || line_slot(st, source, symbol, tf, &place) != NULL) {
		line_free(l);
		return NULL;
	}
	st->line[no] = l;
	st->n = no + 1 > st->n ? no + 1 : st->n;
	st->table[place] = no + 1;
	return l;
}

static struct line *line_find(const struct fold *st, const struct ap_candle *c)
{
	uint32_t place;
	struct line **l = line_slot(st, c->source, c->symbol, c->tf, &place);

	return l == NULL ? NULL : *l;
}

static void line_unsaved(struct fold *st, struct line *l)
{
	if (l->unsaved)
		return;
	l->unsaved = true;
	st->unsaved[st->n_unsaved++] = l->no;
}

/* --- step -------------------------------------------------------------------------------------- */

static struct ind_candle candle_of(const struct ap_candle *c)
{
	return (struct ind_candle){
		.revision = c->revision,
		.bar = { .open_ms = c->open_ms, .o = ap_dec_to_double(c->open), .h = ap_dec_to_double(c->high),
			 .l = ap_dec_to_double(c->low), .c = ap_dec_to_double(c->close),
			 .v = ap_dec_to_double(c->volume), .qv = ap_sum_to_double(&c->quote_volume),
			 .n = (double)c->trade_count, .buy_v = ap_dec_to_double(c->buy_volume),
			 .sell_v = ap_dec_to_double(c->sell_volume) }
	};
}

struct emission {
	struct ind_tell tell;   /* first */
	struct fold *st;
	const struct line *line;
	struct ap_out *out;
	int64_t open_ms;        /* of the candle that came */
	bool provisional;
};

static void values_put(const struct emission *e, const struct ind_candle *c, const struct engine_now *now)
{
	const struct plan_set *plan = e->line->plan;
	struct ap_rec rec = { .kind = AP_INDICATOR };
	uint32_t n = 0;

	for (size_t i = 0; i < plan->slots; i++) {
		const double v = now->val[plan->places[i]];

		if (!ind_valid(now->valid, i) || !isfinite(v))
			continue;
		e->st->values[n] = plan->values[i];
		e->st->values[n++].v = v;
	}
	/* Of a forming candle this record comes even without values: it says that what was said of that candle before is over. */
	if (n == 0 && !e->provisional)
		return;
	rec.u.indicator = (struct ap_indicator){
		.source = e->line->source, .symbol = e->line->symbol, .tf = e->line->tf, .open_ms = c->bar.open_ms,
		.revision = c->revision, .provisional = e->provisional, .n = n, .values = e->st->values
	};
	ap_out_put(e->out, AP_S_INDICATOR, &rec);
	e->st->count.values += n;
}

/* A signal record of this series; direction none, and nothing else: it is withdrawn. */
static struct ap_rec signal_rec(const struct emission *e, int64_t open_ms, uint32_t revision, enum ap_signal_kind kind,
				const char *name)
{
	return (struct ap_rec){
		.kind = AP_SIGNAL,
		.u.signal = { .source = e->line->source, .symbol = e->line->symbol, .tf = e->line->tf, .open_ms = open_ms,
			      .revision = revision, .kind = kind, .name = ap_str_c(name), .provisional = e->provisional }
	};
}

static void withdraw(const struct emission *e, int64_t open_ms, uint32_t revision, enum ap_signal_kind kind, const char *name)
{
	struct ap_rec rec = signal_rec(e, open_ms, revision, kind, name);

	ap_out_put(e->out, AP_S_SIGNAL, &rec);
	e->st->count.withdrawn++;
}

/* A candle behind the one that came tells only what is another value now: its revision is the same. */
static void patterns_put(const struct emission *e, const struct ind_candle *c, const struct engine_now *now,
			 const struct ind_was *was)
{
	const bool came = c->bar.open_ms == e->open_ms;

	for (int i = 0; i < PAT_N; i++) {
		const int v = now->pat[i], before = was != NULL ? was->pat[i] : 0;
		const char *name = pat_get((enum pat_id)i)->name;
		struct ap_rec rec;

		if (v == 0 && before != 0)
			withdraw(e, c->bar.open_ms, c->revision, AP_SIG_PATTERN, name);
		if (v == 0 || (v == before && !came))
			continue;
		rec = signal_rec(e, c->bar.open_ms, c->revision, AP_SIG_PATTERN, name);
		rec.u.signal.direction = v > 0 ? AP_DIR_LONG : AP_DIR_SHORT;
		rec.u.signal.strength = v;
		ap_out_put(e->out, AP_S_SIGNAL, &rec);
		e->st->count.patterns++;
	}
}

static enum ap_direction direction_of(enum rule_side side)
{
	return side == RULE_LONG ? AP_DIR_LONG : AP_DIR_SHORT;
}

static void signals_put(const struct emission *e, const struct ind_candle *c, const struct engine_now *now,
			const struct ind_was *was)
{
	const struct engine *eng = &e->line->plan->engine;
	uint64_t gone = was != NULL ? was->fired : 0;
	struct ap_buf *json = &e->st->json;

	for (uint32_t i = 0; i < now->n_signals; i++) {
		const struct rule_signal *s = &now->signal[i];
		struct ap_rec rec = signal_rec(e, c->bar.open_ms, c->revision, AP_SIG_SIGNAL, rule_book_name(eng->book, s->rule));

		ap_buf_clear(json);
		engine_inputs_json(eng, now->core, s->rule, json);
		rec.u.signal.direction = direction_of(s->side);
		rec.u.signal.strength = s->confidence;
		rec.u.signal.entry = s->entry;
		rec.u.signal.stop = s->stop;
		rec.u.signal.target = s->target;
		rec.u.signal.inputs = json->full ? ap_str_c("") : ap_buf_view(json);
		ap_out_put(e->out, AP_S_SIGNAL, &rec);
		e->st->count.signals++;
		gone &= ~(UINT64_C(1) << s->rule);
	}
	for (size_t rule = 0; gone != 0; rule++, gone >>= 1)
		if ((gone & 1u) != 0)
			withdraw(e, c->bar.open_ms, c->revision, AP_SIG_SIGNAL, rule_book_name(eng->book, rule));
}

/* An outcome belongs to its signal's candle, so that every signal has its own. */
static void outcomes_put(const struct emission *e, const struct engine_now *now)
{
	const struct rule_book *book = e->line->plan->book;
	struct ap_buf *json = &e->st->json;

	for (uint32_t i = 0; i < now->n_ends; i++) {
		const struct outcome *o = &now->end[i];
		struct ap_rec rec = signal_rec(e, o->signal_ms, o->revision, AP_SIG_OUTCOME, rule_book_name(book, o->rule));

		ap_buf_clear(json);
		outcome_json(o, json);
		rec.u.signal.direction = direction_of(o->side);
		rec.u.signal.strength = o->r;
		rec.u.signal.entry = o->entry;
		rec.u.signal.stop = o->stop;
		rec.u.signal.target = o->target;
		rec.u.signal.inputs = ap_buf_view(json);
		ap_out_put(e->out, AP_S_SIGNAL, &rec);
		e->st->count.outcomes++;
	}
}

static void tell_candle(struct ind_tell *t, const struct ind_candle *c, const struct engine_now *now, const struct ind_was *was)
{
	const struct emission *e = (const struct emission *)(const void *)t;

	values_put(e, c, now);
	if (e->line->plan->patterns)
		patterns_put(e, c, now, was);
	if (e->line->plan->book == NULL)
		return;
	signals_put(e, c, now, was);
	/* What would end with a forming candle has not ended, and what makes no sense is counted when it stands. */
	if (e->provisional)
		return;
	e->st->count.senseless += now->tally.senseless;
	outcomes_put(e, now);
}

static void tell_withdrawn(struct ind_tell *t, const struct ind_end *end)
{
	const struct emission *e = (const struct emission *)(const void *)t;

	withdraw(e, end->signal_ms, end->revision, AP_SIG_OUTCOME, rule_book_name(e->line->plan->book, end->rule));
}

static struct emission emission_of(struct fold *st, const struct line *l, const struct ap_candle *c, struct ap_out *out)
{
	return (struct emission){ { tell_candle, tell_withdrawn }, st, l, out, c->open_ms, c->state == AP_FORMING };
}

static enum ap_verdict step_forming(struct fold *st, const struct ap_candle *c, struct ap_out *out)
{
	struct ind_candle k = candle_of(c);
	struct line *l = line_find(st, c);
	struct emission e;
	uint32_t at;

	if (l == NULL || ind_series_place(&l->series, c->open_ms, &at) != IND_NEXT)
		return AP_V_IGNORED;
	ind_series_peek(&l->series, &k, &st->work);
	e = emission_of(st, l, c, out);
	tell_candle(&e.tell, &k, &st->work.now, NULL);
	st->count.provisional++;
	return AP_V_TAKEN;
}

/* The series' line, made where it is new; NULL: nothing is for it, or there is no room. */
static struct line *line_for(struct fold *st, const struct ap_candle *c)
{
	struct line *l = line_find(st, c);
	const struct plan_set *plan;

	if (l != NULL)
		return l;
	plan = plan_find(st->plan, c->symbol, c->tf);
	if (plan == NULL)
		return NULL;
	l = st->n < st->max ? line_new(st, st->n, c->source, c->symbol, c->tf, plan) : NULL;
	if (l == NULL)
		st->count.refused++;
	return l;
}

static enum ap_verdict step_closed(struct fold *st, const struct ap_candle *c, struct ap_out *out)
{
	struct ind_candle k = candle_of(c);
	struct line *l = line_for(st, c);
	struct emission e;
	uint32_t at;

	if (l == NULL)
		return AP_V_IGNORED;
	if (ind_series_place(&l->series, c->open_ms, &at) == IND_AGAIN && l->series.window[at].revision >= c->revision)
		return AP_V_IGNORED;
	e = emission_of(st, l, c, out);
	if (!ind_series_put(&l->series, &k, &st->work, &e.tell)) {
		st->count.too_old++;
		return AP_V_IGNORED;
	}
	line_unsaved(st, l);
	st->count.candles++;
	st->count.revised += c->revision > 0;
	return AP_V_TAKEN;
}

static enum ap_verdict fold_step(void *state, const struct ap_rec *rec, struct ap_out *out)
{
	if (rec->kind != AP_CANDLE)
		return AP_V_IGNORED;
	if (rec->u.candle.state == AP_FORMING)
		return step_forming(state, &rec->u.candle, out);
	return step_closed(state, &rec->u.candle, out);
}

static bool fold_peek(void *state, const struct ap_rec *rec, struct ap_out *out)
{
	return rec->kind == AP_CANDLE && rec->u.candle.state == AP_FORMING && step_forming(state, &rec->u.candle, out) == AP_V_TAKEN;
}

static uint64_t fold_peek_ms(const struct ap_conf *conf)
{
	return conf->indicators_provisional_ms;
}

static size_t fold_bound(const void *state, const struct ap_rec *rec)
{
	const struct fold *st = state;
	size_t rules = plan_rules_max(st->plan), open = rules > 0 ? OUTCOME_OPEN_MAX : 0;

	if (rec->kind != AP_CANDLE)
		return 0;
	/* Per candle of the window: its values, patterns and signals, or that they are withdrawn; what was open or is
	 * opened there ends once, and once more is withdrawn. */
	return IND_REWIND * (1 + (plan_has_patterns(st->plan) ? (size_t)PAT_N : 0) + rules) + 2 * (open + IND_REWIND * rules);
}

/* --- state ------------------------------------------------------------------------------------- */

static uint8_t *put_name(uint8_t *p, ap_str s)
{
	assert(s.len <= UINT8_MAX);
	*p++ = (uint8_t)s.len;
	memcpy(p, s.p, s.len);
	return p + s.len;
}

static void put_sum(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < SUM_BYTES; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void line_save(struct fold *st, struct line *l, struct ap_saver *s)
{
	char name[FIELD_MAX];
	int len = snprintf(name, sizeof name, "i%" PRIu32, l->no);
	uint8_t *p = st->image;
	size_t n;

	*p++ = STATE_V;
	p = put_name(p, l->source);
	p = put_name(p, l->symbol);
	p = put_name(p, l->tf);
	n = ind_series_save(&l->series, p, st->image_cap - (size_t)(p - st->image) - SUM_BYTES);
	assert(n > 0);
	p += n;
	put_sum(p, XXH64(st->image, (size_t)(p - st->image), XXH64(name, (size_t)len, 0)));
	s->put(s, ap_str_n(name, (size_t)len), ap_str_n((const char *)st->image, (size_t)(p - st->image) + SUM_BYTES));
	l->unsaved = false;
}

static void fold_save(void *state, struct ap_saver *s, bool all)
{
	struct fold *st = state;

	for (uint32_t i = 0; i < st->n_gone; i++) {
		char name[FIELD_MAX];
		int len = snprintf(name, sizeof name, "i%" PRIu32, st->gone[i]);

		s->del(s, ap_str_n(name, (size_t)len));
	}
	st->n_gone = 0;
	for (uint32_t i = 0; i < (all ? st->n : st->n_unsaved); i++) {
		struct line *l = st->line[all ? i : st->unsaved[i]];

		if (l != NULL)
			line_save(st, l, s);
	}
	st->n_unsaved = 0;
}

static bool get_name(const uint8_t **p, const uint8_t *end, ap_str *out)
{
	if (*p == end || (size_t)(end - *p) < 1u + **p)
		return false;
	*out = ap_str_n((const char *)*p + 1, **p);
	*p += 1u + **p;
	return true;
}

static bool field_number(ap_str field, uint32_t max, uint32_t *no)
{
	uint64_t v = 0;

	if (field.len < 2 || field.len > 11 || field.p[0] != 'i')
		return false;
	for (size_t i = 1; i < field.len; i++) {
		if (field.p[i] < '0' || field.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(field.p[i] - '0');
	}
	*no = (uint32_t)v;
	return v < max;
}

/* No indicator is for this line any more. Were its field kept, it would come back one day with a hole behind it. */
static bool gone_add(struct fold *st, uint32_t no)
{
	uint32_t *more = realloc(st->gone, (st->n_gone + 1) * sizeof *more);

	if (more == NULL)
		return false;
	st->gone = more;
	st->gone[st->n_gone++] = no;
	return true;
}

static bool anew_add(struct fold *st, uint32_t no)
{
	uint32_t cap = st->cap_anew ? st->cap_anew * 2 : 16, *more;

	if (st->n_anew == st->cap_anew) {
		more = realloc(st->anew, cap * sizeof *more);
		if (more == NULL)
			return false;
		st->anew = more;
		st->cap_anew = cap;
	}
	st->anew[st->n_anew++] = no;
	st->count.restarted++;
	return true;
}

/* Whether there can be such a line, and its number is no other one's: "i07" is no second name of "i7". */
static bool line_fine(const struct fold *st, uint32_t no, ap_str source, ap_str symbol, ap_str tf)
{
	return source.len <= AP_SOURCE_MAX && symbol.len <= AP_SYMBOL_MAX && tf.len <= AP_TF_MAX && (no >= st->n || st->line[no] == NULL);
}

static bool fold_load(void *state, ap_str field, ap_str value)
{
	struct fold *st = state;
	const uint8_t *p = (const uint8_t *)value.p, *end = p + value.len;
	ap_str source, symbol, tf;
	const struct plan_set *plan;
	bool restarted = false, known;
	uint8_t sum[SUM_BYTES];
	struct line *l;
	uint32_t no;

	if (!field_number(field, st->max, &no) || value.len < 1 + SUM_BYTES)
		return false;
	known = *p == STATE_V;
	end -= SUM_BYTES;
	put_sum(sum, XXH64(p, (size_t)(end - p), XXH64(field.p, field.len, 0)));
	p++;
	if (memcmp(sum, end, SUM_BYTES) != 0 || !get_name(&p, end, &source) || !get_name(&p, end, &symbol) ||
	    !get_name(&p, end, &tf) || !line_fine(st, no, source, symbol, tf))
		return false;
	plan = plan_find(st->plan, symbol, tf);
	if (plan == NULL)
		return gone_add(st, no);
	l = line_new(st, no, source, symbol, tf, plan);
	if (l == NULL)
		return false;
	if (!known || !ind_series_known(p, (size_t)(end - p)))
		return anew_add(st, no);
	if (!ind_series_load(&l->series, p, (size_t)(end - p), &st->work, &restarted))
		return false;
	return !restarted || anew_add(st, no);
}

/* --- stored candles ---------------------------------------------------------------------------- */

/* A series whose first candles are still in its window has all it needs. */
static bool past_is_known(const struct line *l)
{
	return l->series.n > 0 && !l->series.begun;
}

static bool fold_past_wanted(void *state, struct ap_past *want)
{
	struct fold *st = state;
	struct line *l;

	while (st->n_anew > 0 && (st->past_most == 0 || past_is_known(st->line[st->anew[st->n_anew - 1]])))
		st->n_anew--;
	if (st->n_anew == 0)
		return false;
	l = st->line[st->anew[st->n_anew - 1]];
	*want = (struct ap_past){ .source = l->source, .symbol = l->symbol, .tf = l->tf, .most = st->past_most,
				  .before_ms = l->series.n > 0 ? l->series.window[0].bar.open_ms : INT64_MAX };
	ind_series_past_begin(&l->series);
	return true;
}

static void fold_past(void *state, const struct ap_candle *c)
{
	struct fold *st = state;
	const struct ind_candle k = candle_of(c);

	assert(st->n_anew > 0);
	ind_series_past(&st->line[st->anew[st->n_anew - 1]]->series, &k, &st->work);
	st->count.past++;
}

static void fold_past_end(void *state)
{
	struct fold *st = state;
	struct line *l;

	assert(st->n_anew > 0);
	l = st->line[st->anew[--st->n_anew]];
	ind_series_past_end(&l->series, &st->work);
	line_unsaved(st, l);
}

/* --- stage ------------------------------------------------------------------------------------- */

static void fold_close(void *state)
{
	struct fold *st = state;

	if (st == NULL)
		return;
	for (uint32_t i = 0; i < st->n; i++)
		line_free(st->line[i]);
	plan_free(st->plan);
	free(st->line);
	free(st->table);
	free(st->unsaved);
	free(st->gone);
	free(st->anew);
	ind_work_done(&st->work);
	ap_buf_done(&st->json);
	free(st->image);
	free(st->values);
	free(st);
}

static void *fold_open(const struct ap_conf *conf, char *err, size_t errlen)
{
	struct fold *st = calloc(1, sizeof *st);

	if (st != NULL)
		st->plan = plan_new(conf, err, errlen);
	if (st == NULL || st->plan == NULL) {
		if (st == NULL)
			snprintf(err, errlen, "out of memory");
		fold_close(st);
		return NULL;
	}
	ap_buf_init(&st->json, JSON_MAX);
	st->max = (uint32_t)conf->indicators_series_max;
	st->past_most = (uint32_t)conf->indicators_past;
	st->values = calloc(plan_slots_max(st->plan) + 1, sizeof *st->values);
	if (st->values == NULL || !table_grow(st)) {
		snprintf(err, errlen, "out of memory");
		fold_close(st);
		return NULL;
	}
	return st;
}

static void fold_count(const void *state, struct ap_counts *c)
{
	const struct fold *st = state;

	c->put(c, "candles_total", AP_M_COUNTER, (double)st->count.candles);
	c->put(c, "revised_candles_total", AP_M_COUNTER, (double)st->count.revised);
	c->put(c, "provisional_total", AP_M_COUNTER, (double)st->count.provisional);
	c->put(c, "values_total", AP_M_COUNTER, (double)st->count.values);
	c->put(c, "patterns_total", AP_M_COUNTER, (double)st->count.patterns);
	c->put(c, "signals_total", AP_M_COUNTER, (double)st->count.signals);
	c->put(c, "outcomes_total", AP_M_COUNTER, (double)st->count.outcomes);
	c->put(c, "withdrawn_total", AP_M_COUNTER, (double)st->count.withdrawn);
	c->put(c, "signals_senseless_total", AP_M_COUNTER, (double)st->count.senseless);
	c->put(c, "series_restarted_total", AP_M_COUNTER, (double)st->count.restarted);
	c->put(c, "past_candles_total", AP_M_COUNTER, (double)st->count.past);
	c->put(c, "candles_too_old_total", AP_M_COUNTER, (double)st->count.too_old);
	c->put(c, "candles_refused_total", AP_M_COUNTER, (double)st->count.refused);
	c->put(c, "series", AP_M_GAUGE, (double)(st->n - st->n_gone));
}

const struct ap_stage ap_indicators_stage = {
	.name = "indicators",
	.in = AP_S_CANDLE,
	.outs = 1u << AP_S_INDICATOR | 1u << AP_S_SIGNAL,
	.open = fold_open,
	.close = fold_close,
	.step = fold_step,
	.bound = fold_bound,
	.save = fold_save,
	.load = fold_load,
	.past_wanted = fold_past_wanted,
	.past = fold_past,
	.past_end = fold_past_end,
	.peek = fold_peek,
	.peek_ms = fold_peek_ms,
	.count = fold_count,
};
