// The form that runs a comparison, shows its report and saves it.

import type { Report } from '../compare/report.ts';
import { reportBody, reportPage } from '../compare/report-html.ts';
import { compare } from '../compare/run.ts';
import type { LoadGenerator } from '../measure/load-generator.ts';
import { t } from '../text/index.ts';
import { byId, numberOf, setText } from './dom.ts';
import { loadOfForm } from './load-form.ts';
import type { Panel } from './panel.ts';

/** The parts of the page that would change the conditions of a running comparison. */
const DISABLED_PARTS = ['listen', 'load', 'faults', 'panels'];
/** Milliseconds for the browser to fetch a saved file. */
const SAVE_TIMEOUT_MS = 60_000;

export function setUpComparison(panels: Panel[], generator: LoadGenerator): void {
  const start = byId<HTMLButtonElement>('compare-start');
  const progress = byId<HTMLProgressElement>('progress');
  let report: Report | null = null;
  let running = false;
  let abort = new AbortController();
  const setRunning = (value: boolean) => {
    running = value;
    start.textContent = running ? t('Stop') : t('Compare');
    for (const id of DISABLED_PARTS) byId(id).inert = running;
    progress.hidden = !running;
    setText(byId('compare-stage'), '');
  };
  const run = async () => {
    abort = new AbortController();
    setRunning(true);
    byId('finding').replaceChildren();
    byId('keep').hidden = true;
    try {
      report = await compare({
        subjects: panels,
        generator,
        load: loadOfForm(),
        seconds: numberOf('seconds'),
        signal: abort.signal,
        onProgress: (share, stage) => {
          progress.value = share;
          setText(byId('compare-stage'), stage);
        },
      });
      byId('finding').innerHTML = reportBody(report);
      byId('keep').hidden = false;
    } finally {
      setRunning(false);
    }
  };
  byId<HTMLFormElement>('compare').addEventListener('submit', (event) => {
    event.preventDefault();
    if (running) abort.abort();
    else void run();
  });
  byId('savehtml').addEventListener('click', () => {
    if (report) save('tricast-comparison.html', 'text/html', reportPage(report));
  });
  byId('savejson').addEventListener('click', () => {
    if (!report) return;
    const json = `${JSON.stringify(report, null, 1)}\n`;
    save('tricast-comparison.json', 'application/json', json);
  });
  start.title = t(
    'Measures each wire by itself, then all three together at the rate and size set above, and has the gateway cut each wire once',
  );
}

function save(name: string, type: string, content: string) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), SAVE_TIMEOUT_MS);
}
