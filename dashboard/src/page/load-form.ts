// The form that controls the load generator.

import { type Load, LoadGenerator } from '../measure/load-generator.ts';
import { t } from '../text/index.ts';
import { byId, numberOf } from './dom.ts';
import type { Publisher } from './publisher.ts';

/** Sets up the form; returns the load generator that it controls. */
export function setUpLoadForm(publisher: Publisher): LoadGenerator {
  const form = byId<HTMLFormElement>('load');
  const run = byId<HTMLButtonElement>('run');
  const error = byId('load-error');
  const generator: LoadGenerator = new LoadGenerator(
    (messages, timed) => publisher.publishTest(messages, timed),
    () => {
      run.textContent = generator.running ? t('Pause') : t('Start');
      run.dataset.on = String(generator.running);
      error.textContent = generator.failure ?? '';
    },
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (generator.running) generator.stop();
    else generator.start(loadOfForm());
  });
  form.addEventListener('change', () => {
    if (generator.running) generator.start(loadOfForm());
  });
  byId('burst').addEventListener('click', () => {
    error.textContent = '';
    void generator.burst(numberOf('many'), loadOfForm());
  });
  return generator;
}

/** Returns the load that the form describes. */
export function loadOfForm(): Load {
  const json = byId<HTMLSelectElement>('shape').value === 'json';
  return { rate: numberOf('rate'), size: numberOf('size'), json };
}
