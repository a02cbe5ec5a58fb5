// Does `tricast doctor` find what is wrong, and nothing else?

import { run } from '../../child.mjs';
import { program } from '../../gateway.mjs';
import { baseOf } from '../ways.mjs';

export async function doctor(stand, over) {
  const trusts = over === 'HTTP/1.1' ? [] : ['--ca', stand.cert];
  const { code, output, errors } = await run(program, [
    'doctor',
    '--json',
    ...trusts,
    baseOf(stand, over),
  ]);
  if (code !== 0 && code !== 2) return { verdict: 'failed', detail: errors };
  const { findings, proxy } = JSON.parse(output);
  const bad = findings.filter(({ verdict }) => verdict === 'bad');
  const lost = bad.filter(({ advice }) => !advice);
  if (lost.length) return { verdict: 'has no advice', detail: lost };
  const named = [...new Set(bad.map(({ check, wire }) => [check, wire].filter(Boolean).join(' ')))];
  return {
    verdict: named.length ? `finds ${named.join(', ')}` : 'ok',
    note: proxy ?? 'unnamed',
    detail: bad,
  };
}
