/*
 * ind_set.c - a list of indicators becomes a program, and the program takes candles.
 *
 * Each indicator's build function adds operations; equal ones are shared. Then registers are numbered so
 * that output slots come first (a slot's value is written in place, not copied), operations are put
 * into an order with few runs of one kind, and their state is laid out in one block.
 *
 * Pure; allocates only while compiling. Knows no indicator by name.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "stages/ap-indicators/ind_set.h"

enum { NO_REG = 0xffff };

/* Everything that exists only while compiling. */
struct ind_build {
	struct ind_set *set;
	uint32_t op_cap;
	uint16_t n_regs;
	uint8_t level[IND_REG_MAX];
	uint32_t first[IND_REG_MAX];
	bool absent[IND_REG_MAX];
	const char *fail;
};

static struct ind_ref ref_none(void)
{
	return (struct ind_ref){ .reg = 0, .first = 0 };
}

struct ind_ref ind_in(struct ind_build *b, enum ind_input in)
{
	(void)b;
	return (struct ind_ref){ .reg = (uint16_t)in, .first = 0 };
}

struct ind_ref ind_from(struct ind_ref r, uint32_t first)
{
	r.first = ind_later(r.first, first);
	return r;
}

uint32_t ind_later(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

struct ind_ref ind_out(struct ind_ref r, unsigned i)
{
	r.reg = (uint16_t)(r.reg + i);
	return r;
}

void ind_absent(struct ind_build *b, struct ind_ref r)
{
	b->absent[r.reg] = true;
}

static bool op_same(const struct ind_op *a, const struct ind_op *b)
{
	return a->code == b->code && a->start == b->start && a->n == b->n && a->m == b->m && a->q == b->q &&
	       a->n_in == b->n_in && a->ring[0] == b->ring[0] && a->ring[1] == b->ring[1] &&
	       memcmp(a->in, b->in, sizeof a->in) == 0 &&
	       memcmp(a->k, b->k, sizeof a->k) == 0;    /* NOLINT(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): the same bits */
}

/* Room for one more operation, or NULL (b->fail is then set). */
static struct ind_op *op_push(struct ind_build *b)
{
	struct ind_set *s = b->set;

	if (s->n_ops == b->op_cap) {
		uint32_t cap = b->op_cap ? b->op_cap * 2 : 64;
		struct ind_op *p = realloc(s->ops, cap * sizeof *p);

		if (p == NULL) {
			b->fail = "out of memory";
			return NULL;
		}
		s->ops = p;
		b->op_cap = cap;
	}
	return &s->ops[s->n_ops++];
}

static uint8_t op_level(const struct ind_build *b, const struct ind_op *op)
{
	unsigned level = 0;

	for (unsigned i = 0; i < op->n_in; i++)
		if (b->level[op->in[i]] > level)
			level = b->level[op->in[i]];
	/* A ring stands one level above its register, and its readers one above the ring. */
	for (unsigned i = 0; i < 2; i++)
		if (op->code != OP_RING && op->ring[i] != 0) {
			unsigned l = b->level[b->set->rings[op->ring[i] - 1].reg] + 1u;
			if (l > level)
				level = l;
		}
	return (uint8_t)(level + 1);
}

struct ind_ref ind_op(struct ind_build *b, struct ind_op op, const struct ind_ref *in, unsigned n_in,
		      unsigned n_out, uint32_t first)
{
	struct ind_set *s = b->set;
	struct ind_op *o;

	assert(n_in <= 4 && n_out <= 4);
	op.n_in = (uint8_t)n_in;
	op.n_out = (uint8_t)n_out;
	for (unsigned i = 0; i < n_in; i++) {
		op.in[i] = in[i].reg;
		op.start = ind_later(op.start, in[i].first);
	}
	for (uint32_t i = 0; i < s->n_ops; i++)
		if (op_same(&s->ops[i], &op))
			return (struct ind_ref){ s->ops[i].out[0], op.start + first };
	if (b->fail != NULL || b->n_regs + n_out > IND_REG_MAX) {
		b->fail = b->fail != NULL ? b->fail : "too many values in one set";
		return ref_none();
	}
	op.level = op_level(b, &op);
	for (unsigned i = 0; i < n_out; i++) {
		op.out[i] = b->n_regs;
		b->level[b->n_regs] = op.level;
		b->first[b->n_regs++] = op.start + first;
	}
	o = op_push(b);
	if (o == NULL)
		return ref_none();
	*o = op;
	return (struct ind_ref){ op.out[0], op.start + first };
}

uint32_t ind_ring(struct ind_build *b, struct ind_ref r, uint32_t n)
{
	struct ind_set *s = b->set;
	struct ind_ring *p;
	uint32_t i;

	for (i = 0; i < s->n_rings; i++)
		if (s->rings[i].reg == r.reg) {
			s->rings[i].need = ind_later(s->rings[i].need, n + 1 + IND_REWIND);
			return i + 1;
		}
	p = realloc(s->rings, (i + 1) * sizeof *p);
	if (p == NULL) {
		b->fail = "out of memory";
		return 1;
	}
	s->rings = p;
	p[i] = (struct ind_ring){ .reg = r.reg, .need = n + 1 + IND_REWIND };
	s->n_rings++;
	ind_op(b, (struct ind_op){ .code = OP_RING, .start = b->first[r.reg], .ring = { i + 1, 0 } },
	       &(struct ind_ref){ r.reg, b->first[r.reg] }, 1, 0, 0);
	return i + 1;
}

/* --- from operations to a program ------------------------------------------------------------- */

/* Slots get the first numbers; a register wanted by two slots is copied to the second. */
static void regs_number(struct ind_build *b, const struct ind_ref *outs, size_t n_outs)
{
	struct ind_set *s = b->set;
	static const uint16_t column[IN_N_INPUTS] = {
		offsetof(struct ind_bar, o), offsetof(struct ind_bar, h), offsetof(struct ind_bar, l),
		offsetof(struct ind_bar, c), offsetof(struct ind_bar, v), offsetof(struct ind_bar, qv),
		offsetof(struct ind_bar, n), offsetof(struct ind_bar, buy_v), offsetof(struct ind_bar, sell_v)
	};
	uint16_t place[IND_REG_MAX];
	uint16_t next = (uint16_t)n_outs;

	memset(place, 0xff, sizeof place);
	for (size_t i = 0; i < n_outs; i++) {
		uint16_t reg = outs[i].reg;

		if (place[reg] == NO_REG)
			place[reg] = (uint16_t)i;
		else
			s->copies[s->n_copies++] = (struct ind_copy){ (uint16_t)i, place[reg] };
		if (b->absent[reg])
			s->checks[s->n_checks++] = (uint16_t)i;
	}
	for (uint32_t i = 0; i < s->n_ops; i++) {
		struct ind_op *o = &s->ops[i];

		for (unsigned k = 0; k < o->n_in; k++) {
			uint16_t reg = o->in[k];
			if (place[reg] == NO_REG)
				place[reg] = next++;
			o->in[k] = place[reg];
		}
		for (unsigned k = 0; k < o->n_out; k++) {
			uint16_t reg = o->out[k];
			if (place[reg] == NO_REG)
				place[reg] = next++;
			o->out[k] = place[reg];
		}
	}
	for (unsigned i = 0; i < IN_N_INPUTS; i++)
		if (place[i] != NO_REG)
			s->inputs[s->n_inputs++] = (struct ind_copy){ place[i], column[i] };
	s->n_values = next;
}

/* The place of an operation that may run up front, or -1: it reads nothing but the candle's own values. */
static int front_kind(const struct ind_op *o)
{
	static const struct { uint8_t code, level, kind; } front[] = {
		{ OP_RING, 1, FRONT_RING }, { OP_MOMENTS, 2, FRONT_MOMENTS }, { OP_RSI, 1, FRONT_RSI },
		{ OP_MACD, 1, FRONT_MACD }, { OP_EMA, 1, FRONT_EMA }, { OP_BANDS, 3, FRONT_BANDS }
	};

	for (size_t i = 0; i < sizeof front / sizeof front[0]; i++)
		if (front[i].code == o->code && front[i].level == o->level)
			return front[i].kind;
	return -1;
}

/*
 * What putting operations in order needs to know. Who computes a register and who fills a ring: numbers of operations, by
 * which others wait for them. At most one ring a register, and each other operation has one of its own.
 */
enum { OPS_MAX = 2 * IND_REG_MAX };
static const uint32_t NO_OP = UINT32_MAX;
struct order {
	const struct ind_set *set;
	uint32_t reg[IND_REG_MAX], ring[IND_REG_MAX];
	uint32_t behind[OPS_MAX];             /* operations in the longest chain that waits for this one */
	uint32_t take[OPS_MAX];
	bool done[OPS_MAX], tried[OPS_MAX];
};

/* Whether it may run before its rings have this candle: it reads only the values of candles before. */
static bool only_before(uint8_t code)
{
	return code == OP_LAG || code == OP_HIGHER || code == OP_LOWER || code == OP_FEW || code == OP_SUM || code == OP_LINEAR ||
	       code == OP_GAP;
}

/* Those an operation waits for; gives how many. */
static unsigned waits_for(const struct order *w, const struct ind_op *o, uint32_t by[6])
{
	unsigned n = 0;

	for (unsigned k = 0; k < o->n_in; k++)
		if (w->reg[o->in[k]] != NO_OP)
			by[n++] = w->reg[o->in[k]];
	for (unsigned k = 0; k < 2 && o->code != OP_RING && !only_before(o->code); k++)
		if (o->ring[k] != 0)
			by[n++] = w->ring[o->ring[k] - 1];
	return n;
}

static void order_begin(struct order *w, const struct ind_set *s)
{
	uint32_t by[6];

	assert(s->n_ops <= OPS_MAX);
	memset(w, 0, sizeof *w);
	memset(w->reg, 0xff, sizeof w->reg);
	memset(w->ring, 0xff, sizeof w->ring);
	w->set = s;
	for (uint32_t i = 0; i < s->n_ops; i++) {
		const struct ind_op *o = &s->ops[i];

		for (unsigned k = 0; k < o->n_out; k++)
			w->reg[o->out[k]] = i;
		if (o->code == OP_RING)
			w->ring[o->ring[0] - 1] = i;
	}
	/* Nobody was described before those it waits for. */
	for (uint32_t i = s->n_ops; i-- > 0;)
		for (unsigned n = waits_for(w, &s->ops[i], by); n-- > 0;)
			w->behind[by[n]] = ind_later(w->behind[by[n]], w->behind[i] + 1);
}

static bool op_ready(const struct order *w, const struct ind_op *o, const bool *done)
{
	uint32_t by[6];

	for (unsigned n = waits_for(w, o, by); n-- > 0;)
		if (!done[by[n]])
			return false;
	return true;
}

/*
 * Takes all of a kind that stand ready, then those that wait only for these, and so on: links of one chain stand apart, and
 * the processor has other work while one waits for the link before. Gives how many; w->take has them.
 */
static uint32_t kind_take(struct order *w, bool *done, uint8_t code)
{
	const struct ind_set *s = w->set;
	uint32_t n = 0, from;

	do {
		from = n;
		for (uint32_t i = 0; i < s->n_ops; i++)
			if (!done[i] && s->ops[i].code == code && op_ready(w, &s->ops[i], done))
				w->take[n++] = i;
		for (uint32_t i = from; i < n; i++)
			done[w->take[i]] = true;
	} while (n > from);
	return n;
}

/*
 * The kind to run next: of those that can be run to their last, for they need no second call, the one with the longest chain
 * behind it: what others wait for is begun early. Else the one of which most can be run.
 */
static uint8_t kind_next(struct order *w)
{
	uint32_t left[OP_N_CODES] = { 0 }, behind[OP_N_CODES] = { 0 }, longest = 0, most = 0;
	uint8_t whole = OP_N_CODES, part = OP_N_CODES;

	for (uint32_t i = 0; i < w->set->n_ops; i++)
		if (!w->done[i]) {
			uint8_t c = w->set->ops[i].code;

			left[c]++;
			behind[c] = ind_later(behind[c], w->behind[i]);
		}
	for (unsigned k = 0; k < OP_N_CODES; k++) {
		const uint8_t c = (uint8_t)k;
		uint32_t n;

		if (left[c] == 0)
			continue;
		memcpy(w->tried, w->done, sizeof w->tried);
		n = kind_take(w, w->tried, c);
		if (n == left[c] && (whole == OP_N_CODES || behind[c] > longest)) {
			longest = behind[c];
			whole = c;
		}
		if (n > most) {
			most = n;
			part = c;
		}
	}
	assert(part < OP_N_CODES);
	return whole < OP_N_CODES ? whole : part;
}

/* Puts the operations into an order that respects who reads whom: those up front first, then in few long runs. */
static bool ops_order(struct ind_set *s)
{
	struct ind_op *to = calloc(s->n_ops + 1, sizeof *to);
	struct order *w = malloc(sizeof *w);
	uint32_t n = 0;

	if (to == NULL || w == NULL) {
		free(to);
		free(w);
		return false;
	}
	order_begin(w, s);
	for (int pass = 0; pass < 2 * FRONT_N; pass++)
		for (uint32_t i = 0; i < s->n_ops; i++)
			if (s->ops[i].front == pass / 2 && s->ops[i].five == (pass + 1) % 2) {
				to[n++] = s->ops[i];
				w->done[i] = true;
			}
	while (n < s->n_ops)
		for (uint32_t i = 0, took = kind_take(w, w->done, kind_next(w)); i < took; i++)
			to[n++] = s->ops[w->take[i]];
	free(s->ops);
	free(w);
	s->ops = to;
	return true;
}

/*
 * Looks for the everyday five on one price and moves them to the front of their kinds. RSI has m = 0 (it is not CMO), and
 * the bands are those of the moments.
 */
static void five_find(struct ind_set *s)
{
	static const uint8_t codes[] = { OP_RING, OP_MOMENTS, OP_RSI, OP_MACD, OP_EMA, OP_BANDS };
	uint32_t at[FRONT_N], in = UINT32_MAX, mean = UINT32_MAX, window = 0;

	for (uint32_t i = 0; i < s->n_ops; i++)
		if (s->ops[i].front == FRONT_BANDS && in == UINT32_MAX)
			for (uint32_t k = 0; k < s->n_ops; k++)
				if (s->ops[k].front == FRONT_MOMENTS && s->ops[k].out[0] == s->ops[i].in[0]) {
					in = s->ops[k].in[0];
					mean = s->ops[k].out[0];
					window = s->ops[k].n;
				}
	for (int kind = 0; kind < FRONT_N; kind++) {
		at[kind] = UINT32_MAX;
		for (uint32_t i = 0; i < s->n_ops; i++) {
			const struct ind_op *o = &s->ops[i];

			if (o->front != kind || o->code != codes[kind] || at[kind] != UINT32_MAX)
				continue;
			if (kind == FRONT_BANDS ? o->in[0] == mean && o->n == window
						: o->in[0] == in && !(kind == FRONT_RSI && o->m != 0) &&
						  !(kind == FRONT_MOMENTS && o->out[0] != mean))
				at[kind] = i;
		}
		if (at[kind] == UINT32_MAX)
			return;
	}
	for (int kind = 0; kind < FRONT_N; kind++)
		s->ops[at[kind]].five = 1;
	s->with_five = 1;
}

/* Where the mean is asked for besides as the bands' middle, behind their upper one; else that. */
static uint16_t sma_slot(const struct ind_set *s, uint16_t mean, uint16_t up)
{
	return s->n_copies > 0 && mean == up + 1 ? s->copies[0].to : mean;
}

/* After the operations have their final places. */
static void five_make(struct ind_set *s)
{
	const struct ind_op *m = s->front[FRONT_MOMENTS].op, *b = s->front[FRONT_BANDS].op, *e = s->front[FRONT_EMA].op,
			    *r = s->front[FRONT_RSI].op, *d = s->front[FRONT_MACD].op;

	for (int kind = 0; kind < FRONT_N; kind++)
		s->more = s->more || s->front[kind].op + s->with_five != s->front[kind].end;
	if (s->with_five == 0)
		return;
	s->five = (struct ind_five){
		.moments = m, .rsi = r, .macd = d, .ema = e, .bands = b,
		.k_rsi = two_of(r->k[0], r->k[0]), .k_macd = two_of(d->k[0], d->k[1]), .k_last = two_of(d->k[2], e->k[0]),
		.rn = m->k[0], .k = b->k[0], .ring = m->ring[0], .mask = m->mask[0], .n = m->n, .ahead = m->mask[0] + 1 - m->n,
		.in = m->in[0], .mean = m->out[0], .var = m->out[1], .up = b->out[0], .low = b->out[1], .e = e->out[0],
		.r = r->out[0], .macd_out = d->out[0], .signal = d->out[1], .hist = d->out[2],
		.sma = sma_slot(s, m->out[0], b->out[0]), .column = s->inputs[0].from
	};
}

static void runs_end(const struct ind_run *run, const struct ind_ctx *x)
{
	(void)run;
	(void)x;
}

/* Orders the operations and cuts them into runs of one kind. */
static bool runs_make(struct ind_set *s)
{
	struct ind_run *const runs = calloc(s->n_ops + 1, sizeof *runs);

	s->runs = runs;
	for (uint32_t i = 0; i < s->n_ops; i++)
		s->ops[i].front = (int8_t)front_kind(&s->ops[i]);
	five_find(s);
	if (runs == NULL || !ops_order(s))
		return false;
	for (uint32_t i = 0; i < s->n_ops; i++) {
		struct ind_op *o = &s->ops[i];
		struct ind_run *r = s->n_runs > 0 ? &runs[s->n_runs - 1] : NULL;

		if (o->front >= 0) {
			r = &s->front[o->front];
			r->op = r->op == NULL ? o : r->op;
		} else if (r == NULL || r->op->code != o->code) {
			r = &runs[s->n_runs++];
			*r = (struct ind_run){ o, o, ind_op_run(o), ind_op_warm(o) };
		}
		r->end = o + 1;
	}
	runs[s->n_runs].warm = runs_end;
	return true;
}

/*
 * Words for one operation; gives where the next may stand. Sums run two at a time (KERNEL_OF_TWO): the second of two has the
 * places between the words of the first.
 */
static uint32_t words_place(struct ind_op *o, const struct ind_op *before, uint32_t at)
{
	if (o->code == OP_SUM && before != NULL && before->code == OP_SUM && !before->paired) {
		o->core = before->core + 1;
		o->paired = 1;
		return at;
	}
	/* What is read and written in pairs lies where no pair is on two lines of the cache. */
	if (o->code == OP_RSI || o->code == OP_SUM)
		at += at % 2;
	o->core = at;
	return at + ind_op_words(o);
}

/* Rings at the front of their memory, words of state behind the count in the core. */
static void state_place(struct ind_set *s)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->n_rings; i++) {
		uint32_t cap = 1;

		while (cap < s->rings[i].need)
			cap *= 2;
		s->rings[i].at = at;
		s->rings[i].mask = cap - 1;
		at += cap;
	}
	s->ring_words = at;
	at = IND_HEAD_WORDS;
	/* The five are the first of each kind up front, and so come first here, in their order. */
	for (uint32_t i = 0; i < s->n_ops; i++)
		if (s->ops[i].five != 0) {
			s->ops[i].core = at;
			at += ind_op_words(&s->ops[i]);
		}
	assert(at == IND_HEAD_WORDS + (s->with_five != 0 ? FIVE_WORDS : 0));
	for (uint32_t i = 0; i < s->n_ops; i++) {
		struct ind_op *o = &s->ops[i];

		for (unsigned k = 0; k < 2; k++)
			if (o->ring[k] != 0) {
				const struct ind_ring *r = &s->rings[o->ring[k] - 1];
				o->ring[k] = r->at;
				o->mask[k] = r->mask;
			}
		if (o->five != 0)
			continue;
		at = words_place(o, i > 0 ? o - 1 : NULL, at);
	}
	s->core_words = at;
	five_make(s);
}

