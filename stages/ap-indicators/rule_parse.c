/*
 * rule_parse.c - the text of an expression in, checked postfix code out.
 *
 * A recursive descent over the grammar in rule.h, its depth counted. Types are
 * checked on the way, the first thing wrong is reported with its line and
 * column. Knows no values and no candles; names it does not know it asks for.
 */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stages/ap-indicators/rule_impl.h"

/* --- tokens ------------------------------------------------------------------------------------------ */

enum token_kind { TK_END, TK_NUMBER, TK_NAME, TK_MARK };

struct token {
	enum token_kind kind;
	const char *p;           /* where it begins in the text */
	size_t len;
	double num;
};

enum type { T_BAD, T_NUM, T_BOOL };

struct parser {
	const char *text, *p;    /* whole, and behind the token */
	struct token tok;        /* the next one */
	enum rule_part part;
	rule_resolve *resolve;
	void *host;
	struct rule_inputs *inputs;
	struct rule_code *code;
	struct rule_error *err;
	unsigned depth, stack;
	bool failed;
};

/* Keeps the first complaint, with the place `at` points to. */
static enum type fail(struct parser *s, const char *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static enum type fail(struct parser *s, const char *at, const char *fmt, ...)
{
	va_list ap;

	if (s->failed)
		return T_BAD;
	s->failed = true;
	s->err->line = 1;
	s->err->column = 1;
	for (const char *c = s->text; c < at; c++) {
		s->err->column++;
		if (*c == '\n') {
			s->err->line++;
			s->err->column = 1;
		}
	}
	va_start(ap, fmt);
	(void)vsnprintf(s->err->text, sizeof s->err->text, fmt, ap);
	va_end(ap);
	return T_BAD;
}

static const char *skip_blank(const char *p)
{
	for (;;) {
		p += strspn(p, " \t\r\n");
		if (*p != '#')
			return p;
		p += strcspn(p, "\n");
	}
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static size_t digits(const char *p)
{
	return strspn(p, "0123456789");
}

/* The length of a number: 12, 1.5, .5, 2e-3; 0: none here. Neither signs, nor hex, nor "inf". */
static size_t number_len(const char *p)
{
	size_t n = digits(p), frac;

	if (p[n] == '.') {
		frac = digits(p + n + 1);
		if (n + frac == 0)
			return 0;
		n += 1 + frac;
	}
	if (n > 0 && (p[n] == 'e' || p[n] == 'E')) {
		const size_t sign = p[n + 1] == '-' || p[n + 1] == '+';
		const size_t exp = digits(p + n + 1 + sign);

		if (exp > 0)
			n += 1 + sign + exp;
	}
	return n;
}

static void next_number(struct parser *s, size_t len)
{
	s->tok.kind = TK_NUMBER;
	s->tok.len = len;
	s->tok.num = strtod(s->tok.p, NULL);
	if (!isfinite(s->tok.num))
		(void)fail(s, s->tok.p, "the number %.*s is too large", (int)(len < 40 ? len : 40), s->tok.p);
	if (name_char(s->tok.p[len]))
		(void)fail(s, s->tok.p + len, "a number ends in '%c'", s->tok.p[len]);
}

static void next(struct parser *s)
{
	static const char *const marks[] = { "<=", ">=", "==", "!=" };
	const char *p = skip_blank(s->p);
	size_t len = number_len(p);

	s->tok = (struct token){ TK_MARK, p, 1, 0 };
	if (*p == '\0') {
		s->tok.kind = TK_END;
		s->tok.len = 0;
	} else if (len > 0) {
		next_number(s, len);
	} else if (isalpha((unsigned char)*p) || *p == '_') {
		s->tok.kind = TK_NAME;
		while (name_char(p[s->tok.len]))
			s->tok.len++;
	} else {
		for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
			if (strncmp(p, marks[i], 2) == 0)
				s->tok.len = 2;
		if (s->tok.len == 1 && strchr("+-*/<>()[],.", *p) == NULL)
			(void)fail(s, p, *p == '=' ? "unexpected character '%c': equal is ==, at least >=" : isprint((unsigned char)*p)
				? "unexpected character '%c'" : "unexpected byte 0x%02x", (unsigned char)*p);
	}
	s->p = p + s->tok.len;
}

static bool is(const struct parser *s, const char *word)
{
	return s->tok.kind != TK_END && s->tok.kind != TK_NUMBER && s->tok.len == strlen(word) &&
		memcmp(s->tok.p, word, s->tok.len) == 0;
}

static bool accept(struct parser *s, const char *word)
{
	if (s->failed || !is(s, word))
		return false;
	next(s);
	return true;
}

static enum type unexpected(struct parser *s, const char *wanted)
{
	if (s->tok.kind == TK_END)
		(void)fail(s, s->tok.p, "the text ends where %s should be", wanted);
	else
		(void)fail(s, s->tok.p, "'%.*s' where %s should be", (int)(s->tok.len < 40 ? s->tok.len : 40),
			   s->tok.p, wanted);
	return T_BAD;
}

static bool expect(struct parser *s, const char *word, const char *wanted)
{
	if (accept(s, word))
		return true;
	(void)unexpected(s, wanted);
	return false;
}

/* --- code --------------------------------------------------------------------------------------------- */

/* How many values a step takes; each leaves one. */
static const uint8_t takes[OP_N] = {
	[OP_NEG] = 1, [OP_ABS] = 1, [OP_NOT] = 1,
	[OP_ADD] = 2, [OP_SUB] = 2, [OP_MUL] = 2, [OP_DIV] = 2, [OP_MIN] = 2, [OP_MAX] = 2,
	[OP_LT] = 2, [OP_LE] = 2, [OP_GT] = 2, [OP_GE] = 2, [OP_EQ] = 2, [OP_NE] = 2,
	[OP_AND] = 2, [OP_OR] = 2, [OP_CROSS_OVER] = 4, [OP_CROSS_UNDER] = 4
};

static void emit(struct parser *s, struct rule_op op)
{
	if (s->failed)
		return;
	if (s->code->n == RULE_CODE_MAX) {
		(void)fail(s, s->tok.p, "the expression has more than %d steps", RULE_CODE_MAX);
		return;
	}
	s->stack = s->stack + 1 - takes[op.code];
	if (s->stack > RULE_STACK_MAX) {
		(void)fail(s, s->tok.p, "the expression needs more than %d values at a time", RULE_STACK_MAX);
		return;
	}
	s->code->op[s->code->n++] = op;
}

static void emit_op(struct parser *s, enum rule_opcode code)
{
	emit(s, (struct rule_op){ (uint8_t)code, 0, 0, 0 });
}

/* Makes the steps from `from` on read `by` candles earlier. */
static bool earlier(struct parser *s, size_t from, unsigned by, const char *at)
{
	bool reads = false;

	for (size_t i = from; i < s->code->n && !s->failed; i++) {
		struct rule_op *op = &s->code->op[i];

		if (op->code == OP_LOCAL)
			(void)fail(s, at, "%s has no earlier values", rule_part_name((enum rule_part)op->at));
		if (op->code != OP_INPUT)
			continue;
		reads = true;
		if (op->back + by > RULE_BACK_MAX)
			(void)fail(s, at, "%u candles back: %d is the most", op->back + by, RULE_BACK_MAX);
		else
			op->back = (uint8_t)(op->back + by);
	}
	if (!reads)
		(void)fail(s, at, "a number is the same on every candle: it has no earlier values");
	return !s->failed;
}

/* --- values from outside ------------------------------------------------------------------------------ */

static void put_name(char out[RULE_NAME_MAX], const char *from, const char *to)
{
	size_t n = 0;

	for (; from < to && n + 1 < RULE_NAME_MAX; from++) {
		if (*from == '#') {
			from += strcspn(from, "\n");
			continue;
		}
		if (!isspace((unsigned char)*from))
			out[n++] = *from;
	}
	out[n] = '\0';
}

/* Pushes an input, new or known; its name is the text from `from` to the end of the last token. */
static enum type push_input(struct parser *s, enum rule_source source, int slot, const char *from,
			    const char *to)
{
	struct rule_inputs *in = s->inputs;
	size_t i = 0;

	while (i < in->n && (in->list[i].source != source || in->list[i].slot != slot))
		i++;
	if (i == RULE_INPUTS_MAX)
		return fail(s, from, "the rules together read more than %d values", RULE_INPUTS_MAX);
	if (i == in->n) {
		in->list[i] = (struct rule_input){ .source = source, .slot = slot };
		put_name(in->list[i].name, from, to);
		in->n++;
	}
	emit(s, (struct rule_op){ OP_INPUT, 0, (uint16_t)i, 0 });
	return T_NUM;
}

static const char *const field_names[RULE_FIELD_N] = {
	[RULE_OPEN] = "open", [RULE_HIGH] = "high", [RULE_LOW] = "low", [RULE_CLOSE] = "close",
	[RULE_VOLUME] = "volume", [RULE_QUOTE_VOLUME] = "quote_volume", [RULE_VWAP] = "vwap",
	[RULE_TRADES] = "trades", [RULE_BUY_VOLUME] = "buy_volume", [RULE_SELL_VOLUME] = "sell_volume"
};

static const struct {
	const char *alias, *name, *output;
} aliases[] = {
	{ "macd", "MACD", "" }, { "macd_signal", "MACD", "signal" }, { "macd_hist", "MACD", "hist" },
	{ "bb_upper", "BBANDS", "upper" }, { "bb_middle", "BBANDS", "middle" }, { "bb_lower", "BBANDS", "lower" }
};

/* entry in stop, entry and stop in target, all three in confidence. */
static bool local_value(struct parser *s, ap_str name, enum type *type)
{
	for (int part = RULE_ENTRY; part <= RULE_TARGET; part++) {
		if (!ap_str_is(name, rule_part_name((enum rule_part)part)))
			continue;
		*type = T_NUM;
		if ((int)s->part <= part)
			*type = fail(s, name.p, "%s is not known yet in %s", rule_part_name((enum rule_part)part),
				     rule_part_name(s->part));
		emit(s, (struct rule_op){ OP_LOCAL, 0, (uint16_t)part, 0 });
		return true;
	}
	return false;
}

/* A field or a pattern. */
static bool candle_value(struct parser *s, ap_str name, enum type *type)
{
	const char *end = name.p + name.len;
	char text[RULE_NAME_MAX];
	enum pat_id pattern;

	for (int i = 0; i < RULE_FIELD_N; i++)
		if (ap_str_is(name, field_names[i])) {
			*type = push_input(s, RULE_OF_FIELD, i, name.p, end);
			return true;
		}
	if (name.len >= sizeof text)
		return false;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	pattern = pat_find(text);
	if (pattern == PAT_N)
		return false;
	*type = push_input(s, RULE_OF_PATTERN, (int)pattern, name.p, end);
	return true;
}

/* The arguments behind "(", up to and with ")". */
static bool arguments(struct parser *s, struct rule_ref *ref)
{
	do {
		const char *from = s->tok.p;
		const bool minus = accept(s, "-");

		if (ref->n_args == RULE_ARGS_MAX) {
			(void)fail(s, from, "more than %d arguments", RULE_ARGS_MAX);
			return false;
		}
		if (s->tok.kind != TK_NUMBER && (minus || s->tok.kind != TK_NAME)) {
			(void)unexpected(s, "an argument of the indicator");
			return false;
		}
		if (minus && s->tok.p != from + 1) {
			(void)fail(s, from, "a sign stands right before its number");
			return false;
		}
		ref->arg[ref->n_args++] = ap_str_n(from, (size_t)(s->tok.p - from) + s->tok.len);
		next(s);
	} while (accept(s, ","));
	return expect(s, ")", "',' or ')'");
}

/* sma20 is SMA(20): the digits at the end are the first argument. */
static bool split_digits(struct rule_ref *ref)
{
	size_t n = ref->name.len;

	while (n > 0 && isdigit((unsigned char)ref->name.p[n - 1]))
		n--;
	if (n == 0 || n == ref->name.len || ref->n_args > 0)
		return false;
	ref->arg[0] = ap_str_n(ref->name.p + n, ref->name.len - n);
	ref->n_args = 1;
	ref->name.len = n;
	return true;
}

static enum type indicator(struct parser *s, ap_str name)
{
	struct rule_ref ref = { .name = name };
	char why[240] = "";
	const char *end = name.p + name.len;
	bool plain = true;
	int slot;

	for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
		if (ap_str_is(name, aliases[i].alias)) {
			ref.name = ap_str_c(aliases[i].name);
			ref.output = ap_str_c(aliases[i].output);
		}
	if (is(s, "(")) {
		next(s);
		plain = false;
		if (!is(s, ")") ? !arguments(s, &ref) : !expect(s, ")", "')'"))
			return T_BAD;
		end = s->tok.p;
	}
	if (is(s, ".")) {
		next(s);
		if (s->tok.kind != TK_NAME)
			return unexpected(s, "the name of an output");
		ref.output = ap_str_n(s->tok.p, s->tok.len);
		end = s->tok.p + s->tok.len;
		next(s);
	}
	slot = s->resolve(s->host, &ref, why, sizeof why);
	if (slot < 0 && plain && split_digits(&ref))
		slot = s->resolve(s->host, &ref, why, sizeof why);
	if (slot < 0 && why[0] != '\0')
		return fail(s, name.p, "%s", why);
	if (slot < 0)
		return fail(s, name.p, "unknown value '%.*s': no field, pattern or indicator is called so (docs/signals.md)",
			    (int)(name.len < 40 ? name.len : 40), name.p);
	return push_input(s, RULE_OF_INDICATOR, slot, name.p, end);
}

/* --- the grammar --------------------------------------------------------------------------------------- */

static enum type parse_or(struct parser *s);

static bool enter(struct parser *s)
{
	if (++s->depth > RULE_DEPTH_MAX)
		(void)fail(s, s->tok.p, "more than %d levels inside one another", RULE_DEPTH_MAX);
	return !s->failed;
}

static enum type must_be(struct parser *s, enum type got, enum type want, const char *at, const char *who)
{
	if (s->failed || got == want)
		return s->failed ? T_BAD : got;
	return fail(s, at, want == T_NUM ? "%s needs a number, this is a condition"
		: "%s needs a condition, this is a number (compare it: > 0)", who);
}

/* One argument of a function: a number. */
static bool argument(struct parser *s, const char *who)
{
	const char *at = s->tok.p;

	return must_be(s, parse_or(s), T_NUM, at, who) == T_NUM;
}

static enum type cross(struct parser *s, const char *who, enum rule_opcode code)
{
	const size_t from = s->code->n;
	const char *at = s->tok.p;
	size_t to;

	if (!argument(s, who) || !expect(s, ",", "','") || !argument(s, who) || !expect(s, ")", "')'"))
		return T_BAD;
	to = s->code->n;
	for (size_t i = from; i < to; i++)
		emit(s, s->code->op[i]);
	if (s->failed || !earlier(s, to, 1, at))
		return T_BAD;
	emit_op(s, code);
	return T_BOOL;
}

static enum type fold(struct parser *s, const char *who, enum rule_opcode code)
{
	if (!argument(s, who) || !expect(s, ",", "',' and a second number"))
		return T_BAD;
	do {
		if (!argument(s, who))
			return T_BAD;
		emit_op(s, code);
	} while (accept(s, ","));
	return expect(s, ")", "',' or ')'") ? T_NUM : T_BAD;
}

static enum type absolute(struct parser *s, const char *who)
{
	if (!argument(s, who) || !expect(s, ")", "')'"))
		return T_BAD;
	emit_op(s, OP_ABS);
	return T_NUM;
}

/* The functions of the language, met behind "("; T_BAD with no failure: not one of them. */
static enum type function(struct parser *s, ap_str name)
{
	if (ap_str_is(name, "cross_over"))
		return cross(s, "cross_over", OP_CROSS_OVER);
	if (ap_str_is(name, "cross_under"))
		return cross(s, "cross_under", OP_CROSS_UNDER);
	if (ap_str_is(name, "min"))
		return fold(s, "min", OP_MIN);
	if (ap_str_is(name, "max"))
		return fold(s, "max", OP_MAX);
	return absolute(s, "abs");
}

static bool is_function(ap_str name)
{
	static const char *const names[] = { "cross_over", "cross_under", "min", "max", "abs" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (ap_str_is(name, names[i]))
			return true;
	return false;
}

static enum type parse_name(struct parser *s)
{
	const ap_str name = ap_str_n(s->tok.p, s->tok.len);
	enum type type;

	next(s);
	if (s->failed)
		return T_BAD;
	if (ap_str_is(name, "true") || ap_str_is(name, "false")) {
		emit(s, (struct rule_op){ OP_NUMBER, 0, 0, ap_str_is(name, "true") ? 1 : 0 });
		return T_BOOL;
	}
	if (ap_str_is(name, "and") || ap_str_is(name, "or") || ap_str_is(name, "not"))
		return fail(s, name.p, "'%.*s' where a value should be", (int)name.len, name.p);
	/* min(a, b) is the function; MIN(14), upper case, the indicator. */
	if (is_function(name)) {
		if (!expect(s, "(", "'('") || !enter(s))
			return T_BAD;
		type = function(s, name);
		s->depth--;
		return type;
	}
	if (local_value(s, name, &type) || (!is(s, "(") && candle_value(s, name, &type)))
		return type;
	return indicator(s, name);
}

static enum type parse_primary(struct parser *s)
{
	enum type type;

	if (s->failed)
		return T_BAD;
	if (s->tok.kind == TK_NAME)
		return parse_name(s);
	if (s->tok.kind == TK_NUMBER) {
		emit(s, (struct rule_op){ OP_NUMBER, 0, 0, s->tok.num });
		next(s);
		return T_NUM;
	}
	if (!is(s, "("))
		return unexpected(s, "a value");
	if (!enter(s))
		return T_BAD;
	next(s);
	type = parse_or(s);
	s->depth--;
	return expect(s, ")", "')'") ? type : T_BAD;
}

static enum type parse_earlier(struct parser *s)
{
	const size_t from = s->code->n;
	enum type type = parse_primary(s);
	const char *at = s->tok.p;
	double by;

	if (s->failed || !accept(s, "["))
		return type;
	if (s->tok.kind != TK_NUMBER)
		return unexpected(s, "a number of candles");
	by = s->tok.num;
	if (by > RULE_BACK_MAX || by != floor(by))
		return fail(s, s->tok.p, "a whole number of candles from 0 to %d", RULE_BACK_MAX);
	next(s);
	if (!earlier(s, from, (unsigned)by, at) || !expect(s, "]", "']'"))
		return T_BAD;
	return is(s, "[") ? fail(s, s->tok.p, "only one [ ] behind a value") : type;
}

static enum type parse_signed(struct parser *s)
{
	const char *at = s->tok.p;
	enum type type;

	if (s->failed || !is(s, "-"))
		return parse_earlier(s);
	if (!enter(s))
		return T_BAD;
	next(s);
	type = must_be(s, parse_signed(s), T_NUM, at, "'-'");
	s->depth--;
	emit_op(s, OP_NEG);
	return type;
}

struct operator {
	const char *word;
	enum rule_opcode code;
};

/* The operator of a list that comes next, taken; NULL: none of them. */
static const struct operator *accept_one(struct parser *s, const struct operator *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (accept(s, ops[i].word))
			return &ops[i];
	return NULL;
}

/* operand { operator operand }, from the left; all operands and the result of one type. */
static enum type parse_row(struct parser *s, enum type (*operand)(struct parser *), enum type want,
			   const struct operator *ops, size_t n)
{
	enum type type = operand(s);

	while (!s->failed) {
		const char *at = s->tok.p;
		const struct operator *op = accept_one(s, ops, n);

		if (op == NULL)
			return type;
		if (must_be(s, type, want, at, op->word) == T_BAD)
			return T_BAD;
		type = must_be(s, operand(s), want, at, op->word);
		emit_op(s, op->code);
	}
	return T_BAD;
}

static enum type parse_product(struct parser *s)
{
	static const struct operator ops[] = { { "*", OP_MUL }, { "/", OP_DIV } };

	return parse_row(s, parse_signed, T_NUM, ops, 2);
}

static enum type parse_sum(struct parser *s)
{
	static const struct operator ops[] = { { "+", OP_ADD }, { "-", OP_SUB } };

	return parse_row(s, parse_product, T_NUM, ops, 2);
}

static enum type parse_compare(struct parser *s)
{
	static const struct operator ops[] = {
		{ "<", OP_LT }, { "<=", OP_LE }, { ">", OP_GT }, { ">=", OP_GE }, { "==", OP_EQ }, { "!=", OP_NE }
	};
	enum type type = parse_sum(s);
	const char *at = s->tok.p;
	const struct operator *op = s->failed ? NULL : accept_one(s, ops, 6);

	if (op == NULL)
		return s->failed ? T_BAD : type;
	if (must_be(s, type, T_NUM, at, op->word) == T_BAD ||
	    must_be(s, parse_sum(s), T_NUM, at, op->word) == T_BAD)
		return T_BAD;
	emit_op(s, op->code);
	at = s->tok.p;
	if (accept_one(s, ops, 6) != NULL)
		return fail(s, at, "comparisons do not chain: write a < b and b < c");
	return T_BOOL;
}

static enum type parse_not(struct parser *s)
{
	const char *at = s->tok.p;
	enum type type;

	if (s->failed || !is(s, "not"))
		return parse_compare(s);
	if (!enter(s))
		return T_BAD;
	next(s);
	type = must_be(s, parse_not(s), T_BOOL, at, "not");
	s->depth--;
	emit_op(s, OP_NOT);
	return type;
}

static enum type parse_and(struct parser *s)
{
	static const struct operator ops[] = { { "and", OP_AND } };

	return parse_row(s, parse_not, T_BOOL, ops, 1);
}

static enum type parse_or(struct parser *s)
{
	static const struct operator ops[] = { { "or", OP_OR } };

	return parse_row(s, parse_and, T_BOOL, ops, 1);
}

/* What each part reads, and how far back, becomes known only when its code stands. */
static void note_reach(struct rule_inputs *inputs, const struct rule_code *code)
{
	for (size_t i = 0; i < code->n; i++) {
		const struct rule_op *op = &code->op[i];

		if (op->code == OP_INPUT && inputs->list[op->at].back < op->back)
			inputs->list[op->at].back = op->back;
	}
}

bool rule_compile(const char *text, enum rule_part part, rule_resolve *resolve, void *host,
		  struct rule_inputs *inputs, struct rule_code *code, struct rule_error *err)
{
	struct parser s = {
		.text = text, .p = text, .part = part, .resolve = resolve, .host = host, .inputs = inputs,
		.code = code, .err = err
	};
	enum type type;

	code->n = 0;
	err->part = rule_part_name(part);
	if (strnlen(text, RULE_TEXT_MAX + 1) > RULE_TEXT_MAX) {
		(void)fail(&s, text, "the text is longer than %d bytes", RULE_TEXT_MAX);
		return false;
	}
	next(&s);
	type = parse_or(&s);
	if (!s.failed && s.tok.kind != TK_END)
		(void)unexpected(&s, "an operator or the end");
	if (!s.failed)
		(void)must_be(&s, type, part == RULE_WHEN ? T_BOOL : T_NUM, text, rule_part_name(part));
	if (!s.failed)
		note_reach(inputs, code);
	return !s.failed;
}
