/*
 * mem.c - one partition in memory: a model of the functions in schema/functions, and workers that talk to it.
 */
#include "mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/fold.h"
#include "common/core/fsm.h"

enum { WORKERS = 2, QUEUE = 8, ORPHANS = 64, STEPS_PER_ENTRY = 4000 };

enum kind { M_ACQUIRE, M_LOAD, M_PLACE, M_READ, M_COMMIT };

/* A request on its way, and after its execution the reply. */
struct msg {
	enum kind kind;
	uint64_t token, epoch;
	uint64_t q, new_q, first_q;     /* PLACE: q; COMMIT: stored, new, first of the batch */
	struct ap_buf frames, sets, dels;
	/* the reply */
	bool ok;
	const char *word;
	struct laws_map *state;         /* LOAD */
	uint64_t from, n;               /* READ: entries from (q) and how many; LOAD: from = the cursor's q */
};

struct queue {
	struct msg *m[QUEUE];
	size_t n;
};

struct worker {
	enum ap_run_state state;
	bool connected;
	uint64_t token, epoch, q, new_q;
	struct ap_fold *fold;           /* NULL: no memory */
	struct queue out, in;           /* requests not executed, replies not delivered */
};

struct mem {
	const struct ap_stage *stage;
	const struct ap_conf *conf;
	const struct laws_tape *tape;
	const struct mem_faults *faults;
	struct laws_rng rng;
	struct worker w[WORKERS];
	struct msg *orphan[ORPHANS];    /* of cut connections: executed later, in order, or never */
	size_t n_orphans;
	/* the server */
	uint64_t token, epoch;
	bool held;
	unsigned holder;
	uint64_t q, delivered;          /* of the state's cursor; of the group */
	struct laws_map *state;
	ap_id last[AP_S_N];
	struct mem_result *res;
	char *why;
};

static void event(struct mem *m, struct worker *w, enum ap_run_event e);

/* --- messages --- */

static struct msg *msg_new(enum kind kind, const struct worker *w)
{
	struct msg *g = calloc(1, sizeof *g);

	assert(g != NULL);
	g->kind = kind;
	g->token = w->token;
	g->epoch = w->epoch;
	ap_buf_init(&g->frames, 1 << 28);
	ap_buf_init(&g->sets, 1 << 28);
	ap_buf_init(&g->dels, 1 << 28);
	return g;
}

static void msg_free(struct msg *g)
{
	ap_buf_done(&g->frames);
	ap_buf_done(&g->sets);
	ap_buf_done(&g->dels);
	if (g->state != NULL)
		laws_map_free(g->state);
	free(g);
}

static void queue_put(struct queue *q, struct msg *g)
{
	assert(q->n < QUEUE);
	q->m[q->n++] = g;
}

static struct msg *queue_take(struct queue *q)
{
	struct msg *g = q->m[0];

	memmove(q->m, q->m + 1, --q->n * sizeof q->m[0]);
	return g;
}

static void queue_clear(struct queue *q)
{
	while (q->n > 0)
		msg_free(queue_take(q));
}

/* --- the server --- */

static bool broken(struct mem *m, const char *what)
{
	if (m->why[0] == '\0')
		snprintf(m->why, LAWS_WHY, "%s (committed up to %llu of %zu)", what, (unsigned long long)m->q, m->tape->n);
	return false;
}

static void frames_take(struct mem *m, const struct ap_buf *b)
{
	for (size_t at = 0; at < b->len;) {
		uint64_t h[5];          /* stream, ms, seq, n, length */
		memcpy(h, b->p + at, sizeof h);
		ap_id id = { h[1], h[2] };
		if (ap_id_cmp(id, m->last[h[0]]) <= 0 && h[0] != AP_S_REJECT)
			broken(m, "an output's id goes back");
		m->last[h[0]] = id;
		ap_buf_put(&m->res->stream[h[0]], h + 1, 4 * sizeof h[0]);
		ap_buf_put(&m->res->stream[h[0]], b->p + at + sizeof h, h[4]);
		m->res->frames[h[0]]++;
		at += sizeof h + h[4];
	}
}

