/*
 * rule.c - a book of rules: made once, stepped with every candle of every series.
 *
 * The state of a series is a ring of the last values of each input, as deep as
 * any expression looks back, and a countdown per rule. Knows no text (that is
 * rule_parse.c) and no indicator.
 */
#include "stages/ap-indicators/rule.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/core/le.h"
#include "stages/ap-indicators/rule_impl.h"

struct piece {               /* one compiled part: steps first .. first + n - 1 of the book */
	uint32_t first;
	uint16_t n;
};

struct ring {                /* the last values of an input: a power of two of them, so that no step divides */
	uint32_t at, mask;
};

struct row {
	char name[RULE_NAME_MAX];
	enum rule_side side;
	unsigned expiry, cooldown;
	struct piece part[RULE_PART_N];
};

struct rule_book {
	size_t n_rules, n_inputs, n_ops;
	struct row *rule;
	struct rule_input *input;
	struct ring *ring;           /* per input */
	struct rule_op *op;
	size_t ring_n;               /* doubles of all rings */
	uint64_t print;
};

/* A series: head, ring_n doubles, n_rules countdowns. */
struct head {
	uint64_t n;                  /* candles taken */
};

static const char *const part_names[RULE_PART_N] = {
	[RULE_WHEN] = "when", [RULE_ENTRY] = "entry", [RULE_STOP] = "stop", [RULE_TARGET] = "target",
	[RULE_CONFIDENCE] = "confidence"
};

const char *rule_part_name(enum rule_part part)
{
	assert((unsigned)part < RULE_PART_N);
	return part_names[part];
}

double rule_field(enum rule_field field, const struct ind_bar *bar)
{
	switch (field) {
	case RULE_OPEN: return bar->o;
	case RULE_HIGH: return bar->h;
	case RULE_LOW: return bar->l;
	case RULE_CLOSE: return bar->c;
	case RULE_VOLUME: return bar->v;
	case RULE_QUOTE_VOLUME: return bar->qv;
	case RULE_VWAP: return bar->v > 0 ? bar->qv / bar->v : (double)NAN;
	case RULE_TRADES: return bar->n;
	case RULE_BUY_VOLUME: return bar->buy_v;
	case RULE_SELL_VOLUME: return bar->sell_v;
	case RULE_FIELD_N: break;
	}
	return (double)NAN;
}

/* --- making a book -------------------------------------------------------------------------------------- */

/* What is needed only while a book is made; too large for a stack. */
struct making {
	struct rule_inputs inputs;
	struct rule_code code;
};

static bool wrong(struct rule_error *err, const char *part, const char *text)
{
	err->part = part;
	err->line = err->column = 1;
	(void)snprintf(err->text, sizeof err->text, "%s", text);
	return false;
}

static bool name_is_good(const char *name)
{
	const size_t len = strnlen(name, RULE_NAME_MAX);

	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) && name[i] != '_')
			return false;
	return len > 0 && len < RULE_NAME_MAX;
}

/* All of a definition that is not an expression. */
static bool check_def(const struct rule_book *book, const struct rule_def *d, struct rule_error *err)
{
	if (d->name == NULL || !name_is_good(d->name))
		return wrong(err, "name", "1 to 47 of a-z, 0-9 and _");
	for (size_t i = 0; i < book->n_rules; i++)
		if (strcmp(book->rule[i].name, d->name) == 0)
			return wrong(err, "name", "another rule has this name");
	if (d->side != RULE_LONG && d->side != RULE_SHORT)
		return wrong(err, "direction", "long or short");
	if (d->expiry < 1 || d->expiry > RULE_WAIT_MAX)
		return wrong(err, "expiry", "1 to 10000 candles");
	if (d->cooldown > RULE_WAIT_MAX)
		return wrong(err, "cooldown", "0 to 10000 candles");
	for (int i = 0; i < RULE_PART_N; i++)
		if (d->text[i] == NULL || d->text[i][strspn(d->text[i], " \t\r\n")] == '\0')
			return wrong(err, part_names[i], "is missing");
	return true;
}

static bool append_code(struct rule_book *book, struct piece *piece, const struct rule_code *code)
{
	struct rule_op *grown = realloc(book->op, (book->n_ops + code->n) * sizeof *grown);

	if (grown == NULL)
		return false;
	book->op = grown;
	memcpy(book->op + book->n_ops, code->op, code->n * sizeof *grown);
	*piece = (struct piece){ (uint32_t)book->n_ops, code->n };
	book->n_ops += code->n;
	return true;
}

