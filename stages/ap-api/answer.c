/*
 * answer.c - objects, member by member.
 */
#include "answer.h"

#include <math.h>

#include "../../common/core/recjson.h"
#include "../../common/core/timefmt.h"
#include "member.h"

static const double unknown = (double)NAN;      /* printed as null */

void api_json_now(struct ap_buf *b, int64_t now_ns)
{
	api_put_ts(b, "timestamp", now_ns, 3);
}

void api_json_candle(struct ap_buf *b, const struct ap_candle *c)
{
	char sum[AP_SUM_TEXT];
	api_put_bar(b, c->source, c->symbol, c->tf, c->open_ms);
	ap_buf_putc(b, ',');
	api_put_ts(b, "close_time", c->close_ms * 1000000, 0);
	api_put_dec(b, ",", "open", c->open);
	api_put_dec(b, ",", "high", c->high);
	api_put_dec(b, ",", "low", c->low);
	api_put_dec(b, ",", "close", c->close);
	api_put_dec(b, ",", "volume", c->volume);
	ap_sum_format(&c->quote_volume, sum);
	ap_buf_printf(b, ",\"quote_volume\":%s,\"trade_count\":%llu", sum, (unsigned long long)c->trade_count);
	api_put_dec(b, ",", "vwap", c->vwap);
	api_put_dec(b, ",", "buy_volume", c->buy_volume);
	api_put_dec(b, ",", "sell_volume", c->sell_volume);
	api_put_bar_end(b, c->state, c->revision, c->coverage_ms, c->quality);
}

void api_json_vals(struct ap_buf *b, const struct api_names *names, int64_t open_ms, const struct api_vals *v)
{
	ap_buf_putc(b, '{');
	api_put_ts(b, "open_time", open_ms * 1000000, 0);
	ap_buf_printf(b, ",\"revision\":%u,\"provisional\":%s,\"values\":{", v->revision, v->provisional ? "true" : "false");
	for (uint16_t i = 0; i < v->n; i++) {
		if (i > 0)
			ap_buf_putc(b, ',');
		ap_json_string(b, ap_str_c(api_names_at(names, v->v[i].key)));
		ap_buf_putc(b, ':');
		ap_json_double(b, v->v[i].v);
	}
	ap_buf_puts(b, "}}");
}

void api_json_signal(struct ap_buf *b, const struct api_signal *g)
{
	const struct ap_signal *s = &g->s;
	const struct { const char *key; double v; } price[] = {
		{ "entry", s->entry }, { "stop", s->stop }, { "target", s->target },
	};
	api_put_bar(b, s->source, s->symbol, s->tf, s->open_ms);
	ap_buf_printf(b, ",\"revision\":%u,\"provisional\":%s,\"kind\":\"%s\",\"name\":", s->revision,
		      s->provisional ? "true" : "false", ap_signal_kind_name(s->kind));
	ap_json_string(b, s->name);
	ap_buf_printf(b, ",\"direction\":\"%s\",", ap_direction_name(s->direction));
	api_put_num(b, "strength", s->strength);
	for (size_t i = 0; i < 3; i++) {
		ap_buf_putc(b, ',');
		api_put_num(b, price[i].key, price[i].v > 0 ? price[i].v : unknown);
	}
	ap_buf_putc(b, ',');
	api_put_num(b, "risk_reward", ap_signal_risk_reward(s));
	ap_buf_puts(b, ",\"inputs\":");
	ap_buf_str(b, s->inputs.len == 0 ? ap_str_c("null") : s->inputs);
	ap_buf_putc(b, '}');
}

void api_answer_error(struct ap_buf *b, const char *error, const char *reason, int64_t now_ns)
{
	ap_buf_putc(b, '{');
	api_put_text(b, "error", error);
	ap_buf_putc(b, ',');
	api_put_text(b, "reason", reason);
	ap_buf_putc(b, ',');
	api_json_now(b, now_ns);
	ap_buf_putc(b, '}');
}

