/*
 * fuzz_state_normalize.c - remembered trade ids, price levels and last quotes with any bytes changed and their sums made good
 * again: refused, or loaded and gone on with to the end of the tape.
 */
#include "stages/ap-normalize/normalize.h"
#include "test/fuzz/state_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* An input loads a state of some dozen fields and steps some hundred messages. */
extern const int fuzz_inputs;
const int fuzz_inputs = 5000;

static const struct laws_walk market = {
	.seed = 22, .sources = 2, .symbols = 3, .trades = 500, .quote_pct = 30, .entry_max = 6, .step_ms_max = 2000, .beat_ms = 5000,
	.delay_pct = 10, .delay_ms_max = 60000, .dup_pct = 20, .noid_pct = 5, .uuid_pct = 10, .gap_pct = 3, .close = true,
};

static void open_case(struct state_rig *r)
{
	*r = (struct state_rig){ .stage = &ap_normalize_stage, .mend = state_mend_xxh3, .tape = laws_walk_raws(&market) };
	ap_conf_init(&r->conf);
	state_set(r, "normalize.outlier_ratio_pct", "300");
	state_set(r, "normalize.outlier_after", "4");
	state_set(r, "normalize.dedup_ids", "1024");
	state_set(r, "normalize.dedup_ms", "600000");
	state_warm(r, r->tape->n * 2 / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state_rig rig;

	if (rig.tape == NULL) {
		open_case(&rig);
		state_need(state_run(&rig, NULL, 0));
	}
	(void)state_run(&rig, data, size);
	return 0;
}
