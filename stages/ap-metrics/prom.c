/*
 * prom.c - Prometheus text. Pure: a table in, bytes out.
 */
#include "prom.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/recjson.h"

/* Words that are units, and what they are in base units. */
static const struct unit {
	const char *word, *base;
	double scale;
} units[] = {
	{ "ns", "seconds", 1e-9 }, { "us", "seconds", 1e-6 }, { "ms", "seconds", 1e-3 }, { "s", "seconds", 1 },
	{ "seconds", "seconds", 1 }, { "bytes", "bytes", 1 }, { "kb", "bytes", 1024 }, { "mb", "bytes", 1048576 },
	{ "percent", "ratio", 0.01 }, { "ratio", "ratio", 1 },
};

/* What metrics say, by exported name without the prefix; the rest is "NAME, as its component reports it". */
static const struct help {
	const char *name, *text;
} helps[] = {
	{ "age_p50_seconds", "Time from receipt to commit of the records of the last report, median." },
	{ "age_p99_seconds", "Time from receipt to commit of the records of the last report, 99th percentile." },
	{ "alert_active", "1 while an alert is raised." },
	{ "bad_frames_total", "Entries that could not be read to their end." },
	{ "bad_rows_total", "Rows that PostgreSQL refused and that were left out." },
	{ "batch_max_seconds", "Longest transaction since the last report." },
	{ "batch_p50_seconds", "Duration of a transaction, median since the last report." },
	{ "batch_p99_seconds", "Duration of a transaction, 99th percentile since the last report." },
	{ "batches_total", "Transactions committed." },
	{ "beat_age_p99_seconds", "Age of live beats when they arrive, 99th percentile." },
	{ "commit_p50_seconds", "Duration of a commit, median since the last report." },
	{ "commit_p99_seconds", "Duration of a commit, 99th percentile since the last report." },
	{ "commits_total", "Commits that changed something." },
	{ "cpu_seconds_total", "Processor time used by the process." },
	{ "entries_in_total", "Entries taken from the input stream." },
	{ "lag_entries", "Entries of the input stream not yet committed." },
	{ "lag_records", "Records of the input stream not yet committed." },
	{ "log_lines_dropped_total", "Log lines that could not be written." },
	{ "loop_stall_seconds", "Longest turn of the event loop since the last report." },
	{ "lost_entries_total", "Entries whose sequence number never came." },
	{ "metrics_dropped_total", "Metric records that could not be sent." },
	{ "owned", "1 while the worker owns the partition." },
	{ "partitions_owned", "Partitions the worker owns." },
	{ "postgresql_up", "1 while PostgreSQL can be used." },
	{ "raw_records_total", "Messages ever taken in, all partitions." },
	{ "records_in_total", "Records taken." },
	{ "records_out_total", "Records put out." },
	{ "recoveries_total", "Times a partition was forgotten and taken again." },
	{ "rows_total", "Rows written, by table." },
	{ "rss_bytes", "Resident memory of the process." },
	{ "source_alive", "1 while a source is read and its connection is proven." },
	{ "stage_lag_entries", "Entries a stage has not taken yet, from the streams' own sequence numbers." },
	{ "stage_lag_records", "Records a stage has not taken yet, from the streams' own counts." },
	{ "stream_entries", "Entries that are in a stream." },
	{ "stream_records_total", "Records ever written to a stream." },
	{ "system_cpu_ratio", "Share of processor time in use." },
	{ "system_disk_usage_ratio", "Share of the data directory's file system in use." },
	{ "system_memory_available_bytes", "Memory available to processes." },
	{ "system_memory_ratio", "Share of memory in use." },
	{ "system_memory_used_bytes", "Memory in use." },
	{ "system_network_recv_bytes_total", "Bytes received on all interfaces but loopback." },
	{ "system_network_sent_bytes_total", "Bytes sent on all interfaces but loopback." },
	{ "yields_total", "Times a partition was given up to the worker it belongs to." },
	{ "verdicts_total", "Records by what was decided about them." },
};

/* Suffixes and words that mean something else to Prometheus. */
static const char *const reserved[] = { "count", "sum", "bucket", "gauge", "counter", "summary", "histogram", "total" };

static bool is_reserved(const char *word)
{
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (strcmp(word, reserved[i]) == 0)
			return true;
	return false;
}

static const struct unit *unit_of(const char *word)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(word, units[i].word) == 0)
			return &units[i];
	return NULL;
}

static bool append(char out[PROM_NAME], size_t *n, const char *word)
{
	int len = snprintf(out + *n, PROM_NAME - *n, "_%s", word);

	if (len < 0 || (size_t)len >= PROM_NAME - *n)
		return false;
	*n += (size_t)len;
	return true;
}

/* The next word of a name: lower case, up to the next byte that no word has. False: there is none. */
static bool next_word(const char **p, char word[64])
{
	size_t n = 0;

	while (**p != '\0' && n == 0) {
		for (; n < 63; (*p)++) {
			char c = **p;

			c = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
			if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
				break;
			word[n++] = c;
		}
		if (n == 0 || n == 63)
			(*p)++;
	}
	word[n] = '\0';
	return n > 0;
}

