/*
 * test_redis_url.c - the four ways to say where Redis is, and hash slots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/core/redis_url.h"

static struct ap_redis_url u;
static char err[200];

static bool parse(const char *text)
{
	err[0] = '\0';
	return ap_redis_url_parse(text, &u, err, sizeof err);
}

static void one_server_by_host_port_and_database(void **s)
{
	(void)s;
	assert_true(parse("redis://db.example:7001/3"));
	assert_int_equal(u.kind, AP_URL_SINGLE);
	assert_int_equal(u.n, 1);
	assert_string_equal(u.at[0].host, "db.example");
	assert_string_equal(u.at[0].port, "7001");
	assert_string_equal(u.db, "3");
	assert_true(parse("redis://127.0.0.1"));
	assert_string_equal(u.at[0].port, "6379");
	assert_string_equal(u.db, "");
	assert_true(parse("redis://[::1]:6380/"));
	assert_string_equal(u.at[0].host, "::1");
	assert_string_equal(u.at[0].port, "6380");
}

static void a_unix_socket_by_its_path(void **s)
{
	char text[AP_PLACE_TEXT];

	(void)s;
	assert_true(parse("unix:///run/redis.sock"));
	assert_int_equal(u.kind, AP_URL_UNIX);
	assert_string_equal(u.at[0].host, "/run/redis.sock");
	assert_string_equal(ap_place_text(&u.at[0], text), "unix:/run/redis.sock");
}

static void sentinels_and_the_name_they_know(void **s)
{
	(void)s;
	assert_true(parse("sentinel://a:26380,b,[fe80::1]:9/alpha-pulse.1/2"));
	assert_int_equal(u.kind, AP_URL_SENTINEL);
	assert_int_equal(u.n, 3);
	assert_string_equal(u.at[0].port, "26380");
	assert_string_equal(u.at[1].host, "b");
	assert_string_equal(u.at[1].port, "26379");
	assert_string_equal(u.at[2].host, "fe80::1");
	assert_string_equal(u.name, "alpha-pulse.1");
	assert_string_equal(u.db, "2");
}

static void nodes_of_a_cluster(void **s)
{
	(void)s;
	assert_true(parse("cluster://10.0.0.1:7000,10.0.0.2:7000"));
	assert_int_equal(u.kind, AP_URL_CLUSTER);
	assert_int_equal(u.n, 2);
	assert_string_equal(u.at[1].host, "10.0.0.2");
}

static void what_says_nothing_usable_is_refused_with_a_sentence(void **s)
{
	static const char *const bad[] = {
		"", "127.0.0.1:6379", "http://x", "rediss://h", "redis://", "redis://u:pw@h:1", "redis://h:0", "redis://h:65536", "redis://h:1x",
		"redis://h/abc", "redis://h/12345", "redis://a,b", "redis://[::1", "redis://h st", "unix://", "unix://relative", "sentinel://a",
		"sentinel://a/", "sentinel:///name", "sentinel://a,/name", "sentinel://a/na me", "sentinel://a/name/x", "cluster://", "cluster://a/0",
		"cluster://a,,b", "cluster://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
	};

	(void)s;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(parse(bad[i]));
		assert_memory_equal(err, "redis.url", 9);
	}
}

static void the_slots_are_those_of_redis(void **s)
{
	(void)s;
	/* From CLUSTER KEYSLOT of Redis 7.0.15. */
	assert_int_equal(ap_key_slot(ap_str_c("123456789")), 12739);
	assert_int_equal(ap_key_slot(ap_str_c("foo{}{bar}")), 8363);
	assert_int_equal(ap_key_slot(ap_str_c("foo{{bar}}zap")), 4015);
	assert_int_equal(ap_key_slot(ap_str_c("foo{bar}{zap}")), 5061);
	assert_int_equal(ap_key_slot(ap_str_c("ap:dataset")), 63);
	assert_int_equal(ap_key_slot(ap_str_c("ap:metric")), 12674);
	assert_int_equal(ap_key_slot(ap_str_c("ap:{0}:seq")), ap_key_slot(ap_str_c("0")));
	assert_int_equal(ap_key_slot((ap_str){ NULL, 0 }), 0);
}

static void an_address_as_redis_writes_it_in_a_redirection(void **s)
{
	struct ap_place p, q;
	char text[AP_PLACE_TEXT];

	(void)s;
	assert_true(ap_place_parse(ap_str_c("127.0.0.1:7002"), "", &p));
	assert_string_equal(ap_place_text(&p, text), "127.0.0.1:7002");
	assert_true(ap_place_parse(ap_str_c("::1:7002"), "", &q));
	assert_string_equal(q.host, "::1");
	assert_string_equal(ap_place_text(&q, text), "[::1]:7002");
	assert_false(ap_place_eq(&p, &q));
	assert_true(ap_place_eq(&p, &p));
	assert_false(ap_place_parse(ap_str_c(":7002"), "", &p));        /* Redis does not know its own address yet */
	assert_false(ap_place_parse(ap_str_c("h"), "", &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_server_by_host_port_and_database), cmocka_unit_test(a_unix_socket_by_its_path),
		cmocka_unit_test(sentinels_and_the_name_they_know), cmocka_unit_test(nodes_of_a_cluster),
		cmocka_unit_test(what_says_nothing_usable_is_refused_with_a_sentence), cmocka_unit_test(the_slots_are_those_of_redis),
		cmocka_unit_test(an_address_as_redis_writes_it_in_a_redirection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