static bool valid_make(struct ind_set *s)
{
	s->n_bitmap = s->n_slots > 0 ? (s->n_slots + 63) / 64 : 1;
	s->plain = s->n_bitmap == 1 && s->n_checks == 0;
	s->all = calloc(s->n_bitmap, sizeof *s->all);
	if (s->all == NULL)
		return false;
	for (size_t i = 0; i < s->n_slots; i++) {
		s->all[i / 64] |= UINT64_C(1) << (i % 64);
		s->warm = ind_later(s->warm, s->slots[i].first);
	}
	s->all_first = s->all[0];
	s->settled = ind_later(s->settled, s->warm);
	return true;
}

static bool turn_make(struct ind_set *s)
{
	double *t;

	for (uint32_t i = 0; i < s->n_ops; i++)
		if (s->ops[i].code == OP_PHASE && s->turn == NULL) {
			s->turn = calloc(IND_TURN_MAX * (IND_TURN_MAX + 1), sizeof *s->turn);
			if (s->turn == NULL)
				return false;
		}
	t = s->turn;
	for (uint32_t n = 1; t != NULL && n <= IND_TURN_MAX; n++)
		for (uint32_t i = 0; i < n; i++) {
			double angle = (double)i * (2.0 * 3.14159265358979323846) / (double)n;

			*t++ = sin(angle);
			*t++ = cos(angle);
		}
	return true;
}

