// api.mjs - the API over real sockets, part by part: node api.mjs PART. Prints "ok TEXT" and "not ok TEXT" lines.
// AP_API_URL: the API. Raw sockets on purpose: what is tested is what a hostile or careless client sends.
import crypto from 'node:crypto';
import net from 'node:net';

const base = new URL(process.env.AP_API_URL);
const out = (ok, text, detail) => {
	console.log(`${ok ? 'ok' : 'not ok'} ${text}`);
	if (!ok && detail !== undefined) {
		console.log(`#   ${String(detail).slice(0, 1500)}`);
	}
};
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const get = async (path, init) => {
	const r = await fetch(new URL(path, base), { signal: AbortSignal.timeout(8000), ...init });
	const text = await r.text();
	let json = null;
	try {
		json = JSON.parse(text);
	} catch {
		// not every answer is JSON
	}
	return { status: r.status, headers: r.headers, text, json };
};

/** Bytes to the port; resolves with what came back until it closes or `ms` passed. */
const raw = (bytes, ms = 1500) => new Promise((resolve) => {
	let got = '';
	let closed = false;
	const s = net.connect(Number(base.port), base.hostname, () => s.write(bytes));
	s.on('data', (d) => (got += d.toString('latin1')));
	s.on('error', () => {});
	s.on('close', () => (closed = true));
	const end = Date.now() + ms;
	const timer = setInterval(() => {
		if (closed || Date.now() > end) {
			clearInterval(timer);
			s.destroy();
			resolve({ got, closed, ms: ms - (end - Date.now()) });
		}
	}, 20);
});
const statusOf = (r) => Number(r.got.split(' ')[1]);

