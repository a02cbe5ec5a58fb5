import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventNames } from './event-names.ts';

test('a name is new once, and the number of names is limited', { timeout: 60_000 }, () => {
  const names = new EventNames('message');
  assert.deepEqual(
    [names.add('message'), names.add('price'), names.add('price')],
    [false, true, false],
  );
  for (let n = 0; n < 1000; n += 1) names.add(`name ${n}`);
  assert.ok([...names].length < 50, `${[...names].length} names`);
  assert.equal(names.add('one more'), false);
});
