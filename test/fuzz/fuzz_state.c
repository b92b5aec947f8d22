/*
 * fuzz_state.c - images of a series' state with any bytes changed and their sums made good again, as a hand in the store could
 * leave them: refused, or loaded and gone on with, never a step outside of memory and never a candle without end.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/core/le.h"
#include "stages/ap-indicators/ind.h"
#include "stages/ap-indicators/outcome.h"
#include "stages/ap-indicators/pat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const int fuzz_inputs;
const int fuzz_inputs = 3000;

enum { WARM = 400, MORE = 40, HEAD = 16, SUM = 8, EDIT = 3, EDITS = 8 };

/* Of each kind that keeps places in memory, or counts by its state, one; the rest for company. */
static const char LIST[] =
	"MAX period=100; AROON period=60; AROON period=14; CCI; CCI period=2; STOCHRSI; STOCHRSI period=5 fastk=4; HT_TRENDLINE;"
	"HT_TRENDMODE; HT_SINE; HT_DCPHASE; MAMA; VWAP; PERCENT_RANK; WMA; AO; LINEARREG; BBANDS; SUPERTREND; SAR; KAMA; MACD; CORREL";

static struct ind_bar bar(size_t i)
{
	const double c = 100 + (double)(i * 7919 % 97) - (double)(i * 104729 % 89);

	return (struct ind_bar){ .open_ms = (int64_t)i * 60000, .o = 100, .h = c > 100 ? c + 1 : 101, .l = c < 100 ? c - 1 : 99,
				 .c = c, .v = 5, .qv = 500, .n = 3, .buy_v = 2, .sell_v = 3 };
}

/* A few places (u16) behind the head and what is changed there, then the sum over all before. */
static void edit(uint8_t *image, size_t len, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + EDIT <= size && i < EDITS * EDIT; i += EDIT)
		image[HEAD + ((size_t)data[i] << 8 | data[i + 1]) % (len - HEAD - SUM)] ^= data[i + 2];
	(void)ap_le_push(image + len - SUM, XXH64(image, len - SUM, 0), SUM);
}

struct rig {
	struct ind_set *set;
	uint8_t *ring, *core, *image;
	double *val;
	uint64_t *valid;
};

static void rig_open(struct rig *r)
{
	char err[300];

	r->set = ind_set_parse(LIST, err, sizeof err);
	if (r->set == NULL)
		abort();
	r->ring = calloc(1, ind_set_ring_size(r->set));
	r->core = calloc(1, ind_set_core_size(r->set));
	r->image = malloc(ind_save_size(r->set));
	r->val = calloc(ind_set_values(r->set), sizeof *r->val);
	r->valid = calloc(ind_set_bitmap(r->set), sizeof *r->valid);
	if (r->ring == NULL || r->core == NULL || r->image == NULL || r->val == NULL || r->valid == NULL)
		abort();
}

static void rig_close(struct rig *r)
{
	free(r->valid);
	free(r->val);
	free(r->image);
	free(r->core);
	free(r->ring);
	ind_set_free(r->set);
}

static void candles(struct rig *r, size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++) {
		const struct ind_bar b = bar(i);

		(void)ind_step(r->set, r->ring, r->core, &b, r->val, r->valid);
	}
}

static void of_indicators(const uint8_t *data, size_t size)
{
	struct rig r;
	size_t len;

	rig_open(&r);
	candles(&r, 0, WARM);
	len = ind_save(r.set, r.ring, r.core, r.image, ind_save_size(r.set));
	if (len == 0)
		abort();
	edit(r.image, len, data, size);
	(void)ind_load(r.set, r.ring, r.core, r.image, len);
	candles(&r, WARM, MORE);
	rig_close(&r);
}

static void of_patterns(const uint8_t *data, size_t size)
{
	struct pat_state s;
	uint8_t image[PAT_IMAGE_SIZE];
	int16_t out[PAT_N];

	pat_init(&s);
	for (size_t i = 0; i < WARM + MORE; i++) {
		const struct ind_bar b = bar(i);

		if (i == WARM) {
			pat_save(&s, image);
			edit(image, sizeof image, data, size);
			if (!pat_load(&s, image, sizeof image))
				return;
		}
		pat_update(&s, &b, out);
		for (int k = 0; k < PAT_N; k++)
			if (out[k] < -200 || out[k] > 200)
				abort();
	}
}

static void of_outcomes(const uint8_t *data, size_t size)
{
	static const struct rule_signal signal = { .rule = 1, .side = RULE_LONG, .entry = 100, .stop = 1, .target = 1000 };
	struct outcome_state s;
	struct outcome ends[OUTCOME_OPEN_MAX], gone;
	uint8_t image[OUTCOME_IMAGE_MAX];
	const struct ind_bar b = bar(1);
	size_t len;

	outcome_init(&s);
	(void)outcome_add(&s, &signal, &b, 0, 1000, &gone);
	(void)outcome_add(&s, &signal, &b, 0, 1000, &gone);
	len = outcome_save(&s, image);
	edit(image, len, data, size);
	if (outcome_load(&s, image, len) && outcome_rules_end(&s) > UINT16_MAX + (size_t)1)
		abort();
	for (size_t i = 2; i < MORE; i++) {
		const struct ind_bar next = bar(i);

		if (outcome_step(&s, &next, ends) > OUTCOME_OPEN_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(const uint8_t *, size_t) = { of_indicators, of_patterns, of_outcomes };

	if (size > 0)
		parts[data[0] % 3](data + 1, size - 1);
	return 0;
}
