/*
 * mem.c - one partition in memory: a model of the functions in schema/functions, and workers that talk to it.
 *
 * Time is the number of steps so far; at each step one worker makes one move.
 */
#include "mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/fold.h"
#include "common/core/fsm.h"
#include "common/core/share.h"

enum { WORKERS = 8, QUEUE = 8, ORPHANS = 64, STEPS_PER_ENTRY = 8000 };
/* In steps. Each of eight workers has some 60 moves in a lease; a round trip takes three. */
enum { LEASE = 500, CALM_EVERY = 16 * LEASE, CALM_FOR = 6 * LEASE };
/* The lane that is looked at, of so many that are shared out. */
enum { LANE = 2, LANES = 4 };

enum kind { M_ACQUIRE, M_LOAD, M_PLACE, M_READ, M_COMMIT, M_RENEW, M_RELEASE };

/* A request on its way, and after its execution the reply. */
struct msg {
	enum kind kind;
	uint64_t token, epoch;
	uint64_t q, new_q, first_q;     /* PLACE: q; COMMIT: stored, new, first of the batch */
	unsigned worker;                /* ACQUIRE: whose */
	uint64_t process, free;         /* ACQUIRE: of which process; for how long nobody may have had it */
	struct ap_buf frames, sets, dels;
	/* the reply */
	bool ok;
	const char *word;
	struct laws_map *state;         /* LOAD */
	uint64_t from, n;               /* READ: entries from (q) and how many; LOAD: from = the cursor's q */
	unsigned claimed_by;            /* RENEW: 1 + the worker; 0: nobody */
};

struct queue {
	struct msg *m[QUEUE];
	size_t n;
};

