/*
 * test_journal_io.c - a journal on a real disk: groups, segments, recovery, full disks, disks that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/io/app.h"
#include "common/io/journal.h"

static struct ev_loop *loop;
static struct ap_log quiet = { .app = "test", .least = AP_ERROR + 1 };
static char dir[64];

struct told {
	uint64_t synced;
	enum ap_journal_state state;
	unsigned states;
};

static void on_synced(void *ctx, uint64_t seq)
{
	struct told *t = ctx;
	assert_true(seq > t->synced);
	t->synced = seq;
}

static void on_state(void *ctx, enum ap_journal_state s, const char *why)
{
	struct told *t = ctx;
	assert_non_null(why);
	t->state = s;
	t->states++;
}

static struct ap_journal_conf conf(void)
{
	return (struct ap_journal_conf){ .dir = dir, .dataset = "set-1", .producer = "ingest-0", .segment_bytes = 1 << 20,
					 .held_max = 1 << 20 };
}

static struct ap_journal_report rep;
static struct told told;

static struct ap_journal *open_with(const struct ap_journal_conf *c)
{
	static const struct ap_journal_events ev = { on_synced, on_state };
	memset(&told, 0, sizeof told);
	return ap_journal_open(loop, &quiet, c, &ev, &told, &rep);
}

static struct ap_journal *open_it(void)
{
	struct ap_journal_conf c = conf();
	struct ap_journal *j = open_with(&c);
	if (j == NULL)
		print_error("%s\n", rep.err);
	assert_non_null(j);
	return j;
}

/* Record seq's payload tells its number. */
static uint64_t put(struct ap_journal *j, size_t pad)
{
	static char text[70000];
	int n = snprintf(text, sizeof text, "%" PRIu64 ":", ap_journal_last(j) + 1);
	memset(text + n, '.', pad);
	return ap_journal_append(j, 1, ap_str_c("src"), (ap_ts){ 7 }, ap_str_n(text, (size_t)n + pad));
}

static void put_n(struct ap_journal *j, unsigned n, size_t pad)
{
	while (n-- > 0)
		assert_true(put(j, pad) > 0);
}

static void wait_synced(const struct ap_journal *j)
{
	int64_t until = ap_mono_ns() + 10000000000;
	while (ap_journal_synced(j) < ap_journal_last(j)) {
		assert_true(ap_mono_ns() < until);
		ev_run(loop, EVRUN_ONCE);
	}
}

/* Every record from `from` to `to`, in order; counts what is said to be missing. */
static uint64_t read_all(uint64_t from, uint64_t to, uint64_t *lost)
{
	struct ap_journal_reader *r = ap_journal_reader_new(dir, from);
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	uint64_t n = 0, at = from;
	enum ap_journal_read_rc rc;
	assert_non_null(r);
	*lost = 0;
	while ((rc = ap_journal_read(r, &rec, &loss)) != AP_JOURNAL_READ_END) {
		if (rc == AP_JOURNAL_READ_LOSS) {
			assert_int_equal(loss.first_seq, at);
			*lost += loss.records;
			at += loss.records;
			continue;
		}
		assert_int_equal(rc, AP_JOURNAL_READ_REC);
		assert_int_equal(rec.seq, at);
		assert_int_equal(strtoull(rec.payload.p, NULL, 10), at);
		assert_true(ap_str_is(rec.source, "src") && rec.recv.ns == 7 && rec.kind == 1);
		at++;
		n++;
	}
	assert_int_equal(at, to + 1);
	ap_journal_reader_free(r);
	return n;
}

static void whole(uint64_t from, uint64_t to)
{
	uint64_t lost;
	assert_int_equal(read_all(from, to, &lost), to - from + 1);
	assert_int_equal(lost, 0);
}

