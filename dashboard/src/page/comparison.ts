// The comparison that a person can run, read, keep and share.

import type { Report } from '../compare/report.js';
import { content, sheet } from '../compare/report-html.js';
import { compare } from '../compare/run.js';
import type { LoadGenerator } from '../measure/load-generator.js';
import { t } from '../text/index.js';
import { byId, numberOf } from './dom.js';
import { load } from './load-form.js';
import type { Panel } from './panel.js';

const OTHERS = ['listen', 'load', 'faults', 'panels'];

export function setUpVerdict(panels: Panel[], generator: LoadGenerator): void {
  const form = byId<HTMLFormElement>('compare');
  const start = byId<HTMLButtonElement>('compare-start');
  const bar = byId<HTMLProgressElement>('progress');
  let report: Report | null = null;
  let runs = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (runs) return generator.stop();
    runs = true;
    start.textContent = t('Stop');
    // What would change the conditions has to wait.
    for (const id of OTHERS) byId(id).inert = true;
    bar.hidden = false;
    byId('finding').replaceChildren();
    byId('keep').hidden = true;
    try {
      report = await compare(panels, generator, load(), numberOf('seconds'), (share) => {
        bar.value = share;
      });
      byId('finding').innerHTML = content(report);
      byId('keep').hidden = false;
    } finally {
      runs = false;
      start.textContent = t('Compare');
      for (const id of OTHERS) byId(id).inert = false;
      bar.hidden = true;
    }
  });
  byId('savehtml').addEventListener('click', () => {
    if (report) save('tricast-comparison.html', 'text/html', sheet(report));
  });
  byId('savejson').addEventListener('click', () => {
    if (report)
      save('tricast-comparison.json', 'application/json', `${JSON.stringify(report, null, 1)}\n`);
  });
  start.title = t(
    'Reconnects all three wires, publishes at the rate and size set above, and has the gateway cut each wire once',
  );
}

function save(name: string, type: string, content: string) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
