/*
 * share.h - which worker of a stage a partition belongs to: rendezvous hashing with equal shares.
 *
 * Every worker that knows the same names comes to the same answer without talking to the others. Plain rendezvous hashing would
 * leave one of four workers without any of four partitions in two cases out of three; so shares are equal: nobody has two partitions
 * more than another. Frozen by test vectors: workers of two builds must agree.
 */
#ifndef AP_SHARE_H
#define AP_SHARE_H

#include "base.h"

enum { AP_WORKERS_MAX = 256, AP_LANES_MAX = 1024 };

/* How much a worker is drawn to a partition: XXH64(worker, seed = partition). */
uint64_t ap_share_weight(ap_str worker, unsigned part);

/*
 * whose[p] = index into workers of the one that partition p belongs to. Of all pairs the one of the greatest weight is settled first,
 * then the greatest among those left, and so on; a worker that has parts / n of them takes one more only while fewer than
 * parts mod n workers have done so. The order of the names does not matter. 1 <= n <= AP_WORKERS_MAX, parts <= AP_LANES_MAX;
 * no name twice.
 */
void ap_share(const ap_str *workers, size_t n, unsigned parts, uint16_t *whose);

#endif
