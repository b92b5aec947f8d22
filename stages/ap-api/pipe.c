/*
 * pipe.c - sums, differences and ages.
 */
#include "pipe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t window_ns = 10 * (int64_t)API_QUIET_NS;

void api_pipe_init(struct api_pipe *p)
{
	memset(p, 0, sizeof *p);
	for (int s = 0; s < AP_S_N; s++) {
		ap_hist_init(&p->lat[s].now);
		ap_hist_init(&p->lat[s].last);
	}
}

void api_pipe_done(struct api_pipe *p)
{
	for (uint32_t i = 0; i < p->comps; i++) {
		for (uint32_t k = 0; k < p->comp[i].n; k++)
			free(p->comp[i].m[k].name);
		free(p->comp[i].m);
	}
	memset(p, 0, sizeof *p);
}

const char *api_stage_name(enum api_stage s)
{
	static const char *const name[] = { "ap-ingest", "ap-normalize", "ap-candle", "ap-indicators", "ap-persist" };
	_Static_assert(sizeof name / sizeof name[0] == API_ST_N, "name every stage");
	return name[s];
}

/* The one stream a fold takes. */
static enum ap_stream input_of(enum api_stage s)
{
	static const enum ap_stream in[API_ST_N] = {
		[API_ST_NORMALIZE] = AP_S_RAW, [API_ST_CANDLE] = AP_S_TICK, [API_ST_INDICATORS] = AP_S_CANDLE,
	};
	return in[s];
}

static void add(struct api_pipe *p, enum api_stage s, int64_t in, int64_t done)
{
	p->round_in[s] += in > 0 ? (uint64_t)in : 0;
	p->round_done[s] += (uint64_t)done;
	p->round_seen[s] = true;
}

void api_pipe_part(struct api_pipe *p, const int64_t stream_n[AP_S_N], const int64_t taken[API_ST_N], const int64_t stored[AP_S_N])
{
	for (int s = 0; s < AP_S_N; s++) {
		p->round_stream[s] += stream_n[s] > 0 ? (uint64_t)stream_n[s] : 0;
		if (stored[s] >= 0)
			add(p, API_ST_PERSIST, stream_n[s], stored[s]);
	}
	if (stream_n[AP_S_RAW] >= 0)
		add(p, API_ST_INGEST, stream_n[AP_S_RAW], stream_n[AP_S_RAW]);
	for (int k = API_ST_NORMALIZE; k <= API_ST_INDICATORS; k++)
		if (taken[k] >= 0)
			add(p, (enum api_stage)k, stream_n[input_of((enum api_stage)k)], taken[k]);
}

static void close_row(struct api_stage_row *r, uint64_t in, uint64_t done, int64_t mono_ns, int64_t before_ns)
{
	r->rated = r->known && before_ns != 0 && mono_ns > before_ns && done >= r->done;
	if (r->rated)
		r->rate = (double)(done - r->done) * 1e9 / (double)(mono_ns - before_ns);
	if (r->known && done != r->done)
		r->moved_ns = mono_ns;
	r->known = true;
	r->done = done;
	r->behind = in > done ? in - done : 0;
}

/* Its other processes have gone on reporting: what this one said last is nobody's any more. */
static void forget_gone(struct api_comp *c)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		if (c->seen_ns - c->m[i].ts_ns > API_GONE_S * (int64_t)API_QUIET_NS)
			free(c->m[i].name);
		else
			c->m[kept++] = c->m[i];
	}
	c->n = kept;
}

void api_pipe_round(struct api_pipe *p, int64_t mono_ns)
{
	for (uint32_t i = 0; i < p->comps; i++)
		forget_gone(&p->comp[i]);
	for (int k = 0; k < API_ST_N; k++) {
		if (p->round_seen[k])
			close_row(&p->stage[k], p->round_in[k], p->round_done[k], mono_ns, p->round_ns);
		else
			p->stage[k].known = p->stage[k].rated = false;
		p->round_in[k] = p->round_done[k] = 0;
		p->round_seen[k] = false;
	}
	for (int s = 0; s < AP_S_N; s++) {
		p->stream_n[s] = p->round_stream[s];
		p->round_stream[s] = 0;
	}
	if (p->stage[API_ST_NORMALIZE].rated) {
		p->spark[p->spark_at] = p->stage[API_ST_NORMALIZE].rate;
		p->spark_at = (p->spark_at + 1) % API_SPARK;
		if (p->spark_n < API_SPARK)
			p->spark_n++;
	}
	p->round_ns = mono_ns;
}

/* Where it stands; p->comps: it has not reported yet. */
static uint32_t comp_index(const struct api_pipe *p, ap_str name)
{
	uint32_t i = 0;
	while (i < p->comps && !ap_str_is(name, p->comp[i].name))
		i++;
	return i;
}

static const struct api_comp *comp_find(const struct api_pipe *p, const char *name)
{
	uint32_t i = comp_index(p, ap_str_c(name));
	return i == p->comps ? NULL : &p->comp[i];
}

