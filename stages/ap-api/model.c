/*
 * model.c - series by name, timeframes by name, candles by time.
 */
#include "model.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

bool api_model_init(struct api_model *m, uint32_t series_max, uint64_t bars_max)
{
	*m = (struct api_model){ .max = series_max, .bars_max = bars_max, .nbucket = 64 };
	while (m->nbucket < series_max)
		m->nbucket *= 2;
	m->bucket = calloc(m->nbucket, sizeof *m->bucket);
	api_names_init(&m->names);
	return m->bucket != NULL;
}

static void free_series(struct api_series *s)
{
	for (unsigned i = 0; i < s->ntf; i++) {
		api_ring_done(&s->tf[i]->ring);
		api_qbars_done(&s->tf[i]->quotes);
		free(s->tf[i]);
	}
	for (unsigned i = 0; i < s->sig_n; i++)
		free(s->sig[i].inputs);
	free(s->sig);
	free(s);
}

void api_model_done(struct api_model *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		free_series(m->series[i]);
	free(m->series);
	free(m->bucket);
	api_names_done(&m->names);
	*m = (struct api_model){ 0 };
}

/* Chains are by symbol alone, so that all sources of a symbol stand in one chain. */
static uint32_t bucket_of(const struct api_model *m, ap_str symbol)
{
	return (uint32_t)XXH64(symbol.p, symbol.len, 0) & (m->nbucket - 1);
}

static void unlink_series(struct api_model *m, uint32_t i)
{
	uint32_t *link = &m->bucket[bucket_of(m, ap_str_c(m->series[i]->symbol))];
	while (*link != i + 1)
		link = &m->series[*link - 1]->chain;
	*link = m->series[i]->chain;
}

static void relink_series(struct api_model *m, uint32_t from, uint32_t to)
{
	uint32_t *link = &m->bucket[bucket_of(m, ap_str_c(m->series[from]->symbol))];
	while (*link != from + 1)
		link = &m->series[*link - 1]->chain;
	*link = to + 1;
	m->series[to] = m->series[from];
}

static void evict_series(struct api_model *m)
{
	uint32_t least = 0;
	for (uint32_t i = 1; i < m->n; i++)
		if (m->series[i]->touched < m->series[least]->touched)
			least = i;
	struct api_series *s = m->series[least];
	unlink_series(m, least);
	for (unsigned i = 0; i < s->ntf; i++)
		m->bars_n -= s->tf[i]->ring.n;
	free_series(s);
	if (least != --m->n)
		relink_series(m, m->n, least);
	m->evicted_series++;
}

static struct api_series *add_series(struct api_model *m, ap_str source, ap_str symbol)
{
	if (source.len == 0 || source.len > AP_SOURCE_MAX || symbol.len == 0 || symbol.len > AP_SYMBOL_MAX)
		return NULL;
	if (m->n == m->max)
		evict_series(m);
	if (m->n == m->cap) {
		uint32_t cap = m->cap == 0 ? 64 : m->cap * 2;
		struct api_series **p = realloc(m->series, cap * sizeof *m->series);  /* NOLINT(bugprone-sizeof-expression): of pointers */
		if (p == NULL)
			return NULL;
		m->series = p;
		m->cap = cap;
	}
	struct api_series *s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	memcpy(s->source, source.p, source.len);
	memcpy(s->symbol, symbol.p, symbol.len);
	uint32_t *head = &m->bucket[bucket_of(m, symbol)];
	s->chain = *head;
	m->series[m->n++] = s;
	*head = m->n;
	return s;
}

struct api_series *api_model_series(struct api_model *m, ap_str source, ap_str symbol, bool make)
{
	struct api_series *s;
	for (uint32_t at = m->bucket[bucket_of(m, symbol)]; at != 0; at = s->chain) {
		s = m->series[at - 1];
		if (ap_str_is(symbol, s->symbol) && ap_str_is(source, s->source)) {
			s->touched = ++m->clock;
			return s;
		}
	}
	s = make ? add_series(m, source, symbol) : NULL;
	if (s != NULL)
		s->touched = ++m->clock;
	return s;
}

/* Time of the newest trade of a series: seen in the tick stream, or inside its newest candle. */
static int64_t newest_ns(const struct api_series *s)
{
	int64_t ns = s->trade_ns;
	for (unsigned i = 0; i < s->ntf; i++) {
		const struct api_bar *b = api_ring_last(&s->tf[i]->ring);
		if (b != NULL && b->c.open_ms * 1000000 > ns)
			ns = b->c.open_ms * 1000000;
	}
	return ns;
}