static bool add_rule(struct rule_book *book, const struct rule_def *d, struct making *m,
		     rule_resolve *resolve, void *host, struct rule_error *err)
{
	struct row *row = &book->rule[book->n_rules];

	if (!check_def(book, d, err))
		return false;
	(void)snprintf(row->name, sizeof row->name, "%s", d->name);
	row->side = d->side;
	row->expiry = d->expiry;
	row->cooldown = d->cooldown;
	for (int i = 0; i < RULE_PART_N; i++) {
		if (!rule_compile(d->text[i], (enum rule_part)i, resolve, host, &m->inputs, &m->code, err))
			return false;
		if (!append_code(book, &row->part[i], &m->code))
			return wrong(err, part_names[i], "out of memory");
	}
	book->n_rules++;
	return true;
}

static bool take_inputs(struct rule_book *book, const struct rule_inputs *inputs)
{
	const size_t n = inputs->n > 0 ? inputs->n : 1;

	book->input = calloc(n, sizeof *book->input);
	book->ring = calloc(n, sizeof *book->ring);
	if (book->input == NULL || book->ring == NULL)
		return false;
	book->n_inputs = inputs->n;
	memcpy(book->input, inputs->list, inputs->n * sizeof *book->input);
	for (size_t i = 0; i < inputs->n; i++) {
		uint32_t depth = 1;

		while (depth < book->input[i].back + 1U)
			depth *= 2;
		book->ring[i] = (struct ring){ (uint32_t)book->ring_n, depth - 1 };
		book->ring_n += depth;
	}
	return true;
}

/* Everything in words of fixed size, so that the print is the same on every machine. */
static bool take_print(struct rule_book *book)
{
	struct ap_buf b;
	bool ok;

	ap_buf_init(&b, 16 << 20);
	for (size_t i = 0; i < book->n_inputs; i++)
		ap_buf_printf(&b, "%d %s %u\n", (int)book->input[i].source, book->input[i].name,
			      book->input[i].back);
	for (size_t i = 0; i < book->n_rules; i++) {
		const struct row *r = &book->rule[i];

		ap_buf_printf(&b, "%s %d %u %u\n", r->name, (int)r->side, r->expiry, r->cooldown);
		for (int p = 0; p < RULE_PART_N; p++)
			ap_buf_printf(&b, "%u ", r->part[p].n);
	}
	for (size_t i = 0; i < book->n_ops; i++)
		ap_buf_printf(&b, "%u %u %u %a\n", book->op[i].code, book->op[i].back, book->op[i].at,
			      book->op[i].num);
	ok = !b.full;
	book->print = ok ? XXH64(b.p, b.len, 0) : 0;
	ap_buf_done(&b);
	return ok;
}

static bool make(struct rule_book *book, const struct rule_def *defs, size_t n, struct making *m,
		 rule_resolve *resolve, void *host, struct rule_error *err)
{
	for (err->rule = 0; err->rule < n; err->rule++)
		if (!add_rule(book, &defs[err->rule], m, resolve, host, err))
			return false;
	err->rule = 0;
	if (!take_inputs(book, &m->inputs) || !take_print(book))
		return wrong(err, "name", "out of memory");
	return true;
}

struct rule_book *rule_book_new(const struct rule_def *defs, size_t n, rule_resolve *resolve, void *host,
				struct rule_error *err)
{
	struct rule_book *book = calloc(1, sizeof *book);
	struct making *m = calloc(1, sizeof *m);
	bool ok = false;

	memset(err, 0, sizeof *err);
	if (book != NULL && m != NULL)
		book->rule = calloc(n > 0 ? n : 1, sizeof *book->rule);
	if (n > RULE_MAX) {
		err->rule = RULE_MAX;
		(void)wrong(err, "name", "a book has at most 64 rules");
	} else if (book == NULL || m == NULL || book->rule == NULL) {
		(void)wrong(err, "name", "out of memory");
	} else {
		ok = make(book, defs, n, m, resolve, host, err);
	}
	free(m);
	if (ok)
		return book;
	rule_book_free(book);
	return NULL;
}

void rule_book_free(struct rule_book *book)
{
	if (book == NULL)
		return;
	free(book->rule);
	free(book->input);
	free(book->ring);
	free(book->op);
	free(book);
}

