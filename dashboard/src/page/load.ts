// The form that has the page publish by itself.

import { Driver, type Load } from '../measure/load-generator.js';
import { t } from '../text/index.js';
import { byId, numberOf } from './dom.js';
import type { Publisher } from './publisher.js';

/** Makes the form work; gives what publishes, for others who want to. */
export function setUpLoad(publisher: Publisher): Driver {
  const form = byId<HTMLFormElement>('load');
  const run = byId<HTMLButtonElement>('run');
  const outcome = byId('driving');
  const driver: Driver = new Driver(
    (messages, timed) => publisher.own(messages, timed),
    () => {
      run.textContent = driver.runs ? t('Pause') : t('Start');
      run.dataset['on'] = String(driver.runs);
      outcome.textContent = driver.failure ?? '';
    },
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (driver.runs) driver.stop();
    else driver.start(load());
  });
  form.addEventListener('change', () => {
    if (driver.runs) driver.start(load());
  });
  byId('burst').addEventListener('click', () => {
    outcome.textContent = '';
    void driver.burst(numberOf('many'), load());
  });
  return driver;
}

/** What the form says. */
export function load(): Load {
  return {
    rate: numberOf('rate'),
    size: numberOf('size'),
    json: byId<HTMLSelectElement>('shape').value === 'json',
  };
}
