// page.test.mjs - the page in a real browser: what it shows is what the API says, and it says when it is stale.
//
// Prints TAP. AP_API_URL: a running ap-api with candles. AP_FEED_PID (optional): the process to stop for the test of
// staleness. AP_SHOTS (optional): a directory for screenshots.
import { chromium } from 'playwright-core';

const base = process.env.AP_API_URL.replace(/\/$/, '');
const chrome = process.env.AP_CHROMIUM ?? '/usr/bin/chromium';
let n = 0;
let failed = 0;
function check(text, ok, detail = '') {
	n += 1;
	if (!ok) {
		failed += 1;
		console.log(`not ok ${n} - ${text}`);
		String(detail).split('\n').forEach((l) => console.log(`#   ${l}`));
	} else {
		console.log(`ok ${n} - ${text}`);
	}
}
const skip = (text, why) => console.log(`ok ${(n += 1)} - ${text} # SKIP ${why}`);

const browser = await chromium.launch({
	executablePath: chrome,
	args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run'],
});
const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark' });
const said = [];
const foreign = [];
page.on('console', (m) => said.push(`${m.type()}: ${m.text()}`));
page.on('pageerror', (e) => said.push(`error: ${e.message}`));
page.on('requestfailed', (r) => said.push(`failed: ${r.url()} ${r.failure()?.errorText}`));
page.on('request', (r) => {
	const u = new URL(r.url());
	if (u.protocol !== 'data:' && u.host !== new URL(base).host) {
		foreign.push(r.url());
	}
});
page.on('websocket', (w) => new URL(w.url()).host !== new URL(base).host && foreign.push(w.url()));

const shot = async (name) => process.env.AP_SHOTS && page.screenshot({ path: `${process.env.AP_SHOTS}/${name}.png` });
const state = () => page.evaluate(() => ({ ...globalThis.__alphapulse.state, pipeline: null }));

/** Waits until f(arg) is true in the page. (waitForFunction would need eval, which the page's policy forbids.) */
async function until(f, arg, ms) {
	const end = Date.now() + ms;
	while (!(await page.evaluate(f, arg))) {
		if (Date.now() > end) {
			throw new Error(`not within ${ms} ms: ${f} ${arg ?? ''}`);
		}
		await page.waitForTimeout(100);
	}
}

/** The chart's candles and the REST answer, read close together; closed candles only, forming ones move. */
async function compare(symbol, source, timeframe) {
	const shown = await page.evaluate(() => globalThis.__alphapulse.candles());
	const rest = await (await fetch(`${base}/api/streaming/data/${symbol}?source=${source}&timeframe=${timeframe}&limit=300`)).json();
	const closed = new Map(rest.candles.filter((c) => c.state !== 'forming').map((c) => [Date.parse(c.open_time) / 1000, c]));
	const wrong = [];
	let same = 0;
	for (const bar of shown) {
		const c = closed.get(bar.time);
		if (!c) {
			continue;
		}
		const equal = ['open', 'high', 'low', 'close', 'volume'].every((k) => bar[k] === c[k]);
		if (equal) {
			same += 1;
		} else {
			wrong.push(`${JSON.stringify(bar)} ${JSON.stringify(c)}`);
		}
	}
	const missing = [...closed.keys()].filter((t) => !shown.some((b) => b.time === t));
	return { same, wrong, missing: missing.slice(0, -1), shown: shown.length, closed: closed.size };
}