const char *api_streaming_state(const struct api_pipe *p, const struct api_facts *f)
{
	bool beat = false, trade = false;
	for (uint32_t i = 0; i < p->feeds; i++) {
		const struct api_feed *d = &p->feed[i];
		beat |= d->alive && f->now_ns - d->seen_ns <= f->stale_ns;
		trade |= d->trade_seen_ns != 0 && f->now_ns - d->trade_seen_ns <= f->stale_ns;
	}
	if (!f->redis_up)
		return "down";
	return trade ? "running" : beat ? "idle" : "stale";
}

static void put_lat(struct ap_buf *b, const struct api_pipe *p, enum ap_stream s)
{
	int64_t p50 = api_pipe_latency_us(p, s, 0.5), p99 = api_pipe_latency_us(p, s, 0.99);
	if (p50 < 0)
		ap_buf_puts(b, "null");
	else
		ap_buf_printf(b, "{\"p50_ms\":%.3f,\"p99_ms\":%.3f}", (double)p50 / 1000, (double)p99 / 1000);
}

/* Where a stage's latency can be seen from here: the stream it writes. */
static enum ap_stream output_of(enum api_stage s)
{
	static const enum ap_stream out[API_ST_N] = {
		[API_ST_NORMALIZE] = AP_S_TICK, [API_ST_CANDLE] = AP_S_LIVE, [API_ST_INDICATORS] = AP_S_INDICATOR,
	};
	return out[s];
}

static const char *stage_state(const struct api_pipe *p, enum api_stage s, const struct api_facts *f)
{
	const char *by_metrics = api_pipe_state(p, api_stage_name(s), f->now_ns);
	const struct api_stage_row *r = &p->stage[s];
	if (by_metrics[0] == 'r' || r->moved_ns == 0)
		return by_metrics;
	return f->mono_ns - r->moved_ns <= API_SILENT_S * (int64_t)API_QUIET_NS ? "running" : by_metrics;
}

static void put_stage(struct ap_buf *b, const struct api_pipe *p, enum api_stage s, const struct api_facts *f)
{
	const struct api_stage_row *r = &p->stage[s];
	ap_buf_printf(b, "{\"name\":\"%s\",\"state\":\"%s\",\"workers\":%u,", api_stage_name(s), stage_state(p, s, f),
		      api_pipe_workers(p, api_stage_name(s), f->now_ns));
	api_put_num(b, "rate_per_s", r->known && r->rated ? r->rate : unknown);
	ap_buf_puts(b, ",\"lag_records\":");
	ap_buf_printf(b, r->known ? "%llu" : "null", (unsigned long long)r->behind);
	ap_buf_puts(b, ",\"records_total\":");
	ap_buf_printf(b, r->known ? "%llu" : "null", (unsigned long long)r->done);
	ap_buf_puts(b, ",\"latency\":");
	if (s == API_ST_INGEST || s == API_ST_PERSIST)
		ap_buf_puts(b, "null");
	else
		put_lat(b, p, output_of(s));
	ap_buf_putc(b, '}');
}

static void put_feeds(struct ap_buf *b, const struct api_pipe *p, const struct api_facts *f)
{
	ap_buf_puts(b, "\"feeds\":[");
	for (uint32_t i = 0; i < p->feeds; i++) {
		const struct api_feed *d = &p->feed[i];
		ap_buf_puts(b, i == 0 ? "{" : ",{");
		api_put_text(b, "source", d->source);
		bool fresh = f->now_ns - d->seen_ns <= f->stale_ns;
		ap_buf_printf(b, ",\"alive\":%s,\"live\":%s,\"ended\":%s,", d->alive && fresh ? "true" : "false",
			      d->live ? "true" : "false", d->closed ? "true" : "false");
		api_put_num(b, "beat_age_ms", d->seen_ns == 0 ? unknown : floor((double)(f->now_ns - d->seen_ns) / 1e6));
		ap_buf_putc(b, ',');
		api_put_num(b, "trade_age_ms", d->trade_seen_ns == 0 ? unknown : floor((double)(f->now_ns - d->trade_seen_ns) / 1e6));
		ap_buf_putc(b, '}');
	}
	ap_buf_putc(b, ']');
}

static const char *redis_word(const struct api_facts *f)
{
	return f->redis_foreign ? "wrong_dataset" : f->redis_up ? "up" : "down";
}

