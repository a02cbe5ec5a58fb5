// Runs the checks over the ways of one stand, and holds the verdicts against what is known.
import { knownOf } from './known.mjs';
import { waysOf } from './ways.mjs';

/** Collects `{ proxy, which, way, check, verdict, … }`. */
export class Matrix {
  results = [];

  constructor({ patience } = {}) {
    this.patience = patience;
  }

  take(stand, check, where, verdict) {
    if (verdict)
      this.results.push({
        proxy: stand.proxy.name,
        which: stand.which,
        where,
        check,
        known: knownOf(stand, check, where, this.patience),
        ...verdict,
      });
    return verdict;
  }

  /** Each of `checks` for each way or HTTP version of `wheres`, all at once. */
  run(stand, checks, wheres) {
    return Promise.all(
      Object.entries(checks).flatMap(([name, check]) =>
        wheres.map(async (where) => {
          await this.take(
            stand,
            name,
            where,
            await check(stand, where).catch((error) => ({
              verdict: 'failed',
              detail: String(error),
            })),
          );
        }),
      ),
    );
  }

  of = (stand, check, where) =>
    this.results.find(
      (one) =>
        one.proxy === stand.proxy.name &&
        one.which === stand.which &&
        one.check === check &&
        one.where === where,
    )?.verdict;

  /** What is neither "ok" nor known, and what is known and did not happen, in words. */
  surprises(stand, checks) {
    return this.results
      .filter(
        ({ proxy, which, check }) =>
          proxy === stand.proxy.name &&
          which === stand.which &&
          (!checks || checks.includes(check)),
      )
      .filter(
        ({ verdict, known }) => !(known ? known.verdicts.includes(verdict) : verdict === 'ok'),
      )
      .map(
        ({ where, check, verdict, ms, detail, known }) =>
          `${check}, ${where.name ?? where}: ${verdict}${ms ? ` (${Math.round(ms)} ms)` : ''}` +
          `${known ? `, but known.mjs says ${known.verdicts.join(' or ')}` : ''}${detail ? ` ${JSON.stringify(detail)}` : ''}`,
      );
  }

  /** The ways on which anything comes at all; what does not has no other checks. */
  live = (stand) => waysOf(stand).filter((way) => this.of(stand, 'hello', way) === 'ok');
}
