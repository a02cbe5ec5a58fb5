// Reads the fences of a Markdown file, with the comment that stands before each and says how it is tried.
import { readFileSync } from 'node:fs';

/**
 * The fences of `file`: `{ language, text, line, directive, reason, file }`.
 * `directive` comes from `<!-- snippet: … -->`, `reason` from `<!-- not run: … -->`, `file` from `<!-- file: … -->`.
 */
export function fences(file) {
  const found = [];
  let comment = '';
  let open = null;
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const fence = line.match(/^(\s*)(`{3,})(\S*)\s*$/);
      if (open && fence?.[2] === open.ticks && !fence[3]) {
        found.push({ ...open, text: open.lines.map((each) => each.slice(open.indent)).join('\n') });
        open = null;
        comment = '';
      } else if (open) {
        open.lines.push(line);
      } else if (fence) {
        const value = (name) => comment.match(new RegExp(`^<!-- ${name}: (.*) -->$`))?.[1];
        open = {
          ticks: fence[2],
          indent: fence[1].length,
          language: fence[3],
          line: index + 1,
          lines: [],
          directive: parse(value('snippet') ?? ''),
          reason: value('not run'),
          file: value('file'),
        };
      } else if (line.trim()) {
        comment = line.trim();
      }
    });
  if (open) throw new Error(`${file}:${open.line}: this fence has no end`);
  return found;
}

/**
 * The words of a directive, separated by semicolons:
 *
 * - `gateway`: a gateway with default settings runs on the fresh machine;
 * - `same shell`, `new shell`: on the machine of the fence before, in its shell or in another one;
 * - `ready "x"`: goes on running, and the next fence waits for this output; `keeps running`: there is nothing to wait for;
 * - `until "x"`: does not end by itself, and is stopped by Ctrl-C once this output is there;
 * - `expect "x" "y"`: this has to be in the output as well; `logs "x" "y"`: what a page of the gateway logs, for `js`.
 */
function parse(text) {
  const directive = { ready: null, until: null, expect: [], logs: [] };
  for (const [word] of text.matchAll(/(?:[^;"]|"(?:[^"\\]|\\.)*")+/g)) {
    const [, name, quoted] =
      word.trim().match(/^([a-z ]+?)\s*("(?:[^"\\]|\\.)*"(?: "(?:[^"\\]|\\.)*")*)?$/) ?? [];
    const values = [...(quoted ?? '').matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([text]) =>
      JSON.parse(text),
    );
    const [value] = values;
    if (name === 'expect' || name === 'logs') directive[name].push(...values);
    else if ((name === 'ready' || name === 'until') && value) directive[name] = value;
    else if (name === 'keeps running') directive.ready = '';
    else if (name === 'same shell' || name === 'new shell' || name === 'gateway')
      directive.where = name;
    else
      throw new Error(
        `unknown snippet directive ${JSON.stringify(word.trim())}: fences.mjs lists them`,
      );
  }
  return directive;
}