static void print_make(struct ind_set *s)
{
	XXH64_hash_t h = XXH64("indicators 4", 12, 0);

	for (size_t i = 0; i < s->n_slots; i++) {
		h = XXH64(s->slots[i].name, strlen(s->slots[i].name), h);
		h = XXH64(s->slots[i].args, strlen(s->slots[i].args), h);
	}
	s->print = h;
}

struct ind_build *ind_build_new(struct ind_set *set)
{
	struct ind_build *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->set = set;
	b->n_regs = IN_N_INPUTS;
	return b;
}

const char *ind_build_fault(const struct ind_build *b)
{
	return b->fail;
}

/*
 * The five are all there is, at most the bands' middle is asked for twice, the outputs of MACD and of the bands stand in a row,
 * and the bands are as far above as below.
 */
static bool five_alone(const struct ind_set *s)
{
	const struct ind_five *f = &s->five;

	return s->with_five != 0 && !s->more && s->n_runs == 0 && s->plain && s->n_inputs == 1 && s->n_rings == 1 &&
	       (s->n_copies == 0 || (s->n_copies == 1 && s->copies[0].from == f->mean)) && f->low == f->up + 2 &&
	       f->signal == f->macd_out + 1 && f->hist == f->macd_out + 2 && f->bands->k[0] == f->bands->k[1];
}

