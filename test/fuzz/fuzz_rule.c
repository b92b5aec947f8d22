/*
 * fuzz_rule.c - any bytes as the text of a rule: refused with a place inside the text, or compiled and
 * then run on candles made of the same bytes without ever giving a signal that breaks its promises.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ap-indicators/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CANDLES = 24 };

/* Knows every name but those that begin with x; says nothing false about lengths. */
static int resolve(void *host, const struct rule_ref *ref, char *why, size_t why_size)
{
	unsigned sum = (unsigned)ref->n_args;

	(void)host;
	if (ref->name.len == 0 || ref->n_args > RULE_ARGS_MAX)
		abort();
	if (ref->name.p[0] == 'x') {
		if (why_size > 1)
			memcpy(why, "x", 2);
		return -1;
	}
	for (size_t i = 0; i < ref->name.len; i++)
		sum = sum * 31 + (unsigned char)ref->name.p[i];
	for (size_t i = 0; i < ref->n_args; i++)
		for (size_t j = 0; j < ref->arg[i].len; j++)
			sum = sum * 31 + (unsigned char)ref->arg[i].p[j];
	for (size_t i = 0; i < ref->output.len; i++)
		sum = sum * 31 + (unsigned char)ref->output.p[i];
	return (int)(sum % 1000);
}

static void check_place(const struct rule_error *err, const char *text)
{
	unsigned lines = 1;

	for (const char *c = text; *c != '\0'; c++)
		lines += *c == '\n';
	if (err->text[0] == '\0' || err->part == NULL || err->line < 1 || err->line > lines ||
	    err->column < 1 || err->column > strlen(text) + 1)
		abort();
}

static void check_signal(const struct rule_signal *s)
{
	const bool up = s->side == RULE_LONG;

	if (!isfinite(s->entry) || !isfinite(s->stop) || !isfinite(s->target) || !isfinite(s->risk_reward))
		abort();
	if (!(s->confidence >= 0 && s->confidence <= 1))
		abort();
	if (up ? !(s->stop < s->entry && s->entry < s->target) : !(s->target < s->entry && s->entry < s->stop))
		abort();
}

/* Steps the book; a second state that goes through an image before each candle must keep up. */
static void run(const struct rule_book *book, const uint8_t *data, size_t size)
{
	const size_t bytes = rule_state_size(book), image_size = rule_save_size(book);
	void *a = malloc(bytes), *b = malloc(bytes);
	uint8_t *image = malloc(image_size), json[65536];
	double inputs[RULE_INPUTS_MAX];
	struct rule_signal s, t;
	struct rule_tally sums;
	struct ap_buf out;

	if (a == NULL || b == NULL || image == NULL)
		abort();
	rule_state_init(book, a);
	rule_state_init(book, b);
	for (size_t i = 0; i < CANDLES; i++) {
		for (size_t j = 0; j < rule_book_inputs(book); j++) {
			const uint8_t byte = data[(i * 7 + j * 3) % size];

			inputs[j] = byte == 'e' ? (double)NAN : byte == 'x' ? 1e308 : (double)byte - 60;
		}
		if (rule_save(book, b, image, image_size) != image_size || !rule_load(book, b, image, image_size))
			abort();
		if (rule_step(book, a, inputs, &s, &sums) != rule_step(book, b, inputs, &t, &sums))
			abort();
		if (sums.fired + sums.quiet + sums.absent + sums.cooling + sums.senseless != 1)
			abort();
		if (sums.fired == 0)
			continue;
		check_signal(&s);
		ap_buf_fixed(&out, json, sizeof json);
		rule_inputs_json(book, 0, a, &out);
	}
	free(image);
	free(b);
	free(a);
}

static void one(const struct rule_def *def, const char *text, const uint8_t *data, size_t size)
{
	struct rule_error err;
	struct rule_book *book = rule_book_new(def, 1, resolve, NULL, &err);

	if (book == NULL)
		check_place(&err, text);
	else
		run(book, data, size);
	rule_book_free(book);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL || size == 0) {
		free(text);
		return 0;
	}
	memcpy(text, data, size);
	text[size] = '\0';
	one(&(struct rule_def){ "when", RULE_LONG,
		{ text, "close + 500", "entry - abs(low)", "entry + 1 + high * high", "close / 100" }, 5, 2 },
	    text, data, size);
	one(&(struct rule_def){ "entry", RULE_SHORT, { "true", text, "entry * 2", "entry / 2", "volume" }, 5, 0 },
	    text, data, size);
	free(text);
	return 0;
}
