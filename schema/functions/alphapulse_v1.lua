#!lua name=alphapulse_v1
--
-- alphapulse_v1 - what must happen in Redis at once: leases, appends, commits, trimming.
--
-- The contract is in schema/streams.md. A Redis function does not roll back, so each of these
-- validates everything before its first write, and no write after that can fail: types were looked at,
-- ids are above the last one (only these functions add to the streams), numbers are written as text.
-- No payload is decoded, and none gets into an error reply.

local FRAME_RECS, FRAME_BYTES = 512, 262144
local ACKS_MAX, OUTS_MAX, FIELDS_MAX = 256, 1024, 131072
local WORKERS_MAX = 256          -- of one stage
local STEP = 64                 -- raw ids leave room for 63 continuations
local CHUNK = 4000              -- arguments handed to one command; unpack fails near 8,000

local function num(s)           -- a non-negative integer below 2^53, or nil
	if type(s) ~= 'string' or #s > 15 or not string.find(s, '^%d+$') then
		return nil
	end
	return tonumber(s)
end

local function id_of(s)         -- ms, seq of "ms-seq", or nil
	if type(s) ~= 'string' or #s > 31 then
		return nil
	end
	local a, b = string.match(s, '^(%d+)-(%d+)$')
	if not a or #a > 15 or #b > 15 then
		return nil
	end
	return tonumber(a), tonumber(b)
end

local function id_text(ms, seq)
	return string.format('%.0f-%.0f', ms, seq)
end

local function above(ams, aseq, bms, bseq)
	return ams > bms or (ams == bms and aseq > bseq)
end

local function now_ms()
	local t = redis.call('TIME')
	return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function is_type(key, want)
	local t = redis.call('TYPE', key).ok
	return t == want or t == 'none'
end

local function bad(what)
	return { 'BAD', what }
end

local function hex32(s)
	return type(s) == 'string' and #s == 32 and not string.find(s, '[^0-9a-f]')
end