void api_json_pipeline(struct ap_buf *b, const struct api_pipe *p, const struct api_facts *f)
{
	ap_buf_printf(b, "\"pipeline\":{\"state\":\"%s\",\"stages\":[", api_streaming_state(p, f));
	for (int s = 0; s < API_ST_N; s++) {
		if (s > 0)
			ap_buf_putc(b, ',');
		put_stage(b, p, (enum api_stage)s, f);
	}
	ap_buf_puts(b, "],");
	put_feeds(b, p, f);
	ap_buf_puts(b, ",\"latency\":{");
	static const enum ap_stream shown[] = { AP_S_TICK, AP_S_LIVE, AP_S_CANDLE, AP_S_INDICATOR };
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		ap_buf_printf(b, "%s\"%s\":", i == 0 ? "" : ",", ap_stream_name(shown[i]));
		put_lat(b, p, shown[i]);
	}
	ap_buf_printf(b, "},\"entries_lost\":%llu,\"clients\":%u,\"catching_up\":%s,\"redis\":\"%s\",\"postgresql\":\"%s\"}",
		      (unsigned long long)p->lost, f->clients, f->lagging ? "true" : "false", redis_word(f),
		      f->pg_up ? "up" : "down");
}

static const char *processor_state(const struct api_pipe *p, const struct api_facts *f)
{
	unsigned running = 0;
	for (int s = API_ST_NORMALIZE; s <= API_ST_INDICATORS; s++)
		running += stage_state(p, (enum api_stage)s, f)[0] == 'r';
	return !f->redis_up || running == 0 ? "stopped" : running == 3 ? "running" : "degraded";
}

void api_answer_status(struct ap_buf *b, const struct api_pipe *p, const struct api_facts *f)
{
	ap_buf_printf(b, "{\"streaming_status\":\"%s\",\"processor_status\":\"%s\",\"metrics_status\":\"%s\",\"components\":{",
		      api_streaming_state(p, f), processor_state(p, f), api_pipe_state(p, "ap-metrics", f->now_ns));
	ap_buf_printf(b, "\"redis\":\"%s\",\"postgresql\":\"%s\"", redis_word(f), f->pg_up ? "up" : "down");
	for (int s = 0; s < API_ST_N; s++)
		ap_buf_printf(b, ",\"%s\":\"%s\"", api_stage_name((enum api_stage)s), stage_state(p, (enum api_stage)s, f));
	ap_buf_printf(b, ",\"ap-metrics\":\"%s\",\"ap-api\":\"running\"},", api_pipe_state(p, "ap-metrics", f->now_ns));
	api_json_pipeline(b, p, f);
	ap_buf_puts(b, ",\"version\":\"" AP_VERSION "\",");
	api_put_num(b, "uptime_s", floor((double)(f->now_ns - f->started_ns) / 1e9));
	ap_buf_putc(b, ',');
	api_json_now(b, f->now_ns);
	ap_buf_putc(b, '}');
}

static void put_comps(struct ap_buf *b, const struct api_pipe *p, int64_t now_ns)
{
	ap_buf_puts(b, "\"component_metrics\":{");
	for (uint32_t i = 0; i < p->comps; i++) {
		const struct api_comp *c = &p->comp[i];
		if (i > 0)
			ap_buf_putc(b, ',');
		ap_json_string(b, ap_str_c(c->name));
		ap_buf_printf(b, ":{\"state\":\"%s\",", api_pipe_state(p, c->name, now_ns));
		api_put_ts(b, "last_seen", c->seen_ns, 3);
		ap_buf_puts(b, ",\"metrics\":{");
		for (uint32_t k = 0; k < c->n; k++) {
			if (k > 0)
				ap_buf_putc(b, ',');
			ap_json_string(b, ap_str_c(c->m[k].name));
			ap_buf_putc(b, ':');
			ap_json_double(b, c->m[k].value);
		}
		ap_buf_puts(b, "}}");
	}
	ap_buf_putc(b, '}');
}

static void put_spark(struct ap_buf *b, const struct api_pipe *p)
{
	ap_buf_puts(b, "\"messages_per_s_history\":[");
	for (uint32_t i = 0; i < p->spark_n; i++) {
		if (i > 0)
			ap_buf_putc(b, ',');
		double v = p->spark[(p->spark_at + API_SPARK - p->spark_n + i) % API_SPARK];
		ap_json_double(b, floor(v * 10 + 0.5) / 10);
	}
	ap_buf_putc(b, ']');
}