static void commit_execute(struct mem *m, struct msg *g)
{
	ap_str field, value;
	size_t pos = 0;

	g->word = g->token != m->token || g->epoch != m->epoch ? "FENCED" : m->q == g->new_q ? "ALREADY" : m->q != g->q ? "CURSOR" :
		  g->first_q != m->q + 1 ? "GAP" : "OK";
	g->ok = strcmp(g->word, "OK") == 0;
	m->res->fenced += strcmp(g->word, "FENCED") == 0;
	m->res->cursors += strcmp(g->word, "CURSOR") == 0;
	if (!g->ok)
		return;
	m->res->commits++;
	m->q = g->new_q;
	frames_take(m, &g->frames);
	while (ap_fold_text(&g->sets, &pos, &field) && ap_fold_text(&g->sets, &pos, &value))
		laws_map_put(m->state, field, value);
	for (pos = 0; ap_fold_text(&g->dels, &pos, &field);)
		laws_map_del(m->state, field);
}

static struct laws_map *map_copy(const struct laws_map *from)
{
	struct laws_map *to = laws_map_new();
	ap_str name, value;

	for (size_t i = 0; i < laws_map_slots(from); i++)
		if (laws_map_slot(from, i, &name, &value))
			laws_map_put(to, name, value);
	return to;
}

/* Requests are told by worker through their token; an acquire names its worker in q. */
static void execute(struct mem *m, struct msg *g)
{
	uint64_t most = m->faults->read_max == 0 ? 4 : m->faults->read_max;

	switch (g->kind) {
	case M_ACQUIRE:
		g->ok = !m->held || m->holder == g->q;
		if (g->ok) {
			m->held = true;
			m->holder = (unsigned)g->q;
			m->token = g->token;
			g->epoch = ++m->epoch;
			m->res->owners++;
		}
		break;
	case M_LOAD:
		g->ok = true;
		g->state = map_copy(m->state);
		g->from = m->q;
		break;
	case M_PLACE:
		g->ok = true;
		m->delivered = g->q;
		break;
	case M_READ:
		g->ok = true;
		g->from = m->delivered + 1;
		g->n = m->tape->n - m->delivered;
		if (g->n > 0)
			g->n = 1 + laws_below(&m->rng, g->n < most ? g->n : most);
		m->delivered += g->n;
		break;
	case M_COMMIT:
		commit_execute(m, g);
		break;
	}
}

/* --- a worker: what runtime.c does, in few words --- */

static void forget(struct worker *w)
{
	if (w->fold != NULL) {
		ap_fold_done(w->fold);
		free(w->fold);
	}
	w->fold = NULL;
}

static void send(struct mem *m, struct worker *w, struct msg *g)
{
	(void)m;
	if (w->connected)
		queue_put(&w->out, g);
	else
		msg_free(g);
}

static void load(struct mem *m, struct worker *w, const struct msg *g)
{
	ap_str name, value;

	for (size_t i = 0; i < laws_map_slots(g->state); i++)
		if (laws_map_slot(g->state, i, &name, &value)
		    && !m->stage->load(w->fold->st, ap_str_n(name.p + 2, name.len - 2), value))
			broken(m, "the stage refuses its own state");
	if (m->stage->loaded != NULL && !m->stage->loaded(w->fold->st, m->why, LAWS_WHY))
		broken(m, "the stage refuses its own state as a whole");
	w->q = g->from;
}

