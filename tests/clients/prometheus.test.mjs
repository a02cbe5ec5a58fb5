// What operators copy works: promtool is satisfied, and a real Prometheus has an answer to every query of the rules and the dashboard.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { repository, startGateway } from './gateway.mjs';
import { promtool, startPrometheus } from './prometheus.mjs';
import { until } from './wait.mjs';

const token = 'a-token-for-prometheus-alone';
const leave = new AbortController();
let gateway, prometheus, publishing, log;

before(async () => {
  // The log on disk has metrics of its own; what memory no longer holds is read from there.
  log = await mkdtemp(join(tmpdir(), 'prometheus-'));
  gateway = await startGateway({
    'admin.token': token,
    'log.path': log,
    'history.messages': 5,
    llm: '[{ name = "demo", url = "demo:" }]',
    'access.prompt': 'auto',
    'relay.busy': 'parallel',
  });
  for (const wire of ['sse', 'chunked']) {
    const { body } = await fetch(`${gateway.url}/${wire}/demo`, { signal: leave.signal });
    body.pipeTo(new WritableStream()).catch(() => {});
  }
  const socket = new WebSocket(`${gateway.url}/ws/demo`);
  leave.signal.addEventListener('abort', () => socket.terminate());
  await new Promise((resolve) => {
    socket.on('open', resolve);
  });
  // Somebody who comes back, and somebody who is refused.
  const { id } = await gateway.publish('demo', 0);
  await (await fetch(`${gateway.url}/chunked/demo?last_event_id=${id}`)).body.cancel();
  assert.equal((await fetch(`${gateway.url}/sse/demo?since=nonsense`)).status, 400);
  prometheus = await startPrometheus(gateway.admin, token);
  publishing = (async () => {
    for (let n = 1; !leave.signal.aborted; n += 1) {
      await gateway.publish('demo', n);
      await gateway.history('demo');
      // Answers of the built-in model; it gives two at once, and refuses others.
      if (n % 20 === 1)
        await (await fetch(`${gateway.url}/llm/answers`, { method: 'POST', body: 'Hi' })).text();
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  })();
});
after(async () => {
  leave.abort();
  await publishing;
  await prometheus?.stop();
  await gateway?.stop();
  if (log) await rm(log, { recursive: true });
});

test('promtool finds nothing to say about the metrics, the configuration and the rules', {
  timeout: 60_000,
}, async () => {
  const metrics = await (
    await fetch(`${gateway.admin}/metrics`, { headers: { Authorization: `Bearer ${token}` } })
  ).text();
  assert.match(metrics, /^tricast_connections\{wire="sse"\} 1$/m);
  assert.equal(await promtool(['check', 'metrics'], metrics), '');
  assert.match(await promtool(['check', 'config', 'prometheus.yml']), /valid prometheus config/);
  assert.match(await promtool(['check', 'rules', 'tricast.rules.yml']), /SUCCESS/);
  assert.match(await promtool(['test', 'rules', 'tricast.test.yml']), /SUCCESS/);
  // A linter that finds nothing in anything would be no linter.
  await assert.rejects(promtool(['check', 'metrics'], '# TYPE bad counter\nbad 1\n'), /_total/);
});

test('it is scraped with its token, and refused without', { timeout: 60_000 }, async () => {
  assert.equal((await fetch(`${gateway.admin}/metrics`)).status, 401);
  const target = async () =>
    (await prometheus.get('targets')).activeTargets.find(({ health }) => health !== 'unknown');
  const { health, lastError } = await until(target, 'a first scrape');
  assert.deepEqual([health, lastError], ['up', '']);
});

test('every rule has been evaluated, and nothing is on fire', { timeout: 60_000 }, async () => {
  const rules = async () => {
    const all = (await prometheus.get('rules')).groups.flatMap((group) => group.rules);
    return all.length > 0 && all.every(({ health }) => health !== 'unknown') && all;
  };
  const all = await until(rules, 'a first evaluation', { timeout: 30_000 });
  assert.deepEqual(
    all.filter(({ health }) => health !== 'ok'),
    [],
  );
  assert.deepEqual(
    all.filter(({ state }) => state === 'firing').map(({ name }) => name),
    [],
  );
  const names = new Set(all.map(({ name }) => name));
  const tested = await readFile(`${repository}ops/prometheus/tricast.test.yml`, 'utf8');
  const alerts = all.filter(({ type }) => type === 'alerting').map(({ name }) => name);
  assert.deepEqual([alerts.length > 10, names.size], [true, all.length]);
  assert.deepEqual(
    alerts.filter((name) => !new RegExp(`alertname: ${name}\\n(.*\\n)*?.*exp_alerts`).test(tested)),
    [],
    'each is seen to fire',
  );
  for (const { name } of all.filter(({ type }) => type === 'recording')) {
    // A ratio of nothing to nothing is nothing, until enough people have come back.
    if (name !== 'instance:tricast_resumes_gap:ratio1h') await answered(name, name);
  }
});

test('every query of the Grafana dashboard has an answer', { timeout: 120_000 }, async () => {
  const dashboard = JSON.parse(await readFile(`${repository}ops/grafana/tricast.json`, 'utf8'));
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  assert.ok(panels.length > 20);
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  for (const { title, targets } of panels)
    for (const { expr } of targets) await answered(fill(expr), title);
  for (const { query } of dashboard.templating.list.filter(({ type }) => type === 'query')) {
    const [, metric, label] = query.query.match(/^label_values\((.*), (\w+)\)$/);
    assert.deepEqual(
      (await prometheus.query(fill(metric))).map((series) => typeof series.metric[label]),
      ['string'],
    );
  }
  const wires = await prometheus.query(
    fill(panels.find(({ title }) => title === 'Streams by wire').targets[0].expr),
  );
  assert.deepEqual(wires.map(({ metric, value }) => [metric.wire, value[1]]).sort(), [
    ['chunked', '1'],
    ['sse', '1'],
    ['ws', '1'],
  ]);
});

const fill = (expression) =>
  expression
    .replaceAll('$job', 'tricast')
    .replaceAll('$instance', '.*')
    .replaceAll('$__rate_interval', '1m');

/** Waits until a query has an answer, of numbers. */
const answered = (expression, title) =>
  until(
    async () => {
      const series = await prometheus.query(expression);
      return series.length > 0 && series.every(({ value }) => !Number.isNaN(Number(value[1])));
    },
    async () => `“${title}”, ${expression}: ${JSON.stringify(await prometheus.query(expression))}`,
    { timeout: 20_000, every: 250 },
  );