size_t rule_book_rules(const struct rule_book *book)
{
	return book->n_rules;
}

const char *rule_book_name(const struct rule_book *book, size_t rule)
{
	assert(rule < book->n_rules);
	return book->rule[rule].name;
}

enum rule_side rule_book_side(const struct rule_book *book, size_t rule)
{
	assert(rule < book->n_rules);
	return book->rule[rule].side;
}

unsigned rule_book_expiry(const struct rule_book *book, size_t rule)
{
	assert(rule < book->n_rules);
	return book->rule[rule].expiry;
}

size_t rule_book_inputs(const struct rule_book *book)
{
	return book->n_inputs;
}

const struct rule_input *rule_book_input(const struct rule_book *book, size_t i)
{
	assert(i < book->n_inputs);
	return &book->input[i];
}

uint64_t rule_book_print(const struct rule_book *book)
{
	return book->print;
}

/* --- running one expression ------------------------------------------------------------------------------ */

static double *rings(void *state)
{
	return (double *)((struct head *)state + 1);
}

static uint32_t *countdowns(const struct rule_book *book, void *state)
{
	return (uint32_t *)(void *)(rings(state) + book->ring_n);
}

/* What an expression sees: the values up to candle `now`, and the parts already known. */
struct sight {
	const struct rule_book *book;
	const double *ring;
	uint64_t now;
	double local[RULE_PART_N];
};

/* An input's value `back` candles ago; NAN: absent. */
static double value_of(const struct sight *s, size_t input, unsigned back)
{
	const struct ring *r = &s->book->ring[input];

	if (back > s->now)
		return (double)NAN;
	return s->ring[r->at + ((s->now - back) & r->mask)];
}

static double two_for_one(enum rule_opcode code, double a, double b)
{
	switch (code) {
	case OP_ADD: return a + b;
	case OP_SUB: return a - b;
	case OP_MUL: return a * b;
	case OP_DIV: return b == 0 ? (double)NAN : a / b;
	case OP_MIN: return a < b ? a : b;
	case OP_MAX: return a > b ? a : b;
	case OP_LT: return a < b;
	case OP_LE: return a <= b;
	case OP_GT: return a > b;
	case OP_GE: return a >= b;
	case OP_EQ: return a == b;
	case OP_NE: return a != b;
	case OP_AND: return a != 0 && b != 0;
	case OP_OR: return a != 0 || b != 0;
	default: break;
	}
	assert(false && "a step of two values");
	return 0;
}

/* One step; returns the new height of the stack. The compiler has checked that it fits. */
/* NOLINTBEGIN(clang-analyzer-core.*): and that nothing is taken from an empty one. */
static size_t step(const struct sight *s, const struct rule_op *op, double *stack, size_t n)
{
	switch ((enum rule_opcode)op->code) {
	case OP_NUMBER:
		stack[n] = op->num;
		return n + 1;
	case OP_INPUT:
		stack[n] = value_of(s, op->at, op->back);
		return n + 1;
	case OP_LOCAL:
		stack[n] = s->local[op->at];
		return n + 1;
	case OP_NEG:
		stack[n - 1] = -stack[n - 1];
		return n;
	case OP_ABS:
		stack[n - 1] = fabs(stack[n - 1]);
		return n;
	case OP_NOT:
		stack[n - 1] = stack[n - 1] == 0;
		return n;
	case OP_CROSS_OVER:
		stack[n - 4] = stack[n - 4] > stack[n - 3] && stack[n - 2] <= stack[n - 1];
		return n - 3;
	case OP_CROSS_UNDER:
		stack[n - 4] = stack[n - 4] < stack[n - 3] && stack[n - 2] >= stack[n - 1];
		return n - 3;
	default:
		stack[n - 2] = two_for_one((enum rule_opcode)op->code, stack[n - 2], stack[n - 1]);
		return n - 1;
	}
}
/* NOLINTEND(clang-analyzer-core.*) */

/* The value of one part; false: absent. */
static bool run(const struct sight *s, const struct piece *piece, double *out)
{
	double stack[RULE_STACK_MAX];
	size_t n = 0;

	for (size_t i = 0; i < piece->n; i++) {
		n = step(s, &s->book->op[piece->first + i], stack, n);
		if (!isfinite(stack[n - 1]))
			return false;
	}
	assert(n == 1);
	*out = stack[0];
	return true;
}

