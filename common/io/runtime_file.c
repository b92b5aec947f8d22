/*
 * runtime_file.c - a stage as a filter: frames (or NDJSON trades) on standard input, frames (or JSON) on standard output.
 *
 * One fold takes all sources and symbols: partitions never need each other, so their number cannot be seen in the output.
 * A tape of NDJSON brings its own time: a beat a second of the tape in which something happened, as a replay does.
 */
#include "runtime_file.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "../core/fold.h"
#include "../core/json.h"
#include "../core/recjson.h"
#include "../core/symbol.h"
#include "../core/timefmt.h"
#include "file.h"

enum { SOURCES_MAX = 64, TOKS = 512, JSON_BYTES = 8 * 1024 * 1024, ENTRY_LINES = 64 };

/* A source of the tape and how far its time has come. */
struct source {
	char name[AP_SOURCE_MAX];
	size_t len;
	int64_t beat_s, last_s;         /* the last beat's second, the newest line's */
};

struct filter {
	struct ap_app *app;
	const struct ap_stage *stage;
	struct ap_fold fold;
	bool json;
	struct ap_buf in, out, body;
	struct source src[SOURCES_MAX];
	size_t n_src;
	uint64_t entries, seq;          /* lines so far, as ids and sequence numbers */
	uint32_t held;                  /* records in body, not yet an entry */
	struct ap_jtok toks[TOKS];
	struct ap_wire_iter it;
};

static int failed(const struct filter *f, int rc, const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", f->app->spec->name, what, why);
	return rc;
}

/* The records of a body as JSON lines. */
static bool json_print(struct filter *f, ap_id id, uint32_t n, ap_str body)
{
	struct ap_rec rec;

	ap_wire_start(&f->it, body, n);
	while (ap_wire_next(&f->it, &rec) == AP_WIRE_OK) {
		rec.id = id;
		ap_buf_clear(&f->out);
		ap_rec_json(&f->out, &rec);
		ap_buf_putc(&f->out, '\n');
		if (f->out.full || fwrite(f->out.p, 1, f->out.len, stdout) != f->out.len)
			return false;
	}
	return true;
}

/* Hands over what the entry has put out. */
static bool outputs_write(struct filter *f)
{
	bool ok = true;

	for (size_t i = 0; ok && i < f->fold.n_frames; i++) {
		const struct ap_frame *fr = &f->fold.frames[i];
		const struct ap_file_frame to = { fr->to, fr->id, fr->n, fr->t_ms, ap_fold_body(&f->fold, fr) };
		ok = f->json ? json_print(f, fr->id, fr->n, to.body) : ap_file_write(stdout, &to);
	}
	ap_fold_clear(&f->fold);
	return ok;
}

/* One entry puts a bounded number of records. What is still due when the tape ends comes out in entries that bring none. */
static bool rest_write(struct filter *f, ap_id after)
{
	const char *why = NULL;
	bool ok = true, more = true;

	while (ok && more) {
		after.seq += AP_ID_STEP;
		more = ap_fold_entry(&f->fold, after, 0, ap_str_c(""), &why) && f->fold.n_frames > 0;
		ok = outputs_write(f);
	}
	return ok;
}

/* --- frames --- */

static int frames_run(struct filter *f)
{
	struct ap_file_frame fr;
	ap_id last = { 0, 0 };
	enum ap_file_rc rc;
	const char *why = "";

	while ((rc = ap_file_read(stdin, &f->in, &fr, &why)) == AP_FILE_OK) {
		if (fr.stream != f->stage->in) {
			if (!f->json && !ap_file_write(stdout, &fr))
				return failed(f, AP_EX_AGAIN, "write", strerror(errno));
			continue;
		}
		last = fr.id;
		if (!ap_fold_entry(&f->fold, fr.id, fr.n, fr.body, &why))
			failed(f, 0, "bad frame rejected", why);
		if (!f->json && !ap_file_write(stdout, &fr))
			return failed(f, AP_EX_AGAIN, "write", strerror(errno));
		if (!outputs_write(f))
			return failed(f, AP_EX_AGAIN, "write", strerror(errno));
	}
	if (rc == AP_FILE_BAD)
		return failed(f, AP_EX_MISTAKE, "standard input", why);
	return rest_write(f, last) ? AP_EX_OK : failed(f, AP_EX_AGAIN, "write", strerror(errno));
}

/* --- NDJSON --- */

/* What is in f->body becomes an entry. */
static bool entry_step(struct filter *f)
{
	const char *why = NULL;

	if (f->held == 0)
		return true;
	ap_id id = { 1, f->entries++ * AP_ID_STEP };
	bool ok = ap_fold_entry(&f->fold, id, f->held, ap_buf_view(&f->body), &why);
	assert(ok);             /* we have just encoded it */
	ap_buf_clear(&f->body);
	f->held = 0;
	return outputs_write(f);
}

/* Lines gather to entries as they would in a replay. */
static bool record_hold(struct filter *f, const struct ap_rec *rec)
{
	if ((f->held == ENTRY_LINES || f->body.len + ap_wire_size(rec) > AP_FRAME_BYTES) && !entry_step(f))
		return false;
	f->held++;
	return ap_wire_put(&f->body, rec);
}

