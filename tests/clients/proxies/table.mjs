// Writes what was seen as one table for people and one for programs.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../artifacts/', import.meta.url));
/** Checks end in any order; the table has that of the proxies, and of the ways. */
const sorted = (results, versions) => {
  const proxies = Object.keys(versions);
  const rank = ({ proxy, where }) =>
    1000 * proxies.indexOf(proxy) + (where.rank ?? (where === 'HTTP/1.1' ? 0 : 1));
  return [...results].sort((a, b) => rank(a) - rank(b));
};
const titles = { ours: 'The configurations of ops/proxy', bare: 'The shortest configurations' };

/** `artifacts/<name>.md` and `.json`; `columns` are lists of checks, one for each kind of way, `about` the lines above. */
export function writeTables(name, { results: unsorted, columns, versions, about }) {
  const results = sorted(unsorted, versions);
  mkdirSync(folder, { recursive: true });
  const rows = results.map(({ known, where, ...rest }) => {
    const sentence = known?.verdicts.includes(rest.verdict) ? known.sentence : undefined;
    return { where: where.name ?? where, ...rest, sentence };
  });
  writeFileSync(
    `${folder}${name}.json`,
    `${JSON.stringify({ versions, results: rows }, null, 1)}\n`,
  );
  const parts = Object.entries(titles)
    .map(([which, title]) => [title, results.filter((one) => one.which === which)])
    .filter(([, part]) => part.length);
  const text = parts.map(([title, part]) =>
    [`## ${title}`, ...Object.values(columns).map((checks) => table(part, checks)), told(part)]
      .filter(Boolean)
      .join('\n\n'),
  );
  const seen = `Versions: ${Object.entries(versions)
    .map(([proxy, version]) => `${proxy} ${version}`)
    .join(', ')}.`;
  writeFileSync(`${folder}${name}.md`, `${[about, ...text, seen].join('\n\n')}\n`);
}

/** Ways of one proxy with the same verdicts are one line. */
function table(results, checks) {
  const groups = new Map();
  const ways = new Map(
    results
      .filter(({ check }) => checks.includes(check))
      .map((one) => [`${one.proxy} ${one.where.name ?? one.where}`, one]),
  );
  for (const { proxy, where } of ways.values()) {
    const cells = checks.map((check) =>
      results.find((one) => one.proxy === proxy && one.where === where && one.check === check),
    );
    const key = JSON.stringify([proxy, cells.map((cell) => cell?.verdict)]);
    const group = groups.get(key) ?? { proxy, wheres: [], cells: checks.map(() => []) };
    group.wheres.push(where);
    for (const [i, cell] of cells.entries()) if (cell) group.cells[i].push(cell);
    groups.set(key, group);
  }
  if (!groups.size) return '';
  const paths = new Set([...ways.values()].map(({ where }) => where.path === 'stream')).size;
  const rows = [...groups.values()].map(({ proxy, wheres, cells }) => [
    proxy,
    named(wheres, paths),
    ...cells.map(shown),
  ]);
  return [['proxy', 'way', ...checks], Array(checks.length + 2).fill('---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

/** "HTTP/1.1, HTTP/2: sse, chunked"; a wire stands for its own path and, where the table has both, for /stream, unless it says which. */
function named(wheres, both) {
  if (!wheres[0].wire) return wheres.join(', ');
  const overs = new Map();
  for (const over of new Set(wheres.map((way) => way.over))) {
    const of = wheres.filter((way) => way.over === over);
    const wires = [...new Set(of.map(({ wire }) => wire))]
      .map((wire) => {
        const paths = of.filter((way) => way.wire === wire).map(({ path }) => path);
        return paths.length === both ? wire : `${wire} by /${paths[0]}`;
      })
      .join(', ');
    overs.set(wires, [...(overs.get(wires) ?? []), over]);
  }
  return [...overs].map(([wires, of]) => `${of.join(', ')}: ${wires}`).join('; ');
}

function shown(cells) {
  if (!cells.length) return '—';
  const numbers = cells
    .map(({ ms }) => ms)
    .filter((ms) => ms !== undefined)
    .map(Math.round);
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const worst =
    cells[0].most === undefined
      ? ''
      : `, at most ${Math.round(Math.max(...cells.map((cell) => cell.most)))}`;
  const range = numbers.length
    ? ` (${least === most ? least : `${least}–${most}`}${worst} ms)`
    : '';
  const notes = [...new Set(cells.map(({ note }) => note))].filter(Boolean);
  const note = notes.length ? ` (${notes.join(', ')})` : '';
  return (cells[0].verdict === 'ok' ? 'ok' : `**${cells[0].verdict}**`) + range + note;
}

/** Each sentence once, beside what it cures. */
function told(results) {
  const sentences = new Map();
  for (const { proxy, check, verdict, known } of results) {
    if (known?.verdicts.includes(verdict))
      sentences.set(known.sentence, `- ${proxy}, ${check}: ${known.sentence}`);
  }
  return [...sentences.values()].join('\n');
}