/* --- stepping --------------------------------------------------------------------------------------------- */

size_t rule_state_size(const struct rule_book *book)
{
	const size_t waits = book->n_rules * sizeof(uint32_t);

	return sizeof(struct head) + book->ring_n * sizeof(double) + (waits + 7) / 8 * 8;
}

void rule_state_init(const struct rule_book *book, void *state)
{
	double *ring = rings(state);

	memset(state, 0, rule_state_size(book));
	for (size_t i = 0; i < book->ring_n; i++)
		ring[i] = (double)NAN;
}

static void remember(const struct rule_book *book, double *ring, uint64_t now, const double *inputs)
{
	for (size_t i = 0; i < book->n_inputs; i++)
		ring[book->ring[i].at + (now & book->ring[i].mask)] =
			isfinite(inputs[i]) ? inputs[i] : (double)NAN;
}

/* No price is outside of these; inside, every quotient of differences is a finite number. */
static const double price_min = 1e-18, price_max = 1e36;

static bool in_order(const struct rule_signal *s)
{
	const double least = fmin(s->entry, fmin(s->stop, s->target)), most = fmax(s->entry, fmax(s->stop, s->target));

	if (!(least >= price_min) || !(most <= price_max))
		return false;
	return s->side == RULE_LONG ? s->stop < s->entry && s->entry < s->target
		: s->target < s->entry && s->entry < s->stop;
}

enum verdict { QUIET, ABSENT, SENSELESS, FIRED };

static enum verdict judge(struct sight *s, size_t rule, struct rule_signal *out)
{
	const struct row *row = &s->book->rule[rule];
	double *v = s->local;

	if (!run(s, &row->part[RULE_WHEN], &v[RULE_WHEN]))
		return ABSENT;
	if (v[RULE_WHEN] == 0)
		return QUIET;
	for (int p = RULE_ENTRY; p < RULE_PART_N; p++)
		if (!run(s, &row->part[p], &v[p]))
			return ABSENT;
	*out = (struct rule_signal){
		.rule = (uint16_t)rule, .side = row->side,
		.entry = v[RULE_ENTRY], .stop = v[RULE_STOP], .target = v[RULE_TARGET],
		.confidence = fmin(1, fmax(0, v[RULE_CONFIDENCE]))
	};
	if (!in_order(out))
		return SENSELESS;
	out->risk_reward = fabs(out->target - out->entry) / fabs(out->entry - out->stop);
	return isfinite(out->risk_reward) ? FIRED : SENSELESS;
}

size_t rule_step(const struct rule_book *book, void *state, const double *inputs,
		 struct rule_signal *out, struct rule_tally *tally)
{
	struct sight sight = { book, rings(state), ((struct head *)state)->n, { 0 } };
	uint32_t *wait = countdowns(book, state);

	*tally = (struct rule_tally){ 0 };
	remember(book, rings(state), sight.now, inputs);
	((struct head *)state)->n++;
	for (size_t i = 0; i < book->n_rules; i++) {
		if (wait[i] > 0) {
			wait[i]--;
			tally->cooling++;
			continue;
		}
		switch (judge(&sight, i, &out[tally->fired])) {
		case QUIET:
			tally->quiet++;
			break;
		case ABSENT:
			tally->absent++;
			break;
		case SENSELESS:
			tally->senseless++;
			break;
		case FIRED:
			tally->fired++;
			wait[i] = book->rule[i].cooldown;
			break;
		}
	}
	return tally->fired;
}

/* --- what it was made of ---------------------------------------------------------------------------------- */

void rule_json_number(struct ap_buf *out, double v)
{
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	ap_buf_puts(out, text);
}

/* Whether an earlier step of the rule reads the same value. */
static bool read_before(const struct rule_book *book, size_t first, size_t i)
{
	const struct rule_op *op = &book->op[i];

	while (i-- > first)
		if (book->op[i].code == OP_INPUT && book->op[i].at == op->at && book->op[i].back == op->back)
			return true;
	return false;
}

