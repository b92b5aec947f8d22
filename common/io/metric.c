/*
 * metric.c - a process's counters as records in the stream ap:metric.
 */
#include "metric.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../core/wire.h"
#include "app.h"

enum { STREAM_ENTRIES = 10000, NAME_MAX_BYTES = 65 };

struct ap_metrics {
	struct ev_loop *loop;
	struct ap_log *log;
	struct ap_redis *redis;
	ap_metrics_collect_fn *collect;
	void *ctx;
	char component[NAME_MAX_BYTES], instance[NAME_MAX_BYTES];
	ev_timer timer;
	ev_prepare prepare;     /* before the loop waits, */
	ev_check check;         /* and after it has: between the two calls lies one turn of work */
	int64_t turn_ns;        /* when the present turn began */
	int64_t stall_ns;       /* the longest since the last report */
	struct ap_buf body;
	uint32_t n;             /* records in body */
	ap_ts now;              /* of this report */
	uint64_t dropped;
};

const char *ap_worker_name(const struct ap_conf *conf, char *out, size_t cap)
{
	char host[64] = "localhost";

	if (*conf->runtime_worker != '\0') {
		snprintf(out, cap, "%s", conf->runtime_worker);
		return out;
	}
	gethostname(host, sizeof host - 1);
	snprintf(out, cap, "%s-%ld", host, (long)getpid());
	return out;
}

static void body_send(struct ap_metrics *m)
{
	static const char *const fixed[] = { "XADD", "ap:metric", "MAXLEN", "~", "10000", "*", "v", "1", "k", "metric", "q", "0", "n" };
	enum { FIXED = sizeof fixed / sizeof fixed[0] };
	const char *argv[FIXED + 5];
	size_t len[FIXED + 5];
	char n[16], t[24];

	_Static_assert(STREAM_ENTRIES == 10000, "the command says it in words");
	if (m->n == 0)
		return;
	for (size_t i = 0; i < FIXED; i++)
		argv[i] = fixed[i];
	snprintf(n, sizeof n, "%u", (unsigned)m->n);
	snprintf(t, sizeof t, "%lld", (long long)(m->now.ns / 1000000));
	const char *const rest[] = { n, "t", t, "b", (const char *)m->body.p };
	memcpy(argv + FIXED, rest, sizeof rest);
	for (size_t i = 0; i < FIXED + 4; i++)
		len[i] = strlen(argv[i]);
	len[FIXED + 4] = m->body.len;
	if (m->body.full || !ap_redis_send(m->redis, NULL, NULL, 0, FIXED + 5, argv, len))
		m->dropped += m->n;
	ap_buf_clear(&m->body);
	m->n = 0;
}

void ap_metrics_add(struct ap_metrics *m, const char *name, const char *labels, enum ap_metric_type type, double value)
{
	struct ap_rec rec = { .kind = AP_METRIC };

	if (!isfinite(value))
		return;
	rec.u.metric = (struct ap_metric){ ap_str_c(m->component), ap_str_c(m->instance), ap_str_c(name), ap_str_c(labels),
					   type, value, m->now };
	if (m->n == AP_FRAME_RECS || m->body.len + ap_wire_size(&rec) > AP_FRAME_BYTES)
		body_send(m);
	if (ap_wire_put(&m->body, &rec))
		m->n++;
}

/* Resident bytes, from the second number of /proc/self/statm (pages). */
static double rss_bytes(void)
{
	char line[128];
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return (double)NAN;
	const char *second = fgets(line, sizeof line, f) == NULL ? NULL : strchr(line, ' ');
	fclose(f);
	return second == NULL ? (double)NAN : (double)strtoull(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}

static void process_add(struct ap_metrics *m)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	ap_metrics_add(m, "rss_bytes", "", AP_M_GAUGE, rss_bytes());
	ap_metrics_add(m, "cpu_seconds_total", "", AP_M_COUNTER, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
	ap_metrics_add(m, "loop_stall_ms", "", AP_M_GAUGE, (double)m->stall_ns / 1e6);
	ap_metrics_add(m, "log_lines_dropped_total", "", AP_M_COUNTER, (double)m->log->dropped);
	ap_metrics_add(m, "metrics_dropped_total", "", AP_M_COUNTER, (double)m->dropped);
	m->stall_ns = 0;
}

void ap_metrics_instance(struct ap_metrics *m, const char *instance)
{
	snprintf(m->instance, sizeof m->instance, "%s", instance);
}

void ap_metrics_flush(struct ap_metrics *m)
{
	m->now = ap_now();
	process_add(m);
	if (m->collect != NULL)
		m->collect(m->ctx, m);
	body_send(m);
}

static void timer_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	ap_metrics_flush(w->data);
}

static void prepare_cb(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct ap_metrics *m = w->data;

	(void)loop, (void)revents;
	if (m->turn_ns == 0)
		return;
	int64_t took_ns = ap_mono_ns() - m->turn_ns;
	if (took_ns > m->stall_ns)
		m->stall_ns = took_ns;
	m->turn_ns = 0;
}

static void check_cb(struct ev_loop *loop, ev_check *w, int revents)
{
	struct ap_metrics *m = w->data;

	(void)loop, (void)revents;
	m->turn_ns = ap_mono_ns();
}

struct ap_metrics *ap_metrics_new(struct ev_loop *loop, struct ap_log *log, const struct ap_conf *conf, struct ap_redis *r,
				  const char *component, const char *instance, ap_metrics_collect_fn *collect, void *ctx)
{
	struct ap_metrics *m = calloc(1, sizeof *m);
	double every_s = (double)conf->metrics_interval_ms / 1000;

	assert(m != NULL);
	m->loop = loop;
	m->log = log;
	m->redis = r;
	m->collect = collect;
	m->ctx = ctx;
	snprintf(m->component, sizeof m->component, "%s", component);
	if (instance == NULL || *instance == '\0')
		ap_worker_name(conf, m->instance, sizeof m->instance);
	else
		snprintf(m->instance, sizeof m->instance, "%s", instance);
	ap_buf_init(&m->body, 2 * AP_FRAME_BYTES);
	ev_timer_init(&m->timer, timer_cb, every_s, every_s);
	ev_prepare_init(&m->prepare, prepare_cb);
	ev_check_init(&m->check, check_cb);
	ev_set_priority(&m->check, EV_MAXPRI);          /* the first to see the turn begin, */
	ev_set_priority(&m->prepare, EV_MINPRI);        /* the last before it ends */
	m->timer.data = m->prepare.data = m->check.data = m;
	ev_timer_start(loop, &m->timer);
	ev_prepare_start(loop, &m->prepare);
	ev_check_start(loop, &m->check);
	return m;
}

void ap_metrics_free(struct ap_metrics *m)
{
	if (m == NULL)
		return;
	ev_timer_stop(m->loop, &m->timer);
	ev_prepare_stop(m->loop, &m->prepare);
	ev_check_stop(m->loop, &m->check);
	ap_buf_done(&m->body);
	free(m);
}