struct api_series *api_model_find(struct api_model *m, ap_str source, ap_str symbol)
{
	struct api_series *best = NULL;
	if (source.len > 0)
		return api_model_series(m, source, symbol, false);
	for (uint32_t at = m->bucket[bucket_of(m, symbol)]; at != 0; at = m->series[at - 1]->chain) {
		struct api_series *s = m->series[at - 1];
		if (ap_str_is(symbol, s->symbol) && (best == NULL || newest_ns(s) > newest_ns(best)))
			best = s;
	}
	if (best != NULL)
		best->touched = ++m->clock;
	return best;
}

struct api_tf *api_model_tf(struct api_model *m, struct api_series *s, ap_str tf, bool make)
{
	for (unsigned i = 0; i < s->ntf; i++)
		if (ap_str_is(tf, s->tf[i]->tf))
			return s->tf[i];
	if (!make || s->ntf == API_TFS_MAX || tf.len == 0 || tf.len > AP_TF_MAX)
		return NULL;
	struct api_tf *t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	memcpy(t->tf, tf.p, tf.len);
	api_ring_init(&t->ring, API_RING_IDLE);
	api_qbars_init(&t->quotes, API_QBARS_IDLE);
	t->used = ++m->clock;
	s->tf[s->ntf++] = t;
	return t;
}

static void narrow(struct api_model *m, struct api_tf *t, uint32_t max)
{
	uint32_t before = t->ring.n;
	api_ring_resize(&t->ring, max);
	m->bars_n -= before - t->ring.n;
	m->evicted_bars += before - t->ring.n;
	if (before != t->ring.n)
		t->complete = false;
}

/* Over budget: the wide timeframe used longest ago becomes narrow again. */
static void keep_budget(struct api_model *m, const struct api_tf *spare)
{
	while (m->bars_n > m->bars_max) {
		struct api_tf *least = NULL;
		for (uint32_t i = 0; i < m->n; i++)
			for (unsigned k = 0; k < m->series[i]->ntf; k++) {
				struct api_tf *t = m->series[i]->tf[k];
				if (t->wide && t != spare && (least == NULL || t->used < least->used))
					least = t;
			}
		if (least == NULL)
			return;
		least->wide = least->warm = false;
		narrow(m, least, API_RING_IDLE);
	}
}

void api_model_use(struct api_model *m, struct api_series *s, struct api_tf *t)
{
	s->touched = t->used = ++m->clock;
	if (t->wide)
		return;
	t->wide = true;
	api_ring_resize(&t->ring, API_RING_WIDE);
}

/* A candle whose texts belong to the series, so that it may stay in a ring. */
static struct ap_candle settled(const struct ap_candle *c, const struct api_series *s, const struct api_tf *t)
{
	struct ap_candle own = *c;
	own.source = ap_str_c(s->source);
	own.symbol = ap_str_c(s->symbol);
	own.tf = ap_str_c(t->tf);
	return own;
}

/* What was said of this candle while it was forming is over: said anew, or final. */
static void forget_provisional(struct api_series *s, const struct api_tf *t, int64_t open_ms)
{
	for (unsigned i = 0; i < s->sig_n; i++)
		if (s->sig[i].s.provisional && s->sig[i].s.open_ms == open_ms && s->sig[i].s.tf.p == t->tf)
			s->sig[i].s.direction = AP_DIR_NONE;
}

/*
 * Whether what is provisional may be said of the candle: it forms. Of one that has closed it is too late; and one that is not known
 * was forming before we looked, and may have closed then too: nothing would ever say that it is over.
 */
static bool is_forming(const struct api_tf *t, int64_t open_ms)
{
	const struct api_bar *b = api_ring_find(&t->ring, open_ms);
	return b != NULL && b->c.state == AP_FORMING && (b->vals == NULL || b->vals->provisional);
}

struct api_tf *api_model_candle(struct api_model *m, const struct ap_candle *c, struct api_series **series)
{
	struct api_series *s = api_model_series(m, c->source, c->symbol, true);
	struct api_tf *t = s == NULL ? NULL : api_model_tf(m, s, c->tf, true);
	if (t == NULL)
		return NULL;
	struct ap_candle own = settled(c, s, t);
	uint32_t before = t->ring.n;
	if (c->state != AP_FORMING)
		forget_provisional(s, t, c->open_ms);
	if (!api_ring_put(&t->ring, &own))
		return NULL;
	if (before == t->ring.max)
		t->complete = false;
	m->bars_n += t->ring.n - before;
	keep_budget(m, t);
	*series = s;
	return t;
}