static struct api_comp *comp_of(struct api_pipe *p, ap_str name)
{
	uint32_t i = comp_index(p, name);
	if (i < p->comps)
		return &p->comp[i];
	if (p->comps == API_COMPS_MAX || name.len == 0 || name.len > AP_SOURCE_MAX)
		return NULL;
	struct api_comp *c = &p->comp[p->comps++];
	memcpy(c->name, name.p, name.len);
	return c;
}

static struct api_mvalue *value_of(struct api_comp *c, const char *name)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (strcmp(c->m[i].name, name) == 0)
			return &c->m[i];
	if (c->n == API_METRICS_MAX)
		return NULL;
	if (c->n == c->cap) {
		uint32_t cap = c->cap == 0 ? 16 : c->cap * 2;
		struct api_mvalue *p = realloc(c->m, cap * sizeof *p);
		if (p == NULL)
			return NULL;
		c->m = p;
		c->cap = cap;
	}
	size_t len = strlen(name) + 1;
	struct api_mvalue v = { .name = malloc(len) };
	if (v.name == NULL)
		return NULL;
	memcpy(v.name, name, len);
	c->m[c->n] = v;
	return &c->m[c->n++];
}

bool api_pipe_metric(struct api_pipe *p, const struct ap_metric *m, int64_t now_ns)
{
	char name[512];
	bool inst = m->instance.len > 0, lab = m->labels.len > 0;
	int n = snprintf(name, sizeof name, "%.*s%s%s%.*s%s%s%.*s%s", (int)m->name.len, m->name.p, inst || lab ? "{" : "",
			 inst ? "instance=\"" : "", (int)m->instance.len, m->instance.p, inst ? "\"" : "",
			 inst && lab ? "," : "", (int)m->labels.len, m->labels.p, inst || lab ? "}" : "");
	if (n < 0 || (size_t)n >= sizeof name)
		return false;
	struct api_comp *c = comp_of(p, m->component);
	struct api_mvalue *v = c == NULL ? NULL : value_of(c, name);
	if (v == NULL)
		return false;
	v->value = m->value;
	v->ts_ns = m->ts.ns;
	v->type = m->type;
	if (m->ts.ns > c->seen_ns)
		c->seen_ns = m->ts.ns < now_ns ? m->ts.ns : now_ns;
	return true;
}

static struct api_feed *feed_of(struct api_pipe *p, ap_str source)
{
	for (uint32_t i = 0; i < p->feeds; i++)
		if (ap_str_is(source, p->feed[i].source))
			return &p->feed[i];
	if (p->feeds == API_FEEDS_MAX || source.len == 0 || source.len > AP_SOURCE_MAX)
		return NULL;
	struct api_feed *f = &p->feed[p->feeds++];
	memcpy(f->source, source.p, source.len);
	return f;
}

void api_pipe_beat(struct api_pipe *p, const struct ap_beat *b, int64_t now_ns)
{
	struct api_feed *f = feed_of(p, b->source);
	if (f == NULL || b->ts.ns < f->beat_ns)
		return;
	f->beat_ns = b->ts.ns;
	f->seen_ns = now_ns;
	f->alive = b->alive;
	f->live = b->live;
	f->closed = b->close;
}

void api_pipe_trade(struct api_pipe *p, ap_str source, int64_t now_ns)
{
	struct api_feed *f = feed_of(p, source);
	if (f != NULL)
		f->trade_seen_ns = now_ns;
}

void api_pipe_arrived(struct api_pipe *p, enum ap_stream s, ap_id origin, int64_t now_ns)
{
	struct api_latency *l = &p->lat[s];
	int64_t us = now_ns / 1000 - (int64_t)origin.ms * 1000;
	if (now_ns - l->since_ns > window_ns) {
		if (now_ns - l->since_ns > 2 * window_ns)
			ap_hist_init(&l->last);
		else
			l->last = l->now;
		ap_hist_init(&l->now);
		l->since_ns = now_ns;
	}
	ap_hist_add(&l->now, us < 0 ? 0 : (uint64_t)us);
}

int64_t api_pipe_latency_us(const struct api_pipe *p, enum ap_stream s, double q)
{
	struct ap_hist both = p->lat[s].last;
	ap_hist_merge(&both, &p->lat[s].now);
	return both.n == 0 ? -1 : (int64_t)ap_hist_quantile(&both, q);
}

unsigned api_pipe_workers(const struct api_pipe *p, const char *component, int64_t now_ns)
{
	static const char every[] = "rss_bytes";        /* each process reports it, once */
	const struct api_comp *c = comp_find(p, component);
	unsigned n = 0;

	for (uint32_t i = 0; c != NULL && i < c->n; i++)
		n += strncmp(c->m[i].name, every, sizeof every - 1) == 0 && now_ns - c->m[i].ts_ns <= API_SILENT_S * (int64_t)API_QUIET_NS;
	return n;
}

const char *api_pipe_state(const struct api_pipe *p, const char *component, int64_t now_ns)
{
	const struct api_comp *c = comp_find(p, component);
	if (c == NULL)
		return "absent";
	return now_ns - c->seen_ns > API_SILENT_S * (int64_t)API_QUIET_NS ? "silent" : "running";
}
