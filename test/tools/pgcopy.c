/*
 * pgcopy.c - rows that the server refuses while they are still being sent: how long until the answer is there.
 *
 *   pgcopy CONNINFO TIMES ROWS PATIENCE_S
 *
 * TIMES times a COPY of ROWS rows of 100 bytes into a temporary table; the first two rows have one key. Prints answers=, errors= and
 * longest_ms=. An answer that is not there after PATIENCE_S is not waited for, and the exit code is
 * 111; the client's own deadline lies behind 60 s.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/io/app.h"
#include "common/io/pg.h"

enum { CHUNK = 1000 };  /* rows of one put: 100 kB */

static struct {
	struct ap_pg *pg;
	struct ev_loop *loop;
	ev_timer patience;      /* of the running COPY */
	unsigned times, rows, put, answers, errors;
	int64_t began_ns, longest_ns;
} t;

static void begin(void);

static void ready(void *ctx)
{
	char text[CHUNK * 100];
	bool more = true;

	(void)ctx;
	while (more && t.put < t.rows) {
		unsigned n = 0;

		for (; n < CHUNK && t.put < t.rows; n++, t.put++) {
			char row[101];

			snprintf(row, sizeof row, "%010u\t%088u\n", t.put < 2 ? 0 : t.put, t.put);
			memcpy(text + (size_t)n * 100, row, 100);
		}
		more = ap_pg_copy_put(t.pg, text, (size_t)n * 100);
	}
	if (more)
		ap_pg_copy_end(t.pg, NULL);
}

static void done(void *ctx, const struct ap_pg_result *r)
{
	int64_t took = ap_mono_ns() - t.began_ns;

	(void)ctx;
	t.errors += r->rc == AP_PG_ERROR && strcmp(r->sqlstate, "23505") == 0;
	t.longest_ns = took > t.longest_ns ? took : t.longest_ns;
	if (++t.answers == t.times || r->rc == AP_PG_LOST)
		ev_break(t.loop, EVBREAK_ALL);
	else
		begin();
}

static void begin(void)
{
	t.put = 0;
	t.began_ns = ap_mono_ns();
	ev_timer_again(t.loop, &t.patience);
	if (!ap_pg_copy(t.pg, ready, done, NULL, "COPY pgcopy FROM STDIN"))
		ev_break(t.loop, EVBREAK_ALL);
}

static void no_answer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w, (void)revents;
	fprintf(stderr, "pgcopy: no answer\n");
	ev_break(loop, EVBREAK_ALL);
}

static void made(void *ctx, const struct ap_pg_result *r)
{
	(void)ctx;
	if (r->rc == AP_PG_OK)
		begin();
	else
		ev_break(t.loop, EVBREAK_ALL);
}

static void up(void *ctx)
{
	(void)ctx;
	ap_pg_exec(t.pg, made, NULL, 0, "CREATE TEMPORARY TABLE pgcopy (k int PRIMARY KEY, v text)");
}

static void down(void *ctx, const char *why)
{
	(void)ctx;
	fprintf(stderr, "pgcopy: %s\n", why);
	ev_break(t.loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
	static const struct ap_pg_events ev = { up, down };
	struct ap_log log = { .app = "pgcopy", .least = AP_ERROR };
	struct ap_conf conf;
	char err[200];

	if (argc != 5)
		return AP_EX_MISTAKE;
	t.times = (unsigned)strtoul(argv[2], NULL, 10);
	t.rows = (unsigned)strtoul(argv[3], NULL, 10);
	t.loop = ev_default_loop(0);
	ev_timer_init(&t.patience, no_answer, 0.0, (double)strtoul(argv[4], NULL, 10));
	ap_conf_init(&conf);
	if (!ap_conf_set(&conf, ap_opt_find(ap_str_c("pg.conninfo")), ap_str_c(argv[1]), err, sizeof err) ||
	    !ap_conf_set(&conf, ap_opt_find(ap_str_c("runtime.command_ms")), ap_str_c("60000"), err, sizeof err) ||
	    (t.pg = ap_pg_new(t.loop, &log, &conf, &ev, NULL, err, sizeof err)) == NULL) {
		fprintf(stderr, "pgcopy: %s\n", err);
		return AP_EX_MISTAKE;
	}
	ev_run(t.loop, 0);
	printf("answers=%u errors=%u longest_ms=%" PRId64 "\n", t.answers, t.errors, t.longest_ns / 1000000);
	ap_pg_free(t.pg);
	ap_conf_done(&conf);
	return t.answers == t.times ? 0 : AP_EX_AGAIN;
}
