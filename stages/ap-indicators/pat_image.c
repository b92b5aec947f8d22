/*
 * pat_image.c - the pattern state as portable bytes, and back.
 *
 * Keeps what later values depend on, not the whole rings: pat.h has the
 * drawing. Refuses to guess: an image that is not exactly right is not loaded.
 */
#include <assert.h>
#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "common/core/le.h"
#include "stages/ap-indicators/pat.h"

static const char magic[4] = { 'A', 'P', 'P', '1' };

static uint8_t *put_doubles(uint8_t *p, const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t bits;

		memcpy(&bits, &v[i], sizeof bits);
		p = ap_le_push(p, bits, 8);
	}
	return p;
}

static const uint8_t *get_doubles(const uint8_t *p, double *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t bits;

		p = ap_le_pull(p, &bits, 8);
		memcpy(&v[i], &bits, sizeof bits);
	}
	return p;
}

/* Where no trap is open, zeros. */
static uint8_t *put_trap(uint8_t *p, const struct pat_state *s, unsigned i)
{
	const struct pat_traps *t = &s->traps;
	const bool bull = isfinite(t->over[i]), bear = isfinite(t->under[i]);
	const bool open = (bull || bear) && t->until[i] >= s->n;
	const double level = !open ? 0 : bull ? t->over[i] : t->under[i];

	p = put_doubles(p, &level, 1);
	p = ap_le_push(p, (uint32_t)(!open ? 0 : bull ? 100 : -100), 4);
	return ap_le_push(p, open ? t->until[i] + 1 - s->n : 0, 4);
}

static const uint8_t *get_trap(const uint8_t *p, struct pat_state *s, unsigned i)
{
	struct pat_traps *t = &s->traps;
	uint64_t value, left;
	double level;

	p = get_doubles(p, &level, 1);
	p = ap_le_pull(p, &value, 4);
	p = ap_le_pull(p, &left, 4);
	left &= 3;
	if (left == 0)
		return p;
	if (value == 100)
		t->over[i] = level;
	else if ((uint32_t)value == (uint32_t)-100)
		t->under[i] = level;
	t->until[i] = s->n + left - 1;
	return p;
}

static size_t slot_back(const struct pat_state *s, unsigned age)
{
	return (size_t)((s->n + PAT_CELLS - age) % PAT_CELLS);
}

void pat_save(const struct pat_state *s, uint8_t image[PAT_IMAGE_SIZE])
{
	uint8_t *p = image;

	memcpy(p, magic, sizeof magic);
	p = ap_le_push(p + sizeof magic, PAT_IMAGE_VERSION, 4);
	p = ap_le_push(p, s->n, 8);
	p = put_doubles(p, s->sum, PAT_SUMS);
	for (unsigned i = 0; i < PAT_SPAN; i++)
		p = put_doubles(p, (const double[]){ s->span[i].body, s->span[i].range, s->span[i].shadows }, 3);
	for (unsigned i = 1; i <= PAT_OLDER; i++) {
		const struct pat_cell *c = &s->cell[slot_back(s, i)];

		p = put_doubles(p, (const double[]){ c->o, c->h, c->l, c->c }, 4);
		p = put_doubles(p, c->near, PAT_NEAR_SUMS);
		p = put_doubles(p, (const double[]){ c->doji, c->half_1 }, 2);
	}
	for (unsigned i = 0; i < PAT_OLDER; i++)
		p = ap_le_push(p, s->older[i], 8);
	p = put_trap(p, s, 0);
	p = put_trap(p, s, 1);
	p = ap_le_push(p, XXH64(image, (size_t)(p - image), 0), 8);
	assert(p == image + PAT_IMAGE_SIZE);
}

static const uint8_t *get_cell(const uint8_t *p, struct pat_cell *c)
{
	double price[4];

	p = get_doubles(p, price, 4);
	c->o = price[0];
	c->h = price[1];
	c->l = price[2];
	c->c = price[3];
	p = get_doubles(p, c->near, PAT_NEAR_SUMS);
	p = get_doubles(p, &c->doji, 1);
	return get_doubles(p, &c->half_1, 1);
}

bool pat_load(struct pat_state *s, const uint8_t *image, size_t size)
{
	const uint8_t *p;
	uint64_t version, hash;

	if (size != PAT_IMAGE_SIZE || memcmp(image, magic, sizeof magic) != 0)
		return false;
	p = ap_le_pull(image + sizeof magic, &version, 4);
	(void)ap_le_pull(image + PAT_IMAGE_SIZE - 8, &hash, 8);
	if (version != PAT_IMAGE_VERSION || hash != XXH64(image, PAT_IMAGE_SIZE - 8, 0))
		return false;
	pat_init(s);
	p = ap_le_pull(p, &s->n, 8);
	p = get_doubles(p, s->sum, PAT_SUMS);
	for (unsigned i = 0; i < PAT_SPAN; i++) {
		double v[3];

		p = get_doubles(p, v, 3);
		s->span[i] = (struct pat_span){ v[0], v[1], v[2] };
	}
	for (unsigned i = 1; i <= PAT_OLDER; i++)
		p = get_cell(p, &s->cell[slot_back(s, i)]);
	/* Of the candle before those only the range is asked, when it leaves the means of 5. */
	s->cell[slot_back(s, PAT_CELLS)].h = s->span[(s->n + PAT_SPAN - PAT_CELLS) % PAT_SPAN].range;
	for (unsigned i = 0; i < PAT_OLDER; i++)
		p = ap_le_pull(p, &s->older[i], 8);
	p = get_trap(p, s, 0);
	p = get_trap(p, s, 1);
	assert(p == image + PAT_IMAGE_SIZE - 8);
	return true;
}
