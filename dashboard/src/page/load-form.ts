// The form that has the page publish by itself.

import { type Load, LoadGenerator } from '../measure/load-generator.js';
import { t } from '../text/index.js';
import { byId, numberOf } from './dom.js';
import type { Publisher } from './publisher.js';

/** Makes the form work; gives what publishes, for others who want to. */
export function setUpLoad(publisher: Publisher): LoadGenerator {
  const form = byId<HTMLFormElement>('load');
  const run = byId<HTMLButtonElement>('run');
  const outcome = byId('load-error');
  const generator: LoadGenerator = new LoadGenerator(
    (messages, timed) => publisher.own(messages, timed),
    () => {
      run.textContent = generator.running ? t('Pause') : t('Start');
      run.dataset['on'] = String(generator.running);
      outcome.textContent = generator.failure ?? '';
    },
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (generator.running) generator.stop();
    else generator.start(load());
  });
  form.addEventListener('change', () => {
    if (generator.running) generator.start(load());
  });
  byId('burst').addEventListener('click', () => {
    outcome.textContent = '';
    void generator.burst(numberOf('many'), load());
  });
  return generator;
}

/** What the form says. */
export function load(): Load {
  return {
    rate: numberOf('rate'),
    size: numberOf('size'),
    json: byId<HTMLSelectElement>('shape').value === 'json',
  };
}