-- Calls cmd key args[from..to] in pieces of an even number of arguments.
local function in_pieces(cmd, key, args)
	for i = 1, #args, CHUNK do
		redis.call(cmd, key, unpack(args, i, math.min(i + CHUNK - 1, #args)))
	end
end

local function version(_, _)
	return 'alphapulse_v1'
end

-- KEYS ap:dataset  ARGV id, parts, created -> [id, parts] as they stand
local function dataset(keys, argv)
	if #keys ~= 1 or #argv ~= 3 or not num(argv[2]) or #argv[1] ~= 36 then
		return bad('arguments')
	end
	if not is_type(keys[1], 'hash') then
		return bad('type')
	end
	local was = redis.call('HMGET', keys[1], 'id', 'parts')
	if was[1] and was[2] then
		return { 'OK', was[1], was[2] }
	end
	redis.call('HSET', keys[1], 'id', argv[1], 'parts', argv[2], 'created', argv[3])
	return { 'OK', argv[1], argv[2] }
end

-- Whether the partition of this key no longer carries the data set's id: everything was deleted. Its seq is in the same slot.
local function emptied(key)
	local seq = string.match(key, '^ap:{%d+}:')
	return seq and not redis.call('HGET', seq .. 'seq', 'ds')
end

-- KEYS own  ARGV token, worker, lease_ms[, free_ms: take it only when nobody has had it for so long]
local function acquire(keys, argv)
	local lease, free = num(argv[3]), num(argv[4] or '0')
	if #keys ~= 1 or #argv < 3 or #argv > 4 or not hex32(argv[1]) or argv[2] == '' or not lease or lease < 1 or not free then
		return bad('arguments')
	end
	if not is_type(keys[1], 'hash') then
		return bad('type')
	end
	if emptied(keys[1]) then
		return { 'DATASET' }
	end
	local was = redis.call('HMGET', keys[1], 'e', 'x', 'w', 't')
	local epoch, expiry, now = num(was[1]) or 0, num(was[2]) or 0, now_ms()
	-- The first half of a token is its process's: a process may have back what it had, whoever that belongs to.
	local same = was[3] == argv[2] and (free == 0 or string.sub(was[4] or '', 1, 16) == string.sub(argv[1], 1, 16))
	if expiry + free > now and not same then
		if expiry > now and free == 0 then
			redis.call('HSET', keys[1], 'n', argv[2], 'nx', string.format('%.0f', now + lease))
		end
		return { 'HELD', expiry > now and was[3] or '', expiry + free - now }
	end
	redis.call('HSET', keys[1], 't', argv[1], 'e', string.format('%.0f', epoch + 1),
		'x', string.format('%.0f', now + lease), 'w', argv[2])
	redis.call('HDEL', keys[1], 'n', 'nx')
	if was[3] and was[3] ~= '' then
		return { 'OK', epoch + 1, was[3] }
	end
	return { 'OK', epoch + 1 }
end

-- KEYS own  ARGV token, epoch, lease_ms (0: give it up)
local function renew(keys, argv)
	local lease = num(argv[3])
	if #keys ~= 1 or #argv ~= 3 or not lease or not num(argv[2]) then
		return bad('arguments')
	end
	if not is_type(keys[1], 'hash') then
		return bad('type')
	end
	local own = redis.call('HMGET', keys[1], 't', 'e', 'n', 'nx')
	if own[1] ~= argv[1] or own[2] ~= argv[2] then
		return { 'FENCED' }
	end
	local now = now_ms()
	if lease == 0 then
		-- The epoch stays, so that it never repeats; the token goes, so that nothing of ours passes any more.
		redis.call('HSET', keys[1], 't', '', 'x', string.format('%.0f', now), 'w', '')
		return { 'OK' }
	end
	redis.call('HSET', keys[1], 'x', string.format('%.0f', now + lease))
	if own[3] and (num(own[4]) or 0) > now then
		return { 'OK', own[3] }
	end
	return { 'OK' }
end

-- What a worker's field says: when its registration ends, the token of its process, where that process is.
local function member(text)
	local x, token, where = string.match(text or '', '^(%d+) (%x+) (%S+)$')
	return num(x), token, where
end

-- KEYS workers  ARGV worker, token, term_ms (0: leave), where[, token of the dead process whose place is taken]
local function worker(keys, argv)
	local term = num(argv[3])
	if #keys ~= 1 or #argv < 4 or #argv > 5 or argv[1] == '' or #argv[1] > 64 or not hex32(argv[2]) or not term
	or #argv[4] > 200 or not string.find(argv[4], '^%S+$') then
		return bad('arguments')
	end
	if not is_type(keys[1], 'hash') then
		return bad('type')
	end
	local now, all, live = now_ms(), redis.call('HGETALL', keys[1]), { 'OK' }
	for i = 1, #all, 2 do
		local x, token, where = member(all[i + 1])
		if not x or x <= now then
			redis.call('HDEL', keys[1], all[i])
		elseif all[i] ~= argv[1] then
			live[#live + 1], live[#live + 2] = all[i], x - now
		elseif token ~= argv[2] and token ~= argv[5] then
			return { 'TWIN', x - now, token, where }
		end
	end
	if term == 0 then
		redis.call('HDEL', keys[1], argv[1])
		return live
	end
	if #live > 2 * WORKERS_MAX - 2 then
		return { 'FULL' }
	end
	redis.call('HSET', keys[1], argv[1], string.format('%.0f %s %s', now + term, argv[2], argv[4]))
	live[#live + 1], live[#live + 2] = argv[1], term
	return live
end

local function add(key, name, id, q, n, t, body, maxlen)
	if maxlen > 0 then
		redis.call('XADD', key, 'MAXLEN', '~', maxlen, id, 'v', '1', 'k', name, 'q', q, 'n', n, 't', t, 'b', body)
	else
		redis.call('XADD', key, id, 'v', '1', 'k', name, 'q', q, 'n', n, 't', t, 'b', body)
	end
end

-- KEYS raw, seq, hw  ARGV producer, first_seq, last_seq, floor_id, n, t, body, the mark the producer has seen (may be left out)
local function append(keys, argv)
	local first, last, n, seen = num(argv[2]), num(argv[3]), num(argv[5]), num(argv[8] or '0')
	local fms, fseq = id_of(argv[4])
	if #keys ~= 3 or #argv < 7 or #argv > 8 or argv[1] == '' or #argv[1] > 128 or not first or not last or last < first
	or not fms or not num(argv[6]) or not seen then
		return bad('arguments')
	end
	if not n or n < 1 or n > FRAME_RECS or #argv[7] > FRAME_BYTES then
		return bad('size')
	end
	if not is_type(keys[1], 'stream') or not is_type(keys[2], 'hash') or not is_type(keys[3], 'hash') then
		return bad('type')
	end
	local hw = num(redis.call('HGET', keys[3], argv[1])) or 0
	if hw < seen then
		return { 'LOST', hw }
	end
	if last > 0 and last <= hw then
		return { 'DUP', hw }
	end
	if last > 0 and first <= hw then
		return { 'PART', hw }
	end
	local was = redis.call('HMGET', keys[2], 'raw', 'raw:id', 'raw:n', 'ds')
	if not was[4] then
		return { 'DATASET' }
	end
	local lms, lseq = id_of(was[2])
	local ms, seq = now_ms(), 0
	if lms and not above(ms, seq, lms, lseq) then
		ms, seq = lms, lseq - lseq % STEP + STEP
	end
	if not above(ms, seq, fms, fseq) then
		ms, seq = fms, fseq - fseq % STEP + STEP
	end
	local q, id = (num(was[1]) or 0) + 1, id_text(ms, seq)
	add(keys[1], 'raw', id, string.format('%.0f', q), argv[5], argv[6], argv[7], 0)
	redis.call('HSET', keys[2], 'raw', string.format('%.0f', q), 'raw:id', id,
		'raw:n', string.format('%.0f', (num(was[3]) or 0) + n))
	if last > 0 then
		redis.call('HSET', keys[3], argv[1], argv[3])
	end
	return { 'OK', id, q }
end

-- The commit's arguments, walked once. Returns a table, or nil and what is wrong.
local function commit_parse(keys, argv)
	local c = { recs = num(argv[8]), q0 = num(argv[5]), q = num(argv[7]), first = num(argv[9]), lost = num(argv[10]),
		acks = {}, outs = {}, sets = {}, dels = {} }
	local nacks = num(argv[11])
	if not (c.recs and c.q0 and c.q and c.first and c.lost and nacks and id_of(argv[4]) and id_of(argv[6])) then
		return nil, 'arguments'
	end
	if nacks < 1 or nacks > ACKS_MAX or c.q ~= c.first + nacks - 1 then
		return nil, 'acks'
	end
	local at = 12
	for i = 1, nacks do
		c.acks[i] = argv[at]
		if not id_of(argv[at]) then
			return nil, 'acks'
		end
		at = at + 1
	end
	if c.acks[nacks] ~= argv[6] then
		return nil, 'acks'
	end
	local nouts = num(argv[at])
	if not nouts or nouts > OUTS_MAX then
		return nil, 'outs'
	end
	at = at + 1
	for i = 1, nouts do
		local o = { which = num(argv[at]), name = argv[at + 1], id = argv[at + 2], n = num(argv[at + 3]), t = argv[at + 4],
			body = argv[at + 5], maxlen = num(argv[at + 6]) }
		if not (o.which and o.n and num(o.t) and o.body and o.maxlen) or not keys[4 + o.which] or o.which < 1 then
			return nil, 'outs'
		end
		o.ms, o.seq = id_of(o.id)
		if not o.ms or not string.find(o.name, '^%l+$') or o.n < 1 or o.n > FRAME_RECS or #o.body > FRAME_BYTES then
			return nil, 'outs'
		end
		c.outs[i] = o
		at = at + 7
	end
	for _, part in ipairs({ { c.sets, 2, 'sets' }, { c.dels, 1, 'dels' } }) do
		local n = num(argv[at])
		if not n or n > FIELDS_MAX or at + n * part[2] > #argv then
			return nil, part[3]
		end
		for i = 1, n * part[2] do
			part[1][i] = argv[at + i]
		end
		at = at + 1 + n * part[2]
	end
	if at ~= #argv + 1 then
		return nil, 'arguments'
	end
	return c
end

-- Gives each output its id and q. An id that is not above the stream's last one is raised: continuations of one input entry may
-- have taken the ids of the next. Returns the HSET arguments for the seq hash and the last q.
local function commit_number(keys, c)
	local last, set, q = {}, {}, 0
	for _, o in ipairs(c.outs) do
		local l = last[o.name]
		if not l then
			local was = redis.call('HMGET', keys[3], o.name, o.name .. ':id', o.name .. ':n')
			l = { q = num(was[1]) or 0, n = num(was[3]) or 0 }
			l.ms, l.seq = id_of(was[2])
			l.ms, l.seq = l.ms or 0, l.seq or 0
			last[o.name] = l
		end
		if not above(o.ms, o.seq, l.ms, l.seq) then
			o.ms, o.seq = l.ms, l.seq + 1
		end
		l.ms, l.seq, l.q, l.n = o.ms, o.seq, l.q + 1, l.n + o.n
		o.q, q = string.format('%.0f', l.q), l.q
	end
	for name, l in pairs(last) do
		for _, v in ipairs({ name, string.format('%.0f', l.q), name .. ':id', id_text(l.ms, l.seq),
			name .. ':n', string.format('%.0f', l.n) }) do
			set[#set + 1] = v
		end
	end
	return set, q
end

local function commit_types(keys)
	for i = 1, 3 do
		if not is_type(keys[i], 'hash') then
			return false
		end
	end
	for i = 4, #keys do
		if not is_type(keys[i], 'stream') then
			return false
		end
	end
	return true
end

-- Records taken so far; at the end of the input it is the input's own count, so that a loss does not skew the lag for ever.
local function commit_taken(keys, argv, c, stored)
	local name = string.match(keys[4], ':(%l+)$')
	local head = name and redis.call('HMGET', keys[3], name .. ':id', name .. ':n') or {}
	if head[1] == argv[6] and num(head[2]) then
		return head[2]
	end
	return string.format('%.0f', (num(stored) or 0) + c.recs)
end

-- KEYS own, state, seq, input, outputs...  ARGV see schema/streams.md
local function commit(keys, argv)
	if #keys < 4 or #argv < 14 then
		return bad('arguments')
	end
	if not commit_types(keys) then
		return bad('type')
	end
	local own = redis.call('HMGET', keys[1], 't', 'e')
	if own[1] ~= argv[1] or own[2] ~= argv[2] then
		return { 'FENCED' }
	end
	local c, what = commit_parse(keys, argv)
	if not c then
		return bad(what)
	end
	local st = redis.call('HMGET', keys[2], 'c', 'q', 'n', 'lost')
	local cursor, stored_q = st[1] or '0-0', num(st[2]) or 0
	if cursor == argv[6] and stored_q == c.q then
		return { 'ALREADY' }
	end
	if cursor ~= argv[4] or stored_q ~= c.q0 then
		return { 'CURSOR', cursor }
	end
	if c.first ~= stored_q + 1 + c.lost then
		return { 'GAP', stored_q }
	end
	local seqs, q = commit_number(keys, c)
	local taken = commit_taken(keys, argv, c, st[3])
	for _, o in ipairs(c.outs) do
		add(keys[4 + o.which], o.name, id_text(o.ms, o.seq), o.q, o.n, o.t, o.body, o.maxlen)
	end
	if #seqs > 0 then
		redis.call('HSET', keys[3], unpack(seqs))
	end
	in_pieces('HSET', keys[2], c.sets)
	in_pieces('HDEL', keys[2], c.dels)
	redis.call('HSET', keys[2], 'c', argv[6], 'q', argv[7], 'n', taken)
	if c.lost > 0 then
		redis.call('HSET', keys[2], 'lost', string.format('%.0f', (num(st[4]) or 0) + c.lost))
	end
	redis.call('XACK', keys[4], argv[3], unpack(c.acks))
	return { 'OK', q }
end

-- KEYS own, seq, stream  ARGV token, epoch, n, t, body, maxlen: one more entry of a short-lived stream, behind its newest one
local function show(keys, argv)
	local n, maxlen = num(argv[3]), num(argv[6])
	local name = keys[3] and string.match(keys[3], ':(%l+)$')
	if #keys ~= 3 or #argv ~= 6 or not name or not num(argv[4]) or not maxlen or maxlen < 1 then
		return bad('arguments')
	end
	if not n or n < 1 or n > FRAME_RECS or #argv[5] > FRAME_BYTES then
		return bad('size')
	end
	if not is_type(keys[1], 'hash') or not is_type(keys[2], 'hash') or not is_type(keys[3], 'stream') then
		return bad('type')
	end
	local own = redis.call('HMGET', keys[1], 't', 'e')
	if own[1] ~= argv[1] or own[2] ~= argv[2] then
		return { 'FENCED' }
	end
	local was = redis.call('HMGET', keys[2], name, name .. ':id', name .. ':n')
	local ms, seq = id_of(was[2])
	local id, q = id_text(ms or 0, (seq or 0) + 1), string.format('%.0f', (num(was[1]) or 0) + 1)
	add(keys[3], name, id, q, argv[3], argv[4], argv[5], maxlen)
	redis.call('HSET', keys[2], name, q, name .. ':id', id, name .. ':n', string.format('%.0f', (num(was[3]) or 0) + n))
	return { 'OK', id }
end

-- KEYS streams..., then the state hashes of their readers...
-- ARGV count of streams, then per stream: min id, how many of the reader keys are its own
local function trim(keys, argv)
	local n = num(argv[1])
	if not n or n < 1 or n > #keys or #argv ~= 1 + 2 * n then
		return bad('arguments')
	end
	local at, mins = n, {}
	for i = 1, n do
		local ms, seq = id_of(argv[2 * i])
		local readers = num(argv[2 * i + 1])
		if not ms or not readers or at + readers > #keys or not is_type(keys[i], 'stream') then
			return bad('arguments')
		end
		for j = at + 1, at + readers do
			if not is_type(keys[j], 'hash') then
				return bad('type')
			end
			local cms, cseq = id_of(redis.call('HGET', keys[j], 'c'))
			if not cms then
				ms, seq = 0, 0
			elseif above(ms, seq, cms, cseq) then
				ms, seq = cms, cseq
			end
		end
		at, mins[i] = at + readers, id_text(ms, seq)
	end
	if at ~= #keys then
		return bad('arguments')
	end
	local removed = 0
	for i = 1, n do
		removed = removed + redis.call('XTRIM', keys[i], 'MINID', '~', mins[i])
	end
	return { 'OK', removed }
end

redis.register_function{ function_name = 'ap_version_v1', callback = version, flags = { 'no-writes' } }
redis.register_function('ap_dataset_v1', dataset)
redis.register_function{ function_name = 'ap_acquire_v1', callback = acquire, flags = { 'allow-oom' } }
redis.register_function{ function_name = 'ap_renew_v1', callback = renew, flags = { 'allow-oom' } }
redis.register_function{ function_name = 'ap_worker_v1', callback = worker, flags = { 'allow-oom' } }
redis.register_function('ap_append_v1', append)
-- Without memory only what comes in from outside is refused. A commit may go over the limit: it takes from the stream before, and
-- when the last one has taken, that can be trimmed; refused, nothing would ever get shorter.
redis.register_function{ function_name = 'ap_commit_v1', callback = commit, flags = { 'allow-oom' } }
redis.register_function('ap_show_v1', show)
redis.register_function{ function_name = 'ap_trim_v1', callback = trim, flags = { 'allow-oom' } }