void rule_inputs_json(const struct rule_book *book, size_t rule, const void *state, struct ap_buf *out)
{
	const struct row *row = &book->rule[rule];
	const size_t first = row->part[0].first;
	const size_t end = row->part[RULE_PART_N - 1].first + row->part[RULE_PART_N - 1].n;
	const struct head *head = state;
	const struct sight s = { book, (const double *)(head + 1), head->n - 1, { 0 } };
	const char *comma = "";

	assert(rule < book->n_rules && head->n > 0);
	ap_buf_putc(out, '{');
	for (size_t i = first; i < end; i++) {
		const struct rule_op *op = &book->op[i];
		double v;

		if (op->code != OP_INPUT || read_before(book, first, i))
			continue;
		v = value_of(&s, op->at, op->back);
		if (!isfinite(v))
			continue;
		ap_buf_printf(out, "%s\"%s", comma, book->input[op->at].name);
		if (op->back > 0)
			ap_buf_printf(out, "[%u]", op->back);
		ap_buf_puts(out, "\":");
		rule_json_number(out, v);
		comma = ",";
	}
	ap_buf_putc(out, '}');
}

/* --- image ------------------------------------------------------------------------------------------------ */

enum { IMAGE_HEAD = 24, IMAGE_TAIL = 8, IMAGE_VERSION = 2 };

static const char magic[4] = { 'A', 'P', 'R', '1' };

size_t rule_save_size(const struct rule_book *book)
{
	return IMAGE_HEAD + book->ring_n * 8 + book->n_rules * 4 + IMAGE_TAIL;
}

/* One NAN for all, so that equal states have equal images. */
static uint64_t bits_of(double v)
{
	uint64_t bits;

	if (!isfinite(v))
		return UINT64_C(0x7ff8000000000000);
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

size_t rule_save(const struct rule_book *book, const void *state, uint8_t *p, size_t cap)
{
	const size_t size = rule_save_size(book);
	const struct head *head = state;
	const double *ring = (const double *)(head + 1);
	const uint32_t *wait = (const uint32_t *)(const void *)(ring + book->ring_n);
	uint8_t *q = p;

	if (cap < size)
		return 0;
	memcpy(q, magic, sizeof magic);
	q = ap_le_push(q + sizeof magic, IMAGE_VERSION, 4);
	q = ap_le_push(q, book->print, 8);
	q = ap_le_push(q, head->n, 8);
	for (size_t i = 0; i < book->ring_n; i++)
		q = ap_le_push(q, bits_of(ring[i]), 8);
	for (size_t i = 0; i < book->n_rules; i++)
		q = ap_le_push(q, wait[i], 4);
	q = ap_le_push(q, XXH64(p, (size_t)(q - p), 0), 8);
	assert(q == p + size);
	return size;
}

static bool image_is_good(const struct rule_book *book, const uint8_t *p, size_t size)
{
	uint64_t version, print, hash;

	if (size != rule_save_size(book) || memcmp(p, magic, sizeof magic) != 0)
		return false;
	(void)ap_le_pull(ap_le_pull(p + sizeof magic, &version, 4), &print, 8);
	(void)ap_le_pull(p + size - IMAGE_TAIL, &hash, 8);
	return version == IMAGE_VERSION && print == book->print && hash == XXH64(p, size - IMAGE_TAIL, 0);
}

/* Values are numbers or absent, nothing waits longer than its rule says, and the count is one that candles can reach. */
static bool state_is_good(const struct rule_book *book, void *state)
{
	const double *ring = rings(state);
	const uint32_t *wait = countdowns(book, state);

	for (size_t i = 0; i < book->ring_n; i++)
		if (isinf(ring[i]))
			return false;
	for (size_t i = 0; i < book->n_rules; i++)
		if (wait[i] > book->rule[i].cooldown)
			return false;
	return ((const struct head *)state)->n <= INT64_MAX;
}

bool rule_load(const struct rule_book *book, void *state, const uint8_t *p, size_t size)
{
	struct head *head = state;
	double *ring = rings(state);
	uint32_t *wait = countdowns(book, state);
	uint64_t word;

	rule_state_init(book, state);
	if (!image_is_good(book, p, size))
		return false;
	p = ap_le_pull(p + 16, &head->n, 8);
	for (size_t i = 0; i < book->ring_n; i++) {
		p = ap_le_pull(p, &word, 8);
		memcpy(&ring[i], &word, sizeof word);
	}
	for (size_t i = 0; i < book->n_rules; i++) {
		p = ap_le_pull(p, &word, 4);
		wait[i] = (uint32_t)word;
	}
	if (state_is_good(book, state))
		return true;
	rule_state_init(book, state);
	return false;
}