struct api_vals *api_vals_new(struct api_names *names, const struct ap_value *v, uint32_t n, uint32_t revision, bool provisional)
{
	if (n > AP_VALUES_MAX)
		n = AP_VALUES_MAX;
	struct api_vals *vals = malloc(sizeof *vals + n * sizeof vals->v[0]);
	if (vals == NULL)
		return NULL;
	*vals = (struct api_vals){ .revision = revision, .provisional = provisional };
	for (uint32_t i = 0; i < n; i++) {
		int key = api_names_key(names, v[i].name, v[i].params);
		if (key >= 0)
			vals->v[vals->n++] = (struct api_val){ (uint16_t)key, v[i].v };
	}
	return vals;
}

struct api_tf *api_model_indicator(struct api_model *m, const struct ap_indicator *i, struct api_series **series)
{
	struct api_series *s = api_model_series(m, i->source, i->symbol, false);
	struct api_tf *t = s == NULL ? NULL : api_model_tf(m, s, i->tf, false);
	struct api_vals *vals = t == NULL || api_ring_find(&t->ring, i->open_ms) == NULL || (i->provisional && !is_forming(t, i->open_ms)) ? NULL :
		api_vals_new(&m->names, i->values, i->n, i->revision, i->provisional);
	if (vals == NULL || !api_ring_put_vals(&t->ring, i->open_ms, vals))
		return NULL;
	forget_provisional(s, t, i->open_ms);
	*series = s;
	return t;
}

static char *copy_text(ap_str s)
{
	char *p = s.len == 0 || s.len >= API_SIGNAL_INPUTS ? NULL : malloc(s.len + 1);
	if (p != NULL) {
		memcpy(p, s.p, s.len);
		p[s.len] = '\0';
	}
	return p;
}

const struct api_signal *api_series_signal(const struct api_series *s, unsigned i)
{
	assert(i < s->sig_n);
	return &s->sig[(s->sig_next + API_SIGNALS_MAX - 1 - i) % API_SIGNALS_MAX];
}

/* The slot of the same signal of the same candle, to be replaced by a later revision; else the next free one. */
static struct api_signal *signal_slot(struct api_series *s, const struct ap_signal *g, const struct api_tf *t)
{
	for (unsigned i = 0; i < s->sig_n; i++) {
		struct api_signal *o = &s->sig[i];
		if (o->s.open_ms == g->open_ms && o->s.tf.p == t->tf && o->s.kind == g->kind && ap_str_eq(o->s.name, g->name))
			return o->s.revision > g->revision || (g->provisional && !o->s.provisional) ? NULL : o;
	}
	struct api_signal *o = &s->sig[s->sig_next];
	s->sig_next = (s->sig_next + 1) % API_SIGNALS_MAX;
	if (s->sig_n < API_SIGNALS_MAX)
		s->sig_n++;
	return o;
}

const struct api_signal *api_model_signal(struct api_model *m, const struct ap_signal *g)
{
	struct api_series *s = g->name.len >= API_SIGNAL_NAME ? NULL : api_model_series(m, g->source, g->symbol, true);
	struct api_tf *t = s == NULL ? NULL : api_model_tf(m, s, g->tf, true);
	if (t == NULL || (g->provisional && !is_forming(t, g->open_ms)))
		return NULL;
	if (s->sig == NULL)
		s->sig = calloc(API_SIGNALS_MAX, sizeof *s->sig);
	struct api_signal *o = s->sig == NULL ? NULL : signal_slot(s, g, t);
	if (o == NULL)
		return NULL;
	free(o->inputs);
	*o = (struct api_signal){ .s = *g, .inputs = copy_text(g->inputs) };
	memcpy(o->name, g->name.p, g->name.len);
	o->s.source = ap_str_c(s->source);
	o->s.symbol = ap_str_c(s->symbol);
	o->s.tf = ap_str_c(t->tf);
	o->s.name = ap_str_c(o->name);
	o->s.inputs = ap_str_c(o->inputs);     /* NOLINT(clang-analyzer-unix.Malloc): the old ones went, these are new */
	return o;
}