static void commit_send(struct mem *m, struct worker *w, uint64_t first)
{
	struct msg *g = msg_new(M_COMMIT, w);

	ap_fold_save(w->fold, false);
	for (size_t i = 0; i < w->fold->n_frames; i++) {
		const struct ap_frame *f = &w->fold->frames[i];
		const uint64_t h[5] = { f->to, f->id.ms, f->id.seq, f->n, f->len };
		ap_str body = ap_fold_body(w->fold, f);
		ap_buf_put(&g->frames, h, sizeof h);
		ap_buf_str(&g->frames, body);
	}
	ap_buf_str(&g->sets, ap_buf_view(&w->fold->sets));
	ap_buf_str(&g->dels, ap_buf_view(&w->fold->dels));
	g->q = w->q;
	g->new_q = w->new_q;
	g->first_q = first;
	ap_fold_clear(w->fold);
	send(m, w, g);
}

/* True: something was stepped and sent. */
static bool work(struct mem *m, struct worker *w, const struct msg *g)
{
	uint64_t first = 0;

	w->new_q = w->q;
	for (uint64_t q = g->from; q < g->from + g->n; q++) {
		const struct laws_entry *e = &m->tape->entry[q - 1];
		const char *why;
		if (q <= w->new_q)
			continue;
		if (q != w->new_q + 1) {
			m->res->gaps++;
			event(m, w, AP_R_REFUSED);
			return false;
		}
		ap_fold_entry(w->fold, e->id, e->n, ap_str_n((const char *)e->body.p, e->body.len), &why);
		first = first == 0 ? q : first;
		w->new_q = q;
	}
	if (first != 0)
		commit_send(m, w, first);
	send(m, w, msg_new(M_READ, w));
	if (first == 0)
		event(m, w, AP_R_COMMITTED);
	return true;
}

static void act(struct mem *m, struct worker *w, enum ap_run_action a)
{
	char err[256] = "";
	struct msg *g;

	switch (a) {
	case AP_R_ACQUIRE:
		forget(w);
		w->token = laws_rand(&m->rng);
		g = msg_new(M_ACQUIRE, w);
		g->q = (uint64_t)(w - m->w);
		send(m, w, g);
		break;
	case AP_R_LOAD:
		w->fold = calloc(1, sizeof *w->fold);
		assert(w->fold != NULL);
		if (!ap_fold_init(w->fold, m->stage, m->conf, err, sizeof err))
			broken(m, err);
		send(m, w, msg_new(M_LOAD, w));
		break;
	case AP_R_PLACE:
		g = msg_new(M_PLACE, w);
		g->q = w->q;
		send(m, w, g);
		break;
	case AP_R_READ:
		send(m, w, msg_new(M_READ, w));
		break;
	case AP_R_RETREAT: case AP_R_FORGET:
		forget(w);
		break;
	default:
		break;
	}
}

static void event(struct mem *m, struct worker *w, enum ap_run_event e)
{
	struct ap_run_row row = ap_run_next(w->state, e);

	w->state = row.next;
	act(m, w, row.act);
}

static void reply_deliver(struct mem *m, struct worker *w)
{
	static const enum ap_run_state asked_in[] = { AP_R_LEASING, AP_R_LOADING, AP_R_PLACING, AP_R_READING, AP_R_COMMITTING };
	struct msg *g = queue_take(&w->in);

	if (w->state != asked_in[g->kind]) {
		msg_free(g);            /* of an earlier life */
		return;
	}
	switch (g->kind) {
	case M_ACQUIRE:
		w->epoch = g->epoch;
		event(m, w, g->ok ? AP_R_OWNED : AP_R_HELD);
		break;
	case M_LOAD:
		load(m, w, g);
		event(m, w, AP_R_LOADED);
		break;
	case M_PLACE:
		event(m, w, AP_R_PLACED);
		break;
	case M_READ:
		if (g->n == 0) {
			event(m, w, AP_R_EMPTY);
		} else {
			w->state = ap_run_next(w->state, AP_R_BATCH).next;
			work(m, w, g);
		}
		break;
	case M_COMMIT:
		if (g->ok)
			w->q = w->new_q;
		event(m, w, g->ok ? AP_R_COMMITTED : AP_R_REFUSED);
		break;
	}
	msg_free(g);
}

