// Takes a configuration of ops/proxy as users copy it, and changes only where things are.
import { readFileSync } from 'node:fs';
import { repository } from '../gateway.mjs';

/** The text of ops/proxy/`name` with each [from, to] of `changes` carried out; what is not there to be changed is a failure. */
export function copyOf(name, changes) {
  let text = readFileSync(`${repository}ops/proxy/${name}`, 'utf8');
  for (const [from, to] of changes) {
    if (!text.includes(from))
      throw new Error(
        `ops/proxy/${name} has no "${from}" any more: the test cannot put it on a port of its own`,
      );
    text = text.replaceAll(from, to);
  }
  return text;
}

/** The change that puts `lines` behind `line`. */
export const behind = (line, lines) => [line, `${line}\n${lines}`];