void api_model_trade(struct api_model *m, const struct ap_trade *t)
{
	struct api_series *s = api_model_series(m, t->source, t->symbol, true);
	if (s == NULL)
		return;
	s->trades++;
	if (t->ts.ns >= s->trade_ns) {
		s->trade_ns = t->ts.ns;
		s->trade_price = t->price;
	}
}

void api_model_quote(struct api_model *m, const struct ap_quote *q)
{
	struct api_series *s = api_model_series(m, q->source, q->symbol, true);
	if (s == NULL)
		return;
	s->quote.n++;
	if (q->ts.ns > s->quote.ns || (q->ts.ns == s->quote.ns && q->seq >= s->quote.seq))
		s->quote = (struct api_quote){ q->ts.ns, q->seq, q->bid, q->bid_qty, q->ask, q->ask_qty, s->quote.n };
}

struct api_tf *api_model_quotebar(struct api_model *m, const struct ap_quotebar *q, struct api_series **series)
{
	struct api_series *s = api_model_series(m, q->source, q->symbol, true);
	struct api_tf *t = s == NULL ? NULL : api_model_tf(m, s, q->tf, true);
	struct ap_quotebar own = *q;
	if (t == NULL)
		return NULL;
	own.source = ap_str_c(s->source);
	own.symbol = ap_str_c(s->symbol);
	own.tf = ap_str_c(t->tf);
	if (!api_qbars_put(&t->quotes, &own))
		return NULL;
	*series = s;
	return t;
}

/* Of its newest quote: seen in the tick stream, or inside its newest bar. */
static int64_t quoted_ns(const struct api_series *s)
{
	int64_t ns = s->quote.ns;
	for (unsigned i = 0; i < s->ntf; i++) {
		const struct api_qbars *q = &s->tf[i]->quotes;
		if (q->n > 0 && q->bar[q->n - 1].open_ms * 1000000 > ns)
			ns = q->bar[q->n - 1].open_ms * 1000000;
	}
	return ns;
}

const struct api_series *api_model_quoted(struct api_model *m, ap_str source, ap_str symbol)
{
	const struct api_series *best = NULL;
	for (uint32_t at = m->bucket[bucket_of(m, symbol)]; at != 0; at = m->series[at - 1]->chain) {
		struct api_series *s = m->series[at - 1];
		if (!ap_str_is(symbol, s->symbol) || (source.len > 0 && !ap_str_is(source, s->source)) || quoted_ns(s) == 0)
			continue;
		if (best == NULL || quoted_ns(s) > quoted_ns(best))
			best = s;
	}
	return best;
}

static struct api_vals *copy_vals(const struct api_vals *v)
{
	size_t size = v == NULL ? 0 : sizeof *v + v->n * sizeof v->v[0];
	struct api_vals *p = size == 0 ? NULL : malloc(size);
	if (p != NULL)
		memcpy(p, v, size);
	return p;
}

void api_model_overlay(const struct api_tf *t, struct api_ring *into)
{
	for (uint32_t i = 0; i < t->ring.n; i++) {
		const struct api_bar *b = api_ring_at(&t->ring, i);
		api_ring_put(into, &b->c);
		struct api_vals *v = copy_vals(b->vals);
		if (v != NULL)
			api_ring_put_vals(into, b->c.open_ms, v);
	}
}

void api_model_warm(struct api_model *m, struct api_series *s, struct api_tf *t, struct api_ring *from, bool complete)
{
	api_model_use(m, s, t);
	api_ring_resize(from, t->ring.max);
	for (uint32_t i = 0; i < from->n; i++) {
		struct api_bar *b = api_ring_at(from, i);
		b->c = settled(&b->c, s, t);
	}
	api_model_overlay(t, from);
	m->bars_n += from->n;
	m->bars_n -= t->ring.n;
	api_ring_done(&t->ring);
	t->ring = *from;
	for (unsigned i = 0; i < s->sig_n; i++)
		if (s->sig[i].s.provisional && s->sig[i].s.tf.p == t->tf && !is_forming(t, s->sig[i].s.open_ms))
			s->sig[i].s.direction = AP_DIR_NONE;
	api_ring_init(from, 1);
	t->warm = true;
	t->complete = complete;
	keep_budget(m, t);
}

void api_model_cool(struct api_model *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		for (unsigned k = 0; k < m->series[i]->ntf; k++)
			m->series[i]->tf[k]->warm = m->series[i]->tf[k]->complete = false;
}