struct worker {
	enum ap_run_state state;
	bool there;                     /* its process runs */
	bool connected;
	uint64_t process;               /* another one after each start */
	uint64_t paused_until;
	uint64_t timer_at;              /* 0: not set */
	uint64_t lease_until, asked_at; /* as it believes; asked_at: a renewal is on its way since, 0: none is */
	uint64_t look_at, joined_until; /* next look at the registry; how long it is registered, as it believes */
	unsigned live;                  /* bit i: worker i was there when it looked */
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
	uint64_t now, held_until, claim_until;
	unsigned holder, claim;         /* workers; holder is WORKERS when it was given up */
	uint64_t holder_process;
	uint64_t registered[WORKERS];   /* until when */
	uint64_t calm_until, calm_at;   /* no faults until; the next time without */
	uint64_t done_token;            /* of the last commit taken, */
	uint64_t done_epoch;
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
	if (g->token != m->done_token && g->epoch <= m->done_epoch)
		broken(m, "two owners' commits interleave");
	m->done_token = g->token;
	m->done_epoch = g->epoch;
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

/* Entries that have been written so far. */
static uint64_t there(const struct mem *m)
{
	uint64_t n = m->faults->pace == 0 ? m->tape->n : m->now / m->faults->pace;

	return n < m->tape->n ? n : m->tape->n;
}

static void acquire_execute(struct mem *m, struct msg *g)
{
	bool same = m->holder == g->worker && (g->free == 0 || m->holder_process == g->process);

	g->ok = same || m->held_until + g->free <= m->now;
	if (!g->ok) {
		if (m->held_until > m->now && g->free == 0) {
			m->claim = g->worker;
			m->claim_until = m->now + LEASE;
		}
		return;
	}
	m->holder = g->worker;
	m->holder_process = g->process;
	m->held_until = m->now + LEASE;
	m->claim_until = 0;
	m->token = g->token;
	g->epoch = ++m->epoch;
	m->res->owners++;
}

static void renew_execute(struct mem *m, struct msg *g)
{
	g->ok = g->token == m->token && g->epoch == m->epoch;
	if (g->ok && g->kind == M_RELEASE) {
		m->held_until = m->now;
		m->holder = WORKERS;
		m->token = 0;
		m->res->released++;
	} else if (g->ok) {
		m->held_until = m->now + LEASE;
		g->claimed_by = m->claim_until > m->now ? m->claim + 1 : 0;
	}
}

/* Requests are told by worker through their token. */
static void execute(struct mem *m, struct msg *g)
{
	uint64_t most = m->faults->read_max == 0 ? 4 : m->faults->read_max;

	switch (g->kind) {
	case M_ACQUIRE:
		acquire_execute(m, g);
		break;
	case M_RENEW: case M_RELEASE:
		renew_execute(m, g);
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
		g->n = there(m) > m->delivered ? there(m) - m->delivered : 0;
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

/* Whose lane it is among the workers of a set; WORKERS: there is none. */
static unsigned whose(unsigned live)
{
	static const char *const name[WORKERS] = { "w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7" };
	ap_str names[WORKERS];
	unsigned who[WORKERS];
	uint16_t lane[LANES];
	size_t n = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		if ((live & 1u << i) != 0) {
			who[n] = i;
			names[n++] = ap_str_c(name[i]);
		}
	if (n == 0)
		return WORKERS;
	ap_share(names, n, LANES, lane);
	return who[lane[LANE]];
}

static unsigned number_of(const struct mem *m, const struct worker *w)
{
	return (unsigned)(w - m->w);
}

static bool mine(const struct mem *m, const struct worker *w)
{
	return whose(w->live) == number_of(m, w);
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
		w->token = laws_rand(&m->rng) | 1;
		g = msg_new(M_ACQUIRE, w);
		g->worker = number_of(m, w);
		g->process = w->process;
		g->free = mine(m, w) && m->now < w->joined_until ? 0 : 2 * LEASE;
		w->asked_at = m->now;
		send(m, w, g);
		break;
	case AP_R_WAIT_HELD:
		if (mine(m, w))
			w->timer_at = m->now + LEASE / 40;
		else
			event(m, w, AP_R_THEIRS);
		break;
	case AP_R_SEEK:
		forget(w);
		if (mine(m, w))
			event(m, w, AP_R_MINE);
		else
			w->timer_at = m->now + LEASE * 3 / 4 + laws_below(&m->rng, LEASE / 2);
		break;
	case AP_R_RELEASE:
		if (w->connected)
			send(m, w, msg_new(M_RELEASE, w));
		else
			event(m, w, AP_R_RELEASED);
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
	case AP_R_RETREAT:
		w->timer_at = m->now + LEASE / 40;
		forget(w);
		break;
	case AP_R_FORGET: case AP_R_FINISH:
		forget(w);
		break;
	default:
		break;
	}
}

static void event(struct mem *m, struct worker *w, enum ap_run_event e)
{
	struct ap_run_row row = ap_run_next(w->state, e);

	if (row.next != w->state)
		w->timer_at = 0;
	w->state = row.next;
	act(m, w, row.act);
}

static void reply_deliver(struct mem *m, struct worker *w)
{
	static const enum ap_run_state asked_in[] = { AP_R_LEASING, AP_R_LOADING, AP_R_PLACING, AP_R_READING, AP_R_COMMITTING };
	struct msg *g = queue_take(&w->in);
	bool of_now = g->kind == M_RENEW ? ap_run_owns(w->state)
		    : g->kind == M_RELEASE ? w->state == AP_R_YIELDING || w->state == AP_R_RELEASING
		    : w->state == asked_in[g->kind] || (g->kind == M_ACQUIRE && w->state == AP_R_RELEASING);

	if (!of_now) {
		msg_free(g);            /* of an earlier life */
		return;
	}
	switch (g->kind) {
	case M_ACQUIRE:
		w->epoch = g->epoch;
		w->lease_until = w->asked_at + LEASE / 3 * 2;
		w->asked_at = 0;
		event(m, w, g->ok ? AP_R_OWNED : AP_R_HELD);
		break;
	case M_RENEW:
		w->lease_until = w->asked_at + LEASE / 3 * 2;
		w->asked_at = 0;
		if (!g->ok)
			event(m, w, AP_R_REFUSED);
		else if (g->claimed_by != 0 && !mine(m, w) && whose(w->live) == g->claimed_by - 1)
			event(m, w, AP_R_THEIRS);
		break;
	case M_RELEASE:
		event(m, w, AP_R_RELEASED);
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

static void start(struct mem *m, struct worker *w)
{
	*w = (struct worker){ .state = AP_R_DOWN, .there = true, .process = laws_rand(&m->rng) };
}

static void end(struct mem *m, struct worker *w)
{
	if (w->connected)
		cut(m, w);
	forget(w);
	*w = (struct worker){ .state = AP_R_STOPPED };
}

static void worker_faults(struct mem *m, struct worker *w)
{
	const struct mem_faults *f = m->faults;

	if (w->connected && laws_below(&m->rng, 1000) < f->cut)
		cut(m, w);
	if (laws_below(&m->rng, 1000) < f->kill) {
		end(m, w);
		start(m, w);
	}
	if (laws_below(&m->rng, 10000) < f->crash) {
		end(m, w);
		return;
	}
	if (laws_below(&m->rng, 10000) < f->pause)
		w->paused_until = m->now + laws_below(&m->rng, 4 * LEASE);
	if (laws_below(&m->rng, 10000) < f->leave && w->state != AP_R_RELEASING) {
		m->registered[number_of(m, w)] = 0;
		w->joined_until = 0;
		w->look_at = UINT64_MAX;
		event(m, w, AP_R_STOP);
	}
	if (laws_below(&m->rng, 1000) < f->own_expire)
		event(m, w, AP_R_EXPIRED);
}

static void faults_happen(struct mem *m, struct worker *w)
{
	const struct mem_faults *f = m->faults;

	if (!w->there) {
		if (f->join > 0 && laws_below(&m->rng, 10000) < f->join && number_of(m, w) < f->workers)
			start(m, w);
		return;
	}
	if (laws_below(&m->rng, 1000) < f->expire && m->held_until > m->now)
		m->held_until = m->now;
	if (m->n_orphans > 0 && laws_chance(&m->rng, 10)) {
		struct msg *g = m->orphan[0];
		memmove(m->orphan, m->orphan + 1, --m->n_orphans * sizeof m->orphan[0]);
		execute(m, g);
		m->res->late += g->kind == M_COMMIT;
		msg_free(g);
	}
	worker_faults(m, w);
}

/* --- calm: without faults the partition finds its owner --- */

static unsigned registered_now(const struct mem *m)
{
	unsigned live = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		live |= m->registered[i] > m->now ? 1u << i : 0;
	return live;
}

/* The end of a time without faults: the worker it belongs to owns it, and is at work. */
static void calm_judge(struct mem *m)
{
	unsigned who = whose(registered_now(m));

	m->res->calms++;
	if (who == WORKERS)
		broken(m, "nobody has registered");
	else if (m->holder != who || m->held_until <= m->now)
		broken(m, "the partition has not come to the worker it belongs to");
	else if (m->w[who].state < AP_R_LOADING || m->w[who].state > AP_R_PAUSED)
		broken(m, "its owner does not work it");
}

static void calm_begin(struct mem *m)
{
	unsigned there = 0;

	for (unsigned i = 0; i < WORKERS; i++) {
		there += m->w[i].there && m->w[i].state != AP_R_RELEASING;
		m->w[i].paused_until = 0;
	}
	if (there == 0)
		start(m, &m->w[0]);
	m->calm_until = m->now + CALM_FOR;
	m->calm_at = m->now + CALM_EVERY;
}

/* --- a move --- */

/* The registry answers at once, or not at all. */
static void look(struct mem *m, struct worker *w)
{
	bool calm = m->calm_until > m->now;

	if (w->look_at > m->now || w->state == AP_R_DOWN)
		return;
	w->look_at = m->now + LEASE / 4;
	if (!calm && laws_below(&m->rng, 1000) < m->faults->blind)
		return;
	m->registered[number_of(m, w)] = w->joined_until = m->now + LEASE;
	unsigned was = w->live;
	w->live = registered_now(m);
	if (mine(m, w) && w->state == AP_R_IDLE)
		event(m, w, AP_R_MINE);
	else if (!mine(m, w) && w->state == AP_R_STANDBY)
		event(m, w, AP_R_THEIRS);
	if (was != w->live)
		w->asked_at = ap_run_owns(w->state) && w->asked_at == 0 ? (send(m, w, msg_new(M_RENEW, w)), m->now) : w->asked_at;
}

static void upkeep(struct mem *m, struct worker *w)
{
	look(m, w);
	if (!ap_run_owns(w->state))
		return;
	/* Noticed late at times: it is the server that decides. */
	if (m->now >= w->lease_until && laws_chance(&m->rng, 30)) {
		event(m, w, AP_R_EXPIRED);
	} else if (w->asked_at == 0 && m->now + LEASE * 5 / 12 >= w->lease_until) {
		w->asked_at = m->now;
		send(m, w, msg_new(M_RENEW, w));
	}
}

static void move(struct mem *m, struct worker *w)
{
	if (!w->connected) {
		if (w->state == AP_R_STOPPED) {
			end(m, w);
		} else if (laws_chance(&m->rng, 30)) {
			w->connected = true;
			event(m, w, AP_R_UP);
		}
		return;
	}
	upkeep(m, w);
	if (w->out.n > 0 && (w->in.n == 0 || laws_chance(&m->rng, 50)) && w->in.n < QUEUE) {
		struct msg *g = queue_take(&w->out);
		execute(m, g);
		queue_put(&w->in, g);
	} else if (w->in.n > 0) {
		reply_deliver(m, w);
	} else if (w->state == AP_R_STOPPED) {
		end(m, w);
	}
	if (w->timer_at != 0 && m->now >= w->timer_at) {
		w->timer_at = 0;
		event(m, w, AP_R_TIMER);
	}
}

static void step(struct mem *m)
{
	struct worker *w = &m->w[laws_below(&m->rng, m->faults->workers)];
	bool calm = m->calm_until > m->now;

	m->now++;
	if (m->calm_until == m->now)
		calm_judge(m);
	if (m->now >= m->calm_at)
		calm_begin(m);
	if (!calm)
		faults_happen(m, w);
	if (w->there && m->now >= w->paused_until)
		move(m, w);
}

bool mem_run(const struct ap_stage *stage, const struct ap_conf *conf, const struct laws_tape *tape, const struct mem_faults *faults,
	     uint64_t seed, struct mem_result *out, char why[LAWS_WHY])
{
	struct mem m = { .stage = stage, .conf = conf, .tape = tape, .faults = faults, .rng = { seed }, .res = out, .why = why };
	uint64_t left = (uint64_t)(tape->n + 10) * STEPS_PER_ENTRY;

	assert(faults->workers >= 1 && faults->workers <= WORKERS);
	*out = (struct mem_result){ .commits = 0 };
	m.holder = WORKERS;
	m.calm_at = 4 * LEASE;
	for (unsigned s = 0; s < AP_S_N; s++)
		ap_buf_init(&out->stream[s], 1 << 28);
	why[0] = '\0';
	m.state = laws_map_new();
	for (unsigned i = 0; i < faults->workers; i++)
		start(&m, &m.w[i]);
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