bool prom_name(const char *component, const char *name, enum ap_metric_type type, char out[PROM_NAME], double *scale)
{
	const struct unit *unit = NULL, *u;
	char word[64];
	size_t n = (size_t)snprintf(out, PROM_NAME, "alphapulse");
	bool any = false, system = strcmp(component, "system") == 0;

	*scale = 1;
	if (system && !append(out, &n, "system"))
		return false;
	while (next_word(&name, word)) {
		u = unit_of(word);
		if (u != NULL && unit == NULL) {
			unit = u;
			continue;
		}
		if (is_reserved(word))
			continue;
		if (!append(out, &n, u != NULL ? u->base : word))
			return false;
		any = true;
	}
	if (unit != NULL) {
		*scale = unit->scale;
		if (!append(out, &n, unit->base))
			return false;
	}
	return (type != AP_M_COUNTER || append(out, &n, "total")) && (any || unit != NULL);
}

bool prom_labels_ok(const char *p)
{
	while (*p != '\0') {
		size_t n = 0;

		while ((p[n] >= 'a' && p[n] <= 'z') || p[n] == '_' || (n > 0 && p[n] >= '0' && p[n] <= '9'))
			n++;
		if (n == 0 || p[n] != '=' || p[n + 1] != '"')
			return false;
		for (p += n + 2; *p != '"'; p++) {
			if (*p == '\\' && p[1] != '\\' && p[1] != '"' && p[1] != 'n')
				return false;
			if (*p == '\0' || *p == '\n')
				return false;
			p += *p == '\\';
		}
		p++;
		if (*p == ',' && p[1] != '\0')
			p++;
		else if (*p != '\0')
			return false;
	}
	return true;
}

/* --- rendering -------------------------------------------------------------------------------------------- */

struct line {
	char name[PROM_NAME];
	double scale;
	const struct mseries *s;
};

static int by_family(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	if (d == 0)
		d = strcmp(mseries_component(x->s), mseries_component(y->s));
	if (d == 0)
		d = strcmp(mseries_instance(x->s), mseries_instance(y->s));
	return d != 0 ? d : strcmp(mseries_labels(x->s), mseries_labels(y->s));
}

static void put_head(struct ap_buf *b, const struct line *l)
{
	const char *bare = l->name + sizeof "alphapulse_" - 1, *text = NULL;

	for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++)
		if (strcmp(bare, helps[i].name) == 0)
			text = helps[i].text;
	if (text != NULL)
		ap_buf_printf(b, "# HELP %s %s\n", l->name, text);
	else
		ap_buf_printf(b, "# HELP %s The component's own %s.\n", l->name, mseries_name(l->s));
	ap_buf_printf(b, "# TYPE %s %s\n", l->name, l->s->type == AP_M_COUNTER ? "counter" : "gauge");
}

static void put_escaped(struct ap_buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' || *s == '"')
			ap_buf_putc(b, '\\');
		ap_buf_puts(b, *s == '\n' ? "\\n" : (const char[]){ *s, '\0' });
	}
}

static void put_line(struct ap_buf *b, const struct line *l)
{
	const char *labels = mseries_labels(l->s);

	ap_buf_printf(b, "%s{component=\"", l->name);
	put_escaped(b, mseries_component(l->s));
	if (*mseries_instance(l->s) != '\0') {
		ap_buf_puts(b, "\",worker=\"");
		put_escaped(b, mseries_instance(l->s));
	}
	ap_buf_puts(b, "\"");
	if (*labels != '\0' && prom_labels_ok(labels))
		ap_buf_printf(b, ",%s", labels);
	ap_buf_puts(b, "} ");
	ap_json_double(b, l->s->value * l->scale);
	ap_buf_putc(b, '\n');
}

/* Two metrics of one exported name but of two types would make a family that is neither: the first type stays. */
bool prom_render(struct ap_buf *b, const struct mtable *t)
{
	struct line *l = malloc((t->n + 1) * sizeof *l);
	size_t n = 0, head = 0;

	if (l == NULL)
		return false;
	for (size_t i = 0; i < t->n; i++) {
		const struct mseries *s = &t->s[i];

		l[n].s = s;
		if (strcmp(mseries_component(s), "alert") != 0 && isfinite(s->value) &&
		    prom_name(mseries_component(s), mseries_name(s), s->type, l[n].name, &l[n].scale))
			n++;
	}
	qsort(l, n, sizeof *l, by_family);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(l[i].name, l[head].name) != 0) {
			head = i;
			put_head(b, &l[i]);
		} else if (by_family(&l[i - 1], &l[i]) == 0) {
			continue;       /* two spellings of one name; Prometheus refuses a page with a series twice */
		}
		if (l[i].s->type == l[head].s->type)
			put_line(b, &l[i]);
	}
	free(l);
	return !b->full;
}