/* --- faults --- */

/* What is on its way is executed up to a point now, the rest later or never; nobody hears of it. */
static void cut(struct mem *m, struct worker *w)
{
	uint64_t now = laws_below(&m->rng, w->out.n + 1);

	while (w->out.n > 0) {
		struct msg *g = queue_take(&w->out);
		if (now > 0) {
			now--;
			execute(m, g);
			m->res->lost_replies += g->kind == M_COMMIT && g->ok;
			msg_free(g);
		} else if (m->n_orphans < ORPHANS && laws_chance(&m->rng, 50)) {
			m->orphan[m->n_orphans++] = g;
		} else {
			msg_free(g);
		}
	}
	queue_clear(&w->in);
	w->connected = false;
	event(m, w, AP_R_LOST);
}

static void faults_happen(struct mem *m, struct worker *w)
{
	const struct mem_faults *f = m->faults;

	if (w->connected && laws_below(&m->rng, 1000) < f->cut)
		cut(m, w);
	if (laws_below(&m->rng, 1000) < f->kill) {
		if (w->connected)
			cut(m, w);
		forget(w);
		*w = (struct worker){ .state = AP_R_DOWN };
	}
	if (laws_below(&m->rng, 1000) < f->expire)
		m->held = false;
	if (laws_below(&m->rng, 1000) < f->own_expire)
		event(m, w, AP_R_EXPIRED);
	if (m->n_orphans > 0 && laws_chance(&m->rng, 10)) {
		struct msg *g = m->orphan[0];
		memmove(m->orphan, m->orphan + 1, --m->n_orphans * sizeof m->orphan[0]);
		execute(m, g);
		m->res->late += g->kind == M_COMMIT;
		msg_free(g);
	}
}

static void step(struct mem *m)
{
	struct worker *w = &m->w[laws_below(&m->rng, WORKERS)];

	faults_happen(m, w);
	if (!w->connected) {
		if (laws_chance(&m->rng, 30)) {
			w->connected = true;
			event(m, w, AP_R_UP);
		}
		return;
	}
	if (w->out.n > 0 && (w->in.n == 0 || laws_chance(&m->rng, 50)) && w->in.n < QUEUE) {
		struct msg *g = queue_take(&w->out);
		execute(m, g);
		queue_put(&w->in, g);
	} else if (w->in.n > 0) {
		reply_deliver(m, w);
	} else {
		event(m, w, AP_R_TIMER);
	}
}

bool mem_run(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, const struct mem_faults *faults,
	     uint64_t seed, struct mem_result *out, char why[LAWS_WHY])
{
	struct mem m = { .stage = stage, .conf = conf, .tape = tape, .faults = faults, .rng = { seed }, .res = out, .why = why };
	uint64_t left = (uint64_t)(tape->n + 10) * STEPS_PER_ENTRY;

	*out = (struct mem_result){ .commits = 0 };
	for (unsigned s = 0; s < AP_S_N; s++)
		ap_buf_init(&out->stream[s], 1 << 28);
	why[0] = '\0';
	m.state = laws_map_new();
	while (m.q < tape->n && why[0] == '\0' && left-- > 0)
		step(&m);
	if (m.q < tape->n)
		broken(&m, "the tape does not end");
	for (unsigned i = 0; i < WORKERS; i++) {
		forget(&m.w[i]);
		queue_clear(&m.w[i].out);
		queue_clear(&m.w[i].in);
	}
	while (m.n_orphans > 0)
		msg_free(m.orphan[--m.n_orphans]);
	laws_map_free(m.state);
	return why[0] == '\0';
}

void mem_result_done(struct mem_result *r)
{
	for (unsigned s = 0; s < AP_S_N; s++)
		ap_buf_done(&r->stream[s]);
}
