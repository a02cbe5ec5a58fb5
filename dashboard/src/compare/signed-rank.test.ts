import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signedRankP } from './signed-rank.ts';

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}, not ${expected}`);

test('the test is exact', { timeout: 60_000 }, () => {
  // Published tables: for n = 10, the sum 45 and more has 43 of 1024 assignments of the signs.
  near(signedRankP([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), 1 / 1024);
  near(signedRankP([-1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), 2 / 1024);
  near(signedRankP([-1, -2, -3, -4, 5, 6, 7, 8, 9, 10]), 43 / 1024);
});

test('ties share their rank, and zeros count as negative', { timeout: 60_000 }, () => {
  // Ranks 2, 2, 2 and 4: the sums of at least 8 are those of 4 with two or three of the others.
  near(signedRankP([1, 1, -1, 9]), 4 / 16);
  near(signedRankP([0, 2, 3]), 2 / 8);
  assert.equal(signedRankP([-1, -2]), 1);
  assert.equal(signedRankP([]), 1);
});
