// Fails if a test in one of the given files has no time limit of its own: `{ timeout: … }` must be
// the second argument of each call of `test`.
import { readFileSync } from 'node:fs';

let missing = 0;
for (const file of process.argv.slice(2)) {
  const source = readFileSync(file, 'utf8');
  for (const { 0: call, index } of source.matchAll(/(?<![\w.'"`])test\(/g)) {
    const name = endOfArgument(source, index + call.length);
    const options = source.slice(name + 1, endOfArgument(source, name + 1));
    if (/^\s*\{.*\btimeout: /s.test(options)) continue;
    const line = source.slice(0, index).split('\n').length;
    console.error(`${file}:${line}: give this test a limit: { timeout: 60_000 }, or what it needs`);
    missing += 1;
  }
}
process.exitCode = missing ? 1 : 0;

/** Returns the position of the comma or bracket that ends the argument which begins at `start`. */
function endOfArgument(source, start) {
  let depth = 0;
  for (let at = start; at < source.length; at += 1) {
    const character = source[at];
    if (`'"\``.includes(character)) at = endOfString(source, at);
    else if ('([{'.includes(character)) depth += 1;
    else if (depth === 0 && ',)'.includes(character)) return at;
    else if (')]}'.includes(character)) depth -= 1;
  }
  return source.length;
}

/** Returns the position of the quote that closes the string which opens at `start`. */
function endOfString(source, start) {
  for (let at = start + 1; at < source.length; at += 1) {
    if (source[at] === source[start]) return at;
    if (source[at] === '\\') at += 1;
    else if (source[start] === '`' && source.startsWith('${', at)) at = endOfHole(source, at + 2);
  }
  return source.length;
}

/** Returns the position of the brace that closes `${` in a template. */
function endOfHole(source, start) {
  let depth = 0;
  for (let at = start; at < source.length; at += 1) {
    const character = source[at];
    if (`'"\``.includes(character)) at = endOfString(source, at);
    else if (character === '{') depth += 1;
    else if (character === '}' && depth === 0) return at;
    else if (character === '}') depth -= 1;
  }
  return source.length;
}