/** A WebSocket client with nothing hidden. */
class Ws {
	static async open(headers = {}) {
		const w = new Ws();
		const h = { Host: base.host, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13',
			'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'), ...headers };
		w.messages = [];
		w.buf = Buffer.alloc(0);
		w.socket = net.connect(Number(base.port), base.hostname);
		w.closed = new Promise((r) => w.socket.on('close', r));
		w.socket.on('error', () => {});
		w.socket.write(`GET /ws/streaming HTTP/1.1\r\n${Object.entries(h).filter(([, v]) => v !== null).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
		await new Promise((resolve) => {
			w.socket.on('data', (d) => {
				w.buf = Buffer.concat([w.buf, d]);
				if (w.status === undefined) {
					const at = w.buf.indexOf('\r\n\r\n');
					if (at < 0) {
						return;
					}
					w.head = w.buf.subarray(0, at).toString();
					w.status = Number(w.head.split(' ')[1]);
					w.buf = w.buf.subarray(at + 4);
					resolve();
				}
				w.frames();
			});
			setTimeout(resolve, 2000);
		});
		return w;
	}
	frames() {
		while (this.status === 101 && this.buf.length >= 2) {
			let n = this.buf[1] & 127;
			let off = 2;
			if (n === 126) {
				n = this.buf.length < 4 ? Infinity : this.buf.readUInt16BE(2);
				off = 4;
			} else if (n === 127) {
				n = this.buf.length < 10 ? Infinity : Number(this.buf.readBigUInt64BE(2));
				off = 10;
			}
			if (this.buf.length < off + n) {
				return;
			}
			const op = this.buf[0] & 15;
			const body = this.buf.subarray(off, off + n);
			this.buf = this.buf.subarray(off + n);
			if (op === 1) {
				this.messages.push(JSON.parse(body.toString()));
			} else if (op === 8) {
				this.code = body.length >= 2 ? body.readUInt16BE(0) : 1005;
				this.reason = body.subarray(2).toString();
			} else if (op === 10) {
				this.pong = body.toString();
			}
		}
	}
	frame(op, text, { fin = true, mask = true } = {}) {
		const body = Buffer.from(text);
		const key = mask ? crypto.randomBytes(4) : Buffer.alloc(0);
		const len = body.length < 126 ? Buffer.from([body.length]) : body.length < 65536 ? Buffer.from([126, body.length >> 8, body.length & 255])
			: Buffer.concat([Buffer.from([127]), (() => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(body.length)); return b; })()]);
		len[0] |= mask ? 128 : 0;
		const masked = mask ? Buffer.from(body.map((c, i) => c ^ key[i & 3])) : body;
		this.socket.write(Buffer.concat([Buffer.from([(fin ? 128 : 0) | op]), len, key, masked]));
	}
	say(o) {
		this.frame(1, JSON.stringify(o));
	}
	async wait(test, ms = 4000) {
		const end = Date.now() + ms;
		for (;;) {
			const m = this.messages.find(test);
			if (m || Date.now() > end) {
				return m;
			}
			await sleep(20);
		}
	}
	async end(ms = 3000) {
		await Promise.race([this.closed, sleep(ms)]);
		return this.code;
	}
}

const parts = {
	async shapes() {
		const has = (o, keys) => o !== null && keys.every((k) => k in o);
		let r = await get('/api/streaming/status');
		out(r.status === 200 && has(r.json, ['streaming_status', 'processor_status', 'metrics_status', 'components', 'timestamp']), 'status has its members', r.text);
		out(r.json.components.redis === 'up' && r.json.components.postgresql === 'up' && r.json.streaming_status === 'running', 'status is that of the servers and of the feed', r.text);
		r = await get('/api/streaming/metrics');
		out(r.status === 200 && has(r.json, ['system_metrics', 'component_metrics', 'performance_metrics', 'timestamp']), 'metrics has its members', r.text);
		r = await get('/api/streaming/data/BTC-USDT');
		out(r.status === 200 && has(r.json, ['symbol', 'candles', 'indicators', 'signals', 'timestamp']) && r.json.candles.length === 20, 'data has its members and 20 candles by default', r.text);
		const t = r.json.candles.map((c) => c.open_time);
		out(t.every((x, i) => i === 0 || x > t[i - 1]), 'candles come oldest first, each once');
		for (const name of ['btcusdt', 'BTC%2FUSDT', 'BTC_USDT', 'BTCUSDT']) {
			const v = await get(`/api/streaming/data/${name}?source=kraken&limit=1`);
			out(v.status === 200 && v.json.symbol === 'BTC-USDT' && v.json.source === 'kraken', `the spelling ${name} is BTC-USDT`, v.text);
		}
		r = await get('/openapi.json');
		const paths = Object.keys(r.json?.paths ?? {});
		out(['/api/streaming/status', '/api/streaming/metrics', '/api/streaming/data/{symbol}', '/api/streaming/process', '/ws/streaming', '/healthz', '/readyz', '/metrics'].every((p) => paths.includes(p)), 'the API describes itself', paths);
		r = await get('/');
		const csp = r.headers.get('content-security-policy') ?? '';
		out(r.status === 200 && /default-src 'none'/.test(csp) && !/unsafe/.test(csp) && !/<script>|style="|onclick/.test(r.text), 'the page has a strict policy and nothing inline', csp);
		const etag = r.headers.get('etag');
		const again = await get('/', { headers: { 'If-None-Match': etag } });
		out(/^"[^"]+"$/.test(etag) && again.status === 304 && again.text === '', 'an unchanged page is not sent twice', again.status);
		r = await raw(`HEAD / HTTP/1.1\r\nHost: ${base.host}\r\nConnection: close\r\n\r\n`);
		out(statusOf(r) === 200 && r.got.endsWith('\r\n\r\n'), 'HEAD has no body', r.got);
		r = await get('/favicon.ico');
		out(r.status === 204, 'the browser gets an answer for /favicon.ico', r.status);
		r = await get('/metrics');
		out(r.status === 200 && /^ap_api_http_requests_total \d+$/m.test(r.text), '/metrics counts the requests');
	},
	// Rows as psql prints them: what the API says, digit by digit, no number read as a number.
	async rows() {
		const r = await get('/api/streaming/data/ETH-USDT?timeframe=1m&limit=10000');
		const text = r.text.replace(/"(open|high|low|close|volume|quote_volume|vwap)":(-?[\d.]+)/g, '"$1":"$2"');
		for (const c of JSON.parse(text).candles.filter((x) => x.state !== 'forming').slice(0, 1300)) {
			console.log([c.open_time, c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.vwap, c.trade_count].join(' '));
		}
	},
	async values() {
		const { indicators } = (await get('/api/streaming/data/ETH-USDT?timeframe=1m&limit=10000')).json;
		out(indicators.length >= 900 && indicators.every((i) => Object.keys(i.values).length === 10), 'and their indicators come with them', indicators.length);
	},
	async errors() {
		const rows = [
			['GET', '/api/streaming/data/NOPE-USD', 404], ['GET', '/api/streaming/data/%27%3BDROP', 400], ['GET', `/api/streaming/data/${'A'.repeat(49)}`, 400],
			['GET', '/api/streaming/data/BTC-USDT?limit=0', 400], ['GET', '/api/streaming/data/BTC-USDT?limit=10001', 400],
			['GET', '/api/streaming/data/BTC-USDT?limit=ten', 400], ['GET', '/api/streaming/data/BTC-USDT?timeframe=2', 400],
			['GET', '/api/streaming/data/BTC-USDT?timeframes=1m', 400], ['GET', '/api/streaming/data/BTC-USDT?source=nobody', 404],
			['GET', '/nothing', 404], ['GET', '/../etc/passwd', 404], ['DELETE', '/api/streaming/status', 405], ['GET', '/api/streaming/process', 405],
			['POST', '/api/streaming/process', 400, '{'], ['POST', '/api/streaming/process', 400, '[]'], ['POST', '/api/streaming/process', 400, '{"symbol":"A"}'],
			['POST', '/api/streaming/process', 413, 'x'.repeat(70000)],
		];
		for (const [method, path, want, body] of rows) {
			const r = await get(path, { method, body });
			out(r.status === want && typeof r.json?.error === 'string' && r.json.reason.length > 5, `${method} ${path.slice(0, 60)} is ${want} with a reason`, `${r.status} ${r.text}`);
		}
		let r = await get('/api/streaming/process', { method: 'POST', body: '{}', headers: { Origin: 'https://evil.example' } });
		out(r.status === 403, 'a page of another origin cannot post', r.status);
		r = await raw(`POST /api/streaming/process HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}`);
		out(statusOf(r) === 400, 'two lengths are refused', r.got);
		r = await raw(`POST /api/streaming/process HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n0\r\n\r\n`);
		out(statusOf(r) === 400, 'a length beside a transfer coding is refused', r.got);
		r = await raw(`GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`);
		out(statusOf(r) === 200, 'an upgrade to h2c gets an ordinary answer', r.got.slice(0, 60));
		r = await raw(`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(40000)}\r\n\r\n`);
		out(statusOf(r) >= 400 || r.closed, 'a header without end is refused', r.got.slice(0, 60));
		r = await raw('GET /healthz HT', 9000);
		out(r.closed && r.ms < 8000, 'a header that does not come is cut off after 5 s', `${r.closed} ${r.ms}`);
	},
	async ws() {
		const key = { 'Sec-WebSocket-Key': null };
		const no = [[{ Origin: 'https://evil.example' }, 403, 'another Origin'], [key, 400, 'no key'], [{ 'Sec-WebSocket-Key': 'abc' }, 400, 'a bad key'],
			[{ 'Sec-WebSocket-Version': '8' }, 426, 'another version'], [{ Upgrade: 'h2c' }, 426, 'h2c']];
		for (const [h, want, what] of no) {
			const w = await Ws.open(h);
			out(w.status === want, `an upgrade with ${what} is ${want}`, w.status);
			w.socket.destroy();
		}
		const w = await Ws.open({ Origin: base.origin });
		out(w.status === 101 && !/Extensions/i.test(w.head), 'the page itself is let in, without extensions', w.head);
		const hello = await w.wait((m) => m.type === 'snapshot');
		out(hello?.list?.series.length >= 4, 'first comes a snapshot of what there is', JSON.stringify(hello)?.slice(0, 300));
		w.say({ action: 'subscribe', symbol: 'btcusdt', source: 'binance', timeframe: '1m', id: 'a' });
		const snap = await w.wait((m) => m.type === 'snapshot' && m.symbol === 'BTC-USDT');
		const rest = (await get('/api/streaming/data/BTC-USDT?source=binance&limit=300')).json;
		const closed = (l) => JSON.stringify(l.filter((c) => c.state !== 'forming').slice(-200));
		out(snap && closed(snap.candles) === closed(rest.candles), 'the snapshot of a subscription equals the REST answer', snap?.candles.length);
		const ack = await w.wait((m) => m.type === 'subscribed');
		out(ack?.id === 'a' && ack.subscriptions === 1, 'a subscription is confirmed with its id', JSON.stringify(ack));
		const from = w.messages.length;
		await sleep(2500);
		const later = w.messages.slice(from);
		const candles = later.filter((m) => m.type === 'candle');
		out(candles.length > 5 && candles.every((m) => m.symbol === 'BTC-USDT' && m.source === 'binance' && m.timeframe === '1m'), 'then come candles of that series alone', candles.length);
		out(later.some((m) => m.type === 'streaming_update' && m.pipeline.stages.length === 5), 'and the numbers of the pipeline');
		out(w.messages.every((m, i) => m.seq === i + 1), 'messages are numbered without a gap', w.messages.map((m) => m.seq).slice(0, 30));
		const types = ['snapshot', 'streaming_update', 'candle', 'indicator', 'signal', 'heartbeat', 'subscribed'];
		out(w.messages.every((m) => types.includes(m.type) && m.timestamp), 'every message has a known type and a time');
		w.say({ action: 'ping', id: 3 });
		out((await w.wait((m) => m.type === 'pong'))?.id === 3, 'ping is answered');
		w.frame(9, 'hi');
		await sleep(200);
		out(w.pong === 'hi', 'so is the ping of the protocol');
		w.say({ action: 'dance' });
		out(/action/.test((await w.wait((m) => m.type === 'error'))?.reason), 'a senseless message gets a reason');
		w.frame(1, '{"action":"pi', { fin: false });
		w.frame(0, 'ng","id":4}');
		out((await w.wait((m) => m.type === 'pong' && m.id === 4)) !== undefined, 'a message in two fragments is taken');
		out((await w.wait((m) => m.type === 'heartbeat', 6000)) !== undefined, 'a heartbeat comes');
		w.frame(8, Buffer.from([3, 232]));
		out((await w.end()) === 1000, 'closing is answered', w.code);

		const bad = [
			['an unmasked frame', 1002, (c) => c.frame(1, '{}', { mask: false })],
			['a message over 64 KiB', 1009, (c) => c.frame(1, 'x'.repeat(70000))],
			['a binary message', 1003, (c) => c.frame(2, 'x')],
			['text that is not UTF-8', 1007, (c) => c.frame(1, Buffer.from([0xff, 0xfe]))],
			['more than 16 fragments', 1008, (c) => { c.frame(1, 'x', { fin: false }); for (let i = 0; i < 17; i += 1) { c.frame(0, 'x', { fin: false }); } }],
			['senseless messages without end', 1008, (c) => { for (let i = 0; i < 20; i += 1) { c.frame(1, 'x'); } }],
			['a flood of frames', 1008, (c) => { for (let i = 0; i < 400; i += 1) { c.frame(9, 'x'); } }],
		];
		for (const [what, code, act] of bad) {
			const c = await Ws.open();
			act(c);
			out((await c.end()) === code, `${what} closes with ${code}`, c.code);
			c.socket.destroy();
		}
	},
	async many() {
		const c = await Ws.open();
		c.say({ action: 'subscribe', symbol: ['BTC-USDT', 'ETH-USDT', 'SOL-USDT'], timeframe: ['1m', '5m', '1h'] });
		await c.wait(() => c.messages.filter((m) => m.type === 'snapshot').length === 10, 15000);
		out(c.messages.filter((m) => m.type === 'snapshot').length === 10, 'one that reads gets many snapshots, each longer than its bound', JSON.stringify(c.messages.filter((m) => m.type === 'snapshot').map((m) => [m.symbol, m.timeframe, m.candles?.length, m.reason])));
		c.socket.destroy();
	},
	async slow() {
		const w = await Ws.open();
		w.socket.pause();
		const end = Date.now() + 30000;
		let n = 0;
		while (Date.now() < end && n === 0) {
			await sleep(500);
			n = Number((await get('/metrics')).text.match(/^ap_api_ws_slow_total (\d+)/m)[1]);
		}
		out(n > 0, 'a client that does not read is closed', n);
		w.socket.destroy();
		const c = await Ws.open();
		await sleep(1500);
		out(c.messages.length > 20, 'and the others go on', c.messages.length);
		c.socket.destroy();
	},
	async limit() {
		const codes = [];
		let retry = null;
		for (let i = 0; i < 80; i += 1) {
			const r = await get('/healthz');
			codes.push(r.status);
			retry = r.headers.get('retry-after') ?? retry;
		}
		out(codes.includes(429) && codes[0] === 200 && Number(retry) >= 1, 'an address that asks too often gets 429 and when to come again', codes.filter((x) => x === 429).length);
		await sleep(1500);
		out((await get('/healthz')).status === 200, 'and is heard again later');
	},
	async away() {
		for (const path of ['/readyz', '/api/streaming/data/BTC-USDT']) {
			const r = await get(path);
			out(r.status === 503 && r.json.reason.includes(process.env.AP_AWAY) && r.headers.get('retry-after'), `${path} is 503 while ${process.env.AP_AWAY} is away`, `${r.status} ${r.text}`);
		}
		const r = await get('/api/streaming/process', { method: 'POST', body: '{"symbol":"A-USD","data":{"price":1}}' });
		out(r.status === 503, `a POST is 503 while ${process.env.AP_AWAY} is away`, r.text);
		const s = await get('/api/streaming/status');
		out(s.status === 200 && s.json.components[process.env.AP_AWAY.toLowerCase()] === 'down', 'status says who is away', s.text.slice(0, 200));
		out((await get('/healthz')).status === 200, 'the process itself is well');
	},
	async post() {
		const send = async (o, q = '') => get(`/api/streaming/process${q}`, { method: 'POST', body: JSON.stringify(o) });
		const id = `t${Date.now()}`;
		const trade = { symbol: 'BTCUSDT', data_type: 'trade', data: { price: '64000.5', volume: 0.25, timestamp: Date.now(), trade_id: id } };
		let r = await send(trade, '?wait_ms=5000');
		out(r.status === 200 && r.json.status === 'processed' && r.json.result.status === 'valid' && /^\d+-\d+-\d+$/.test(r.json.message_id), 'a posted trade is valid', r.text);
		r = await send(trade, '?wait_ms=5000');
		out(r.status === 200 && r.json.result.status === 'duplicate', 'the same again is a duplicate', r.text);
		r = await send([{ ...trade, data: { ...trade.data, trade_id: `${id}b` } }, { ...trade, data: { ...trade.data, price: -1, trade_id: `${id}c` } },
			{ ...trade, data: { ...trade.data, price: 'NaN', trade_id: `${id}d` } }, { ...trade, data: { ...trade.data, timestamp: 'yesterday', trade_id: `${id}e` } }], '?wait_ms=5000');
		const fates = r.json?.result?.map((x) => x.result?.status);
		out(r.status === 200 && JSON.stringify(fates) === '["valid","invalid","invalid","invalid"]', 'of a list each message has its own result, in order', r.text);
		out(r.json?.result?.slice(1).every((x) => x.result.errors[0].reason.length > 3), 'what is invalid has a reason', r.text);
		r = await send({ ...trade, data: { ...trade.data, trade_id: `${id}f` } }, '?wait_ms=0');
		const quick = r.status === 200 && r.json.status === 'processed' && r.json.result.status === 'valid';
		out((quick || (r.status === 202 && r.json.status === 'accepted' && r.json.result === null)) && r.json.message_id, 'without waiting it is accepted, or done already', r.text);
	},
};

await parts[process.argv[2]]();
process.exit(0);