void api_answer_metrics(struct ap_buf *b, const struct api_pipe *p, const struct api_facts *f, const char *system)
{
	ap_buf_printf(b, "{\"system_metrics\":%s,", system[0] == '\0' ? "null" : system);
	put_comps(b, p, f->now_ns);
	ap_buf_puts(b, ",\"performance_metrics\":{");
	api_json_pipeline(b, p, f);
	ap_buf_puts(b, ",\"records_total\":{");
	for (int s = 0; s < AP_S_N; s++)
		ap_buf_printf(b, "%s\"%s\":%llu", s == 0 ? "" : ",", ap_stream_name((enum ap_stream)s),
			      (unsigned long long)p->stream_n[s]);
	ap_buf_puts(b, "},");
	put_spark(b, p);
	ap_buf_puts(b, "},");
	api_json_now(b, f->now_ns);
	ap_buf_putc(b, '}');
}

static void put_bars(struct ap_buf *b, const struct api_names *names, const struct api_ring *ring, uint32_t from)
{
	ap_buf_puts(b, "\"candles\":[");
	for (uint32_t i = from; i < ring->n; i++) {
		if (i > from)
			ap_buf_putc(b, ',');
		api_json_candle(b, &api_ring_at(ring, i)->c);
	}
	ap_buf_puts(b, "],\"indicators\":[");
	bool first = true;
	for (uint32_t i = from; i < ring->n; i++) {
		const struct api_bar *bar = api_ring_at(ring, i);
		if (bar->vals == NULL || bar->vals->n == 0)
			continue;
		if (!first)
			ap_buf_putc(b, ',');
		first = false;
		api_json_vals(b, names, bar->c.open_ms, bar->vals);
	}
	ap_buf_putc(b, ']');
}

void api_answer_series(struct ap_buf *b, const struct api_names *names, const struct api_series *s, const char *tf,
		       const struct api_ring *ring, uint32_t limit)
{
	api_put_names(b, s->symbol, s->source, tf);
	ap_buf_putc(b, ',');
	uint32_t from = ring->n > limit ? ring->n - limit : 0;
	put_bars(b, names, ring, from);
	ap_buf_puts(b, ",\"signals\":[");
	int64_t since_ms = ring->n > 0 ? api_ring_at(ring, from)->c.open_ms : 0;
	bool first = true;
	for (unsigned i = s->sig_n; i-- > 0;) {
		const struct api_signal *g = api_series_signal(s, i);
		if (!ap_str_is(g->s.tf, tf) || g->s.open_ms < since_ms || g->s.direction == AP_DIR_NONE)
			continue;
		if (!first)
			ap_buf_putc(b, ',');
		first = false;
		api_json_signal(b, g);
	}
	ap_buf_putc(b, ']');
}

void api_answer_stats(struct ap_buf *b, const char *rules, int64_t now_ns)
{
	ap_buf_printf(b, "{\"rules\":%s,", rules);
	api_json_now(b, now_ns);
	ap_buf_putc(b, '}');
}

/* The series' newest quote and its newest quote bar. */
static void put_quotes(struct ap_buf *b, const struct api_series *s, const char *tf)
{
	const struct api_qbars *q = NULL;
	for (unsigned i = 0; i < s->ntf; i++)
		if (strcmp(s->tf[i]->tf, tf) == 0)
			q = &s->tf[i]->quotes;
	ap_buf_puts(b, ",\"last_quote\":");
	api_json_quote(b, &s->quote);
	ap_buf_puts(b, ",\"quote_bar\":");
	if (q == NULL || q->n == 0)
		ap_buf_puts(b, "null");
	else
		api_json_quotebar(b, &q->bar[q->n - 1]);
}

void api_answer_data(struct ap_buf *b, const struct api_names *names, const struct api_series *s, const char *tf,
		     const struct api_ring *ring, uint32_t limit, const struct api_facts *f)
{
	ap_buf_putc(b, '{');
	api_answer_series(b, names, s, tf, ring, limit);
	put_quotes(b, s, tf);
	ap_buf_putc(b, ',');
	api_json_now(b, f->now_ns);
	ap_buf_putc(b, '}');
}