static bool beat(struct filter *f, struct source *s, int64_t at_s, bool close_tape)
{
	struct ap_rec rec = { .kind = AP_BEAT };
	int64_t since_s = s->beat_s == 0 ? 1 : at_s - s->beat_s;

	rec.u.beat = (struct ap_beat){ .source = ap_str_n(s->name, s->len), .ts = { at_s * 1000000000 }, .alive = true,
				       .covers_ms = since_s > 4000000 ? 4000000000u : (uint32_t)(since_s * 1000), .close = close_tape };
	s->beat_s = at_s;
	return record_hold(f, &rec);
}

static struct source *source_of(struct filter *f, ap_str name)
{
	char canon[AP_SOURCE_MAX];
	size_t len = ap_source_canon(name, canon);

	for (size_t i = 0; i < f->n_src; i++)
		if (ap_str_eq(ap_str_n(f->src[i].name, f->src[i].len), ap_str_n(canon, len)))
			return &f->src[i];
	if (len == 0 || f->n_src == SOURCES_MAX)
		return NULL;
	struct source *s = &f->src[f->n_src++];
	memcpy(s->name, canon, len);
	s->len = len;
	s->beat_s = s->last_s = 0;
	return s;
}

/* What routing needs of a line; a line that is no JSON goes on as it is: the stage says what is wrong with it. */
static bool line_step(struct filter *f, ap_str line)
{
	struct ap_rec rec = { .kind = AP_RAW };
	struct ap_json j;
	char sym[AP_SYMBOL_MAX];
	ap_str source = ap_str_c("file");
	ap_ts ts = { 0 };

	rec.u.raw = (struct ap_raw){ .source = source, .format = ap_str_c("trade"), .payload = line, .seq = ++f->seq };
	struct source *s = NULL;
	if (ap_json_parse(&j, line, f->toks, TOKS) && j.tok[0].type == AP_J_OBJ) {
		uint32_t src = ap_json_get(&j, 0, "source"), symbol = ap_json_get(&j, 0, "symbol"),
			 when = ap_json_get(&j, 0, "timestamp");
		s = source_of(f, src == 0 ? source : ap_json_text(&j, src));
		if (s != NULL)
			rec.u.raw.source = ap_str_n(s->name, s->len);
		if (symbol != 0)
			rec.u.raw.symbol = ap_str_n(sym, ap_symbol_canon(rec.u.raw.source, ap_json_text(&j, symbol), sym));
		if (when != 0 && ap_ts_parse(ap_json_text(&j, when), &ts))
			rec.u.raw.recv = ts;
	}
	int64_t sec = ts.ns / 1000000000;
	if (s != NULL && sec > s->last_s) {
		if (sec > s->beat_s && s->last_s > 0 && !beat(f, s, sec, false))
			return false;
		if (s->beat_s == 0)
			s->beat_s = sec;
		s->last_s = sec;
	}
	return record_hold(f, &rec);
}

static int lines_run(struct filter *f, bool close_tape)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	bool ok = true;

	while (ok && (n = getline(&line, &cap, stdin)) != -1) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		if (n > AP_PAYLOAD_MAX)
			failed(f, 0, "line left out", "longer than 65536 bytes");
		else if (n > 0)
			ok = line_step(f, ap_str_n(line, (size_t)n));
	}
	free(line);
	for (size_t i = 0; ok && close_tape && i < f->n_src; i++)
		ok = beat(f, &f->src[i], f->src[i].last_s + 1, true);
	ok = ok && entry_step(f) && rest_write(f, (ap_id){ 1, f->entries * AP_ID_STEP });
	return ok ? AP_EX_OK : failed(f, AP_EX_AGAIN, "write", strerror(errno));
}

int runtime_file(struct ap_app *app, const struct ap_stage *stage, bool json, bool close_tape)
{
	char err[256];
	int rc, first;
	struct filter *f = calloc(1, sizeof *f);

	assert(f != NULL);
	f->app = app;
	f->stage = stage;
	f->json = json;
	ap_buf_init(&f->in, AP_FRAME_BYTES);
	ap_buf_init(&f->body, AP_FRAME_BYTES);
	ap_buf_init(&f->out, JSON_BYTES);
	if (!ap_fold_init(&f->fold, stage, &app->conf, err, sizeof err)) {
		rc = failed(f, AP_EX_MISTAKE, "configuration", err);
		goto out;
	}
	first = getc(stdin);
	if (first != EOF)
		ungetc(first, stdin);
	/* Frames begin with "AP1"; whatever else is given to the first stage is lines, some of them perhaps no JSON. */
	rc = first == EOF ? AP_EX_OK : first != 'A' && stage->in == AP_S_RAW ? lines_run(f, close_tape) : frames_run(f);
	if (fflush(stdout) != 0 && rc == AP_EX_OK)
		rc = failed(f, AP_EX_AGAIN, "write", strerror(errno));
	ap_fold_done(&f->fold);
out:
	ap_buf_done(&f->in);
	ap_buf_done(&f->body);
	ap_buf_done(&f->out);
	free(f);
	return rc;
}
