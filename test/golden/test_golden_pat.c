/*
 * test_golden_pat.c - every pattern value of every golden candle series, equal to TA-Lib 0.6.4's.
 *
 * An empty reference cell is a candle inside the pattern's lookback. Looks for
 * the files at run time ($AP_SHARED) and says so when they are absent; the two
 * series made for this purpose are the project's own and always there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stages/ap-indicators/pat.h"
#include "test/golden/csv.h"

struct series {
	const char *candles, *values;   /* below the golden directory */
};

static const struct series shared[] = {
	{ "candles/gdata_1d.csv", "candles/gdata_1d.cdl.csv" },
	{ "candles/mined_candles.csv", "candles/mined_candles.cdl.csv" },
	{ "candles/synth_candles.csv", "candles/synth_candles.cdl.csv" },
	{ "input/alt_1m_flat.csv", "talib/alt_1m_flat.cdl.csv" },
	{ "input/btcperp_1m.csv", "talib/btcperp_1m.cdl.csv" },
	{ "input/synth_edge.csv", "talib/synth_edge.cdl.csv" },
	{ "input/talib252_1d.csv", "talib/talib252_1d.cdl.csv" },
};

struct tally {
	size_t values, hits, bars;
	size_t fired[PAT_N];
};

static void read_pair(const char *candles, const char *values, struct csv *in, struct csv *want)
{
	if (!csv_read(in, candles) || !csv_read(want, values))
		fail_msg("cannot read %s or %s", candles, values);
	assert_int_equal(in->rows, want->rows);
}

static struct ind_bar bar_at(const struct csv *t, size_t row)
{
	struct ind_bar b = { .open_ms = (int64_t)csv_at(t, row, csv_col(t, "ts_ms")) };

	b.o = csv_at(t, row, csv_col(t, "open"));
	b.h = csv_at(t, row, csv_col(t, "high"));
	b.l = csv_at(t, row, csv_col(t, "low"));
	b.c = csv_at(t, row, csv_col(t, "close"));
	return b;
}

static void check_value(const struct pat_state *s, enum pat_id id, double want, int got, size_t row,
			struct tally *sum)
{
	const struct pat_info *info = pat_get(id);

	if (isnan(want) != !pat_warm(s, id))
		fail_msg("%s row %zu: warm at another candle", info->ta_name, row);
	if (got != (isnan(want) ? 0 : (int)want))
		fail_msg("%s row %zu: %d, reference %g", info->ta_name, row, got, want);
	if (got != 0 && (info->sense & (got > 0 ? PAT_BULL : PAT_BEAR)) == 0)
		fail_msg("%s row %zu: %d is not among its declared signs", info->ta_name, row, got);
	sum->values += isnan(want) ? 0 : 1;
	sum->hits += got != 0;
	sum->fired[id] += got != 0;
}

static void compare(const char *candles, const char *values, struct tally *sum)
{
	struct csv in, want;
	struct pat_state s;
	int col[PAT_N];

	read_pair(candles, values, &in, &want);
	for (unsigned id = 0; id < PAT_N; id++) {
		col[id] = csv_col(&want, pat_get((enum pat_id)id)->ta_name);
		assert_true(col[id] >= 0);
	}
	pat_init(&s);
	for (size_t row = 0; row < in.rows; row++) {
		const struct ind_bar bar = bar_at(&in, row);
		int16_t out[PAT_N];

		pat_update(&s, &bar, out);
		for (unsigned id = 0; id < PAT_N; id++)
			check_value(&s, (enum pat_id)id, csv_at(&want, row, col[id]), out[id], row, sum);
	}
	sum->bars += in.rows;
	csv_free(&in);
	csv_free(&want);
}

static void every_pattern_equals_the_reference_on_every_bar(void **unused)
{
	struct tally sum = { 0 };
	char a[512], b[512];

	(void)unused;
	csv_shared_path(a, sizeof a, shared[0].candles);
	if (csv_absent(a)) {
		print_message("# golden files are absent: set AP_SHARED\n");
		skip();
	}
	for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
		csv_shared_path(a, sizeof a, shared[i].candles);
		csv_shared_path(b, sizeof b, shared[i].values);
		compare(a, b, &sum);
	}
	for (unsigned id = 0; id < PAT_N; id++)
		if (sum.fired[id] == 0)
			fail_msg("%s never fired: not tested", pat_get((enum pat_id)id)->ta_name);
	print_message("# compared %d patterns, %zu values (%zu of them not 0) on %zu candles\n", PAT_N,
		      sum.values, sum.hits, sum.bars);
}

/* test/data/mined_candles.hits.csv: row,pattern,value; what is not in it is 0. */
static int16_t *read_hits(const char *path, size_t rows, size_t *hits)
{
	int16_t *want = calloc(rows * PAT_N, sizeof *want);
	FILE *f = fopen(path, "r");
	char name[64];
	unsigned row;
	int value;

	if (f == NULL || want == NULL)
		fail_msg("cannot read %s", path);
	assert_int_equal(fscanf(f, "row,pattern,%63s", name), 1);
	for (*hits = 0; fscanf(f, "%u,%63[^,],%d", &row, name, &value) == 3; ++*hits) {
		assert_true(row < rows && pat_find(name) != PAT_N);
		want[row * PAT_N + pat_find(name)] = (int16_t)value;
	}
	(void)fclose(f);
	return want;
}

static void the_own_series_of_rare_patterns_needs_no_shared_files(void **unused)
{
	struct pat_state s;
	struct csv in;
	size_t hits;
	int16_t *want;

	(void)unused;
	if (!csv_read(&in, "test/data/mined_candles.csv"))
		fail_msg("cannot read test/data/mined_candles.csv");
	want = read_hits("test/data/mined_candles.hits.csv", in.rows, &hits);
	pat_init(&s);
	for (size_t row = 0; row < in.rows; row++) {
		const struct ind_bar bar = bar_at(&in, row);
		int16_t out[PAT_N];

		pat_update(&s, &bar, out);
		for (unsigned id = 0; id < PAT_N; id++)
			if (out[id] != want[row * PAT_N + id])
				fail_msg("%s row %zu: %d, reference %d", pat_get((enum pat_id)id)->ta_name, row,
					 out[id], want[row * PAT_N + id]);
	}
	assert_true(hits > 4000);
	free(want);
	csv_free(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_own_series_of_rare_patterns_needs_no_shared_files),
		cmocka_unit_test(every_pattern_equals_the_reference_on_every_bar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