static void put_listed(struct ap_buf *b, const struct api_series *s)
{
	ap_buf_putc(b, '{');
	api_put_text(b, "source", s->source);
	ap_buf_putc(b, ',');
	api_put_text(b, "symbol", s->symbol);
	ap_buf_puts(b, ",\"timeframes\":[");
	for (unsigned i = 0; i < s->ntf; i++) {
		if (i > 0)
			ap_buf_putc(b, ',');
		ap_json_string(b, ap_str_c(s->tf[i]->tf));
	}
	ap_buf_puts(b, "],");
	if (s->trade_ns == 0) {
		ap_buf_puts(b, "\"last_trade\":null}");
		return;
	}
	ap_buf_puts(b, "\"last_trade\":{");
	api_put_ts(b, "timestamp", s->trade_ns, 3);
	api_put_dec(b, ",", "price", s->trade_price);
	ap_buf_printf(b, "},\"trades_seen\":%llu}", (unsigned long long)s->trades);
}

void api_answer_list(struct ap_buf *b, const struct api_model *m, const struct api_facts *f)
{
	ap_buf_puts(b, "{\"series\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		if (i > 0)
			ap_buf_putc(b, ',');
		put_listed(b, m->series[i]);
	}
	ap_buf_puts(b, "],");
	api_json_now(b, f->now_ns);
	ap_buf_putc(b, '}');
}

/* "message_id":…,"result":… of one message. */
static void put_msg(struct ap_buf *b, const struct api_msg *m)
{
	char id[AP_ID_TEXT];
	if (m->state == API_MSG_TAKEN || m->state == API_MSG_DONE) {
		ap_id_format(m->id, id);
		ap_buf_printf(b, "\"message_id\":\"%s-%u\",", id, m->idx);
	} else {
		ap_buf_puts(b, "\"message_id\":null,");
	}
	if (m->state != API_MSG_DONE) {
		ap_buf_puts(b, "\"result\":null");
		return;
	}
	ap_buf_printf(b, "\"result\":{\"status\":\"%s\",\"errors\":[", ap_status_name(m->status));
	if (m->status != AP_ST_VALID) {
		ap_buf_putc(b, '{');
		api_put_text(b, "reason", m->reason);
		ap_buf_putc(b, ',');
		api_put_text(b, "detail", m->detail);
		ap_buf_putc(b, '}');
	}
	ap_buf_puts(b, "]}");
}

static const char *msg_word(const struct api_msg *m)
{
	static const char *const word[] = { "unknown", "accepted", "processed", "refused" };
	return word[m->state];
}

int api_answer_post(struct ap_buf *b, const struct api_post *p, int64_t now_ns)
{
	unsigned of[API_MSG_REFUSED + 1] = { 0 };
	for (uint32_t i = 0; i < p->n; i++)
		of[p->msg[i].state]++;
	unsigned away = of[API_MSG_SENT] + of[API_MSG_REFUSED];
	const char *all = away > 0 ? "failed" : of[API_MSG_TAKEN] > 0 ? "accepted" : "processed";
	ap_buf_printf(b, "{\"status\":\"%s\",", all);
	if (away > 0)
		ap_buf_puts(b, "\"error\":\"unavailable\",\"reason\":\"ap-ingest did not confirm every message; those without a "
			       "message_id may or may not be stored\",");
	if (!p->list) {
		put_msg(b, &p->msg[0]);
	} else {
		ap_buf_puts(b, "\"message_id\":null,\"result\":[");
		for (uint32_t i = 0; i < p->n; i++) {
			ap_buf_printf(b, "%s{\"status\":\"%s\",", i == 0 ? "" : ",", msg_word(&p->msg[i]));
			put_msg(b, &p->msg[i]);
			ap_buf_putc(b, '}');
		}
		ap_buf_putc(b, ']');
	}
	ap_buf_putc(b, ',');
	api_json_now(b, now_ns);
	ap_buf_putc(b, '}');
	return away > 0 ? 503 : of[API_MSG_TAKEN] > 0 ? 202 : 200;
}