static unsigned files(const char *suffix, char last[300])
{
	char cmd[200];
	unsigned n = 0;
	char line[300];
	snprintf(cmd, sizeof cmd, "ls %s | grep '%s$'", dir, suffix);
	FILE *f = popen(cmd, "r");
	while (fgets(line, sizeof line, f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(last, 300, "%s", line);
		n++;
	}
	pclose(f);
	return n;
}

static off_t file_size(const char *name)
{
	char path[400];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void cut_file(const char *name, off_t len)
{
	char path[400];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(truncate(path, len), 0);
}

static void damage(const char *name, off_t at)
{
	char path[400];
	uint8_t b = 0;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_RDWR);
	assert_true(fd != -1 && pread(fd, &b, 1, at) == 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static int dir_new(void **unused)
{
	(void)unused;
	snprintf(dir, sizeof dir, "/tmp/ap-journal.XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int dir_gone(void **unused)
{
	char cmd[100];
	(void)unused;
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

/* --- tests ------------------------------------------------------------------ */

static void what_is_synced_is_there_after_a_new_start(void **unused)
{
	(void)unused;
	struct ap_journal *j = open_it();
	assert_int_equal(rep.next_seq, 1);
	put_n(j, 100, 50);
	assert_int_equal(ap_journal_synced(j), 0);
	wait_synced(j);
	assert_int_equal(told.synced, 100);
	assert_int_equal(ap_journal_held(j), 0);
	whole(1, 100);
	ap_journal_free(j);
	j = open_it();
	assert_int_equal(rep.last_seq, 100);
	assert_int_equal(rep.next_seq, 101);
	assert_int_equal(rep.torn_bytes + rep.lost_bytes, 0);
	put_n(j, 1, 0);
	wait_synced(j);
	ap_journal_free(j);
	whole(1, 101);
	whole(57, 101);
}

static void records_that_come_together_go_together(void **unused)
{
	struct ap_journal_counts n;
	(void)unused;
	struct ap_journal *j = open_it();
	put_n(j, 1000, 10);
	wait_synced(j);
	ap_journal_count(j, &n);
	assert_true(n.groups <= 2);
	assert_int_equal(n.records, 1000);
	ap_journal_free(j);
}

static void segments_are_begun_by_size_and_read_as_one(void **unused)
{
	struct ap_journal_conf c = conf();
	struct ap_journal_counts n;
	(void)unused;
	c.segment_bytes = 20000;
	struct ap_journal *j = open_with(&c);
	for (int i = 0; i < 40; i++) {
		put_n(j, 10, 500);
		wait_synced(j);
	}
	ap_journal_count(j, &n);
	assert_in_range(n.segments, 9, 12);
	assert_true(n.disk_bytes > 40 * 10 * 500);
	whole(1, 400);
	for (uint64_t from = 1; from <= 400; from += 23)
		whole(from, 400);
	ap_journal_free(j);
}

static void confirmed_segments_are_deleted_and_no_others(void **unused)
{
	struct ap_journal_conf c = conf();
	struct ap_journal_counts n;
	uint64_t lost;
	(void)unused;
	c.segment_bytes = 4000;
	c.retain_ms = 3600000;
	struct ap_journal *j = open_with(&c);
	for (int i = 0; i < 20; i++) {
		put_n(j, 10, 500);
		wait_synced(j);
	}
	ap_journal_count(j, &n);
	assert_int_equal(n.segments, 20);
	ap_journal_trim(j, 200, ap_now());      /* all confirmed, but too young */
	put_n(j, 1, 0);
	wait_synced(j);
	ap_journal_count(j, &n);
	assert_int_equal(n.deleted, 0);
	ap_journal_trim(j, 105, (ap_ts){ ap_now().ns + 7200000000000 });
	for (int i = 0; i < 50 && n.deleted < 10; i++) {
		ev_run(loop, EVRUN_ONCE);
		ap_journal_count(j, &n);
	}
	assert_int_equal(n.deleted, 10);        /* 101..110 is not confirmed whole */
	assert_int_equal(n.segments, 11);
	assert_int_equal(read_all(101, 201, &lost), 101);
	assert_int_equal(lost, 0);
	ap_journal_free(j);
}

static void a_torn_tail_is_cut_and_numbers_go_on_behind_it(void **unused)
{
	char name[300];
	uint64_t lost;
	(void)unused;
	struct ap_journal *j = open_it();
	put_n(j, 10, 100);
	wait_synced(j);
	ap_journal_free(j);
	files("apj", name);
	cut_file(name, file_size(name) - 20);
	j = open_it();
	assert_int_equal(rep.last_seq, 9);
	assert_int_equal(rep.torn_records, 1);
	assert_true(rep.torn_bytes > 0);
	assert_true(rep.next_seq > 10); /* 10 may have been given away */
	uint64_t seq = put(j, 0);
	assert_int_equal(seq, rep.next_seq);
	wait_synced(j);
	ap_journal_free(j);
	j = open_it();
	assert_int_equal(rep.torn_bytes, 0);
	assert_int_equal(rep.last_seq, seq);
	ap_journal_free(j);
	/* Numbers left out are not losses. */
	struct ap_journal_reader *r = ap_journal_reader_new(dir, 1);
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	for (uint64_t i = 1; i <= 9; i++)
		assert_int_equal(ap_journal_read(r, &rec, &loss), AP_JOURNAL_READ_REC);
	assert_int_equal(ap_journal_read(r, &rec, &loss), AP_JOURNAL_READ_REC);
	assert_int_equal(rec.seq, seq);
	assert_int_equal(ap_journal_read(r, &rec, &loss), AP_JOURNAL_READ_END);
	ap_journal_reader_free(r);
	(void)lost;
}

static void a_segment_that_was_only_begun_is_forgotten(void **unused)
{
	char name[300];
	(void)unused;
	struct ap_journal *j = open_it();
	put_n(j, 5, 10);
	wait_synced(j);
	ap_journal_free(j);
	files("apj", name);
	for (off_t len = 0; len <= AP_JOURNAL_HEAD; len += 128) {
		char cmd[900];
		snprintf(cmd, sizeof cmd, "head -c %ld %s/%s > %s/00000000000000000006-00000002.apj", (long)len, dir, name, dir);
		assert_int_equal(system(cmd), 0);
		j = open_it();
		assert_int_equal(rep.last_seq, 5);
		assert_int_equal(rep.next_seq, 6);
		assert_int_equal(rep.segments, 1);
		ap_journal_free(j);
	}
	whole(1, 5);
}

static void damage_in_old_segments_is_told_by_number(void **unused)
{
	struct ap_journal_conf c = conf();
	uint64_t lost;
	char name[300];
	(void)unused;
	c.segment_bytes = 4000;
	struct ap_journal *j = open_with(&c);
	for (int i = 0; i < 3; i++) {
		put_n(j, 10, 500);
		wait_synced(j);
	}
	ap_journal_free(j);
	damage("00000000000000000011-00000002.apj", AP_JOURNAL_HEAD + 544 * 3 + 40);   /* record 14 */
	damage("00000000000000000011-00000002.apj", AP_JOURNAL_HEAD + 544 * 9 + 40);   /* record 20, the segment's last */
	assert_int_equal(read_all(1, 30, &lost), 28);
	assert_int_equal(lost, 2);
	assert_int_equal(read_all(15, 30, &lost), 15);
	assert_int_equal(lost, 1);
	/* Cut off at a record's end: only the next segment knows that something is missing. */
	cut_file("00000000000000000001-00000001.apj", AP_JOURNAL_HEAD + 544 * 7);
	assert_int_equal(read_all(1, 30, &lost), 25);
	assert_int_equal(lost, 5);
	/* Both heads of one: all of it is missing, and a new start keeps it aside. */
	damage("00000000000000000011-00000002.apj", 20);
	damage("00000000000000000011-00000002.apj", 540);
	assert_int_equal(read_all(1, 30, &lost), 17);
	assert_int_equal(lost, 13);
	j = open_it();
	assert_int_equal(rep.set_aside, 1);
	assert_int_equal(files("bad", name), 1);
	assert_int_equal(rep.last_seq, 30);
	ap_journal_free(j);
	assert_int_equal(read_all(1, 30, &lost), 17);
	assert_int_equal(lost, 13);
}

static void a_raised_number_is_not_given_out_again(void **unused)
{
	uint64_t lost;
	(void)unused;
	struct ap_journal *j = open_it();
	put_n(j, 5, 10);
	wait_synced(j);
	ap_journal_free(j);
	j = open_it();
	ap_journal_raise(j, 50);
	put_n(j, 2, 10);
	wait_synced(j);
	assert_int_equal(ap_journal_last(j), 52);
	ap_journal_free(j);
	assert_int_equal(read_all(1, 52, &lost), 7);
	assert_int_equal(lost, 45);
}

static void one_writer_at_a_time_and_of_one_data_set(void **unused)
{
	struct ap_journal_conf c = conf();
	(void)unused;
	struct ap_journal *j = open_it();
	put_n(j, 1, 10);
	wait_synced(j);
	assert_null(open_with(&c));
	assert_non_null(strstr(rep.err, "another process"));
	ap_journal_free(j);
	c.dataset = "set-2";
	assert_null(open_with(&c));
	assert_non_null(strstr(rep.err, "set-1"));
	c = conf();
	c.producer = "ingest-1";
	assert_null(open_with(&c));
	assert_non_null(strstr(rep.err, "ingest-0"));
}

static void more_than_is_allowed_to_wait_is_refused(void **unused)
{
	struct ap_journal_counts n;
	unsigned taken = 0;
	(void)unused;
	struct ap_journal *j = open_it();
	while (taken < 100 && put(j, 60000) > 0)
		taken++;
	assert_in_range(taken, 16, 17);
	ap_journal_count(j, &n);
	assert_int_equal(n.refused, 1);
	wait_synced(j);
	assert_true(put(j, 60000) > 0);
	wait_synced(j);
	ap_journal_free(j);
	whole(1, taken + 1);
}

static void a_reader_beside_the_writer_sees_what_is_safe_and_no_more(void **unused)
{
	struct ap_journal_conf c = conf();
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	uint64_t at = 1;
	(void)unused;
	c.segment_bytes = 30000;
	c.held_max = 8 << 20;
	struct ap_journal *j = open_with(&c);
	struct ap_journal_reader *r = ap_journal_reader_new(dir, 1);
	ap_journal_reader_limit(r, 0);
	assert_int_equal(ap_journal_read(r, &rec, &loss), AP_JOURNAL_READ_END);
	for (int i = 0; i < 400; i++) {
		put_n(j, (unsigned)i % 40, (size_t)i * 7 % 1500);
		ev_run(loop, EVRUN_NOWAIT);
		if (i % 3 == 0)
			wait_synced(j);
		ap_journal_reader_limit(r, told.synced);
		enum ap_journal_read_rc rc;
		while ((rc = ap_journal_read(r, &rec, &loss)) == AP_JOURNAL_READ_REC)
			assert_int_equal(rec.seq, at++);
		assert_int_equal(rc, AP_JOURNAL_READ_END);
		assert_int_equal(at, told.synced + 1);
	}
	ap_journal_reader_free(r);
	wait_synced(j);
	ap_journal_free(j);
}

/* --- a disk that fails ------------------------------------------------------- */

static struct {
	int sync_fails;         /* so many of the next syncs fail with EIO */
	int write_fails;        /* so many of the next writes fail with write_errno after half of them */
	int write_errno;
	uint64_t free_bytes;
	unsigned syncs;
} disk;

static ssize_t shim_write(int fd, const void *p, size_t n, off_t at)
{
	if (disk.write_fails > 0) {
		static bool half;
		half = !half;
		if (half && n > 1)
			return pwrite(fd, p, n / 2, at);
		disk.write_fails--;
		errno = disk.write_errno;
		return -1;
	}
	return pwrite(fd, p, n, at);
}

static int shim_sync(int fd)
{
	disk.syncs++;
	if (disk.sync_fails > 0) {
		disk.sync_fails--;
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

static uint64_t shim_free(int fd)
{
	(void)fd;
	return disk.free_bytes;
}

static const struct ap_journal_disk shim = { shim_write, shim_sync, shim_free };

static struct ap_journal *open_on_shim(void)
{
	struct ap_journal_conf c = conf();
	c.disk = &shim;
	c.min_free_bytes = 1000;
	memset(&disk, 0, sizeof disk);
	disk.free_bytes = 1 << 30;
	return open_with(&c);
}

static void after_a_failed_sync_a_new_segment_holds_what_was_not_safe(void **unused)
{
	struct ap_journal_counts n;
	char name[300];
	(void)unused;
	struct ap_journal *j = open_on_shim();
	put_n(j, 10, 20);
	wait_synced(j);
	disk.sync_fails = 1;
	put_n(j, 10, 20);
	wait_synced(j);
	assert_int_equal(told.synced, 20);
	ap_journal_count(j, &n);
	assert_int_equal(n.sealed, 1);
	assert_int_equal(n.segments, 2);
	assert_int_equal(told.states, 0);
	put_n(j, 5, 20);
	wait_synced(j);
	ap_journal_free(j);
	assert_int_equal(files("apj", name), 2);
	assert_string_equal(name, "00000000000000000011-00000002.apj");
	whole(1, 25);           /* 11 to 20 stand in both; they are told once */
	j = open_it();
	assert_int_equal(rep.last_seq, 25);
	ap_journal_free(j);
}

static void a_disk_that_syncs_nothing_any_more_is_an_error(void **unused)
{
	(void)unused;
	struct ap_journal *j = open_on_shim();
	put_n(j, 10, 20);
	wait_synced(j);
	disk.sync_fails = 1000;
	put_n(j, 10, 20);
	for (int i = 0; i < 100 && ap_journal_state(j) != AP_JOURNAL_FAILED; i++)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(told.state, AP_JOURNAL_FAILED);
	assert_int_equal(told.synced, 10);
	assert_int_equal(put(j, 1), 0);
	assert_int_equal(disk.syncs, 2 + 3);    /* file and directory; then each file once, never again */
	ap_journal_free(j);
}

static void a_write_that_fails_is_like_a_sync_that_fails(void **unused)
{
	struct ap_journal_counts n;
	(void)unused;
	struct ap_journal *j = open_on_shim();
	put_n(j, 3, 20);
	wait_synced(j);
	disk.write_fails = 1;
	disk.write_errno = EIO;
	put_n(j, 3, 20);
	wait_synced(j);
	ap_journal_count(j, &n);
	assert_int_equal(n.sealed, 1);
	ap_journal_free(j);
	whole(1, 6);
}

static void without_room_nothing_is_lost_and_it_goes_on_when_there_is(void **unused)
{
	char name[300];
	(void)unused;
	struct ap_journal *j = open_on_shim();
	put_n(j, 3, 20);
	wait_synced(j);
	disk.write_fails = 2;   /* half of the group is written each time, then ENOSPC */
	disk.write_errno = ENOSPC;
	put_n(j, 3, 20);
	while (told.state != AP_JOURNAL_FULL)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(told.synced, 3);
	put_n(j, 3, 20);        /* still taken: memory has room */
	wait_synced(j);
	assert_int_equal(told.state, AP_JOURNAL_GOOD);
	assert_int_equal(told.states, 2);
	disk.free_bytes = 999;  /* less than is to stay free */
	put_n(j, 1, 20);
	while (told.state != AP_JOURNAL_FULL)
		ev_run(loop, EVRUN_ONCE);
	off_t before = file_size((files("apj", name), name));
	ev_run(loop, EVRUN_ONCE);
	assert_int_equal(file_size(name), before);
	disk.free_bytes = 1 << 30;
	wait_synced(j);
	ap_journal_free(j);
	assert_int_equal(files("apj", name), 1);
	whole(1, 10);
}

static void a_full_volume_stops_it_and_room_lets_it_go_on(void **unused)
{
	struct ap_journal_conf c = conf();
	char ballast[100];
	(void)unused;
	if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") == -1) {
		print_message("no small volume can be mounted here: %s\n", strerror(errno));
		skip();
	}
	c.held_max = 4 << 20;
	struct ap_journal *j = open_with(&c);
	assert_non_null(j);
	snprintf(ballast, sizeof ballast, "%s/ballast", dir);
	int fd = open(ballast, O_RDWR | O_CREAT, 0600);
	assert_int_equal(posix_fallocate(fd, 0, 700000), 0);
	put_n(j, 2, 60000);
	wait_synced(j);
	put_n(j, 10, 60000);
	while (told.state != AP_JOURNAL_FULL)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(told.synced, 2);
	whole(1, 2);
	assert_int_equal(ftruncate(fd, 0), 0);
	wait_synced(j);
	assert_int_equal(told.state, AP_JOURNAL_GOOD);
	ap_journal_free(j);
	whole(1, 12);
	close(fd);
	assert_int_equal(umount(dir), 0);
}

static void what_is_confirmed_makes_room_for_what_waits(void **unused)
{
	struct ap_journal_conf c = conf();
	struct ap_journal_counts n;
	uint64_t synced;
	(void)unused;
	if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") == -1) {
		print_message("no small volume can be mounted here: %s\n", strerror(errno));
		skip();
	}
	c.segment_bytes = 200000;
	c.held_max = 4 << 20;
	struct ap_journal *j = open_with(&c);
	assert_non_null(j);
	for (int i = 0; i < 10; i++) {
		put_n(j, 1, 60000);
		wait_synced(j);
	}
	put_n(j, 12, 60000);
	while (told.state != AP_JOURNAL_FULL)
		ev_run(loop, EVRUN_ONCE);
	synced = told.synced;
	for (uint64_t upto = 4; upto <= synced && ap_journal_synced(j) < 22; upto += 4) {
		ap_journal_trim(j, upto, ap_now());
		for (int i = 0; i < 30; i++) {
			ev_run(loop, EVRUN_NOWAIT);
			usleep(10000);
		}
	}
	wait_synced(j);
	assert_int_equal(told.state, AP_JOURNAL_GOOD);
	ap_journal_count(j, &n);
	assert_true(n.deleted >= 1);
	whole(synced + 1, 22);  /* nothing that waited was lost */
	ap_journal_free(j);
	assert_int_equal(umount(dir), 0);
}

/* A process killed at any moment: what it had been told to be safe is there. */
static void a_killed_writer_loses_nothing_that_was_safe(void **unused)
{
	(void)unused;
	uint64_t before = 0;
	for (int round = 0; round < 15; round++) {
		int p[2];
		uint64_t safe = 0, v;
		assert_int_equal(pipe(p), 0);
		pid_t pid = fork();
		if (pid == 0) {
			struct ap_journal_conf c = conf();
			uint64_t said = 0;
			ev_loop_fork(loop);
			c.segment_bytes = 50000;
			struct ap_journal *j = open_with(&c);
			for (;;) {
				for (int i = 0; i < 7; i++)
					put(j, (size_t)i * 100);
				ev_run(loop, EVRUN_NOWAIT);
				if (told.synced > said && write(p[1], &told.synced, sizeof said) == sizeof said)
					said = told.synced;
			}
		}
		close(p[1]);
		usleep(20000 + 3000 * (unsigned)round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(p[0], &v, sizeof v) == sizeof v)
			safe = v;
		close(p[0]);
		struct ap_journal *j = open_it();
		assert_true(rep.last_seq >= safe && rep.lost_bytes == 0);
		before = safe > before ? safe : before;
		ap_journal_free(j);
	}
	assert_true(before > 0);
	struct ap_journal_reader *r = ap_journal_reader_new(dir, 1);
	struct ap_journal_rec rec;
	struct ap_journal_loss loss;
	enum ap_journal_read_rc rc;
	while ((rc = ap_journal_read(r, &rec, &loss)) == AP_JOURNAL_READ_REC)
		assert_int_equal(strtoull(rec.payload.p, NULL, 10), rec.seq);
	assert_int_equal(rc, AP_JOURNAL_READ_END);
	ap_journal_reader_free(r);
}

#define ON_DISK(t) cmocka_unit_test_setup_teardown(t, dir_new, dir_gone)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_DISK(what_is_synced_is_there_after_a_new_start),
		ON_DISK(records_that_come_together_go_together),
		ON_DISK(segments_are_begun_by_size_and_read_as_one),
		ON_DISK(confirmed_segments_are_deleted_and_no_others),
		ON_DISK(a_torn_tail_is_cut_and_numbers_go_on_behind_it),
		ON_DISK(a_segment_that_was_only_begun_is_forgotten),
		ON_DISK(damage_in_old_segments_is_told_by_number),
		ON_DISK(a_raised_number_is_not_given_out_again),
		ON_DISK(one_writer_at_a_time_and_of_one_data_set),
		ON_DISK(more_than_is_allowed_to_wait_is_refused),
		ON_DISK(a_reader_beside_the_writer_sees_what_is_safe_and_no_more),
		ON_DISK(after_a_failed_sync_a_new_segment_holds_what_was_not_safe),
		ON_DISK(a_disk_that_syncs_nothing_any_more_is_an_error),
		ON_DISK(a_write_that_fails_is_like_a_sync_that_fails),
		ON_DISK(without_room_nothing_is_lost_and_it_goes_on_when_there_is),
		ON_DISK(a_full_volume_stops_it_and_room_lets_it_go_on),
		ON_DISK(what_is_confirmed_makes_room_for_what_waits),
		ON_DISK(a_killed_writer_loses_nothing_that_was_safe),
	};
	loop = ev_default_loop(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