/* Ends the building; false: out of memory, or the set is too large. b is freed either way. */
bool ind_build_done(struct ind_build *b, const struct ind_ref *outs, size_t n_outs)
{
	struct ind_set *s = b->set;
	bool ok = b->fail == NULL && b->n_regs + n_outs <= IND_REG_MAX;

	s->copies = calloc(n_outs ? n_outs : 1, sizeof *s->copies);
	s->checks = calloc(n_outs ? n_outs : 1, sizeof *s->checks);
	for (uint16_t i = 0; i < b->n_regs; i++)
		s->settled = ind_later(s->settled, b->first[i]);
	if (ok && s->copies != NULL && s->checks != NULL) {
		regs_number(b, outs, n_outs);
		ok = runs_make(s) && valid_make(s) && turn_make(s);
		state_place(s);
		s->five_from = five_alone(s) ? s->settled : UINT64_MAX;
		print_make(s);
	} else {
		ok = false;
	}
	free(b);
	return ok;
}

/* --- running ---------------------------------------------------------------------------------- */

void ind_init(const struct ind_set *set, void *state)
{
	memset(state, 0, ind_set_size(set));
}

/* The bitmap while some slots have no value yet. */
static __attribute__((noinline)) void valid_start(const struct ind_set *set, uint64_t t, uint64_t *valid)
{
	for (size_t i = 0; i < set->n_slots; i++)
		if (t < set->slots[i].first)
			valid[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* The bitmap where it is longer than a word, or some slots may have no value. */
static inline void valid_tell(const struct ind_set *set, uint64_t t, const double *val, uint64_t *valid)
{
	for (size_t i = 1; i < set->n_bitmap; i++)
		valid[i] = set->all[i];
	if (t < set->warm)
		valid_start(set, t, valid);
	for (size_t i = 0; i < set->n_checks; i++) {
		size_t slot = set->checks[i];

		valid[slot / 64] &= ~((uint64_t)(isnan(val[slot]) != 0) << (slot % 64));
	}
}

/*
 * The everyday operations on the candle's own values come first, in an order that suits every set, each
 * kind a short loop without dispatch: moving averages, RSI, MACD and Bollinger bands need nothing else.
 * `warm` is a constant: with it all operations are past their start-up, and the five have run already.
 */
#define RUN(kind, call) \
	for (const struct ind_op *op = set->front[kind].op + (warm ? set->with_five : 0), *end = set->front[kind].end; \
	     op < end; op++) \
		if (warm || x.t >= op->start) call

static inline __attribute__((always_inline)) void front_step(const struct ind_set *set, struct ind_ctx x,
							     bool warm)
{
	RUN(FRONT_RING, hot_ring(op, &x));
	RUN(FRONT_MOMENTS, hot_moments(op, &x, warm));
	RUN(FRONT_EMA, hot_ema(op, &x, warm));
	RUN(FRONT_RSI, hot_rsi(op, &x, warm));
	RUN(FRONT_MACD, hot_macd(op, &x, warm));
	RUN(FRONT_BANDS, hot_bands(op, &x));
}

/* Out of line, so that ind_step stays short. */
static __attribute__((noinline)) void start_step(const struct ind_set *set, struct ind_ctx x)
{
	front_step(set, x, false);
}

static __attribute__((noinline)) void runs_step(const struct ind_set *set, struct ind_ctx x, bool warm)
{
	const struct ind_run *r = set->runs, *const end = r + set->n_runs;

	if (warm)
		r->warm(r, &x);
	else
		for (; r < end; r++)
			r->run(r->op, r->end, &x);
}

static __attribute__((noinline)) uint64_t whole_step(const struct ind_set *set, void *ring, void *core,
						     const struct ind_bar *bar, double *val, uint64_t *valid)
{
	union ind_word *head = core;
	const struct ind_ctx x = { head[0].u++, bar->open_ms, val, ring, core, set->turn };
	bool warm = x.t > set->settled;

	for (const struct ind_copy *i = set->inputs, *end = i + set->n_inputs; i < end; i++)
		memcpy(&val[i->to], (const char *)bar + i->from, sizeof *val);
	if (warm && set->with_five != 0)
		hot_five(&set->five, &x, head + IND_HEAD_WORDS);
	if (!warm)
		start_step(set, ctx_copy(&x));
	else if (set->more)
		front_step(set, ctx_copy(&x), true);
	if (set->n_runs > 0)
		runs_step(set, ctx_copy(&x), warm);
	for (const struct ind_copy *i = set->copies, *end = i + set->n_copies; i < end; i++)
		val[i->to] = val[i->from];
	valid[0] = set->all[0];
	if (!warm || !set->plain)
		valid_tell(set, x.t, val, valid);
	return x.t;
}

/* The lower band near zero, after five_step: what hot_bands makes of it. */
static __attribute__((noinline)) uint64_t five_low(const struct ind_set *set, union ind_word *ring, union ind_word *head, uint64_t t,
						   double *val, double dev)
{
	const struct ind_five *f = &set->five;
	const struct ind_ctx x = { t, 0, val, ring, head, NULL };

	val[f->up + 2] = low_band(f->bands, &x, val[f->mean], dev);
	return t;
}

/*
 * A set of the five and nothing else, past the warm-up: a third of the work of the general way was getting there. A new centre of
 * the window is found before anything is stored, and goes that way after all. The arithmetic is hot_five's, to the bit; two
 * lanes where two values go alike. The order is that of the answers: the variance is begun first and its root, the longest
 * operation, comes last, when its value is there, for what waits in the middle makes all behind it wait.
 */
static inline __attribute__((always_inline)) uint64_t five_step(const struct ind_set *set, union ind_word *ring, union ind_word *head,
								uint64_t t, const struct ind_bar *bar, double *val, uint64_t *valid)
{
	const struct ind_five *f = &set->five;
	union ind_word *m = head + IND_HEAD_WORDS, *w = m + FIVE_RSI, *d = m + FIVE_MACD;
	const double in = *(const double *)(const void *)((const char *)bar + f->column), old = ring[(t + f->ahead) & f->mask].d;
	const double k = m[M_K].d, move = in - old, s1 = m[M_S1].d + move, s2 = m[M_S2].d + move * ((in - k) + (old - k));
	const double shift = s1 * f->rn, m2 = s2 - s1 * shift, peak = s2 > m[M_PEAK].d ? s2 : m[M_PEAK].d, mean = k + shift;
	double *macd = val + f->macd_out, change, dev, low;
	two gs, fs, last;

	/* No peak is below 0, so m2 is not where the first of these lets it pass. */
	if (__builtin_expect(!(peak <= CENTRE_LIMIT * m2) || t >= m[M_DUE].u, 0))
		return whole_step(set, ring, head, bar, val, valid);
	head[0].u = t + 1;
	ring[t & f->mask].d = in;
	m[M_S1].d = s1;
	m[M_S2].d = s2;
	m[M_PEAK].d = peak;
	val[f->sma] = val[f->up + 1] = mean;
	valid[0] = set->all_first;
	change = in - w[R_BEFORE].d;
	w[R_BEFORE].d = in;
	gs = two_at(w + R_GAIN);
	gs += f->k_rsi * (gain_and_all(change) - gs);
	fs = two_at(d);
	fs += f->k_macd * (two_of(in, in) - fs);
	two_put(d, fs);
	macd[0] = fs[0] - fs[1];
	last = two_at(d + 2);
	last += f->k_last * (two_of(fs[0] - fs[1], in) - last);
	two_put(d + 2, last);
	macd[1] = last[0];
	macd[2] = (fs[0] - fs[1]) - last[0];
	val[f->e] = last[1];
	gs = rsi_left(gs, change, in);
	two_put(w + R_GAIN, gs);
	val[f->r] = w[R_LAST].d = rsi_answer(gs, change, w[R_LAST].d, false);
	dev = sqrt(m2 * f->rn);
	low = mean - f->k * dev;
	val[f->up] = mean + f->k * dev;
	val[f->up + 2] = low;
	if (__builtin_expect(!(low >= 1e-6 * mean), 0))
		return five_low(set, ring, head, t, val, dev);
	return t;
}

uint64_t ind_step(const struct ind_set *set, void *ring, void *core, const struct ind_bar *bar, double *val,
		  uint64_t *valid)
{
	const union ind_word *head = core;

	if (head[0].u > set->five_from)
		return five_step(set, ring, core, head[0].u, bar, val, valid);
	return whole_step(set, ring, core, bar, val, valid);
}

uint64_t ind_update(const struct ind_set *set, void *state, const struct ind_bar *bar, double *val,
		    uint64_t *valid)
{
	return ind_step(set, state, (uint8_t *)state + ind_set_ring_size(set), bar, val, valid);
}

uint64_t ind_count(const struct ind_set *set, const void *core)
{
	const union ind_word *head = core;

	(void)set;
	return head[0].u;
}

size_t ind_set_slots(const struct ind_set *set)
{
	return set->n_slots;
}

const struct ind_slot *ind_set_slot(const struct ind_set *set, size_t i)
{
	assert(i < set->n_slots);
	return &set->slots[i];
}

size_t ind_set_values(const struct ind_set *set)
{
	return set->n_values;
}

size_t ind_set_bitmap(const struct ind_set *set)
{
	return set->n_bitmap;
}

uint32_t ind_set_warm(const struct ind_set *set)
{
	return set->warm;
}

uint64_t ind_set_print(const struct ind_set *set)
{
	return set->print;
}

size_t ind_set_ring_size(const struct ind_set *set)
{
	return set->ring_words * sizeof(union ind_word);
}

size_t ind_set_core_size(const struct ind_set *set)
{
	return set->core_words * sizeof(union ind_word);
}

size_t ind_set_size(const struct ind_set *set)
{
	return ind_set_ring_size(set) + ind_set_core_size(set);
}

void ind_set_free(struct ind_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; set->args != NULL && i < set->n_specs; i++)
		free(set->args[i]);
	free(set->args);
	free(set->slots);
	free(set->ops);
	free(set->rings);
	free(set->runs);
	free(set->copies);
	free(set->checks);
	free(set->all);
	free(set->turn);
	free(set);
}