try {
	await page.goto(base, { waitUntil: 'load' });
	await until(() => globalThis.__alphapulse?.candles().length > 1, null, 20000);
	let s = await state();
	check('the page shows candles within 20 s', true);
	let r = await compare(s.symbol, s.source, s.timeframe);
	check('every closed candle on the chart equals the REST answer', r.same > 0 && r.wrong.length === 0, r.wrong.slice(0, 3).join('\n') || JSON.stringify(r));
	check('no closed candle of the REST answer is missing on the chart', r.missing.length === 0, JSON.stringify(r));

	const before = await page.evaluate(() => globalThis.__alphapulse.state.updated);
	await until((t) => globalThis.__alphapulse.state.updated > t, before, 15000);
	check('the forming candle moves', true);
	await until(() => globalThis.__alphapulse.state.verdict === 'live', null, 15000);
	check('the page says that it is live', (await page.textContent('#link-text')) === 'Live');
	await until(() => document.querySelectorAll('#stages > li').length === 5, null, 5000);
	check('the pipeline is a row of five stages', true);
	await shot('live-dark');

	await page.keyboard.press('2');
	await until(() => globalThis.__alphapulse.state.timeframe === '5m' && globalThis.__alphapulse.candles().length > 0, null, 10000);
	s = await state();
	r = await compare(s.symbol, s.source, '5m');
	check('key 2 switches to 5m and the chart equals the REST answer', r.same > 0 && r.wrong.length === 0, JSON.stringify(r));

	await page.evaluate(() => {
		for (const x of globalThis.__alphapulse.state.series) {
			x.timeframes.push('1M', 'vol50', '10m');
		}
	});
	await page.keyboard.press('2');
	const buttons = await page.$$eval('#timeframes button', (b) => b.map((x) => x.value).join());
	check('timeframes of its own that a series has can be chosen, by length', buttons === '1m,5m,10m,15m,1h,4h,1d,1M,vol50', buttons);

	const symbols = await page.$$eval('#symbol option', (o) => o.map((x) => x.value));
	if (symbols.length > 1) {
		const other = symbols.find((x) => x !== s.symbol);
		await page.selectOption('#symbol', other);
		await until((x) => globalThis.__alphapulse.state.symbol === x && globalThis.__alphapulse.candles().length > 0, other, 10000);
		s = await state();
		r = await compare(s.symbol, s.source, s.timeframe);
		check('another symbol can be chosen and its chart equals the REST answer', r.same > 0 && r.wrong.length === 0, JSON.stringify(r));
	} else {
		skip('another symbol can be chosen and its chart equals the REST answer', 'there is one symbol');
	}
	await page.click('#theme');
	check('the other theme can be chosen', (await page.getAttribute('html', 'data-theme')) === 'light');
	await page.waitForTimeout(300);
	await shot('live-light');
	await page.setViewportSize({ width: 390, height: 844 });
	await page.waitForTimeout(300);
	const wide = await page.evaluate(() => document.documentElement.scrollWidth);
	check('on a phone nothing is wider than the screen', wide <= 390, `scrollWidth ${wide}`);
	await shot('phone');
	await page.setViewportSize({ width: 1440, height: 900 });
	const unnamed = await page.$$eval('button, select, a', (all) => all.filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length);
	check('every control has a name', unnamed === 0, `${unnamed} without`);
	const link = await page.$('footer a[href="https://www.tradingview.com/"]');
	check("the chart library's attribution is visible", link !== null && await link.isVisible());
	check('the console is clean', said.length === 0, said.join('\n'));
	check('no request leaves the host', foreign.length === 0, foreign.join('\n'));

	if (process.env.AP_FEED_PID) {
		process.kill(Number(process.env.AP_FEED_PID), 'SIGSTOP');
		await until(() => globalThis.__alphapulse.state.stale, null, 40000);
		const text = await page.textContent('#banner');
		check('when the feed stops the page says that it is stale', await page.isVisible('#banner') && /^Stale: nothing from/.test(text), text);
		await shot('stale');
		process.kill(Number(process.env.AP_FEED_PID), 'SIGCONT');
		await until(() => globalThis.__alphapulse.state.verdict === 'live', null, 20000);
		check('when the feed goes on the page is live again', !(await page.isVisible('#banner')));
	} else {
		skip('when the feed stops the page says that it is stale', 'AP_FEED_PID is not set');
	}
	if (process.env.AP_API_PID) {
		process.kill(Number(process.env.AP_API_PID), 'SIGTERM');
		await until(() => globalThis.__alphapulse.state.verdict === 'lost', null, 10000);
		check('when the server goes the page says that the connection is lost', /^Connection lost/.test(await page.textContent('#banner')));
		await shot('lost');
	} else {
		skip('when the server goes the page says that the connection is lost', 'AP_API_PID is not set');
	}
} catch (e) {
	check('the page does what was asked in time', false, `${e.message}\n${said.join('\n')}\n${JSON.stringify(await state().catch(() => null))}`);
} finally {
	await browser.close();
}
console.log(`1..${n}`);
process.exitCode = failed > 0 ? 1 : 0;
